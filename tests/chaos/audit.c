/* Sums against the workers' own account. */
#include <stdio.h>

#include "chaos.h"

static float *sums_of(struct chaos *c, unsigned round)
{
    return c->sums + (size_t)(round % (BOARD_AHEAD + 1)) * c->board->nodes * BOARD_ELEMENTS;
}

/* true: the sums of the next round are there. */
static bool pull_next(struct chaos *c)
{
    static gf_gradient buffers[BOARD_NODES_MAX];
    gf_error error;
    if (c->pulled == atomic_load(&c->board->rounds) ||
        c->pulled > atomic_load(&c->board->audited) + BOARD_AHEAD - 1)
        return false;
    float *sums = sums_of(c, c->pulled);
    for (unsigned i = 0; i < c->board->nodes; i++)
        buffers[i] = (gf_gradient){.node = i,
                                   .dtype = GF_F32,
                                   .data = sums + (size_t)i * BOARD_ELEMENTS,
                                   .bytes = BOARD_ELEMENTS * sizeof(float)};
    const gf_pull_args args = {.size = sizeof args,
                               .job = c->board->job,
                               .round = c->pulled,
                               .gradients = buffers,
                               .n_gradients = c->board->nodes,
                               .no_wait = true,
                               .timeout_ms = CALL_MS};
    gf_code code = gf_pull(c->client, &args, NULL, &error);
    if (code == GF_OK)
        c->pulled++;
    else if (code != GF_DEADLINE_EXCEEDED && code != GF_FUTURE_ROUND)
        fprintf(stderr, "the audit's pull of round %u: %s\n", c->pulled, error.message);
    return code == GF_OK;
}

static void judge(struct tally *t, enum fate fate, float value)
{
    if (value != 0 && value != 1)
        value == 2 ? t->doubled++ : t->wrong++;
    else if (fate == FATE_ACCEPTED)
        value == 1 ? t->accepted++ : t->lost++;
    else if (fate == FATE_UNKNOWN)
        value == 1 ? t->unknown_there++ : t->unknown_absent++;
    else
        value == 0 ? t->refused++ : t->wrong++;
}

static void audit_round(struct chaos *c, unsigned round)
{
    const float *sums = sums_of(c, round);
    for (unsigned node = 0; node < c->board->nodes; node++)
        for (unsigned e = 0; e < BOARD_ELEMENTS; e++) {
            unsigned char fate =
                atomic_load(&c->board->fates[round][e / BOARD_PUSHES][e % BOARD_PUSHES]);
            judge(&c->tally, (enum fate)fate, sums[(size_t)node * BOARD_ELEMENTS + e]);
        }
}

/* No worker has begun a round that is further ahead. */
static void end_soon(struct board *board)
{
    unsigned last = atomic_load(&board->audited) + BOARD_AHEAD;
    if (last < atomic_load(&board->rounds))
        atomic_store(&board->rounds, last);
}

void chaos_audit(struct chaos *c)
{
    unsigned behind = UINT32_MAX; /* the round of the last worker */
    while (pull_next(c))
        ;
    for (unsigned i = 0; i < BOARD_WORKERS; i++) {
        unsigned at = atomic_load(&c->board->cursor[i]);
        if (at < behind)
            behind = at;
    }
    unsigned next = atomic_load(&c->board->audited);
    for (; next < behind && next < c->pulled; next++) {
        audit_round(c, next);
        atomic_store(&c->board->audited, next + 1);
    }
    if (c->tally.accepted >= c->contributions)
        end_soon(c->board);
}
