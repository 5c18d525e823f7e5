/* Reads options from words and variables that a test writes down. */
#pragma once

#include "options/options.h"

struct fixture {
    const char *const *variables; /* "NAME=value", NULL at the end; NULL: none */
    struct machine machine;
    struct server_options options;
    char text[OPTIONS_TEXT_MAX];
};

/* A machine of 8 GiB and 6 CPUs, no variables. */
void fixture_init(struct fixture *f);

/* words: arguments behind the program's name, NULL at the end. */
enum options_outcome fixture_read(struct fixture *f, const char *const *words);

#define READ(f, ...) fixture_read((f), (const char *const[]){__VA_ARGS__, NULL})
