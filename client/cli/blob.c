#include "blob.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"

/* How much to have room for at first: all of a regular file, and a byte to see its end. */
static size_t first_room(FILE *file)
{
    struct stat stat;
    if (fstat(fileno(file), &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size > 0)
        return (size_t)stat.st_size + 2;
    return 65536;
}

static bool grow(struct blob *blob, size_t room)
{
    char *bytes = realloc(blob->bytes, room);
    if (bytes == NULL) {
        report_no_memory();
        return false;
    }
    blob->bytes = bytes;
    return true;
}

static bool read_file(struct blob *blob, FILE *file, const char *path, size_t max)
{
    size_t room = first_room(file);
    if (room > max)
        room = max + 2;
    if (!grow(blob, room))
        return false;
    for (;;) {
        blob->size += fread(blob->bytes + blob->size, 1, room - 1 - blob->size, file);
        if (ferror(file)) {
            complain("%s: %s", path, strerror(errno));
            return false;
        }
        if (blob->size > max) {
            complain("%s: larger than %zu bytes", path, max);
            return false;
        }
        if (feof(file))
            break;
        if (blob->size + 1 == room && !grow(blob, room *= 2))
            return false;
    }
    blob->bytes[blob->size] = '\0';
    return true;
}

enum exit_status blob_read(struct blob *blob, const char *path, size_t max)
{
    *blob = (struct blob){0};
    bool standard_input = strcmp(path, "-") == 0;
    FILE *file = standard_input ? stdin : fopen(path, "rb");
    if (file == NULL) {
        complain("%s: %s", path, strerror(errno));
        return STATUS_FILE;
    }
    bool done = read_file(blob, file, standard_input ? "standard input" : path, max);
    if (!standard_input)
        fclose(file);
    if (!done)
        blob_free(blob);
    return done ? STATUS_DONE : STATUS_FILE;
}

void blob_free(struct blob *blob)
{
    free(blob->bytes);
    *blob = (struct blob){0};
}
