#include "checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The trained elements: all but the loss, which is the last node. */
enum {
    WEIGHT_BYTES = (ELEMENTS - 1) * sizeof(float)
};

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    return -1;
}

/* Writes "round N\n" (unless `round` is NULL) and the weights. */
static int file_write(const char *path, const uint64_t *round, const struct tensors *weights)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return complain(path, strerror(errno));
    if (round != NULL)
        fprintf(file, "round %" PRIu64 "\n", *round);
    size_t written = fwrite(weights, 1, WEIGHT_BYTES, file);
    if (fclose(file) != 0 || written != WEIGHT_BYTES)
        return complain(path, "could not be written");
    return 0;
}

static int write_and_rename(const char *path, const uint64_t *round, const struct tensors *weights)
{
    char beside[4096];
    int length = snprintf(beside, sizeof beside, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof beside)
        return complain(path, "the name is too long");
    if (file_write(beside, round, weights) != 0)
        return -1;
    return rename(beside, path) == 0 ? 0 : complain(path, strerror(errno));
}

int checkpoint_save(const char *path, uint64_t round, const struct tensors *weights)
{
    return write_and_rename(path, &round, weights);
}

int weights_save(const char *path, const struct tensors *weights)
{
    return write_and_rename(path, NULL, weights);
}

int checkpoint_load(const char *path, uint64_t *round, struct tensors *weights)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return errno == ENOENT ? 0 : complain(path, strerror(errno));
    uint64_t saved_round = 0;
    struct tensors saved = {0};
    bool complete = fscanf(file, "round %" SCNu64, &saved_round) == 1 && fgetc(file) == '\n' &&
                    fread(&saved, 1, WEIGHT_BYTES, file) == WEIGHT_BYTES && fgetc(file) == EOF;
    fclose(file);
    if (!complete)
        return complain(path, "is no checkpoint");
    *round = saved_round;
    *weights = saved;
    return 1;
}

int weights_load(const char *path, struct tensors *weights)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return complain(path, strerror(errno));
    struct tensors saved = {0};
    bool complete = fread(&saved, 1, WEIGHT_BYTES, file) == WEIGHT_BYTES && fgetc(file) == EOF;
    fclose(file);
    if (!complete)
        return complain(path, "holds no weights of this network");
    *weights = saved;
    return 0;
}
