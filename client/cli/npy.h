/* NumPy's .npy: a magic number, a header that is a Python literal, the elements.
 *
 * Read: versions 1 to 3, little-endian f2 f4 f8 i4 i8, and bf16 as its 16 bits (u2, or V2 as
 * ml_dtypes writes it) when that is asked for. Arrays in Fortran order are transposed to C order.
 * Written: version 1, C order. Source: numpy/lib/format.py. */
#pragma once

#include <gradfold/gradfold.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NPY_DIMENSIONS_MAX = 64
};

struct npy {
    gf_dtype dtype;
    size_t ndim;
    uint64_t shape[NPY_DIMENSIONS_MAX];
    uint64_t bytes;   /* of the elements */
    const char *data; /* in what was parsed, or in `owned` */
    char *owned;      /* after a transposition */
};

/* The file's bytes are borrowed as long as npy is used. bf16: 16-bit unsigned integers are bf16.
 * False: why has the reason, and what to do; room bytes. */
bool npy_parse(const char *file, size_t size, bool bf16, struct npy *npy, char *why, size_t room);
void npy_free(struct npy *npy);

/* A file to be filled. */
struct npy_file {
    char *bytes; /* all of it; NULL: no memory */
    size_t size;
    char *data; /* the elements, in there, aligned to 64 bytes */
};

/* descr: NumPy's name of the element type. To be freed with free(file.bytes). */
struct npy_file npy_file_new(const char *descr, const uint64_t *shape, size_t ndim,
                             uint64_t data_bytes);

/* "<f4" …; bf16 is written as "<u2". */
const char *npy_descr(gf_dtype dtype);
