/* The run functions and options of all commands, for the table in commands.c. */
#pragma once

#include "arguments.h"

#define COMMANDS(X) \
    X(create)       \
    X(describe)     \
    X(push)         \
    X(pull)         \
    X(close)        \
    X(delete)       \
    X(jobs)         \
    X(ping)         \
    X(status)       \
    X(top)          \
    X(bench)

#define X(name)                                  \
    extern const struct option name##_options[]; \
    enum exit_status name##_run(const struct arguments *arguments);
COMMANDS(X)
#undef X
