#include "core/batch.h"

#include <stdlib.h>

#include "core/push.h"
#include "core/state.h"

enum {
    TASK_BYTES_MIN = 256 * 1024, /* less is not worth another thread */
    CHECK_BLOCKS = 32, /* of results, which are still in the cache when they are checked */
};

/* -- Running -- */

static bool run_item(struct fold_item *item, uint64_t block, uint64_t blocks)
{
    if (item->out == NULL)
        return accumulator_add(item->sum, &item->terms, block, blocks);
    return fold_read(&item->rule, item->sum, &item->terms, item->contributions, item->elements,
                     item->out, block, blocks);
}

static bool is_finite(const struct fold_item *item, uint64_t block, uint64_t blocks)
{
    uint64_t first = block * FOLD_BLOCK;
    uint64_t n = blocks * FOLD_BLOCK;
    if (n > item->elements - first)
        n = item->elements - first;
    const unsigned char *out = item->out;
    return fold_find_non_finite(item->rule.dtype, out + first * dtype_size(item->rule.dtype), n) ==
           FOLD_ALL_FINITE;
}

/* False at the first thing that is wrong: the rest is not worth the time. A sum with a NaN or
 * infinity in it is never finite, so looking at the sums is looking at what was added. */
static bool try_item(struct batch *batch, struct fold_item *item, uint64_t block, uint64_t blocks)
{
    while (blocks > 0 && !atomic_load(&batch->failed)) {
        uint64_t n = blocks < CHECK_BLOCKS ? blocks : CHECK_BLOCKS;
        if (!run_item(item, block, n) || (batch->finite && !is_finite(item, block, n)))
            return false;
        block += n;
        blocks -= n;
    }
    return true;
}

static bool run(struct batch *batch, struct fold_item *item, uint64_t block, uint64_t blocks)
{
    bool trial = batch->purpose == BATCH_TRIAL;
    return trial ? try_item(batch, item, block, blocks) : run_item(item, block, blocks);
}

void fold_task_run(struct fold_task *task)
{
    struct batch *batch = task->batch;
    uint64_t left = task->blocks;
    uint64_t block = task->block;
    for (struct fold_item *item = &batch->items[task->item]; left > 0; item++, block = 0) {
        uint64_t n = fold_blocks(item->elements) - block;
        if (n > left)
            n = left;
        if (n > 0 && !run(batch, item, block, n)) {
            atomic_store(&item->failed, true);
            atomic_store(&batch->failed, true);
        }
        left -= n;
    }
}

/* -- Making -- */

static bool takes_part(const struct round *round, uint32_t id, enum batch_purpose purpose)
{
    const struct slot *slot = &round->slots[id];
    if (purpose == BATCH_EARLY)
        return slot->first != NULL;
    return slot->eligible + slot->offered > 0 && !slot->complete;
}

/* Calls the batch's nodes by number: those that completed, or all. */
static uint32_t candidate(const struct round *round, enum batch_purpose purpose, size_t i)
{
    return purpose == BATCH_COMPLETE ? round->complete[i] : (uint32_t)i;
}

static size_t n_candidates(const struct round *round, enum batch_purpose purpose)
{
    return purpose == BATCH_COMPLETE ? round->n_complete : round->job->tape.size;
}

static void count(const struct round *round, enum batch_purpose purpose, size_t *items,
                  size_t *tensors)
{
    *items = 0;
    *tensors = 0;
    for (size_t i = 0; i < n_candidates(round, purpose); i++) {
        uint32_t id = candidate(round, purpose, i);
        if (!takes_part(round, id, purpose))
            continue;
        *items += 1;
        const struct slot *slot = &round->slots[id];
        *tensors += slot->eligible + slot->offered - slot->folded;
    }
}

static void batch_free(struct batch *batch)
{
    free(batch->items);
    free(batch->tensors);
    free(batch->tasks);
    free(batch);
}

static struct batch *batch_new(size_t items, size_t tensors, unsigned tasks)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    list_init(&batch->gathered);
    list_init(&batch->orphans);
    batch->items = calloc(items, sizeof *batch->items);
    batch->tensors = malloc((tensors + 1) * sizeof *batch->tensors);
    batch->tasks = calloc(tasks, sizeof *batch->tasks);
    if (batch->items != NULL && batch->tensors != NULL && batch->tasks != NULL)
        return batch;
    batch_free(batch);
    return NULL;
}

/* The slot's terms as an array at `tensors`. */
static struct terms gather(struct batch *batch, const struct node *node, const struct slot *slot,
                           struct tensor *tensors)
{
    size_t n = 0;
    for (const struct term *t = slot->first; t != NULL; t = t->next) {
        tensors[n++] = (struct tensor){.data = t->push->body + t->offset, .dtype = t->dtype};
        batch->bytes += node->elements * dtype_size(t->dtype);
    }
    return (struct terms){.tensors = tensors, .count = n, .first = slot->folded};
}

/* For an early fold: false when the accumulator's memory is not to be had. */
static bool add_item(struct core *core, struct batch *batch, uint32_t id, struct tensor **tensors)
{
    struct round *round = batch->round;
    const struct node *node = &round->job->tape.nodes[id];
    struct slot *slot = &round->slots[id];
    struct fold_rule rule = job_rule(round->job, id);
    if (batch->purpose == BATCH_EARLY && slot->sum == NULL && node->elements > 0) {
        slot->sum = accumulator_new(&rule, node->elements, &core->accumulators);
        if (slot->sum == NULL)
            return false;
    }
    struct fold_item *item = &batch->items[batch->n_items++];
    item->slot = slot;
    item->node_id = id;
    item->rule = rule;
    item->elements = node->elements;
    item->contributions = slot->eligible + slot->offered;
    item->sum = slot->sum;
    item->terms = gather(batch, node, slot, *tensors);
    item->out = batch->purpose == BATCH_EARLY ? NULL : round->results->data + node->offset;
    *tensors += item->terms.count + slot->offered;
    return true;
}

/* The item of a node of the batch, which are in the order of the tape. */
static struct fold_item *item_of(struct batch *batch, uint32_t id)
{
    size_t low = 0;
    size_t high = batch->n_items;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (batch->items[middle].node_id <= id)
            low = middle;
        else
            high = middle;
    }
    return &batch->items[low];
}

/* The push's tensors, where they lie, behind those that its items have already. */
static void add_gathered(struct batch *batch, const struct push *push)
{
    const struct node *nodes = push->job->tape.nodes;
    const struct source *source = push->sources;
    for (uint32_t i = 0; i < push->n_terms; i++) {
        const struct term *t = &push->terms[i];
        struct fold_item *item = item_of(batch, t->node);
        for (; source->ignored; source++)
            ;
        struct tensor *to = batch->tensors + (item->terms.tensors - batch->tensors);
        to[item->terms.count++] = (struct tensor){.data = source++->data, .dtype = t->dtype};
        batch->bytes += nodes[t->node].elements * dtype_size(t->dtype);
    }
}

static uint64_t item_weight(const struct fold_item *item)
{
    return item->terms.count + 1;
}

/* Cuts the items into tasks of equal work, in whole blocks. */
static void cut(struct batch *batch, unsigned tasks_max)
{
    uint64_t total = 0;
    for (size_t i = 0; i < batch->n_items; i++)
        total += fold_blocks(batch->items[i].elements) * item_weight(&batch->items[i]);
    uint64_t tasks = batch->bytes / TASK_BYTES_MIN + 1;
    tasks = tasks < tasks_max ? tasks : tasks_max;
    uint64_t share = total / tasks + 1;
    size_t item = 0;
    uint64_t block = 0;
    do {
        struct fold_task *task = &batch->tasks[batch->n_tasks++];
        *task = (struct fold_task){.batch = batch, .item = item, .block = block};
        for (uint64_t done = 0; done < share && item < batch->n_items;) {
            uint64_t weight = item_weight(&batch->items[item]);
            uint64_t left = fold_blocks(batch->items[item].elements) - block;
            uint64_t want = (share - done + weight - 1) / weight;
            uint64_t n = left < want ? left : want;
            task->blocks += n;
            done += n * weight;
            block += n;
            if (n == left) {
                item++;
                block = 0;
            }
        }
    } while (item < batch->n_items);
    must(batch->n_tasks <= tasks_max);
}

static void start(struct core *core, struct update *update, struct batch *batch)
{
    batch->running = batch->n_tasks;
    batch->round->batch = batch;
    job_ref(batch->round->job);
    core->stats.folds++;
    core->stats.folds_early += batch->purpose == BATCH_EARLY;
    core->stats.trials += batch->purpose == BATCH_TRIAL;
    core->stats.folds_running += batch->n_tasks;
    for (unsigned i = 0; i < batch->n_tasks; i++) {
        struct action *action = &batch->tasks[i].action;
        action->kind = ACTION_FOLD;
        action->task = &batch->tasks[i];
        list_append(&update->actions, &action->link);
    }
}

static bool need_results(struct core *core, struct round *round)
{
    if (round->results == NULL)
        round->results = results_new(core, round->job);
    return round->results != NULL;
}

bool batch_start(struct core *core, struct update *update, struct round *round,
                 enum batch_purpose purpose, struct batch **started)
{
    size_t items;
    size_t tensors;
    *started = NULL;
    count(round, purpose, &items, &tensors);
    if (items == 0)
        return true;
    if (purpose != BATCH_EARLY && !need_results(core, round))
        return false;
    struct batch *batch = batch_new(items, tensors, core->config.fold_tasks);
    if (batch == NULL)
        return false;
    batch->round = round;
    batch->purpose = purpose;
    batch->finite = round->job->non_finite == NON_FINITE_REJECT;
    struct tensor *at = batch->tensors;
    for (size_t i = 0; i < n_candidates(round, purpose); i++) {
        uint32_t id = candidate(round, purpose, i);
        if (takes_part(round, id, purpose))
            add_item(core, batch, id, &at);
    }
    if (batch->n_items == 0) { /* an early fold without accumulators */
        batch_free(batch);
        return false;
    }
    if (purpose == BATCH_COMPLETE)
        round->n_complete = 0;
    if (purpose == BATCH_TRIAL)
        list_each (wait, &round->gathering)
            add_gathered(batch, list_entry(wait, struct intake, wait)->push);
    cut(batch, core->config.fold_tasks);
    start(core, update, batch);
    *started = batch;
    return true;
}

/* -- Finishing -- */

void batch_drop(struct batch *batch)
{
    batch->round->batch = NULL;
    batch_free(batch);
}

/* The slot's first n terms are in a sum: their pushes need them no more. */
static uint64_t drop_terms(struct core *core, struct round *round, struct slot *slot, uint64_t n)
{
    uint64_t freed = 0;
    slot->folded += n;
    for (; n > 0; n--) {
        struct term *term = slot->first;
        struct push *push = term->push;
        slot->first = term->next;
        if (slot->first == NULL)
            slot->last = NULL;
        if (--push->unfolded > 0)
            continue;
        round->staged_bytes -= push_cost(push);
        freed += push_cost(push);
        push_free(core, push);
    }
    return freed;
}

static uint64_t finish_early(struct core *core, struct round *round, struct fold_item *item)
{
    uint64_t taken = item->terms.count;
    if (item->sum != NULL)
        taken = accumulator_floor(item->sum) - item->terms.first;
    return drop_terms(core, round, item->slot, taken);
}

static void finish_read(struct core *core, struct round *round, struct fold_item *item)
{
    struct slot *slot = item->slot;
    drop_terms(core, round, slot, item->terms.count);
    round_free_sum(core, slot);
    slot->complete = true;
    slot->out_of_range = atomic_load(&item->failed);
    round->out_of_range += slot->out_of_range;
    round->results->contributions[item->node_id] = (uint32_t)item->contributions;
}

void batch_finish(struct core *core, struct batch *batch)
{
    struct round *round = batch->round;
    uint64_t freed = 0;
    for (size_t i = 0; i < batch->n_items; i++) {
        if (batch->purpose == BATCH_EARLY)
            freed += finish_early(core, round, &batch->items[i]);
        else
            finish_read(core, round, &batch->items[i]);
    }
    if (batch->purpose == BATCH_EARLY && freed == 0)
        round->stuck_at = core->accumulators_freed + 1;
    core->stats.folded_bytes += batch->bytes;
    core->stats.rounds_in_place += batch->purpose == BATCH_TRIAL;
    batch_drop(batch);
}
