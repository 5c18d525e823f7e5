#include "core/results.h"

#include <stdlib.h>
#include <string.h>

#include "core/state.h"

enum {
    COLOURS = 16, /* segments' data start at different offsets, as the pool's buffers do */
    COLOUR_STEP = 256,
};

static struct list *bucket_of(const struct core *core, uint64_t id)
{
    return (struct list *)(uintptr_t)&core->segments[id % SEGMENT_BUCKETS];
}

bool core_segment_exists(const struct core *core, uint64_t id)
{
    struct list *bucket = bucket_of(core, id);
    list_each (link, bucket)
        if (list_entry(link, struct segment, link)->id == id)
            return true;
    return false;
}

static bool in_segment(const struct core *core, const struct job *job)
{
    return core->config.segments && job->grads_bytes >= core->config.share_bytes_min;
}

static void charge(struct core *core, struct results *r)
{
    pool_charge(core->results, pool_cost(r->bytes));
    r->charged = true;
}

static void discharge(struct core *core, struct results *r)
{
    if (!r->charged)
        return;
    pool_discharge(core->results, pool_cost(r->bytes));
    r->charged = false;
}

static void take_segment(struct core *core, struct results *r)
{
    uint64_t id = core->segments_made + 1;
    if (pool_fits(core->results, r->bytes))
        r->segment = segment_new(id, r->bytes + COLOURS * COLOUR_STEP);
    if (r->segment == NULL)
        return;
    core->segments_made = id;
    list_append(bucket_of(core, id), &r->segment->link);
    r->data = r->segment->data + id % COLOURS * COLOUR_STEP;
    charge(core, r);
}

static void results_free(struct core *core, struct results *r)
{
    if (r->segment == NULL)
        pool_give(core->results, r->data, r->bytes);
    discharge(core, r);
    segment_free(r->segment);
    list_remove(&r->link);
    free(r->contributions);
    free(r);
}

static struct results *take_spare(struct core *core, struct job *job)
{
    struct list *link = list_first(&job->spare);
    if (link == NULL)
        return NULL;
    struct results *r = list_entry(link, struct results, link);
    list_remove(link);
    core->stats.results_spare -= pool_cost(r->bytes);
    memset(r->contributions, 0, job->tape.size * sizeof *r->contributions);
    return r;
}

/* What is spare is nobody's when it is needed. */
static void make_room(struct core *core, uint64_t bytes)
{
    list_each (link, &core->jobs) {
        if (pool_fits(core->results, bytes))
            return;
        results_free_spare(core, list_entry(link, struct job, link));
    }
}

struct results *results_new(struct core *core, struct job *job)
{
    struct results *r = take_spare(core, job);
    if (r == NULL) {
        r = calloc(1, sizeof *r);
        if (r == NULL)
            return NULL;
        list_init(&r->link);
        r->job = job;
        r->bytes = job->grads_bytes;
        r->contributions = calloc(job->tape.size, sizeof *r->contributions);
        make_room(core, r->bytes);
        if (in_segment(core, job))
            take_segment(core, r);
        if (r->data == NULL) /* small, or the system has no segment: a round closes without one */
            r->data = pool_take(core->results, r->bytes);
    }
    if (r->data == NULL || r->contributions == NULL) {
        results_free(core, r);
        return NULL;
    }
    r->refs = 1;
    return r;
}

void results_ref(struct results *results)
{
    if (results != NULL)
        results->refs++;
}

/* Is it worth keeping, and is there room? */
static bool keep(struct core *core, struct results *r)
{
    if (r->segment == NULL || r->tainted || r->job->deleted)
        return false;
    if (!r->charged && !pool_fits(core->results, r->bytes))
        return false;
    if (!r->charged)
        charge(core, r);
    return true;
}

void results_unref(struct core *core, struct results *results)
{
    if (results == NULL || --results->refs > 0)
        return;
    if (!keep(core, results)) {
        results_free(core, results);
        return;
    }
    core->stats.results_spare += pool_cost(results->bytes);
    list_append(&results->job->spare, &results->link);
}

void results_retire(struct core *core, struct results *results)
{
    if (results != NULL && results->views > 0)
        discharge(core, results);
}

bool results_lend(struct core *core, struct results *results)
{
    if (results == NULL || results->segment == NULL)
        return false;
    if (results->views == 0) {
        uint64_t cost = pool_cost(results->bytes);
        if (cost > core->config.result_bytes - core->stats.lent_bytes)
            return false;
        core->stats.lent_bytes += cost;
    }
    results->views++;
    core->stats.views++;
    return true;
}

void results_take_back(struct core *core, struct results *results, bool lost)
{
    core->stats.views--;
    if (--results->views == 0)
        core->stats.lent_bytes -= pool_cost(results->bytes);
    if (lost)
        results->tainted = true;
}

unsigned results_reserved(const struct job *job)
{
    return job->retain_rounds + 1 + (job->completes_early ? 1 : 0);
}

void results_free_spare(struct core *core, struct job *job)
{
    struct results *r;
    while ((r = take_spare(core, job)) != NULL)
        results_free(core, r);
}
