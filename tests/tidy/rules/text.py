"""What every text file keeps to: no left-over marks or traces of a machine, clean line ends."""

import re

# Spelt in two halves, so that this file passes its own rule.
_MARKS = re.compile(r"\b(?:" + "|".join(("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK")) + r")\b")

_MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:home|root|work|workspace|mnt|Users|build)/[\w.]")
_REGISTRY_HOST = re.compile(
    r"\b(?:pypi\.(?:org|python)|registry\.\w+\.\w+|[\w.-]*artifactory[\w.-]*\.\w+|[\w-]+\.pkg\.dev"
    r"|(?:deb|snapshot|security)\.debian\.(?:org|net)|proxy\.golang|crates\.io|repo\d?\.maven)\b")


def left_over_marks(source):
    for number, line in enumerate(source.lines, 1):
        match = _MARKS.search(line)
        if match:
            yield source.at(number, "left-over-mark", f"{match.group()}: do it, or open an issue")


def machine_traces(source):
    for number, line in enumerate(source.lines, 1):
        match = _MACHINE_PATH.search(line) or _REGISTRY_HOST.search(line)
        if match:
            yield source.at(number, "machine-trace", f"{match.group()}: of one machine only")


def line_ends(source):
    if source.name == "LICENSE":
        return
    for number, line in enumerate(source.lines, 1):
        if line != line.rstrip():
            yield source.at(number, "trailing-space", "white space at the end of a line")
    if source.text and not source.text.endswith("\n"):
        yield source.at(len(source.lines), "final-newline", "the last line has no newline")
    elif source.text.endswith("\n\n"):
        yield source.at(len(source.lines) - 1, "final-newline", "empty lines at the end")


def tabs(source):
    if not source.is_code:
        return
    for number, line in enumerate(source.lines, 1):
        if "\t" in line:
            yield source.at(number, "tab", "a tab: indent with spaces")


def shebangs(source):
    if source.executable and not source.shebang:
        yield source.at(1, "shebang", "executable without a shebang")
    if source.shebang and not source.executable:
        yield source.at(1, "shebang", "has a shebang but is not executable")


def header_guards(source):
    """Our own headers say #pragma once; what users include has a guard of the old kind."""
    public = source.path.startswith("include/")
    guard = r"^#ifndef GRADFOLD_\w*H\n#define GRADFOLD_\w*H$" if public else r"^#pragma once$"
    if source.path.endswith(".h") and not re.search(guard, source.text, re.MULTILINE):
        yield source.at(1, "header-guard", "no #ifndef GRADFOLD_" if public else "no #pragma once")
