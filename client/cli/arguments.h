/* A command line, read by the table of its command's options. */
#pragma once

#include <stdbool.h>

#include "command.h"

struct given {
    const struct option *option;
    const char *text;
};

/* Everything in it is borrowed from argv and the environment, but for `given`. */
struct arguments {
    const struct command *command;
    const char *value[OPTIONS_MAX]; /* by the option's index: what counts; NULL: nothing does */
    struct given *given;            /* in their order, for options that may be repeated */
    size_t n_given;
    char **operands;
    int n_operands;
    bool help; /* asked for; nothing was checked then */
};

/* argv: behind the command's name. Returns STATUS_DONE, or complains; in both cases
 * arguments_free(). Operands are moved to the beginning of argv. */
enum exit_status arguments_read(struct arguments *arguments, const struct command *command,
                                int argc, char **argv);
void arguments_free(struct arguments *arguments);

/* name must be one of the command's. */
const char *arguments_text(const struct arguments *arguments, const char *name);
bool arguments_flag(const struct arguments *arguments, const char *name);
/* Of numbers, times (milliseconds) and words (the index); 0 if nothing says. */
uint64_t arguments_number(const struct arguments *arguments, const char *name);

/* The values of a repeated option: *at begins as 0; NULL after the last. */
const char *arguments_next(const struct arguments *arguments, const char *name, size_t *at);
