/* One log line being put together in a buffer of fixed size: what does not fit is left out whole.
 */
#pragma once

#include <stddef.h>

#include "log/log.h"

struct line {
    enum log_format format;
    bool truncated; /* a field did not fit */
    size_t length;
    char bytes[LOG_LINE_MAX];
};

/* Starts the line with what every line has. */
void line_begin(struct line *line, enum log_format format, const struct timespec *now,
                enum log_level level, enum log_group group, const char *message);

void line_field(struct line *line, const struct log_field *field);

/* Closes the line; it ends in a line feed. */
void line_end(struct line *line);
