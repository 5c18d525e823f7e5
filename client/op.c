/* Operations: what the caller holds of requests in flight. */
#include <stdlib.h>

#include "client/background.h"
#include "client/client.h"
#include "client/clock.h"
#include "client/drive.h"
#include "client/flight.h"
#include "client/pull.h"
#include "client/push.h"
#include "client/report.h"

enum {
    BEHIND_MAX = 64
};

struct gf_op *op_new(gf_client *client)
{
    struct gf_op *op = calloc(1, sizeof *op);
    if (op == NULL)
        return NULL;
    op->client = client;
    atomic_init(&op->complete, true); /* nothing is in flight yet */
    list_init(&op->link);
    return op;
}

static bool part_done(const struct request *request)
{
    return request == NULL || request->state == REQUEST_DONE;
}

static bool is_complete(struct gf_op *op)
{
    return atomic_load_explicit(&op->complete, memory_order_acquire);
}

void op_complete(struct gf_op *op)
{
    list_remove(&op->link);
    atomic_store_explicit(&op->complete, true, memory_order_release);
}

bool op_done(const struct gf_op *op)
{
    return part_done(op->push) && part_done(op->pull) && part_done(op->other);
}

static void add(struct gf_op *op, struct request *request)
{
    if (request == NULL)
        return;
    request->op = op;
    flight_add(op->client, request);
}

/* Whoever drives may be asleep until a later one. */
static bool is_next_deadline(const gf_client *client, const struct request *request)
{
    return heap_first(&client->deadlines) == &request->deadline;
}

/* Small pushes behind others, whose answers are about to come, leave with the next of these, or
 * when there are many: sending them costs more than making them. */
static void attend(gf_client *client, const struct gf_op *op)
{
    bool small = op->push != NULL && op->push->prompt && op->pull == NULL;
    client->active++;
    if (small && client->prompt > 0 && !is_next_deadline(client, op->push) &&
        ++client->behind < BEHIND_MAX)
        background_wake(client);
    else if (small)
        drive_nudge(client);
    else
        drive_attend(client);
}

gf_code op_submit(struct gf_op *op, bool background, gf_error *error)
{
    gf_client *client = op->client;
    pthread_mutex_lock(&client->lock);
    gf_code code = background ? background_start(client, error) : GF_OK;
    if (code == GF_OK) {
        atomic_store_explicit(&op->complete, false, memory_order_relaxed);
        list_append(&client->ops, &op->link);
        add(op, op->push);
        add(op, op->pull);
        add(op, op->other);
        if (background)
            attend(client, op);
    }
    pthread_mutex_unlock(&client->lock);
    return code;
}

/* Of a complete one: the failure that came first in the order of its parts. */
static gf_code outcome(const struct gf_op *op, gf_error *error)
{
    const struct request *parts[] = {op->push, op->pull, op->other};
    for (size_t i = 0; i < 3; i++)
        if (parts[i] != NULL && parts[i]->outcome.code != GF_OK)
            return report_copy(error, &parts[i]->outcome);
    return report_ok(error);
}

static bool ready(const void *op)
{
    return atomic_load_explicit(&((const gf_op *)op)->complete, memory_order_relaxed);
}

gf_code gf_op_wait(gf_op *op, gf_error *error)
{
    gf_client *client = op->client;
    if (!is_complete(op)) {
        pthread_mutex_lock(&client->lock);
        drive_until(client, ready, op, NEVER);
        pthread_mutex_unlock(&client->lock);
    }
    return outcome(op, error);
}

struct choice {
    gf_op *const *ops;
    size_t n;
};

static size_t first_done(const struct choice *choice)
{
    for (size_t i = 0; i < choice->n; i++)
        if (choice->ops[i] != NULL && is_complete(choice->ops[i]))
            return i;
    return choice->n;
}

static bool any_ready(const void *choice)
{
    const struct choice *c = choice;
    return first_done(c) < c->n;
}

static size_t wait_any(gf_client *client, const struct choice *choice, uint64_t until_ms)
{
    pthread_mutex_lock(&client->lock);
    drive_until(client, any_ready, choice, until_ms);
    size_t index = first_done(choice);
    pthread_mutex_unlock(&client->lock);
    return index;
}

gf_code gf_op_wait_any_for(gf_op *const *ops, size_t n, uint32_t timeout_ms, size_t *index,
                           gf_error *error)
{
    struct choice choice = {ops, n};
    gf_client *client = NULL;
    size_t there = 0;
    for (size_t i = 0; i < n; i++) {
        if (ops[i] == NULL)
            continue;
        if (there++ > 0 && ops[i]->client != client)
            return report(error, GF_INVALID_ARGUMENT, "operations of different handles");
        client = ops[i]->client;
    }
    if (there == 0)
        return report(error, GF_INVALID_ARGUMENT, "no operation to wait for");
    uint64_t until_ms = clock_after(clock_now_ms(), timeout_ms);
    size_t done = first_done(&choice);
    if (done == n) /* so the handle is there */
        done = wait_any(client, &choice, until_ms);
    if (done == n)
        return report(error, GF_DEADLINE_EXCEEDED, "no operation is complete");
    *index = done;
    return report_ok(error);
}

gf_code gf_op_wait_any(gf_op *const *ops, size_t n, size_t *index, gf_error *error)
{
    return gf_op_wait_any_for(ops, n, GF_NO_TIMEOUT, index, error);
}

bool gf_op_test(gf_op *op)
{
    return is_complete(op);
}

bool gf_op_push_result(gf_op *op, gf_push_result *result)
{
    if (op->push == NULL || !gf_op_test(op) || op->push->outcome.code != GF_OK)
        return false;
    push_result(op->push, result);
    return true;
}

bool gf_op_pull_result(gf_op *op, gf_pull_result *result)
{
    if (op->pull == NULL || !gf_op_test(op) || op->pull->outcome.code != GF_OK)
        return false;
    pull_take_result(op->pull, result);
    return true;
}

static void cancel(gf_client *client, struct request *request)
{
    gf_error cancelled;
    report(&cancelled, GF_CLIENT_CANCELLED, "given up");
    if (!part_done(request))
        flight_finish(client, request, &cancelled);
}

static void cancel_parts(gf_client *client, struct gf_op *op)
{
    cancel(client, op->push);
    cancel(client, op->pull);
    cancel(client, op->other);
}

void gf_op_free(gf_op *op)
{
    if (op == NULL)
        return;
    gf_client *client = op->client;
    if (!is_complete(op)) {
        pthread_mutex_lock(&client->lock);
        drive_settle(client);
        cancel_parts(client, op);
        pthread_mutex_unlock(&client->lock);
    }
    request_free(op->push);
    request_free(op->pull);
    request_free(op->other);
    free(op);
}

void ops_cancel_all(gf_client *client)
{
    struct list *first;
    while ((first = list_first(&client->ops)) != NULL)
        cancel_parts(client, list_entry(first, struct gf_op, link));
}
