/* Numbers, times and sizes as they are written on the command line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* All take the whole text, or return false and leave the output alone. */
bool value_count(const char *text, uint64_t *count);
bool value_bytes(const char *text, uint64_t *bytes); /* 64, 4KiB, 1M …: powers of 1024 */
bool value_time(const char *text, uint64_t *ms);     /* 500ms, 10s, 5m, 1h */

/* The index of text in words (the last is NULL), or -1. */
int value_word(const char *text, const char *const *words);
