#include "client/push.h"

#include <inttypes.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/checked.h"
#include "base/shape.h"
#include "client/call.h"
#include "client/flight.h"
#include "client/report.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors travel as they lie in memory");

struct push {
    struct request request;
    gf_push_result result;
};

static gf_code accept_push(struct request *request, const Gradfold__V1__Response *response,
                           uint64_t body_bytes, gf_error *error)
{
    const Gradfold__V1__PushResult *result = response->push;
    bool known = result->verdict == GRADFOLD__V1__VERDICT__VERDICT_ACCEPTED ||
                 result->verdict == GRADFOLD__V1__VERDICT__VERDICT_DUPLICATE;
    if (!result->has_verdict || !known || body_bytes != 0)
        return report(error, GF_CLIENT_PROTOCOL, "push: the answer has no verdict");
    ((struct push *)request)->result = (gf_push_result){
        .verdict = (gf_verdict)result->verdict,
        .ignored = result->ignored,
        .round = result->round,
    };
    return GF_OK;
}

static const struct request_kind push_kind = {
    .what = "push",
    .result = GRADFOLD__V1__RESPONSE__RESULT_PUSH,
    .accept = accept_push,
};

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

/* The entries of a header, in one allocation: n messages, then n pointers to them. */
static Gradfold__V1__Contribution **contributions_new(const gf_push_args *args)
{
    size_t n = args->n_tensors;
    Gradfold__V1__Contribution *entries = calloc(n + 1, sizeof *entries + sizeof(void *));
    if (entries == NULL)
        return NULL;
    Gradfold__V1__Contribution **list = (Gradfold__V1__Contribution **)(void *)(entries + n);
    for (size_t i = 0; i < n; i++) {
        gradfold__v1__contribution__init(&entries[i]);
        entries[i].has_node = true;
        entries[i].node = args->tensors[i].node;
        entries[i].has_dtype = true;
        entries[i].dtype = (Gradfold__V1__DType)args->tensors[i].dtype;
        entries[i].n_shape = args->tensors[i].ndim;
        entries[i].shape = (uint64_t *)(uintptr_t)args->tensors[i].shape;
        list[i] = &entries[i];
    }
    return list;
}

static void contributions_free(Gradfold__V1__Contribution **list, size_t n)
{
    free((Gradfold__V1__Contribution *)(void *)list - n);
}

static gf_code pack(struct request *request, const gf_push_args *args, Gradfold__V1__Push *push,
                    gf_error *error)
{
    push->contributions = contributions_new(args);
    if (push->contributions == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for %zu tensors", args->n_tensors);
    push->n_contributions = args->n_tensors;
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    message.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    message.push = push;
    gf_code code = request_pack(request, &message, error);
    contributions_free(push->contributions, args->n_tensors);
    return code;
}

static gf_code fill(struct request *request, const gf_push_args *args, gf_error *error)
{
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
    return code != GF_OK ? code : pack(request, args, &push, error);
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
    code = fill(&push->request, args, error);
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
