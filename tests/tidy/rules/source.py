"""Files of the tree, and what a rule says about them."""

import os
import subprocess
from dataclasses import dataclass, field
from functools import cached_property

from rules import c_text

C_SUFFIXES = (".c", ".h")
DATA_FOLDERS = ("tests/fuzz/corpus/",)    # bytes that happen to be text
SKIPPED_FOLDERS = {".git", "build", "__pycache__"}


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass
class Source:
    """One text file. path is relative to the top of the tree, with slashes."""

    path: str
    text: str
    executable: bool = False
    findings: list = field(default_factory=list)

    @property
    def name(self):
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_c(self):
        return self.path.endswith(C_SUFFIXES)

    @property
    def is_python(self):
        return self.path.endswith(".py") or "python3" in self.shebang

    @property
    def is_shell(self):
        return self.path.endswith(".sh") or self.shebang.endswith(("bash", "/sh"))

    @property
    def is_code(self):
        return self.is_c or self.is_python or self.is_shell or self.name == "CMakeLists.txt"

    @cached_property
    def shebang(self):
        first = self.text.split("\n", 1)[0]
        return first if first.startswith("#!") else ""

    @cached_property
    def lines(self):
        return self.text.split("\n")

    @cached_property
    def bare(self):
        """C without comments, the insides of literals and preprocessor lines; same line numbers."""
        return c_text.strip(self.text)

    @cached_property
    def functions(self):
        return c_text.functions(self.bare)

    def at(self, line, rule, message):
        return Finding(self.path, line, rule, message)


def paths(top):
    """What git knows or would add; without git (a tarball), everything outside build folders."""
    listed = subprocess.run(
        ["git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False) if os.path.exists(os.path.join(top, ".git")) else None
    if listed is not None and listed.returncode == 0:
        return sorted(p for p in listed.stdout.decode().split("\0") if p)
    found = []
    for folder, folders, names in os.walk(top):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, name), top) for name in names]
    return sorted(found)


def load(top):
    """All text files of the tree; binaries (what is not UTF-8) have no style."""
    sources = []
    for path in paths(top):
        full = os.path.join(top, path)
        if (os.path.islink(full) or not os.path.isfile(full)
                or path.startswith(DATA_FOLDERS)):
            continue
        with open(full, "rb") as f:
            raw = f.read()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            sources.append(Source(path, text, os.access(full, os.X_OK)))
    return sources
