/* A text that grows. When memory runs out it fails for good, and the one who asked for it looks
 * once, at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* not terminated; from malloc; NULL while empty */
    size_t length;
    size_t room;
    bool failed;
};

void text_add(struct text *text, const char *string);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_uint(struct text *text, uint64_t number);

/* The string as a JSON string with its quotes, whatever its bytes are. */
void text_json(struct text *text, const char *string);

/* Forgets what was written, and a failure, and keeps the memory. */
void text_clear(struct text *text);

void text_free(struct text *text);
