#include "client/push.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/checked.h"
#include "base/shape.h"
#include "client/buffer.h"
#include "client/call.h"
#include "client/flight.h"
#include "client/report.h"
#include "proto/frame.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors travel as they lie in memory");

enum {
    PROMPT_BYTES = 1024, /* a body up to here is copied behind its head, and leaves with it */
    FEW = 4              /* tensors whose header takes no memory of its own */
};

/* How a push is sent. */
struct way {
    uint8_t *head;
    size_t head_bytes;
    size_t n_out; /* pieces, with the head */
    uint64_t body_bytes;
};

/* The other way, of a push whose tensors all lie in buffers: a head that says where they are, and
 * no body. */
struct places {
    struct way way;
    size_t n;
    gf_buffer *buffers[]; /* borrowed: they outlive the push */
};

struct push {
    struct request request;
    gf_push_result result;
    struct way with_body;  /* if there are places */
    struct places *places; /* NULL: the tensors are always sent */
};

static struct push *push_of(struct request *request)
{
    return (struct push *)request;
}

/* -- Sending and answers ---------------------------------------------------------------------- */

/* Where memory is shared, the connection must know the buffers before they are named. */
static bool push_ready(gf_client *client, struct request *request)
{
    const struct places *places = push_of(request)->places;
    bool decided = true;
    if (places == NULL || !client->connection.shared)
        return true;
    for (size_t i = 0; i < places->n; i++)
        if (buffer_introduce(places->buffers[i], request) == BUFFER_ADDING)
            decided = false;
    return decided;
}

static bool all_known(const struct places *places)
{
    for (size_t i = 0; i < places->n; i++)
        if (buffer_standing(places->buffers[i]) != BUFFER_KNOWN)
            return false;
    return true;
}

/* Every sending decides anew: a connection may share memory or not, and know the buffers or not. */
static gf_code prepare_push(gf_client *client, struct request *request, gf_error *error)
{
    const struct places *places = push_of(request)->places;
    const struct way *way = &push_of(request)->with_body;
    (void)error;
    if (places == NULL)
        return GF_OK;
    uint64_t header_max = client->server.max_header_bytes;
    bool short_enough =
        header_max == 0 || places->way.head_bytes - FRAME_PREFIX_BYTES <= header_max;
    if (client->connection.shared && all_known(places) && short_enough)
        way = &places->way;
    request->head_bytes = way->head_bytes;
    request->out[0] = (struct piece){way->head, way->head_bytes};
    request->n_out = way->n_out;
    request->body_bytes = way->body_bytes;
    return GF_OK;
}

static gf_code accept_push(struct request *request, const Gradfold__V1__Response *response,
                           uint64_t body_bytes, gf_error *error)
{
    const Gradfold__V1__PushResult *result = response->push;
    bool known = result->verdict == GRADFOLD__V1__VERDICT__VERDICT_ACCEPTED ||
                 result->verdict == GRADFOLD__V1__VERDICT__VERDICT_DUPLICATE;
    if (!result->has_verdict || !known || body_bytes != 0)
        return report(error, GF_CLIENT_PROTOCOL, "push: the answer has no verdict");
    push_of(request)->result = (gf_push_result){
        .verdict = (gf_verdict)result->verdict,
        .ignored = result->ignored,
        .round = result->round,
    };
    return GF_OK;
}

static void free_push(struct request *request)
{
    struct places *places = push_of(request)->places;
    if (places != NULL)
        free(places->way.head);
    free(places);
}

static const struct request_kind push_kind = {
    .what = "push",
    .result = GRADFOLD__V1__RESPONSE__RESULT_PUSH,
    .ready = push_ready,
    .prepare = prepare_push,
    .accept = accept_push,
    .free = free_push,
};

/* -- Making one ------------------------------------------------------------------------------- */

static gf_code check(const gf_push_args *args, gf_error *error)
{
    if (args->size < sizeof *args)
        return report(error, GF_INVALID_ARGUMENT, "gf_push_args.size is %zu instead of %zu",
                      args->size, sizeof *args);
    if (args->job == NULL)
        return report(error, GF_INVALID_ARGUMENT, "push: no job");
    if (args->tensors == NULL && args->n_tensors > 0)
        return report(error, GF_INVALID_ARGUMENT, "push: no tensors");
    return GF_OK;
}

static gf_code add_tensor(struct request *request, const gf_tensor *tensor, gf_error *error)
{
    uint64_t elements;
    uint64_t bytes;
    uint64_t total;
    if (!dtype_valid((int)tensor->dtype))
        return report(error, GF_INVALID_ARGUMENT, "push: node %" PRIu64 ": no such dtype: %d",
                      tensor->node, (int)tensor->dtype);
    if (tensor->shape == NULL && tensor->ndim > 0)
        return report(error, GF_INVALID_ARGUMENT, "push: node %" PRIu64 ": no shape", tensor->node);
    if (!shape_size((enum dtype)tensor->dtype, tensor->shape, tensor->ndim, &elements, &bytes) ||
        !checked_add(request->body_bytes, bytes, &total) || total > INT64_MAX)
        return report(error, GF_INVALID_ARGUMENT, "push: node %" PRIu64 ": the shape is too large",
                      tensor->node);
    if (tensor->data == NULL && bytes > 0)
        return report(error, GF_INVALID_ARGUMENT, "push: node %" PRIu64 ": no data", tensor->node);
    request_add_piece(request, tensor->data, bytes);
    return GF_OK;
}

static gf_code add_tensors(struct request *request, const gf_push_args *args, gf_error *error)
{
    gf_code code = request_reserve(request, args->n_tensors, error);
    for (size_t i = 0; i < args->n_tensors && code == GF_OK; i++)
        code = add_tensor(request, &args->tensors[i], error);
    return code;
}

static gf_code body_checksum(const struct request *request, uint64_t *sum, gf_error *error)
{
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a checksum");
    XXH3_64bits_reset(state);
    for (size_t i = 1; i < request->n_out; i++)
        XXH3_64bits_update(state, request->out[i].data, (size_t)request->out[i].bytes);
    *sum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return GF_OK;
}

/* Where a tensor lies. */
struct spot {
    gf_buffer *buffer;
    uint64_t offset;
};

/* The entries of a header. */
struct entries {
    Gradfold__V1__Contribution *messages;
    Gradfold__V1__Contribution **list;
    Gradfold__V1__Contribution few_messages[FEW]; /* are the memory, when they are */
    Gradfold__V1__Contribution *few[FEW];
};

static bool entries_init(struct entries *e, size_t n)
{
    e->messages = e->few_messages;
    e->list = e->few;
    if (n <= FEW)
        return true;
    e->messages = calloc(n, sizeof *e->messages + sizeof *e->list);
    e->list = (Gradfold__V1__Contribution **)(void *)(e->messages + n);
    return e->messages != NULL;
}

static void entries_free(struct entries *e)
{
    if (e->messages != e->few_messages)
        free(e->messages);
}

static void entries_fill(struct entries *e, const gf_push_args *args, const struct spot *spots)
{
    Gradfold__V1__Contribution *entries = e->messages;
    for (size_t i = 0; i < args->n_tensors; i++) {
        gradfold__v1__contribution__init(&entries[i]);
        entries[i].has_node = true;
        entries[i].node = args->tensors[i].node;
        entries[i].has_dtype = true;
        entries[i].dtype = (Gradfold__V1__DType)args->tensors[i].dtype;
        entries[i].n_shape = args->tensors[i].ndim;
        entries[i].shape = (uint64_t *)(uintptr_t)args->tensors[i].shape;
        entries[i].has_buffer = entries[i].has_offset = spots != NULL;
        if (spots != NULL) {
            entries[i].buffer = buffer_id(spots[i].buffer);
            entries[i].offset = spots[i].offset;
        }
        e->list[i] = &entries[i];
    }
}

/* spots NULL: the tensors are in the body. */
static gf_code pack(const struct request *request, const gf_push_args *args,
                    const struct spot *spots, Gradfold__V1__Push *push, struct way *way,
                    gf_error *error)
{
    struct entries entries;
    if (!entries_init(&entries, args->n_tensors))
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for %zu tensors", args->n_tensors);
    entries_fill(&entries, args, spots);
    push->contributions = entries.list;
    push->n_contributions = args->n_tensors;
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    message.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    message.push = push;
    message.has_id = true;
    message.id = request->id;
    way->body_bytes = spots == NULL ? request->body_bytes : 0;
    way->n_out = spots == NULL ? request->n_out : 1;
    size_t room = way->body_bytes <= PROMPT_BYTES ? (size_t)way->body_bytes : 0;
    gf_code code = head_pack(&message, way->body_bytes, room, &way->head, &way->head_bytes, error);
    entries_free(&entries);
    return code;
}

/* Of a push whose tensors all lie in buffers; NULL: they do not, or there is no memory. */
static struct spot *spots_find(gf_client *client, const struct request *request)
{
    size_t n = request->n_out - 1;
    if (request->body_bytes == 0 || atomic_load(&client->n_buffers) == 0)
        return NULL;
    struct spot *spots = calloc(n, sizeof *spots);
    bool all = spots != NULL;
    gf_buffer *hint = NULL;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < n && all; i++) {
        const struct piece *piece = &request->out[i + 1];
        if (piece->bytes > 0)
            hint = spots[i].buffer =
                buffer_of(client, hint, piece->data, piece->bytes, &spots[i].offset);
        all = piece->bytes == 0 || hint != NULL;
    }
    pthread_mutex_unlock(&client->lock);
    for (size_t i = 0; i < n && all; i++)
        if (spots[i].buffer == NULL) /* an empty tensor lies anywhere */
            spots[i].buffer = hint;
    if (all)
        return spots;
    free(spots);
    return NULL;
}

static struct places *places_new(const struct spot *spots, size_t n)
{
    struct places *places = calloc(1, sizeof *places + n * sizeof places->buffers[0]);
    for (size_t i = 0; i < n && places != NULL; i++)
        if (places->n == 0 || places->buffers[places->n - 1] != spots[i].buffer)
            places->buffers[places->n++] = spots[i].buffer;
    return places;
}

static gf_code add_places(gf_client *client, struct push *made, const gf_push_args *args,
                          Gradfold__V1__Push *push, gf_error *error)
{
    struct spot *spots = spots_find(client, &made->request);
    if (spots == NULL)
        return GF_OK;
    gf_code code = GF_OK;
    made->places = places_new(spots, args->n_tensors);
    if (made->places != NULL)
        code = pack(&made->request, args, spots, push, &made->places->way, error);
    free(spots);
    return code;
}

/* A small body follows its head in memory, too. */
static void join(struct request *request)
{
    uint8_t *at = request->head + request->head_bytes;
    for (size_t i = 1; i < request->n_out; i++) {
        if (request->out[i].bytes > 0)
            memcpy(at, request->out[i].data, (size_t)request->out[i].bytes);
        at += request->out[i].bytes;
    }
    request->n_out = 1;
    request->out[0].bytes += request->body_bytes;
}

static gf_code fill(gf_client *client, struct push *made, const gf_push_args *args, gf_error *error)
{
    struct request *request = &made->request;
    Gradfold__V1__Push push = GRADFOLD__V1__PUSH__INIT;
    push.job = (char *)(uintptr_t)args->job;
    push.has_round = push.has_worker = push.has_sequence = push.has_final = true;
    push.round = args->round;
    push.worker = args->worker;
    push.sequence = args->sequence;
    push.final = args->final;
    gf_code code = add_tensors(request, args, error);
    if (code == GF_OK && args->checksum) {
        push.has_body_checksum = true;
        code = body_checksum(request, &push.body_checksum, error);
    }
    if (code == GF_OK)
        code = pack(request, args, NULL, &push, &made->with_body, error);
    if (code != GF_OK)
        return code;
    request->head = made->with_body.head;
    request->head_bytes = made->with_body.head_bytes;
    request->out[0] = (struct piece){request->head, request->head_bytes};
    code = add_places(client, made, args, &push, error);
    if (made->places == NULL && request->body_bytes <= PROMPT_BYTES)
        join(request);
    return code;
}

gf_code push_new(gf_client *client, const gf_push_args *args, struct request **request,
                 gf_error *error)
{
    gf_code code = check(args, error);
    if (code != GF_OK)
        return code;
    struct push *push = calloc(1, sizeof *push);
    if (push == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a push");
    push->request.kind = &push_kind;
    flight_prepare(client, &push->request, args->timeout_ms);
    code = fill(client, push, args, error);
    push->request.prompt = !args->final && push->request.body_bytes <= PROMPT_BYTES;
    if (code == GF_OK)
        *request = &push->request;
    else
        request_free(&push->request);
    return code;
}

void push_result(const struct request *request, gf_push_result *result)
{
    *result = ((const struct push *)request)->result;
}
