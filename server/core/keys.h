/* The keys of a round's accepted pushes: what makes a retry count once.
 *
 * An open-addressing table from (worker, sequence) to the print of the push that used it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

/* What must be equal for a repeated key to be the same push. */
struct key_print {
    uint64_t contributions[2]; /* XXH3-128 of nodes, dtypes and shapes, in order */
    uint64_t body_bytes;
    uint64_t checksum;
    bool has_checksum;
    bool final;
};

struct key {
    uint64_t sequence;
    uint32_t worker;
    uint32_t ignored; /* of the first reply */
    struct key_print print;
    bool used;
    bool persisted;
};

struct keys {
    struct key *table;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t count;
    uint32_t hint; /* how many there will be, perhaps: room for so many is made at first */
};

bool key_print_equal(const struct key_print *a, const struct key_print *b);

/* NULL when the key is new. Valid until the next insertion. */
struct key *keys_find(const struct keys *keys, uint32_t worker, uint64_t sequence);

/* Makes room for n more; false without memory. */
MUST_USE bool keys_reserve(struct keys *keys, uint32_t n);

/* The key must be new, and room reserved. */
struct key *keys_insert(struct keys *keys, uint32_t worker, uint64_t sequence);

void keys_free(struct keys *keys);
