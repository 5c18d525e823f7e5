/* UTF-8, as RFC 3629 defines it: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the character at s (n > 0 bytes), its code point in *code; 0: none is there. */
size_t utf8_decode(const char *s, size_t n, uint32_t *code);

/* Nothing but characters, and no NUL. */
bool utf8_is_text(const char *s, size_t n);

/* Puts '?' in place of every byte that is part of no character, or is a control character. */
void utf8_clean(char *text);
