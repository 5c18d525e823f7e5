/* The right sums, from the messages that count, by arithmetic of arbitrary precision. */
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "oracle.h"

/* With a quorum, only workers that became final are members. */
static bool is_member(const struct model_job *job, const struct model_round *round,
                      const struct counted *c)
{
    const struct job_spec *spec = &job->plan->spec;
    return spec->quorum == spec->world_size || (round->finals >> c->message->offer.worker & 1) != 0;
}

bool model_complete(const struct model_job *job, const struct model_round *round, size_t node)
{
    const struct node_spec *n = &job->plan->nodes[node];
    return !n->requires_grad || (n->expected > 0 && round->persisted[node] == n->expected);
}

struct addend {
    const struct message *message;
    size_t i;
};

/* The contributions to the node, at most as many as there is room for. */
static size_t gather(const struct model_job *job, const struct model_round *round, size_t node,
                     struct addend *addends, size_t room)
{
    size_t n = 0;
    for (const struct counted *c = round->pushes; c != NULL; c = c->next)
        for (size_t i = 0; i < c->message->offer.n_contributions; i++)
            if (c->message->contributions[i].node == node && is_member(job, round, c)) {
                must(n < room);
                addends[n++] = (struct addend){c->message, i};
            }
    return n;
}

static void add_up(const struct model_job *job, size_t node, struct model_sum *sum,
                   const struct addend *addends)
{
    enum dtype dtype = (enum dtype)job->plan->nodes[node].dtype;
    uint64_t divisor = job->plan->spec.reduction == REDUCTION_MEAN ? sum->contributions : 1;
    struct oracle oracle;
    oracle_init(&oracle, dtype);
    for (uint64_t e = 0; e < job->plan->elements[node]; e++) {
        bool in_range;
        oracle_reset(&oracle);
        for (uint32_t k = 0; k < sum->contributions; k++)
            oracle_add(&oracle, (enum dtype)addends[k].message->contributions[addends[k].i].dtype,
                       message_bits(addends[k].message, addends[k].i, e));
        bits_store(dtype, sum->bytes, e, oracle_round(&oracle, divisor, &in_range));
        sum->in_range &= in_range;
    }
    oracle_clear(&oracle);
}

const struct model_sum *model_sum(const struct model_job *job, struct model_round *round,
                                  size_t node)
{
    struct addend addends[PLAN_WORKERS * 64];
    struct model_sum *sum = &round->sums[node];
    if (sum->known)
        return sum;
    const struct node_spec *n = &job->plan->nodes[node];
    uint64_t bytes = job->plan->elements[node] * dtype_size((enum dtype)n->dtype);
    *sum = (struct model_sum){.known = true, .in_range = true, .bytes = calloc(1, bytes + 1)};
    must(sum->bytes != NULL);
    if (n->requires_grad)
        sum->contributions =
            (uint32_t)gather(job, round, node, addends, sizeof addends / sizeof *addends);
    if (sum->contributions > 0)
        add_up(job, node, sum, addends);
    return sum;
}

static void free_round(struct model_round *round)
{
    for (size_t i = 0; i < PLAN_NODES; i++)
        free(round->sums[i].bytes);
    while (round->pushes != NULL) {
        struct counted *c = round->pushes;
        round->pushes = c->next;
        free(c);
    }
}

void model_free(struct model *model)
{
    while (model->jobs != NULL) {
        struct model_job *job = model->jobs;
        model->jobs = job->next;
        for (uint64_t i = 0; i < job->n_rounds; i++)
            free_round(&job->rounds[i]);
        free(job);
    }
}
