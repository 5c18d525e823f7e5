/* A subcommand of gradfold: one row of the table in commands.c, one file with its run function. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exit_status.h"

struct arguments;

enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_NUMBER, /* min … max */
    OPTION_TIME,   /* min … max milliseconds */
    OPTION_WORD,   /* one of words */
};

/* One option; a command has OPTIONS_MAX at most, behind them one whose name is NULL. */
struct option {
    const char *name;  /* without its dashes */
    char letter;       /* 0: none */
    const char *value; /* what the help calls its value; NULL: takes none */
    enum option_kind kind;
    const char *help;         /* lines separated by \n */
    const char *fallback;     /* taken as if it were given; NULL: none */
    const char *variable;     /* of the environment, instead of the fallback; NULL: none */
    const char *const *words; /* the last is NULL */
    uint64_t min, max;
    bool required;
    bool repeated; /* else the last one counts */
};

enum {
    OPTIONS_MAX = 24
};

struct command {
    const char *name;
    const char *summary;  /* a few words, for the list */
    const char *operands; /* as in the synopsis; "" for none */
    const char *operand;  /* what is missing when one is missing */
    int operands_min, operands_max;
    const char *about; /* lines of the help */
    const struct option *options;
    enum exit_status (*run)(const struct arguments *arguments);
};

extern const struct command commands[]; /* behind the last, one whose name is NULL */

const struct command *command_find(const char *name);

/* What every command has. */
extern const struct option option_help;

/* What commands that speak to the server have. */
#define OPTION_SERVER                                                             \
    {                                                                             \
        .name = "server", .letter = 's', .value = "ADDRESS", .kind = OPTION_TEXT, \
        .fallback = "127.0.0.1:7433", .variable = "GRADFOLD_SERVER",              \
        .help = "the server: HOST:PORT, [IPV6]:PORT or unix:PATH"                 \
    }
#define OPTION_TIMEOUT                                                                             \
    {                                                                                              \
        .name = "timeout", .letter = 't', .value = "TIME", .kind = OPTION_TIME, .fallback = "60s", \
        .variable = "GRADFOLD_TIMEOUT", .min = 1, .max = 86400000,                                 \
        .help = "how long a request may take, such as 500ms, 10s or 5m;\n"                         \
                "nobody is waited for more than 5s to connect"                                     \
    }
#define OPTION_JSON                                                              \
    {                                                                            \
        .name = "json", .letter = 'j', .kind = OPTION_FLAG, .help = "print JSON" \
    }
#define OPTION_QUIET                                                                            \
    {                                                                                           \
        .name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .help = "print nothing but errors" \
    }
