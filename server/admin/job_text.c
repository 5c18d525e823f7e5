#include "admin/job_text.h"

/* ,"key":number; a key is preceded by a comma unless it is an object's first. */
static void number(struct text *out, const char *key, uint64_t value)
{
    text_add(out, ",\"");
    text_add(out, key);
    text_add(out, "\":");
    text_uint(out, value);
}

static void word(struct text *out, const char *key, const char *value)
{
    text_add(out, ",\"");
    text_add(out, key);
    text_add(out, "\":");
    text_json(out, value);
}

static uint64_t age(uint64_t since_ms, uint64_t now_ms)
{
    return now_ms > since_ms ? now_ms - since_ms : 0;
}

static const char *state_name(enum round_state state)
{
    switch (state) {
    case ROUND_OPEN:
        return "open";
    case ROUND_CLOSING:
        return "closing";
    case ROUND_CLOSED:
        return "closed";
    }
    return "unknown";
}

/* -- Of what a job's memory is made -- */

struct memory {
    uint64_t rounds;
    uint64_t staged; /* accepted and not folded yet */
    uint64_t results;
};

static void add_memory(const struct job *job, struct memory *memory)
{
    *memory = (struct memory){0};
    list_each (link, &job->rounds) {
        const struct round *round = list_entry(link, struct round, link);
        memory->rounds++;
        memory->staged += round->staged_bytes;
        memory->results += round->results == NULL ? 0 : round->results->bytes;
    }
}

void job_text_summary(struct text *out, const struct job *job, uint64_t now_ms)
{
    struct memory memory;
    add_memory(job, &memory);
    text_add(out, "{\"name\":");
    text_json(out, job->name);
    number(out, "nodes", job->tape.size);
    number(out, "world_size", job->world_size);
    number(out, "age_ms", age(job->created_ms, now_ms));
    number(out, "rounds", memory.rounds);
    if (!list_empty(&job->rounds)) {
        const struct round *open = list_entry(job->rounds.prev, struct round, link);
        number(out, "open_round", open->number);
        number(out, "open_round_age_ms", age(open->opened_ms, now_ms));
        number(out, "final_workers", open->n_final);
    }
    number(out, "staged_bytes", memory.staged);
    number(out, "result_bytes", memory.results);
    text_add(out, "}");
}

static const char *reduction_name(enum reduction reduction)
{
    return reduction == REDUCTION_MEAN ? "mean" : "sum";
}

static const char *accumulation_name(enum accumulation accumulation)
{
    return accumulation == ACCUMULATION_IN_ORDER ? "in_order" : "exact";
}

static const char *non_finite_name(enum non_finite non_finite)
{
    return non_finite == NON_FINITE_PROPAGATE ? "propagate" : "reject";
}

void job_text_head(struct text *out, const struct job *job, uint64_t now_ms)
{
    struct memory memory;
    add_memory(job, &memory);
    text_add(out, "\"name\":");
    text_json(out, job->name);
    number(out, "age_ms", age(job->created_ms, now_ms));
    number(out, "gradient_bytes", job->grads_bytes);
    number(out, "staged_bytes", memory.staged);
    number(out, "result_bytes", memory.results);
}

void job_text_spec(struct text *out, const struct job *job)
{
    text_add(out, "\"world_size\":");
    text_uint(out, job->world_size);
    number(out, "quorum", job->quorum);
    number(out, "grace_ms", job->grace_ms);
    word(out, "reduction", reduction_name(job->reduction));
    word(out, "accumulation", accumulation_name(job->accumulation));
    word(out, "non_finite", non_finite_name(job->non_finite));
    number(out, "retain_rounds", job->retain_rounds);
    number(out, "node_count", job->tape.size);
}

/* The workers that are final, or those that are not. */
static void workers(struct text *out, const char *key, const struct round *round, bool final)
{
    const char *separator = "";
    text_add(out, ",\"");
    text_add(out, key);
    text_add(out, "\":[");
    for (uint32_t worker = 0; worker < round->job->world_size; worker++) {
        if (round_worker_final(round, worker) != final)
            continue;
        text_add(out, separator);
        text_uint(out, worker);
        separator = ",";
    }
    text_add(out, "]");
}

static void times(struct text *out, const struct round *round, uint64_t now_ms)
{
    number(out, "age_ms", age(round->opened_ms, now_ms));
    if (round->state != ROUND_OPEN)
        number(out, "closing_age_ms", age(round->closing_ms, now_ms));
    if (round->state == ROUND_CLOSED)
        number(out, "closed_age_ms", age(round->closed_ms, now_ms));
    if (heap_contains(&round->grace))
        number(out, "grace_left_ms", age(now_ms, round->grace.key));
}

void job_text_round(struct text *out, const struct round *round, uint64_t now_ms)
{
    text_add(out, "{\"round\":");
    text_uint(out, round->number);
    word(out, "state", state_name(round->state));
    number(out, "pushes", round->pushes);
    number(out, "bytes", round->bytes);
    times(out, round, now_ms);
    number(out, "staged_bytes", round->staged_bytes);
    number(out, "result_bytes", round->results == NULL ? 0 : round->results->bytes);
    number(out, "final", round->n_final);
    workers(out, "final_workers", round, true);
    workers(out, "missing_workers", round, false);
    text_add(out, "}");
}

void job_text_node(struct text *out, const struct node *node, size_t id)
{
    text_add(out, "{\"id\":");
    text_uint(out, id);
    word(out, "name", node->name);
    word(out, "dtype", dtype_name(node->dtype));
    text_add(out, ",\"shape\":[");
    for (size_t i = 0; i < node->ndim; i++) {
        if (i > 0)
            text_add(out, ",");
        text_uint(out, node->shape[i]);
    }
    text_add(out, node->requires_grad ? "],\"requires_grad\":true" : "],\"requires_grad\":false");
    number(out, "expected", node->expected);
    number(out, "bytes", node->bytes);
    text_add(out, "}");
}
