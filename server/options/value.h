/* The values of options, read from text: everything or nothing, no trailing garbage, no overflow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits. */
bool value_count(const char *text, uint64_t *count);

/* A count of bytes, or with a suffix: K, M, G, T, or KiB, MiB, GiB, TiB, all of them powers of
 * 1024. */
bool value_bytes(const char *text, uint64_t *bytes);

/* A count with one of the units ms, s, m, h; in milliseconds. */
bool value_duration(const char *text, uint64_t *ms);

/* on, true, yes, 1 or off, false, no, 0. */
bool value_switch(const char *text, bool *on);

/* The index of text among the words, of which NULL is the end; -1: none of them. */
int value_word(const char *text, const char *const *words);

/* Octal digits, 0 to 777: of a file. */
bool value_mode(const char *text, unsigned *mode);
