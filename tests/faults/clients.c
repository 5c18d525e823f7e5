/* What the client's side of a rig does, and the tensors that it does it with. */
#include <stdio.h>
#include <string.h>

#include "plan.h"
#include "rig.h"

enum {
    LARGE_ELEMENTS = 1 << 18, /* of one vector */
    RESULT_BYTES = 4 << 20,
};

/* Made once, before anything is counted; a run has no memory of its own. */
static float vectors[RIG_PUSHES][LARGE_ELEMENTS];
static double wide[RIG_PUSHES][RIG_PUSHES];
static int64_t longs[RIG_PUSHES][RIG_PUSHES];
static uint16_t halves[RIG_PUSHES][RIG_PUSHES];
static gf_tensor tensors[RIG_PUSHES][RIG_NODES];
static gf_gradient buffers[2][RIG_NODES];
static unsigned char results[2][RESULT_BYTES];

void rig_make_vectors(void)
{
    for (int i = 0; i < RIG_PUSHES; i++) {
        vectors[i][i] = 1;
        wide[i][i] = 1;
        longs[i][i] = 1;
        halves[i][i] = 0x3c00; /* 1 in binary16 */
    }
}

gf_code rig_connect(struct rig *rig, int i, const char *host)
{
    char text[300];
    const char *port = strrchr(rig->address.text, ':');
    const gf_options options = {.size = sizeof options,
                                .connect_timeout_ms = rig->timeout_ms,
                                .call_timeout_ms = rig->timeout_ms,
                                .retry_min_ms = 1,
                                .retry_max_ms = 8,
                                .name = "sweep",
                                .token = "none"};
    snprintf(text, sizeof text, "%s%s", host != NULL ? host : "",
             host != NULL ? port : rig->address.text);
    gf_code code = gf_connect(text, &options, &rig->client[i], &rig->error);
    rig_check(rig, "connect", code, GF_OK);
    return code;
}

static gf_spec *make_spec(const struct model *model)
{
    char name[32];
    gf_spec *spec = gf_spec_new(model->name, model->world);
    if (spec == NULL)
        return NULL;
    for (size_t i = 0; i < model->n_nodes; i++) {
        snprintf(name, sizeof name, "node.%zu", i);
        uint64_t id =
            gf_spec_add_node(spec, model->named ? name : NULL, model->dtype, &model->elements, 1);
        if (model->expected > 0)
            gf_spec_expect(spec, id, model->expected);
    }
    if (model->first_frozen)
        gf_spec_freeze_node(spec, 0);
    gf_spec_set_quorum(spec, model->quorum, model->grace_ms);
    if (model->mean)
        gf_spec_set_mean(spec);
    if (model->in_order)
        gf_spec_set_in_order(spec);
    if (model->retain > 0)
        gf_spec_set_retain_rounds(spec, model->retain);
    return spec;
}

gf_code rig_create(struct rig *rig, int i, const struct model *model)
{
    rig->model = *model;
    if (rig->model.dtype == 0)
        rig->model.dtype = GF_F32;
    must(model->n_nodes <= RIG_NODES && model->elements >= RIG_PUSHES &&
         model->elements <= LARGE_ELEMENTS);
    if (rig->client[i] == NULL)
        return GF_CLIENT_CANCELLED;
    gf_spec *spec = make_spec(&rig->model);
    gf_code code = GF_CLIENT_NO_MEMORY;
    snprintf(rig->error.message, sizeof rig->error.message, "no spec");
    if (spec != NULL)
        code = gf_job_create(rig->client[i], spec, rig->timeout_ms, NULL, NULL, &rig->error);
    gf_spec_free(spec);
    rig_check(rig, "create", code, GF_OK);
    return code;
}

static const void *vector_of(gf_dtype dtype, size_t mark)
{
    switch (dtype) {
    case GF_F64:
        return wide[mark];
    case GF_I64:
        return longs[mark];
    case GF_F16:
        return halves[mark];
    default:
        return vectors[mark];
    }
}

struct entry *rig_entry(struct rig *rig, uint64_t round, uint32_t worker, uint64_t sequence,
                        bool final, size_t first, size_t n)
{
    must(rig->n_entries < RIG_PUSHES && first + n <= rig->model.n_nodes);
    size_t mark = rig->n_entries++;
    struct entry *entry = &rig->entries[mark];
    *entry = (struct entry){.round = round,
                            .worker = worker,
                            .sequence = sequence,
                            .final = final,
                            .first = first,
                            .n = n,
                            .shape = {rig->model.elements},
                            .tensors = tensors[mark]};
    for (size_t i = 0; i < n; i++)
        entry->tensors[i] = (gf_tensor){.node = first + i,
                                        .dtype = rig->model.dtype,
                                        .shape = entry->shape,
                                        .ndim = 1,
                                        .data = vector_of(rig->model.dtype, mark)};
    return entry;
}

gf_push_args rig_push_args(struct rig *rig, const struct entry *entry)
{
    struct entry *e = &rig->entries[entry - rig->entries];
    if (e->dtype != 0)
        for (size_t i = 0; i < e->n; i++) {
            e->tensors[i].dtype = e->dtype;
            e->tensors[i].data = vector_of(e->dtype, (size_t)(e - rig->entries));
        }
    return (gf_push_args){.size = sizeof(gf_push_args),
                          .job = rig->model.name,
                          .round = e->round,
                          .worker = e->worker,
                          .sequence = e->sequence,
                          .final = e->final,
                          .tensors = e->tensors,
                          .n_tensors = e->n,
                          .timeout_ms = rig->timeout_ms};
}

void rig_settle(struct rig *rig, struct entry *entry, gf_code code)
{
    (void)rig;
    bool unknown =
        code >= GF_CLIENT_UNREACHABLE || code == GF_DEADLINE_EXCEEDED || code == GF_UNAVAILABLE;
    entry->fate = code == GF_OK ? FATE_ACCEPTED : unknown ? FATE_UNKNOWN : FATE_REFUSED;
}

gf_code rig_push(struct rig *rig, int i, uint64_t round, uint32_t worker, uint64_t sequence,
                 bool final)
{
    if (rig->client[i] == NULL)
        return GF_CLIENT_CANCELLED;
    struct entry *entry = rig_entry(rig, round, worker, sequence, final, 0, rig->model.n_nodes);
    gf_push_args args = rig_push_args(rig, entry);
    gf_code code = gf_push(rig->client[i], &args, NULL, &rig->error);
    rig_check(rig, "push", code, GF_OK);
    rig_settle(rig, entry, code);
    return code;
}

gf_pull_args rig_pull_args(struct rig *rig, int which, uint64_t round, size_t first, size_t n)
{
    uint64_t bytes = rig->model.elements * gf_dtype_size(rig->model.dtype);
    must(n * bytes <= RESULT_BYTES);
    for (size_t i = 0; i < n; i++)
        buffers[which][i] = (gf_gradient){.node = first + i,
                                          .dtype = rig->model.dtype,
                                          .data = results[which] + i * bytes,
                                          .bytes = bytes};
    return (gf_pull_args){.size = sizeof(gf_pull_args),
                          .job = rig->model.name,
                          .round = round,
                          .gradients = buffers[which],
                          .n_gradients = n,
                          .timeout_ms = rig->timeout_ms};
}

gf_code rig_pull(struct rig *rig, int i, uint64_t round, size_t first, size_t n)
{
    if (rig->client[i] == NULL)
        return GF_CLIENT_CANCELLED;
    gf_pull_args args = rig_pull_args(rig, 0, round, first, n);
    /* What an earlier call lost, this one waits for in vain. */
    if (!rig->strict)
        args.timeout_ms = rig->forever ? 20 : 400;
    gf_code code = gf_pull(rig->client[i], &args, NULL, &rig->error);
    if (code != GF_DEADLINE_EXCEEDED || rig->strict)
        rig_check(rig, "pull", code, GF_OK);
    return code;
}
