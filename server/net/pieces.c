#include "net/pieces.h"

#include "core/pull.h"

enum {
    ZERO_BYTES = 64 << 10
};

static const unsigned char zeros[ZERO_BYTES];

void pieces_begin(struct pieces *p, const struct pull *pull, uint64_t body_bytes)
{
    *p = (struct pieces){.pull = pull, .left = body_bytes};
}

/* The rest of gradient i, without the empty ones before it. False: there is none left. */
static bool rest(struct pieces *p, struct gradient *g, uint64_t *n)
{
    for (; p->i < p->pull->n_nodes; p->i++, p->offset = 0) {
        pull_gradient(p->pull, p->i, g);
        *n = g->node->bytes - p->offset;
        if (*n > 0)
            return true;
    }
    return false;
}

/* Does gradient g go on where a run that began at `run` has its end after `n` bytes? */
static bool continues(const struct gradient *g, uint64_t offset, const unsigned char *run,
                      uint64_t n)
{
    return run == zeros ? !g->data : g->data && g->data + offset == run + n;
}

const unsigned char *pieces_next(struct pieces *p, uint64_t max, uint64_t *n)
{
    struct gradient g;
    uint64_t piece;
    *n = 0;
    if (!rest(p, &g, &piece))
        return NULL;
    const unsigned char *run = g.data ? g.data + p->offset : zeros;
    if (run == zeros && max > ZERO_BYTES)
        max = ZERO_BYTES;
    do {
        if (piece > max - *n)
            piece = max - *n;
        *n += piece;
        p->offset += piece;
    } while (*n < max && rest(p, &g, &piece) && continues(&g, p->offset, run, *n));
    p->left -= *n;
    return run;
}
