/* The arguments of all contestants: words KEY=VALUE, in any order. Nonsense ends the process with
 * the usage line. */
#pragma once

#include <stdbool.h>

struct words {
    char **argv; /* without the program's name; ends with NULL */
    const char *usage;
};

/* keys: all that the program knows, ending with NULL. */
struct words words_read(char **argv, const char *usage, const char *const *keys);

/* The word's value; fallback if it is not there; without a fallback (NULL) it must be. */
const char *words_text(const struct words *words, const char *key, const char *fallback);

/* From 0 to max; fallback -1: it must be there. */
long words_number(const struct words *words, const char *key, long fallback, long max);

/* Is it the other one? The usual one when the word is not there. */
bool words_choice(const struct words *words, const char *key, const char *usual, const char *other);
