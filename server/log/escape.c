#include "log/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"

/* Bytes of the UTF-8 sequence that starts with `lead`, and the smallest code point that needs so
 * many (a longer form than needed is not valid); 0: no sequence starts so. */
static size_t sequence_length(unsigned char lead, uint32_t *smallest)
{
    if (lead >= 0xC2 && lead <= 0xDF) {
        *smallest = 0x80;
        return 2;
    }
    if ((lead & 0xF0) == 0xE0) {
        *smallest = 0x800;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        *smallest = 0x10000;
        return 4;
    }
    return 0;
}

/* The length of the valid UTF-8 sequence of two bytes or more at s, its code point in *code; 0:
 * none. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *code)
{
    uint32_t smallest = 0;
    size_t length = sequence_length(s[0], &smallest);
    if (length == 0 || length > n)
        return 0;
    uint32_t value = s[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (s[i] & 0x3Fu);
    }
    if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return length;
}

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
    const unsigned char *s = (const unsigned char *)text;
    *taken = 1;
    if (s[0] < 0x80)
        return escape_ascii(style, s[0], out);
    uint32_t code = 0;
    size_t length = decode(s, n, &code);
    if (length == 0 && style == ESCAPE_TEXT)
        return (size_t)snprintf(out, ESCAPE_MAX, "\\x%02x", s[0]);
    if (length == 0)
        return (size_t)snprintf(out, ESCAPE_MAX, "\\ufffd");
    *taken = length;
    if (shown_by_number(code))
        return (size_t)snprintf(out, ESCAPE_MAX, "\\u%04x", code);
    memcpy(out, s, length);
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
