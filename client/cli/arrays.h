/* The arrays of the files that a push names: .npy, one each, and .npz, any number. */
#pragma once

#include <gradfold/gradfold.h>

#include "blob.h"
#include "npy.h"

struct array {
    char *label;      /* the node's name or id */
    const char *path; /* for messages, borrowed */
    struct blob blob; /* what npy points into */
    struct npy npy;
};

struct arrays {
    struct array *item;
    size_t count, room;
};

/* Adds the arrays of "[NODE=]FILE". bf16: see npy.h. Else it was complained about. In both cases
 * arrays_free(). */
enum exit_status arrays_read(struct arrays *arrays, const char *operand, bool bf16);
void arrays_free(struct arrays *arrays);

/* Adds a file's bytes, which are given away also in failure. label: n bytes, copied. */
enum exit_status arrays_add(struct arrays *arrays, const char *path, const char *label, size_t n,
                            struct blob *blob, bool bf16);
