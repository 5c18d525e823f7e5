/* The header of an .npy file: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "npy.h"

struct npy_header {
    char descr[16];
    bool fortran;
    size_t ndim;
    uint64_t shape[NPY_DIMENSIONS_MAX];
};

/* The literal, n bytes. Returns NULL, or what is wrong with it. */
const char *npy_header_parse(const char *text, size_t n, struct npy_header *header);
