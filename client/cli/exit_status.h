/* What the process ends with: shown by `gradfold --help`, explained in gradfold(1). */
#pragma once

#define EXIT_STATUSES(X)                                                             \
    X(DONE, 0, "done")                                                               \
    X(FAILED, 1, "the server refused, or the command failed; the message says why")  \
    X(USAGE, 2, "the command line or an environment variable makes no sense")        \
    X(FILE, 3, "a file could not be read or written, or its contents make no sense") \
    X(UNREACHABLE, 4, "nobody answered at the address")                              \
    X(TIMEOUT, 5, "time ran out; the server may have acted")                         \
    X(INTERRUPTED, 130, "ended by Ctrl-C or SIGTERM")

enum exit_status {
#define X(name, number, text) STATUS_##name = (number),
    EXIT_STATUSES(X)
#undef X
};
