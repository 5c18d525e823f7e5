/* The handwritten digits of tests/data/digits.csv, split once and for all into training and test
 * images. */
#pragma once

#include <stddef.h>

enum {
    PIXELS = 64,
    CLASSES = 10,
};

struct image {
    float pixel[PIXELS]; /* 0 (black) … 1 (white) */
    size_t label;        /* 0 … CLASSES - 1 */
};

struct images {
    struct image *image;
    size_t count;
};

struct digits {
    struct images train;
    struct images test; /* every fifth image of the file */
};

/* Reads the file at `path` into `digits`. Returns 0, or -1 after it has said on stderr what is
 * wrong. */
int digits_load(struct digits *digits, const char *path);

/* Gives back what digits_load() took. */
void digits_free(struct digits *digits);

/* Worker w of `workers` owns the training images w, w + workers, w + 2 * workers … and goes round
 * and round through them, `batch` images a training step. This is image `k` (below `batch`) of its
 * step `step`. */
const struct image *digits_pick(const struct images *train, size_t worker, size_t workers,
                                size_t step, size_t batch, size_t k);
