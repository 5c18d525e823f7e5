#include "core/places.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/shape.h"

static bool size_of(const struct contribution *c, uint64_t *bytes)
{
    uint64_t elements;
    return dtype_valid(c->dtype) &&
           shape_size((enum dtype)c->dtype, c->shape, c->ndim, &elements, bytes);
}

uint64_t places_bytes(const struct push_offer *offer)
{
    uint64_t sum = 0;
    uint64_t bytes;
    for (size_t i = 0; i < offer->n_contributions; i++)
        if (!size_of(&offer->contributions[i], &bytes) || !checked_add(sum, bytes, &sum))
            return UINT64_MAX;
    return sum;
}

static enum code check_place(const struct contribution *c, const struct tensor_place *place,
                             struct error *error)
{
    uint64_t bytes;
    must(size_of(c, &bytes));
    if (place->mapping == NULL)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "node %" PRIu64 ": there is no buffer %" PRIu64, c->node, place->buffer);
    if (!mapping_holds(place->mapping, place->offset, bytes))
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "node %" PRIu64 ": %" PRIu64 " bytes at %" PRIu64
                         " reach beyond buffer %" PRIu64 ", which has %" PRIu64,
                         c->node, bytes, place->offset, place->buffer, place->mapping->bytes);
    return CODE_OK;
}

enum code places_check(const struct push_offer *offer, struct error *error)
{
    enum code code = CODE_OK;
    if (offer->body_bytes != 0)
        return error_set(error, CODE_MALFORMED,
                         "a body of %" PRIu64 " bytes, though the tensors lie in buffers",
                         offer->body_bytes);
    for (size_t i = 0; i < offer->n_contributions && code == CODE_OK; i++)
        code = check_place(&offer->contributions[i], &offer->places[i], error);
    return code;
}

struct source *sources_new(const struct push_offer *offer)
{
    struct source *sources = malloc((offer->n_contributions + 1) * sizeof *sources);
    for (size_t i = 0; i < offer->n_contributions && sources != NULL; i++) {
        const struct tensor_place *place = &offer->places[i];
        struct source *p = &sources[i];
        *p = (struct source){.mapping = place->mapping,
                             .data = place->mapping->data + place->offset};
        must(size_of(&offer->contributions[i], &p->bytes));
        mapping_ref(p->mapping);
    }
    return sources;
}

void sources_free(struct source *sources, size_t n)
{
    for (size_t i = 0; i < n && sources != NULL; i++)
        mapping_unref(sources[i].mapping);
    free(sources);
}
