#include "json_place.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void json_place_path(const struct json_place *place, char *path, size_t room)
{
    if (place == NULL) {
        path[0] = '\0';
        return;
    }
    json_place_path(place->up, path, room);
    size_t n = strlen(path);
    if (place->key == NULL)
        snprintf(path + n, room - n, "[%zu]", place->index);
    else
        snprintf(path + n, room - n, "%s%s", n > 0 ? "." : "", place->key);
}

/* -- Walking over text that is known to be valid -- */

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* at: a quote. Behind the closing one. */
static const char *skip_string(const char *at)
{
    for (at++; *at != '"' && *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
    }
    return *at == '"' ? at + 1 : at;
}

static const char *skip_value(const char *at)
{
    size_t depth = 0;
    do {
        at = skip_space(at);
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        size_t word = strcspn(at, " \t\r\n\"{}[],:");
        at += word > 0 || *at == '\0' ? word : 1;
    } while (depth > 0 && *at != '\0');
    return at;
}

static bool same_key(const char *quoted, const char *end, const char *key)
{
    json_t *decoded = json_loadb(quoted, (size_t)(end - quoted), JSON_DECODE_ANY, NULL);
    bool same = decoded != NULL && strcmp(json_string_value(decoded), key) == 0;
    json_decref(decoded);
    return same;
}

/* at: the opening brace. The key; *value is behind its colon. */
static const char *find_member(const char *at, const char *wanted, const char **value)
{
    for (at = skip_space(at + 1); *at == '"'; at = skip_space(at + 1)) {
        const char *end = skip_string(at);
        const char *colon = skip_space(end);
        *value = skip_space(*colon == ':' ? colon + 1 : colon);
        if (same_key(at, end, wanted))
            return at;
        at = skip_space(skip_value(*value));
        if (*at != ',')
            break;
    }
    *value = at;
    return at;
}

/* at: the opening bracket. */
static const char *find_element(const char *at, size_t index)
{
    at = skip_space(at + 1);
    while (index-- > 0) {
        at = skip_space(skip_value(at));
        if (*at != ',')
            return at;
        at = skip_space(at + 1);
    }
    return at;
}

/* Where the place is; *value: where its value begins. */
static const char *find(const struct json_place *place, const char *text, const char **value)
{
    if (place == NULL)
        return *value = skip_space(text);
    const char *outer;
    find(place->up, text, &outer);
    if (*outer == '{' && place->key != NULL)
        return find_member(outer, place->key, value);
    *value = *outer == '[' && place->key == NULL ? find_element(outer, place->index) : outer;
    return *value;
}

void json_place_find(const struct json_place *place, const char *text, int *line, int *column)
{
    const char *value;
    const char *end = find(place, text, &value);
    *line = 1;
    *column = 1;
    for (const char *at = text; at < end; at++) {
        if (*at == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)*at & 0xc0) != 0x80) { /* not the rest of a character */
            ++*column;
        }
    }
}
