#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void refuse(const struct words *words, const char *what, const char *word)
{
    fprintf(stderr, "bench: %s: %s\nusage: %s\n", what, word, words->usage);
    exit(2);
}

/* What follows "key=" in word; NULL: it is another key's. */
static const char *value_of(const char *word, const char *key)
{
    size_t n = strlen(key);
    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

struct words words_read(char **argv, const char *usage, const char *const *keys)
{
    struct words words = {.argv = argv[0] == NULL ? argv : argv + 1, .usage = usage};
    for (char **word = words.argv; *word != NULL; word++) {
        const char *const *key = keys;
        while (*key != NULL && value_of(*word, *key) == NULL)
            key++;
        if (*key == NULL)
            refuse(&words, "no such word", *word);
    }
    return words;
}

const char *words_text(const struct words *words, const char *key, const char *fallback)
{
    for (char **word = words->argv; *word != NULL; word++)
        if (value_of(*word, key) != NULL)
            return value_of(*word, key);
    if (fallback == NULL)
        refuse(words, "missing", key);
    return fallback;
}

long words_number(const struct words *words, const char *key, long fallback, long max)
{
    const char *text = words_text(words, key, fallback < 0 ? NULL : "");
    if (*text == '\0' && fallback >= 0)
        return fallback;
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || n < 0 || n > max)
        refuse(words, "out of range", key);
    return n;
}

bool words_choice(const struct words *words, const char *key, const char *usual, const char *other)
{
    const char *text = words_text(words, key, usual);
    if (strcmp(text, usual) != 0 && strcmp(text, other) != 0)
        refuse(words, "neither of the two", key);
    return strcmp(text, other) == 0;
}
