/* Bytes that came from outside, made fit to be shown: in a line of text, or inside a JSON string.
 *
 * What is left as it is: printable ASCII and valid UTF-8. What is escaped: control characters (C0,
 * DEL, C1), the Unicode line separators, quotes, backslashes, and whatever is not UTF-8. So
 * nobody's bytes can end a line, leave a string or speak to a terminal. */
#pragma once

#include <stddef.h>

enum escape_style {
    ESCAPE_TEXT, /* as in C: \n, \", \x1b, \xff for a byte that is not UTF-8 */
    ESCAPE_JSON, /* \n, \", \u001b, and U+FFFD for a byte that is not UTF-8 */
};

enum {
    ESCAPE_MAX = 24
};

/* Writes the first character of text (n > 0 bytes) to out, not terminated, and returns how many
 * bytes that took. *taken: the bytes of text that it stands for. */
size_t escape_next(enum escape_style style, const char *text, size_t n, char out[static ESCAPE_MAX],
                   size_t *taken);

/* All of a C string into out as ESCAPE_TEXT, terminated, ending in "..." when room is short.
 * Returns out. room >= 4. */
const char *escape_text(char *out, size_t room, const char *text);
