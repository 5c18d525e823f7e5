#include "npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy_header.h"

/* -- Element types -- */

struct type {
    const char *descr;
    gf_dtype dtype;
};

static const struct type types[] = {
    {"<f4", GF_F32}, {"<f8", GF_F64}, {"<f2", GF_F16}, {"<i4", GF_I32}, {"<i8", GF_I64},
};

const char *npy_descr(gf_dtype dtype)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].dtype == dtype)
            return types[i].descr;
    }
    return "<u2";
}

/* 0: none that gradfold knows. */
static gf_dtype dtype_of(const char *descr, bool bf16)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].descr, descr) == 0)
            return types[i].dtype;
    }
    bool raw = strcmp(descr, "<u2") == 0 || strcmp(descr, "|V2") == 0 || strcmp(descr, "<V2") == 0;
    return raw && bf16 ? GF_BF16 : (gf_dtype)0;
}

static void explain_type(const char *descr, char *why, size_t room)
{
    const char *name = descr + (descr[0] != '\0');
    if (strcmp(name, "u2") == 0 || strcmp(name, "V2") == 0)
        snprintf(why, room, "its elements are %s; if they are the bits of bfloat16, say --bf16",
                 descr);
    else if (descr[0] == '>')
        snprintf(why, room, "its elements are big-endian (%s); save a.astype('<%s')", descr, name);
    else
        snprintf(why, room,
                 "its elements are %s, which gradfold has no type for; save a.astype('<f4'), or "
                 "<f8, <f2, <i4, <i8",
                 descr);
}

/* -- Order -- */

/* Copies elements of `size` bytes from Fortran order, in which the first index moves fastest, to C
 * order, in which the last does. */
static void transpose(const struct npy *npy, size_t size, const char *from, char *to)
{
    uint64_t stride[NPY_DIMENSIONS_MAX];
    uint64_t index[NPY_DIMENSIONS_MAX] = {0};
    uint64_t step = size;
    for (size_t d = 0; d < npy->ndim; d++) {
        stride[d] = step;
        step *= npy->shape[d];
    }
    for (uint64_t done = 0; done < npy->bytes; done += size) {
        memcpy(to + done, from, size);
        size_t d = npy->ndim;
        while (d-- > 0) {
            from += stride[d];
            if (++index[d] < npy->shape[d])
                break;
            from -= stride[d] * npy->shape[d];
            index[d] = 0;
        }
    }
}

static bool set_data(struct npy *npy, bool fortran, const char *data)
{
    npy->data = data;
    if (!fortran || npy->ndim < 2 || npy->bytes == 0)
        return true;
    npy->owned = malloc(npy->bytes);
    if (npy->owned == NULL)
        return false;
    transpose(npy, gf_dtype_size(npy->dtype), data, npy->owned);
    npy->data = npy->owned;
    return true;
}

/* -- Reading -- */

/* Where the header's text lies. NULL, or what is wrong. */
static const char *find_header(const char *file, size_t size, size_t *at, size_t *length)
{
    const unsigned char *u = (const unsigned char *)file;
    if (size < 10 || memcmp(file, "\x93NUMPY", 6) != 0)
        return "it is no .npy file";
    if (u[6] < 1 || u[6] > 3)
        return "its version of the format is not 1, 2 or 3";
    *at = u[6] == 1 ? 10 : 12;
    *length = u[8] | (size_t)u[9] << 8;
    if (u[6] > 1 && size >= 12)
        *length |= (size_t)u[10] << 16 | (size_t)u[11] << 24;
    return size < *at || *length > size - *at ? "it ends within its header" : NULL;
}

/* Bytes of the elements; false: more than there can be. */
static bool measure(struct npy *npy)
{
    npy->bytes = gf_dtype_size(npy->dtype);
    for (size_t d = 0; d < npy->ndim; d++) {
        if (npy->shape[d] == 0) {
            npy->bytes = 0;
            return true;
        }
    }
    for (size_t d = 0; d < npy->ndim; d++) {
        if (__builtin_mul_overflow(npy->bytes, npy->shape[d], &npy->bytes))
            return false;
    }
    return true;
}

bool npy_parse(const char *file, size_t size, bool bf16, struct npy *npy, char *why, size_t room)
{
    struct npy_header header = {.ndim = 0};
    size_t at = 0;
    size_t length = 0;
    *npy = (struct npy){.ndim = 0};
    const char *wrong = find_header(file, size, &at, &length);
    if (wrong == NULL)
        wrong = npy_header_parse(file + at, length, &header);
    if (wrong != NULL) {
        snprintf(why, room, "%s", wrong);
        return false;
    }
    npy->dtype = dtype_of(header.descr, bf16);
    npy->ndim = header.ndim;
    memcpy(npy->shape, header.shape, sizeof npy->shape);
    if (npy->dtype == 0) {
        explain_type(header.descr, why, room);
        return false;
    }
    size_t have = size - at - length;
    if (!measure(npy) || npy->bytes != have) {
        snprintf(why, room, "it has %zu bytes of elements, its shape asks for %" PRIu64, have,
                 npy->bytes);
        return false;
    }
    if (!set_data(npy, header.fortran, file + at + length)) {
        snprintf(why, room, "not enough memory to transpose it");
        return false;
    }
    return true;
}

void npy_free(struct npy *npy)
{
    free(npy->owned);
    npy->owned = NULL;
}

/* -- Writing -- */

enum {
    HEADER_MAX = 64 + NPY_DIMENSIONS_MAX * 22,
    ALIGNMENT = 64 /* of the elements in the file, as NumPy has it */
};

static size_t header_text(char out[static HEADER_MAX], const char *descr, const uint64_t *shape,
                          size_t ndim)
{
    size_t n = (size_t)snprintf(out, HEADER_MAX,
                                "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (size_t d = 0; d < ndim; d++)
        n += (size_t)snprintf(out + n, HEADER_MAX - n, "%s%" PRIu64, d > 0 ? ", " : "", shape[d]);
    n += (size_t)snprintf(out + n, HEADER_MAX - n, "%s), }", ndim == 1 ? "," : "");
    return n;
}

struct npy_file npy_file_new(const char *descr, const uint64_t *shape, size_t ndim,
                             uint64_t data_bytes)
{
    char text[HEADER_MAX];
    size_t n = header_text(text, descr, shape, ndim);
    size_t before = (10 + n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct npy_file file = {.size = before + data_bytes};
    file.bytes = aligned_alloc(ALIGNMENT, (file.size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (file.bytes == NULL)
        return file;
    memcpy(file.bytes, "\x93NUMPY\x01\x00", 8);
    file.bytes[8] = (char)((before - 10) & 0xff);
    file.bytes[9] = (char)((before - 10) >> 8);
    memcpy(file.bytes + 10, text, n);
    memset(file.bytes + 10 + n, ' ', before - 10 - n - 1);
    file.bytes[before - 1] = '\n';
    file.data = file.bytes + before;
    return file;
}
