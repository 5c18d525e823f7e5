/* Bytes of others on their way to somebody's eyes: UTF-8, log lines, JSON strings, error
 * messages.
 *
 * Input: a seed (1 byte), the bytes. Compared with a decoder of UTF-8 of a few lines below; a
 * log line is one line, valid UTF-8, and valid JSON when it is to be JSON, that says what was
 * put in. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "admin/text.h"
#include "base/error.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "log/escape.h"
#include "log/line.h"

/* -- UTF-8, once more: the table of RFC 3629, section 4 -- */

static bool between(struct span in, size_t i, unsigned low, unsigned high)
{
    return i < in.n && in.at[i] >= low && in.at[i] <= high;
}

static size_t utf8_length(struct span in)
{
    static const struct {
        unsigned first[2];
        unsigned second[2];
        size_t n;
    } rows[] = {
        {{0x00, 0x7F}, {0, 0}, 1},       {{0xC2, 0xDF}, {0x80, 0xBF}, 2},
        {{0xE0, 0xE0}, {0xA0, 0xBF}, 3}, {{0xE1, 0xEC}, {0x80, 0xBF}, 3},
        {{0xED, 0xED}, {0x80, 0x9F}, 3}, {{0xEE, 0xEF}, {0x80, 0xBF}, 3},
        {{0xF0, 0xF0}, {0x90, 0xBF}, 4}, {{0xF1, 0xF3}, {0x80, 0xBF}, 4},
        {{0xF4, 0xF4}, {0x80, 0x8F}, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!between(in, 0, rows[i].first[0], rows[i].first[1]))
            continue;
        bool whole = rows[i].n == 1 || between(in, 1, rows[i].second[0], rows[i].second[1]);
        for (size_t k = 2; k < rows[i].n; k++)
            whole = whole && between(in, k, 0x80, 0xBF);
        return whole ? rows[i].n : 0;
    }
    return 0;
}

static void check_utf8(struct span in)
{
    bool is_text = true;
    struct span rest = in;
    while (rest.n > 0) {
        uint32_t code = UINT32_MAX;
        size_t n = utf8_decode((const char *)rest.at, rest.n, &code);
        must(n == utf8_length(rest));
        is_text = is_text && n > 0 && code != 0;
        input_take(&rest, n > 0 ? n : 1);
    }
    must(utf8_is_text((const char *)in.at, in.n) == is_text);
}

/* -- What is shown -- */

static void check_shown(const char *text, size_t n)
{
    must(utf8_is_text(text, n));
    for (size_t i = 0; i < n; i++)
        must((unsigned char)text[i] >= 0x20 && text[i] != 0x7F);
    for (size_t i = 0; i + 1 < n; i++) /* C1 */
        must((unsigned char)text[i] != 0xC2 || (unsigned char)text[i + 1] >= 0xA0);
}

static void check_escape(const char *text, uint8_t seed)
{
    size_t room = 4 + seed;
    char *out = malloc(room);
    must(out != NULL && escape_text(out, room, text) == out);
    must(memchr(out, '\0', room) != NULL);
    check_shown(out, strlen(out));
    free(out);
}

static void check_message(const char *text, uint8_t seed)
{
    struct error error;
    error_set(&error, CODE_MALFORMED, "%s: %.*s", text, seed, text);
    error_prefix(&error, "%.*s: ", seed * 2, text);
    must(memchr(error.message, '\0', sizeof error.message) != NULL);
    check_shown(error.message, 0); /* control characters beyond ASCII may stay */
    must(utf8_is_text(error.message, strlen(error.message)));
    must(strcspn(error.message, "\r\n") == strlen(error.message));
}

/* The text with U+FFFD for each byte that is part of no character: what JSON has to say. */
static char *cleaned(const char *text)
{
    struct span in = {(const uint8_t *)text, strlen(text)};
    char *out = malloc(3 * in.n + 1);
    size_t at = 0;
    must(out != NULL);
    while (in.n > 0) {
        size_t n = utf8_length(in);
        memcpy(out + at, n > 0 ? (const void *)in.at : "\xEF\xBF\xBD", n > 0 ? n : 3);
        at += n > 0 ? n : 3;
        input_take(&in, n > 0 ? n : 1);
    }
    out[at] = '\0';
    return out;
}

static json_t *parse(const char *bytes, size_t n)
{
    json_error_t why;
    json_t *json = json_loadb(bytes, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    must(json != NULL);
    return json;
}

static void check_json(const char *text)
{
    struct text json = {0};
    text_json(&json, text);
    must(!json.failed);
    check_shown(json.bytes, json.length);
    json_t *parsed = parse(json.bytes, json.length);
    char *expected = cleaned(text);
    must(strcmp(json_string_value(parsed), expected) == 0);
    free(expected);
    json_decref(parsed);
    text_free(&json);
}

static void check_line(enum log_format format, const char *text, uint8_t seed)
{
    static const struct timespec now = {.tv_sec = 1700000000, .tv_nsec = 5000000};
    struct line line;
    line_begin(&line, format, &now, LOG_LEVEL_WARN, LOG_GROUP_NET, "push refused");
    for (unsigned i = 0; i <= seed % 6u; i++) {
        char key[2] = {(char)('a' + i), '\0'};
        line_field(&line, &LOG_TEXT(key, text));
    }
    line_field(&line, &LOG_INT("code", INT64_MIN));
    line_end(&line);
    must(line.length > 1 && line.length <= LOG_LINE_MAX && line.bytes[line.length - 1] == '\n');
    check_shown(line.bytes, line.length - 1);
    if (format != LOG_FORMAT_JSON)
        return;
    json_t *parsed = parse(line.bytes, line.length);
    const char *a = json_string_value(json_object_get(parsed, "a"));
    char *expected = cleaned(text);
    must(line.truncated || (a != NULL && (strlen(a) >= 100 || strcmp(a, expected) == 0)));
    free(expected);
    json_decref(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = {data, n};
    uint8_t seed = input_u8(&in);
    uint8_t *exact = input_copy(in);
    char *text = input_text(in);
    check_utf8((struct span){exact, in.n});
    check_escape(text, seed);
    check_message(text, seed);
    check_json(text);
    check_line(LOG_FORMAT_TEXT, text, seed);
    check_line(LOG_FORMAT_JSON, text, seed);
    utf8_clean(text);
    must(utf8_is_text(text, strlen(text)));
    free(text);
    free(exact);
    return 0;
}
