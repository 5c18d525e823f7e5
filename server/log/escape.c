#include "log/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"

/* The letter after the backslash for a character that has one; 0: none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* C1 controls, and the two separators that some readers of lines take for a line's end. */
static bool shown_by_number(uint32_t code)
{
    return code < 0xA0 || code == 0x2028 || code == 0x2029;
}

static size_t escape_ascii(enum escape_style style, unsigned char c, char *out)
{
    char letter = short_escape(c);
    if (letter != 0) {
        out[0] = '\\';
        out[1] = letter;
        return 2;
    }
    if (c >= 0x20 && c < 0x7F) {
        out[0] = (char)c;
        return 1;
    }
    return (size_t)snprintf(out, ESCAPE_MAX, style == ESCAPE_JSON ? "\\u%04x" : "\\x%02x", c);
}

size_t escape_next(enum escape_style style, const char *text, size_t n, char out[static ESCAPE_MAX],
                   size_t *taken)
{
    unsigned char first = (unsigned char)text[0];
    *taken = 1;
    if (first < 0x80)
        return escape_ascii(style, first, out);
    uint32_t code = 0;
    size_t length = utf8_decode(text, n, &code);
    if (length == 0 && style == ESCAPE_TEXT)
        return (size_t)snprintf(out, ESCAPE_MAX, "\\x%02x", first);
    if (length == 0)
        return (size_t)snprintf(out, ESCAPE_MAX, "\\ufffd");
    *taken = length;
    if (shown_by_number(code))
        return (size_t)snprintf(out, ESCAPE_MAX, "\\u%04x", code);
    memcpy(out, text, length);
    return length;
}

const char *escape_text(char *out, size_t room, const char *text)
{
    static const char more[] = "...";
    must(room >= sizeof more);
    size_t n = strlen(text);
    size_t at = 0;
    while (n > 0) {
        char piece[ESCAPE_MAX];
        size_t taken = 0;
        size_t length = escape_next(ESCAPE_TEXT, text, n, piece, &taken);
        if (at + length + sizeof more > room) {
            memcpy(out + at, more, sizeof more);
            return out;
        }
        memcpy(out + at, piece, length);
        at += length;
        text += taken;
        n -= taken;
    }
    out[at] = '\0';
    return out;
}
