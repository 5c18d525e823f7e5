#include "admin/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/escape.h"

/* Makes room for n more bytes; false without memory. */
static bool reserve(struct text *text, size_t n)
{
    if (text->failed)
        return false;
    if (n <= text->room - text->length)
        return true;
    size_t room = text->room < 512 ? 512 : text->room;
    while (room - text->length < n && room <= SIZE_MAX / 2)
        room *= 2;
    char *bytes = room - text->length < n ? NULL : realloc(text->bytes, room);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

static void add_bytes(struct text *text, const char *bytes, size_t n)
{
    if (!reserve(text, n))
        return;
    memcpy(text->bytes + text->length, bytes, n);
    text->length += n;
}

void text_add(struct text *text, const char *string)
{
    add_bytes(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
    char piece[512]; /* pieces are short: long strings go through text_add and text_json */
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof piece)
        text->failed = true;
    else
        add_bytes(text, piece, (size_t)n);
}

void text_uint(struct text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add_bytes(text, digits + at, sizeof digits - at);
}

void text_json(struct text *text, const char *string)
{
    size_t n = strlen(string);
    text_add(text, "\"");
    while (n > 0) {
        size_t taken = 0;
        if (!reserve(text, ESCAPE_MAX))
            return;
        text->length += escape_next(ESCAPE_JSON, string, n, text->bytes + text->length, &taken);
        string += taken;
        n -= taken;
    }
    text_add(text, "\"");
}

void text_clear(struct text *text)
{
    text->length = 0;
    text->failed = false;
}

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}
