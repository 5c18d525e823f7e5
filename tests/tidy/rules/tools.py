"""Rules that other programs know: clang-format for C, shellcheck for shell scripts."""

import os
import re
import shutil
import subprocess


class Missing(Exception):
    """A tool that is needed is not installed."""


def _run(command, top):
    if shutil.which(command[0]) is None:
        raise Missing(f"{command[0]} is not installed (deploy/install-deps --test)")
    return subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)


def clang_format(sources, top):
    by_path = {s.path: s for s in sources if s.is_c}
    if not by_path:
        return
    done = _run(["clang-format", "--dry-run", *sorted(by_path)], top)
    places = {}
    for match in re.finditer(r"^(\S+?):(\d+):\d+: (?:warning|error):", done.stderr, re.MULTILINE):
        places.setdefault(match.group(1), []).append(int(match.group(2)))
    for path, lines in places.items():
        if path in by_path:
            yield by_path[path].at(lines[0], "clang-format",
                                   f"{len(lines)} places; mend with: clang-format -i {path}")
    if done.returncode != 0 and not done.stderr:
        raise Missing("clang-format failed without a word")


def shellcheck(sources, top):
    by_path = {s.path: s for s in sources if s.is_shell}
    if not by_path:
        return
    done = _run(["shellcheck", "--format=gcc", "--severity=warning", *sorted(by_path)], top)
    for match in re.finditer(r"^(.+?):(\d+):\d+: \w+: (.*)$", done.stdout, re.MULTILINE):
        path, line, message = match.groups()
        yield by_path[os.path.normpath(path)].at(int(line), "shellcheck", message)
