/* Memory that a client shares with us: its memfd, mapped to be read.
 *
 * The client may write to it at any time, so whoever reads must be right whatever comes, and read
 * once what it decides upon. It cannot go away under the reader: a memfd that could shrink is
 * refused. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/must.h"

struct mapping {
    const unsigned char *data;
    uint64_t bytes;
    atomic_uint refs; /* from any thread */
};

/* Maps `bytes` of the memfd, with one reference. fd stays the caller's, who may close it at once.
 * CODE_INVALID_ARGUMENT: bytes is 0, or fd is not a memfd, could shrink, or is smaller;
 * CODE_RESOURCE_EXHAUSTED: there is no memory or address space. *mapping is set with CODE_OK. */
MUST_USE enum code mapping_new(int fd, uint64_t bytes, struct mapping **mapping,
                               struct error *error);

void mapping_ref(struct mapping *mapping);

/* Unmaps with the last reference. NULL is allowed. */
void mapping_unref(struct mapping *mapping);

/* Does [offset, offset + bytes) lie in it? */
bool mapping_holds(const struct mapping *mapping, uint64_t offset, uint64_t bytes);
