"""Include direction: which layer may see which, and what of the system the pure ones may see."""

import os
import re

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# folder: the layers it may include, its own among them. Siblings never see each other.
MAY_SEE = {
    "include/gradfold": {"gradfold"},
    "server/base": {"base"},
    "server/fold": {"fold", "base"},
    "server/core": {"core", "fold", "base"},
    "server/log": {"log", "base"},
    "server/options": {"options", "log", "base"},
    "proto": {"proto", "base"},
    "server/net": {"net", "proto", "core", "fold", "base", "log"},
    "server/admin": {"admin", "core", "fold", "base", "log"},
    "server/store": {"store", "core", "fold", "base", "log"},
    "server/cluster": {"cluster", "core", "fold", "base", "log"},
    "server": {"server", "options", "net", "admin", "store", "cluster", "proto", "core",
               "fold", "log", "base"},
    "client/cli": {"cli", "gradfold"},
    "client/examples": {"examples", "gradfold"},
    "client": {"client", "proto", "base", "gradfold"},
}
LAYERS = set().union(*MAY_SEE.values())

# Programs, the composition root among them, are no layers: they include their own headers bare.
PROGRAMS = {"server", "client/cli", "client/examples"}

# Generated from the schema into proto's build folder.
GENERATED = {"gradfold.pb-c.h": "proto"}

PURE_HEADERS = {
    "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h",
    "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h",
}
# The only system headers that a layer may include; layers that are not named here may include any.
SYSTEM_ONLY = {
    "include/gradfold": {"stdbool.h", "stddef.h", "stdint.h"},
    # Memory, and the descriptors by which it is shared.
    "server/base": PURE_HEADERS | {"fcntl.h", "linux/magic.h", "sys/mman.h", "sys/stat.h",
                                   "sys/vfs.h", "unistd.h"},
    "server/fold": PURE_HEADERS | {"immintrin.h", "cpuid.h"},
    "server/core": PURE_HEADERS | {"xxhash.h"},
    "proto": PURE_HEADERS | {"protobuf-c/protobuf-c.h"},
}
# Libraries that belong to few layers.
LIBRARY_OF = {
    "microhttpd.h": {"server/admin"},
    "jansson.h": {"server/admin", "server/cluster", "client/cli"},
    "uv.h": {"server", "server/net", "server/admin", "server/store", "server/cluster"},
}


def folder_of(path):
    """The longest folder of MAY_SEE that holds path; None for tests, which see everything."""
    folder = os.path.dirname(path)
    while folder:
        if folder in MAY_SEE:
            return folder
        folder = os.path.dirname(folder)
    return None


def _refused_own(folder, path, included):
    layer = GENERATED.get(included) or included.split("/", 1)[0]
    if "/" not in included and included not in GENERATED:
        if folder in PROGRAMS:
            return None
        return f'"{included}" without its layer: write "LAYER/{included}"'
    if layer not in LAYERS:
        return f'"{included}": there is no layer {layer}'
    if layer not in MAY_SEE[folder]:
        return f'"{included}": {path.rsplit("/", 1)[0]} must not see {layer}'
    return None


def _refused_system(folder, included):
    if included.startswith("gradfold/"):
        return None if "gradfold" in MAY_SEE[folder] else f"<{included}> is for clients"
    allowed = SYSTEM_ONLY.get(folder)
    if allowed is not None and included not in allowed:
        return f"<{included}> is not for {folder}: it stays free of the outside world"
    owners = LIBRARY_OF.get(included)
    if owners is not None and folder not in owners:
        return f"<{included}> belongs to {', '.join(sorted(owners))}"
    return None


def include_direction(source):
    if not source.is_c:
        return
    folder = folder_of(source.path)
    for match in _INCLUDE.finditer(source.text):
        bracket, included = match.groups()
        line = source.text.count("\n", 0, match.start(1)) + 1
        reason = None
        if ".." in included.split("/"):
            reason = f'"{included}" climbs out of its folder: name the layer'
        elif folder is not None and bracket == '"':
            reason = _refused_own(folder, source.path, included)
        elif folder is not None:
            reason = _refused_system(folder, included)
        if reason is not None:
            yield source.at(line, "include-direction", reason)
