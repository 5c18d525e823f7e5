#include "client/flight.h"

#include <inttypes.h>

#include "client/clock.h"
#include "client/drive.h"
#include "client/report.h"

static struct request *request_of(struct list *link)
{
    return list_entry(link, struct request, link);
}

void flight_prepare(gf_client *client, struct request *request, uint32_t timeout_ms)
{
    request->id = atomic_fetch_add(&client->last_id, 1) + 1;
    request->begun_ms = clock_now_ms();
    uint32_t ms = timeout_ms == GF_DEFAULT_TIMEOUT ? client->call_timeout_ms : timeout_ms;
    request->deadline_ms = clock_after(request->begun_ms, ms);
}

/* In the order of submission, behind what is half sent. They come nearly in order: the search is
 * short. */
static void enqueue(gf_client *client, struct request *request)
{
    struct list *after = client->queue.prev;
    while (after != &client->queue && request_of(after)->order > request->order &&
           request_of(after)->state != REQUEST_SENDING)
        after = after->prev;
    request->link.next = after->next;
    request->link.prev = after;
    after->next->prev = &request->link;
    after->next = &request->link;
}

void flight_add(gf_client *client, struct request *request)
{
    /* The newest goes last, so that the driver, which may be sending the first ones, finds them as
     * they were. */
    request->order = ++client->last_order;
    request->state = REQUEST_QUEUED;
    enqueue(client, request);
    client->slow += !request->prompt && request->op != NULL;
    client->connection.held = NULL;
    if (request->deadline_ms != NEVER)
        heap_insert(&client->deadlines, &request->deadline, request->deadline_ms);
}

void flight_add_before(struct request *request, struct request *next)
{
    request_rewind(request);
    request->order = next->order;
    list_append(&next->link, &request->link);
}

/* Bytes that are half on the wire cannot be taken back: the stream ends here. */
static void let_go(gf_client *client, struct request *request)
{
    if (client->connection.incoming.request == request)
        client->connection.incoming.request = NULL;
    if (request->state != REQUEST_SENDING)
        return;
    request->state = REQUEST_DONE;
    client->connection.give_up = true;
    if (client->driving)
        drive_wake(client);
}

/* It is no longer among those that were sent. */
static void take_back(gf_client *client, const struct request *request)
{
    if (request->state == REQUEST_AWAITING && request->prompt)
        client->prompt--;
}

static void end(gf_client *client, struct request *request, const gf_error *outcome)
{
    take_back(client, request);
    client->slow -= !request->prompt && request->op != NULL;
    let_go(client, request);
    list_remove(&request->link);
    heap_remove(&client->deadlines, &request->deadline);
    request->state = REQUEST_DONE;
    report_copy(&request->outcome, outcome);
    client->finished++;
    client->news = true;
    if (client->connection.held != NULL) {
        client->connection.held = NULL;
        drive_wake(client);
    }
}

/* Of an operation; it is not touched any more once it is complete. */
static void part_ended(gf_client *client, struct gf_op *op, const struct request *request,
                       const gf_error *outcome)
{
    bool push_failed = op->push == request && outcome->code != GF_OK;
    if (push_failed && op->pull != NULL && op->pull->state != REQUEST_DONE)
        end(client, op->pull, outcome);
    if (op_done(op))
        op_complete(op);
}

void flight_finish(gf_client *client, struct request *request, const gf_error *outcome)
{
    end(client, request, outcome);
    if (request->op != NULL)
        part_ended(client, request->op, request, outcome);
    else if (request->kind->ended != NULL)
        request->kind->ended(client, request);
    if (client->connection.give_up && !client->driving)
        connection_drop(client);
}

void flight_sent(gf_client *client, struct request *request)
{
    list_remove(&request->link);
    list_append(&client->awaiting, &request->link);
    request->state = REQUEST_AWAITING;
    request->sendings++;
    if (request->prompt)
        client->prompt++;
}

void flight_finish_answered(gf_client *client)
{
    struct list *link = client->awaiting.next;
    while (link != &client->awaiting) {
        struct request *request = request_of(link);
        link = link->next;
        if (!request->answered)
            continue;
        flight_finish(client, request, &request->outcome);
        link = client->awaiting.next; /* it may have taken its pull along */
    }
}

void flight_requeue(gf_client *client, struct request *request)
{
    take_back(client, request);
    list_remove(&request->link);
    request_rewind(request);
    enqueue(client, request);
}

/* A refusal that overtook its request is final, whatever became of the rest. */
static void settle_answered(gf_client *client)
{
    struct list *first = list_first(&client->queue);
    if (first == NULL || !request_of(first)->answered)
        return;
    request_of(first)->state = REQUEST_QUEUED;
    flight_finish(client, request_of(first), &request_of(first)->outcome);
}

static void survive(gf_client *client, struct request *request)
{
    if (request->kind->ended == NULL) {
        flight_requeue(client, request);
        return;
    }
    list_remove(&request->link);
    request->state = REQUEST_DONE; /* none of these is prompt */
    report(&request->outcome, GF_CLIENT_UNREACHABLE, "the connection was lost");
    request->kind->ended(client, request);
}

void flight_requeue_all(gf_client *client)
{
    settle_answered(client);
    struct list later;
    list_init(&later);
    list_move(&later, &client->queue);
    list_each (link, &client->awaiting)
        survive(client, request_of(link));
    list_each (link, &later)
        survive(client, request_of(link));
}

static void expire(gf_client *client, struct request *request, uint64_t now_ms)
{
    static const char *const where[] = {"not sent", "half sent", "sent, not answered", "done"};
    const gf_error *trouble = &client->connection.trouble;
    gf_error outcome;
    if (request->answered)
        outcome = request->outcome;
    else
        report(&outcome, GF_DEADLINE_EXCEEDED, "%s: %s within %" PRIu64 " ms%s%.300s%s",
               request->kind->what, where[request->state], now_ms - request->begun_ms,
               trouble->code != GF_OK ? " (" : "", trouble->message,
               trouble->code != GF_OK ? ")" : "");
    flight_finish(client, request, &outcome);
}

void flight_expire(gf_client *client, uint64_t now_ms)
{
    struct heap_node *first;
    while ((first = heap_first(&client->deadlines)) != NULL && first->key <= now_ms)
        expire(client, list_entry(first, struct request, deadline), now_ms);
}

uint64_t flight_next_deadline_ms(const gf_client *client)
{
    const struct heap_node *first = heap_first(&client->deadlines);
    return first != NULL ? first->key : NEVER;
}

struct request *flight_find(gf_client *client, uint64_t id)
{
    list_each (link, &client->awaiting)
        if (request_of(link)->id == id)
            return request_of(link);
    struct list *head = list_first(&client->queue);
    struct request *first = head != NULL ? request_of(head) : NULL;
    bool expected = first != NULL && first->state == REQUEST_SENDING && !first->answered;
    return expected && first->id == id ? first : NULL;
}

void flight_fail_sent(gf_client *client, const gf_error *outcome)
{
    /* Finishing one may finish another: always take the first that is left. */
    struct list *first;
    while ((first = list_first(&client->awaiting)) != NULL)
        flight_finish(client, request_of(first), outcome);
    first = list_first(&client->queue);
    if (first != NULL && request_of(first)->state == REQUEST_SENDING)
        flight_finish(client, request_of(first), outcome);
}

void flight_fail_all(gf_client *client, const gf_error *outcome)
{
    struct list *first;
    while ((first = list_first(&client->awaiting)) != NULL)
        flight_finish(client, request_of(first), outcome);
    while ((first = list_first(&client->queue)) != NULL)
        flight_finish(client, request_of(first), outcome);
}
