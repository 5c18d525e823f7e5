#include "message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "oracle.h"

uint64_t message_bits(const struct message *m, size_t i, uint64_t e)
{
    return bits_load((enum dtype)m->contributions[i].dtype, m->body + m->offsets[i], e);
}

static uint64_t elements_of(const struct message *m, size_t i)
{
    uint64_t n = 1;
    for (size_t d = 0; d < m->contributions[i].ndim; d++)
        n *= m->shapes[i][d];
    return n;
}

uint64_t message_bytes(const struct message *m, size_t i)
{
    return elements_of(m, i) * dtype_size((enum dtype)m->contributions[i].dtype);
}

uint64_t message_end(const struct message *m)
{
    size_t n = m->offer.n_contributions;
    return n == 0 ? 0 : m->offsets[n - 1] + message_bytes(m, n - 1);
}

uint64_t message_integer_bits(enum dtype dtype, int x)
{
    union {
        float f;
        uint32_t u;
    } f32 = {.f = (float)x};
    union {
        double f;
        uint64_t u;
    } f64 = {.f = x};
    static const uint16_t half[] = {0, 0x3c00, 0x4000, 0x4200}; /* 0, 1, 2, 3 */
    switch (dtype) {
    case DTYPE_F32:
        return f32.u;
    case DTYPE_F64:
        return f64.u;
    case DTYPE_BF16:
        return f32.u >> 16;
    case DTYPE_F16:
        return half[abs(x)] | (x < 0 ? 0x8000U : 0);
    case DTYPE_I32:
        return (uint32_t)x;
    default:
        return (uint64_t)(int64_t)x;
    }
}

/* A dtype that widens to the node's: its own, mostly. */
static enum dtype dtype_for(enum dtype node, struct random *r)
{
    enum dtype from = (enum dtype)random_from(r, DTYPE_F32, DTYPE_I64);
    return random_one_in(r, 3) && dtype_widens(from, node) ? from : node;
}

static size_t add_tensor(struct message *m, uint64_t node, enum dtype dtype)
{
    size_t i = m->offer.n_contributions++;
    const struct node_spec *n = &m->job->nodes[node];
    memcpy(m->shapes[i], n->shape, n->ndim * sizeof *n->shape);
    m->contributions[i] = (struct contribution){
        .node = node, .dtype = (int)dtype, .shape = m->shapes[i], .ndim = n->ndim};
    return i;
}

/* Every worker's k-th push to a node in a round belongs to one set of values, so that they may tie
 * and cancel. */
static void fill(struct message *m, size_t i, unsigned k, uint64_t seed)
{
    const struct contribution *c = &m->contributions[i];
    enum dtype from[PLAN_WORKERS];
    uint64_t bits[PLAN_WORKERS];
    for (unsigned w = 0; w < PLAN_WORKERS; w++)
        from[w] = (enum dtype)c->dtype;
    for (uint64_t e = 0; e < elements_of(m, i); e++) {
        uint64_t key[] = {seed, m->offer.round, c->node, e, k, i};
        struct random r = random_seeded(XXH3_64bits(key, sizeof key));
        uint64_t x = message_integer_bits(from[0], (int)((r.state >> 20) + m->offer.worker) % 4);
        if (c->node == AUDIT_NODE) {
            x = message_integer_bits(from[0], m->planned && e == m->audit_element);
        } else if (!m->job->small_integers) {
            values_fill(&r, m->job->values, (enum dtype)m->job->nodes[c->node].dtype, from, bits,
                        m->job->spec.world_size);
            x = bits[m->offer.worker % m->job->spec.world_size];
        }
        bits_store(from[0], m->body + m->offsets[i], e, x);
    }
}

static bool is_non_finite(enum dtype dtype, uint64_t bits)
{
    if (!dtype_is_float(dtype))
        return false;
    uint64_t infinity = format_infinity(format_of(dtype));
    return (bits & infinity) == infinity;
}

/* Places the tensors, fills them, and looks for what a job may reject. */
static void finish(struct message *m, unsigned k, uint64_t seed)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->offer.n_contributions; i++) {
        m->offsets[i] = bytes;
        bytes += message_bytes(m, i);
    }
    m->body = malloc(bytes + 1);
    must(m->body != NULL);
    m->offer.body_bytes = bytes;
    for (size_t i = 0; i < m->offer.n_contributions; i++) {
        const struct contribution *c = &m->contributions[i];
        fill(m, i, k, seed);
        for (uint64_t e = 0; m->job->nodes[c->node].requires_grad && e < elements_of(m, i); e++)
            m->non_finite |= is_non_finite((enum dtype)c->dtype, message_bits(m, i, e));
    }
    m->offer.has_checksum = m->job->checksums;
    if (m->job->checksums)
        m->offer.checksum = XXH3_64bits(m->body, bytes);
}

static struct message *new_message(const struct plan_job *job, uint64_t round, uint32_t worker,
                                   uint64_t sequence, bool final)
{
    struct message *m = calloc(1, sizeof *m);
    must(m != NULL);
    m->job = job;
    m->offer = (struct push_offer){.job = job->name,
                                   .has_round = true,
                                   .round = round,
                                   .worker = worker,
                                   .sequence = sequence,
                                   .final = final,
                                   .contributions = m->contributions};
    return m;
}

struct message *message_planned(const struct plan_job *job, uint64_t round, uint32_t worker,
                                unsigned k, uint64_t seed)
{
    uint64_t key[] = {seed, round, worker, k};
    struct random r = random_seeded(XXH3_64bits(key, sizeof key));
    struct message *m = new_message(job, round, worker, k + 1, k + 1 == job->pushes);
    m->planned = true;
    m->audit_element = worker * PLAN_PUSHES + k;
    add_tensor(m, AUDIT_NODE, (enum dtype)job->nodes[AUDIT_NODE].dtype);
    for (size_t n = AUDIT_NODE + 1; n < job->spec.n_nodes; n++) {
        const struct node_spec *node = &job->nodes[n];
        bool mine = node->expected > 0 ? k == n % job->pushes : !random_one_in(&r, 3);
        for (; mine && m->offer.n_contributions < MESSAGE_TERMS; mine = random_one_in(&r, 5)) {
            add_tensor(m, n, dtype_for((enum dtype)node->dtype, &r));
            if (node->expected > 0)
                break;
        }
    }
    finish(m, k, seed);
    return m;
}

struct message *message_final(const struct plan_job *job, uint64_t round, uint32_t worker,
                              uint64_t sequence)
{
    struct message *m = new_message(job, round, worker, sequence, true);
    finish(m, 0, 0);
    return m;
}

static enum dtype narrower(enum dtype node)
{
    return node == DTYPE_I32 || node == DTYPE_F32 ? DTYPE_F64 : DTYPE_I32;
}

/* Frozen nodes take any shape; a wrong one must not be seen to be wrong. */
static void spoil(struct message *m, enum flaw flaw)
{
    size_t last = m->offer.n_contributions - 1;
    struct contribution *c = &m->contributions[last];
    if (flaw == FLAW_SHAPE)
        m->shapes[last][0] += 1;
    else if (flaw == FLAW_DTYPE)
        c->dtype = (int)narrower((enum dtype)m->job->nodes[c->node].dtype);
    else if (flaw == FLAW_WORKER)
        m->offer.worker = m->job->spec.world_size;
    else if (flaw == FLAW_FUTURE)
        m->offer.round += 3;
}

struct message *message_flawed(const struct message *like, enum flaw flaw, uint64_t sequence)
{
    const struct plan_job *job = like->job;
    uint64_t node = job->spec.n_nodes - 1;
    struct message *m = new_message(job, like->offer.round, like->offer.worker, sequence, false);
    for (unsigned n = flaw == FLAW_TOO_MANY ? 3 : 1; n > 0; n--)
        add_tensor(m, node, (enum dtype)job->nodes[node].dtype);
    spoil(m, flaw);
    finish(m, (unsigned)(sequence % 7), sequence);
    if (flaw == FLAW_NODE)
        m->contributions[0].node = job->spec.n_nodes + sequence;
    if (flaw == FLAW_LENGTH) {
        m->offer.body_bytes += 1;
        m->length_wrong = true;
    }
    if (flaw == FLAW_CHECKSUM) {
        m->offer.has_checksum = true;
        m->offer.checksum = XXH3_64bits(m->body, m->offer.body_bytes) + 1;
        m->checksum_wrong = true;
    }
    bool audited = node == AUDIT_NODE && job->spec.non_finite == NON_FINITE_PROPAGATE;
    if (flaw == FLAW_NON_FINITE && dtype_is_float((enum dtype)m->contributions[0].dtype) &&
        elements_of(m, 0) > 0 && job->nodes[node].requires_grad && !audited) {
        enum dtype dtype = (enum dtype)m->contributions[0].dtype;
        bits_store(dtype, m->body, elements_of(m, 0) - 1, format_infinity(format_of(dtype)));
        m->offer.has_checksum = false;
        m->offer.checksum = 0;
        m->non_finite = true;
    }
    if (flaw == FLAW_CONFLICT)
        m->offer.sequence = like->offer.sequence;
    return m;
}

void message_free(struct message *message)
{
    free(message->body);
    free(message);
}
