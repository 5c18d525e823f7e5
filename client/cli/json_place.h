/* Where a value lies in a JSON text: for messages, since jansson forgets it once it has parsed. */
#pragma once

#include <stddef.h>

/* A step from the outermost value inwards; the outermost one is a NULL. */
struct json_place {
    const struct json_place *up;
    const char *key; /* of a member; NULL: an element */
    size_t index;    /* of an element */
};

/* "nodes[3].dtype"; "" for the outermost value. What does not fit is cut off. */
void json_place_path(const struct json_place *place, char *path, size_t room);

/* Line and column, both from 1, of a member's key or an element's first character. text: valid
 * JSON without repeated keys, 0-terminated, that has the place; else the place that was reached. A
 * column is a character of UTF-8. */
void json_place_find(const struct json_place *place, const char *text, int *line, int *column);
