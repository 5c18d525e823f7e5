#include "log/line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "log/escape.h"

/* Always left free for what line_end adds. */
static const char text_cut[] = " truncated=true\n";
static const char json_cut[] = ",\"truncated\":true}\n";
enum {
    TRAILER = sizeof json_cut
};

/* False when the line has no room; then some of the bytes may be missing. */
static bool put(struct line *line, const char *bytes, size_t n)
{
    if (n > sizeof line->bytes - TRAILER - line->length)
        return false;
    memcpy(line->bytes + line->length, bytes, n);
    line->length += n;
    return true;
}

static bool put_text(struct line *line, const char *text)
{
    return put(line, text, strlen(text));
}

/* A value beyond LOG_VALUE_MAX is cut. */
static bool put_escaped(struct line *line, const char *value)
{
    enum escape_style style = line->format == LOG_FORMAT_JSON ? ESCAPE_JSON : ESCAPE_TEXT;
    size_t n = strlen(value);
    size_t start = line->length;
    while (n > 0) {
        char piece[ESCAPE_MAX];
        size_t taken = 0;
        size_t length = escape_next(style, value, n, piece, &taken);
        if (line->length - start + length > LOG_VALUE_MAX)
            return put_text(line, "...");
        if (!put(line, piece, length))
            return false;
        value += taken;
        n -= taken;
    }
    return true;
}

static bool put_quoted(struct line *line, const char *value)
{
    return put_text(line, "\"") && put_escaped(line, value) && put_text(line, "\"");
}

/* In text, a value that is one plain word needs no quotes. */
static bool is_word(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\' || *c == '=')
            return false;
    }
    return *value != '\0';
}

static bool put_key(struct line *line, const char *key)
{
    if (line->format == LOG_FORMAT_JSON)
        return put_text(line, ",\"") && put_text(line, key) && put_text(line, "\":");
    return put_text(line, " ") && put_text(line, key) && put_text(line, "=");
}

static bool put_value(struct line *line, const struct log_field *field)
{
    char number[24];
    switch (field->kind) {
    case LOG_KIND_UINT:
        snprintf(number, sizeof number, "%" PRIu64, field->uint);
        return put_text(line, number);
    case LOG_KIND_INT:
        snprintf(number, sizeof number, "%" PRId64, field->sint);
        return put_text(line, number);
    case LOG_KIND_TEXT:
        break;
    }
    if (line->format == LOG_FORMAT_TEXT && is_word(field->text))
        return put_escaped(line, field->text);
    return put_quoted(line, field->text);
}

/* "2026-01-31T12:00:00.123Z" */
static void format_time(char out[static 40], const struct timespec *now)
{
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    gmtime_r(&now->tv_sec, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%03dZ", (int)(now->tv_nsec / 1000000));
}

void line_begin(struct line *line, enum log_format format, const struct timespec *now,
                enum log_level level, enum log_group group, const char *message)
{
    line->format = format;
    line->truncated = false;
    line->length = 0;
    char time[40];
    format_time(time, now);
    char head[128];
    const char *shape = format == LOG_FORMAT_JSON
                            ? "{\"time\":\"%s\",\"level\":\"%s\",\"group\":\"%s\",\"message\":"
                            : "%s %-5s %-6s ";
    snprintf(head, sizeof head, shape, time, log_level_name(level), log_group_name(group));
    bool whole = put_text(line, head) && (format == LOG_FORMAT_JSON ? put_quoted(line, message)
                                                                    : put_escaped(line, message));
    must(whole); /* a head and one value fit any line */
}

void line_field(struct line *line, const struct log_field *field)
{
    if (field->kind == LOG_KIND_TEXT && field->text == NULL)
        return;
    size_t before = line->length;
    if (put_key(line, field->key) && put_value(line, field))
        return;
    line->length = before;
    line->truncated = true;
}

void line_end(struct line *line)
{
    const char *end = line->format == LOG_FORMAT_JSON ? json_cut : text_cut;
    if (!line->truncated)
        end = line->format == LOG_FORMAT_JSON ? "}\n" : "\n";
    size_t n = strlen(end);
    memcpy(line->bytes + line->length, end, n);
    line->length += n;
}

_Static_assert(sizeof text_cut <= TRAILER, "the longer end is the one that is reserved");
_Static_assert(LOG_VALUE_MAX + 256 < LOG_LINE_MAX, "a head and one value fit any line");
