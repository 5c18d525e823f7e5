/* NumPy's .npz: a zip whose members are .npy files, named after their arrays. */
#pragma once

#include "arrays.h"

/* Adds all members, stored or deflated. Else it was complained about. */
enum exit_status npz_read(struct arrays *arrays, const char *path, bool bf16);

/* One member to write. */
struct npz_member {
    const char *name; /* without .npy */
    struct npy_file file;
};

/* Writes path, stored, the same bytes for the same members; a file that is there is replaced only
 * when all is written. Else it was complained about. */
enum exit_status npz_write(const char *path, const struct npz_member *members, size_t n);
