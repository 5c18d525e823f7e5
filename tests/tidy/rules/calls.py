"""Banned calls, each with what to use instead, and state that must not be."""

import re

from rules import c_text
from rules.layers import folder_of

EVERYWHERE = {
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "strcpy": "memcpy or snprintf",
    "strcat": "snprintf", "strncpy": "memcpy or snprintf", "strncat": "snprintf", "gets": "fgets",
    "atoi": "strtol with its errors", "atol": "strtol with its errors",
    "atoll": "strtoll with its errors", "atof": "strtod with its errors", "strtok": "strtok_r",
    "alloca": "an array or an arena", "system": "posix_spawn", "popen": "posix_spawn",
    "rand": "a seeded generator of its own", "srand": "a seeded generator of its own",
    "random": "a seeded generator of its own", "tmpnam": "mkstemp", "mktemp": "mkstemp",
    "longjmp": "a return value", "localtime": "localtime_r", "gmtime": "gmtime_r",
    "gethostbyname": "getaddrinfo",
}
SHIPPED = {
    "assert": "must, must_debug or an error (base/must.h)", "abort": "must (base/must.h)",
    "exit": "a return value up to main", "_exit": "a return value up to main",
    "sleep": "a timer", "usleep": "a timer",
}
PURE = {name: "an input: core and fold know no clock, file, thread or socket" for name in (
    "time", "clock", "clock_gettime", "gettimeofday", "fopen", "open", "read", "write", "printf",
    "fprintf", "puts", "getenv", "socket", "pthread_create", "pthread_mutex_lock", "nanosleep")}
PURE_FOLDERS = ("server/core", "server/fold")
SHIPPED_FOLDERS = ("server", "proto", "include", "client")
EXCEPTIONS = {
    ("server/base/must.c", "abort"),    # the one place where an invariant ends the process
}
# Forked workers leave by _exit, programs by exit; they are no library.
PROGRAM_FOLDERS = ("client/examples", "client/cli")


def _banned_in(source):
    banned = dict(EVERYWHERE)
    folder = folder_of(source.path)
    top = source.path.split("/", 1)[0]
    if top in SHIPPED_FOLDERS and folder not in PROGRAM_FOLDERS:
        banned.update(SHIPPED)
    if folder in PURE_FOLDERS:
        banned.update(PURE)
    if source.path.startswith("tests/unit/"):
        banned.update(sleep="a condition with a deadline", usleep="a condition with a deadline")
    return {name: why for name, why in banned.items() if (source.path, name) not in EXCEPTIONS}


def banned_calls(source):
    if not source.is_c:
        return
    banned = _banned_in(source)
    for match in re.finditer(r"(?<![\w.>])(\w+)\s*\(", source.bare):
        name = match.group(1)
        if name in banned:
            yield source.at(c_text.line_of(source.bare, match.start()), "banned-call",
                            f"{name}: use {banned[name]}")


_NOT_STATE = re.compile(
    r"^(?:(?:__extension__ )?typedef|extern|_Static_assert"
    r"|struct \w+ ?\{|enum\b[^=]*\{|union \w+ ?\{"
    r"|(?:struct|union|enum) \w+$)|\bconst\b")


def mutable_globals(source):
    """Two servers live in one process: what a file keeps outside functions is constant."""
    if not source.path.endswith((".c", ".h")) or not source.path.startswith(SHIPPED_FOLDERS):
        return
    if source.path.startswith(PROGRAM_FOLDERS):
        return
    for line, text in c_text.outer_statements(source.bare):
        declares = text.split("=", 1)[0]
        if text and "(" not in declares and not _NOT_STATE.search(declares):
            yield source.at(line, "mutable-global", f"{declares.strip()}: no mutable globals")
    for function in source.functions:
        if function.name == "main":
            continue    # there is one in a process whatever else there is two of
        for match in re.finditer(r"\bstatic\b([^;={]*)", function.body):
            if not re.search(r"\bconst\b|\bassert\b", match.group(1)):
                at = function.line + function.body.count("\n", 0, match.start())
                yield source.at(at, "mutable-global", f"static in {function.name}")
