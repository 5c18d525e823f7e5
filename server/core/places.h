/* Tensors that lie in memory which their client shares: the sources, in the order of the push. */
#pragma once

#include "core/core.h"

/* One tensor, ignored ones included. */
struct source {
    struct mapping *mapping; /* referenced */
    const unsigned char *data;
    uint64_t bytes;
    bool ignored; /* its node is frozen */
};

/* What the places of an offer hold together; UINT64_MAX when that is not a number. */
uint64_t places_bytes(const struct push_offer *offer);

/* The offer's places, whose contributions are valid: MALFORMED with a body beside them,
 * INVALID_ARGUMENT for an unknown buffer or a tensor beyond its end. */
MUST_USE enum code places_check(const struct push_offer *offer, struct error *error);

/* The sources of an offer that was checked, n_contributions of them; NULL without memory. */
struct source *sources_new(const struct push_offer *offer);

/* NULL is allowed. */
void sources_free(struct source *sources, size_t n);
