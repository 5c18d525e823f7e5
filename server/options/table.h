/* The one table of gradfoldd's options: parsing, the environment, defaults, --help and the test of
 * the manual page all read it. */
#pragma once

#include "options/options.h"

struct option {
    const char *name;    /* without the dashes */
    const char *value;   /* what stands for its value in --help; NULL: it has none, or needs none */
    const char *accepts; /* completes "expected …" */
    const char *help;    /* lines of --help, separated by line feeds */
    const char *fallback; /* the default, as it would be written; NULL: the machine's or none */

    /* Puts what text says into o. Returns NULL, or why not (static storage). NULL: print and end.
     */
    const char *(*apply)(const struct option *option, const char *text, struct server_options *o);

    /* For numbers: how they are read, where they go, and their bounds. For words: which. */
    bool (*number)(const char *text, uint64_t *value);
    size_t offset;
    uint64_t min, max;
    const char *const *words;
};

enum {
    OPTIONS_COUNT = 20
};

extern const struct option options_table[OPTIONS_COUNT];

enum {
    OPTION_VARIABLE_MAX = 40
};

/* "GRADFOLDD_PORT_FILE"; NULL for --help and --version, which have none. */
const char *option_variable(const struct option *option, char out[static OPTION_VARIABLE_MAX]);

/* --help and --version, with line feeds. */
void options_help(char text[static OPTIONS_TEXT_MAX]);
void options_version(char text[static OPTIONS_TEXT_MAX]);
