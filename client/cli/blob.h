/* A file's bytes in memory. */
#pragma once

#include <stddef.h>

#include "exit_status.h"

struct blob {
    char *bytes; /* with a 0 behind them, which does not count */
    size_t size;
};

/* Reads path ("-": standard input), at most max bytes. Else it was complained about. */
enum exit_status blob_read(struct blob *blob, const char *path, size_t max);
void blob_free(struct blob *blob);
