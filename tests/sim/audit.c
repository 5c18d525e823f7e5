/* What the workers saw, without any knowledge of the server: each planned push adds 1 to an element
 * of its own in the audit node. A push that was answered ACCEPTED or DUPLICATE must read 1, one
 * that was refused whenever it was sent 0, one of which nobody knows 0 or 1, and nothing ever
 * reads 2. */
#include <inttypes.h>

#include "oracle.h"
#include "sim.h"

static bool final_counted(const struct sim *sim, const struct message *m)
{
    for (const struct message *f = sim->messages; f != NULL; f = f->next)
        if (f->job == m->job && f->offer.round == m->offer.round && f->counted &&
            f->offer.worker == m->offer.worker && f->offer.final)
            return true;
    return false;
}

static void audit_push(struct sim *sim, const struct request *r, const struct message *m)
{
    enum dtype dtype = (enum dtype)r->job->nodes[AUDIT_NODE].dtype;
    uint64_t is = bits_load(dtype, r->audit, m->audit_element);
    bool one = is == message_integer_bits(dtype, 1);
    bool everybody = r->job->spec.quorum == r->job->spec.world_size;
    const char *why = NULL;
    if (!one && is != 0)
        why = "counts twice";
    else if (!one && m->counted && (everybody || final_counted(sim, m)))
        why = "was acknowledged and is lost";
    else if (one && !m->counted && m->sendings == m->refusals)
        why = "was refused and counts";
    if (why != NULL)
        sim_fail(sim, "audit of %s, round %" PRIu64 ": sequence %" PRIu64 " of worker %u %s",
                 r->job->name, r->round, m->offer.sequence, m->offer.worker, why);
}

void audit_pull(struct sim *sim, const struct request *r)
{
    if (!r->has_audit || r->job->spec.reduction != REDUCTION_SUM ||
        sim->deleted[r->job - sim->plan.jobs])
        return;
    for (const struct message *m = sim->messages; m != NULL; m = m->next)
        if (m->planned && m->job == r->job && m->offer.round == r->round)
            audit_push(sim, r, m);
}
