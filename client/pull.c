#include "client/pull.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/shape.h"
#include "client/call.h"
#include "client/clock.h"
#include "client/flight.h"
#include "client/report.h"
#include "client/view.h"

/* The server's wait ends so much before our deadline, so that its answer, which says what is
 * missing, comes in time and the connection survives. */
enum {
    WAIT_MARGIN_MAX_MS = 50,
    WAIT_MARGIN_SHARE = 8
};

struct pull {
    struct request request;
    char *job;
    uint64_t round;
    gf_gradient *gradients;
    size_t n;
    bool no_wait;
    bool view;
    gf_pull_result result; /* with the view, until somebody asks for it */
};

static struct pull *pull_of(struct request *request)
{
    return (struct pull *)request;
}

static uint64_t wait_ms(const struct pull *pull, uint64_t now_ms)
{
    if (pull->no_wait || now_ms >= pull->request.deadline_ms)
        return 0;
    if (pull->request.deadline_ms == NEVER)
        return UINT64_MAX; /* the server takes as much of it as it allows */
    uint64_t left_ms = pull->request.deadline_ms - now_ms;
    uint64_t margin_ms = left_ms / WAIT_MARGIN_SHARE;
    return left_ms - (margin_ms < WAIT_MARGIN_MAX_MS ? margin_ms : WAIT_MARGIN_MAX_MS);
}

/* Before each sending, because the time left shrinks. */
static gf_code prepare_pull(gf_client *client, struct request *request, gf_error *error)
{
    struct pull *pull = pull_of(request);
    uint64_t *nodes = calloc(pull->n, sizeof *nodes);
    if (nodes == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for %zu nodes", pull->n);
    for (size_t i = 0; i < pull->n; i++)
        nodes[i] = pull->gradients[i].node;
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__Pull op = GRADFOLD__V1__PULL__INIT;
    op.job = pull->job;
    op.has_round = pull->round != GF_NEWEST_ROUND;
    op.round = pull->round;
    op.nodes = nodes;
    op.n_nodes = pull->n;
    op.has_wait_ms = true;
    op.wait_ms = wait_ms(pull, clock_now_ms());
    op.has_view = op.view = pull->view && client->connection.shared;
    message.op_case = GRADFOLD__V1__REQUEST__OP_PULL;
    message.pull = &op;
    gf_code code = request_pack(request, &message, error);
    free(nodes);
    return code;
}

static gf_code not_as_asked(gf_error *error, size_t i)
{
    return report(error, GF_CLIENT_PROTOCOL, "pull: gradient %zu of the answer was not asked for",
                  i);
}

/* The answer must be what was asked for, and its body, if there is one, as long as it says. */
static gf_code check_answer(const struct pull *pull, const Gradfold__V1__PullResult *result,
                            uint64_t body_bytes, gf_error *error)
{
    uint64_t total = 0;
    uint64_t elements;
    uint64_t bytes;
    if (result->n_gradients != pull->n)
        return report(error, GF_CLIENT_PROTOCOL, "pull: %zu gradients instead of %zu",
                      result->n_gradients, pull->n);
    for (size_t i = 0; i < pull->n; i++) {
        const Gradfold__V1__Gradient *gradient = result->gradients[i];
        if (gradient->node != pull->gradients[i].node || !dtype_valid((int)gradient->dtype))
            return not_as_asked(error, i);
        if (!shape_size((enum dtype)gradient->dtype, gradient->shape, gradient->n_shape, &elements,
                        &bytes) ||
            !checked_add(total, bytes, &total))
            return not_as_asked(error, i);
    }
    if (result->has_segment)
        total = 0;
    if (total != body_bytes)
        return report(error, GF_CLIENT_PROTOCOL,
                      "pull: a body of %" PRIu64 " bytes for gradients of %" PRIu64, body_bytes,
                      total);
    return GF_OK;
}

static gf_code check_buffer(const gf_gradient *buffer, const Gradfold__V1__Gradient *gradient,
                            gf_error *error)
{
    char shape[SHAPE_TEXT_MAX];
    uint64_t elements = 0;
    uint64_t bytes = 0;
    bool fits = shape_size((enum dtype)gradient->dtype, gradient->shape, gradient->n_shape,
                           &elements, &bytes) &&
                bytes == buffer->bytes;
    if (buffer->dtype != 0 && (int)buffer->dtype != (int)gradient->dtype)
        return report(error, GF_CLIENT_BUFFER, "pull: node %" PRIu64 " is %s, the buffer %s",
                      buffer->node, dtype_name((int)gradient->dtype), gf_dtype_name(buffer->dtype));
    if (!fits)
        return report(error, GF_CLIENT_BUFFER,
                      "pull: node %" PRIu64 " is %s %s, %" PRIu64 " bytes; the buffer has %" PRIu64,
                      buffer->node, dtype_name((int)gradient->dtype),
                      shape_text(shape, gradient->shape, gradient->n_shape), bytes, buffer->bytes);
    return GF_OK;
}

/* -- Where the tensors are, or go ------------------------------------------------------------- */

static gf_code aim(struct pull *pull, gf_error *error)
{
    struct request *request = &pull->request;
    request->into = calloc(pull->n, sizeof *request->into);
    if (request->into == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for %zu gradients", pull->n);
    request->n_into = pull->n;
    for (size_t i = 0; i < pull->n; i++)
        request->into[i] = (struct piece){pull->gradients[i].data, pull->gradients[i].bytes};
    return GF_OK;
}

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* The answer has a body: it goes into memory of the view's own. */
static gf_code keep_body(struct pull *pull, gf_error *error)
{
    uint64_t total = 0;
    uint8_t *data;
    for (size_t i = 0; i < pull->n; i++)
        if (pull->gradients[i].bytes > INT64_MAX ||
            !checked_add(total, aligned(pull->gradients[i].bytes), &total))
            return report(error, GF_CLIENT_NO_MEMORY, "no memory for a view");
    pull->result.view = view_of_memory(total, &data);
    if (pull->result.view == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a view of %" PRIu64 " bytes",
                      total);
    for (size_t i = 0; i < pull->n; i++) {
        pull->gradients[i].data = data;
        data += aligned(pull->gradients[i].bytes);
    }
    return aim(pull, error);
}

/* Reading only: gf_gradient.data is written to by other pulls. */
static void *readable(const void *data)
{
    return (void *)(uintptr_t)data;
}

static const void *zeros_for(struct pull *pull, gf_client *client, gf_view *view,
                             const Gradfold__V1__PullResult *result)
{
    uint64_t most = 0;
    for (size_t i = 0; i < pull->n; i++)
        if (!result->gradients[i]->has_offset && pull->gradients[i].bytes > most)
            most = pull->gradients[i].bytes;
    return view_zeros(client, view, most);
}

/* The answer lies in a segment. */
static gf_code point(struct pull *pull, const Gradfold__V1__PullResult *result, gf_error *error)
{
    gf_client *client = pull->request.op->client;
    gf_view *view = client->connection.shown;
    if (!pull->view || view == NULL)
        return report(error, GF_CLIENT_PROTOCOL, "pull: a view that was not asked for");
    const void *zeros = zeros_for(pull, client, view, result);
    if (zeros == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no address space for zeros");
    for (size_t i = 0; i < pull->n; i++) {
        const Gradfold__V1__Gradient *at = result->gradients[i];
        const void *data = zeros;
        if (at->has_offset)
            data = view_at(view, at->offset, pull->gradients[i].bytes,
                           gf_dtype_size((gf_dtype)at->dtype));
        if (data == NULL)
            return report(error, GF_CLIENT_PROTOCOL,
                          "pull: node %" PRIu64 ": not within its segment, or not aligned",
                          at->node);
        pull->gradients[i].data = readable(data);
    }
    pull->result.view = view;
    client->connection.shown = NULL;
    return GF_OK;
}

static gf_code place(struct pull *pull, const Gradfold__V1__PullResult *result, gf_error *error)
{
    if (result->has_segment)
        return point(pull, result, error);
    return pull->view ? keep_body(pull, error) : aim(pull, error);
}

static gf_code accept_pull(struct request *request, const Gradfold__V1__Response *response,
                           uint64_t body_bytes, gf_error *error)
{
    struct pull *pull = pull_of(request);
    const Gradfold__V1__PullResult *result = response->pull;
    gf_view_free(pull->result.view); /* of an earlier answer, whose body did not come to its end */
    pull->result = (gf_pull_result){.round = result->round, .state = (gf_round_state)result->state};
    gf_code code = check_answer(pull, result, body_bytes, error);
    for (size_t i = 0; i < pull->n && code == GF_OK; i++)
        code = check_buffer(&pull->gradients[i], result->gradients[i], error);
    if (code == GF_OK)
        code = place(pull, result, error);
    if (code != GF_OK)
        return code;
    for (size_t i = 0; i < pull->n; i++)
        pull->gradients[i].contributions = result->gradients[i]->contributions;
    return GF_OK;
}

/* The server waits for a day at most, the caller perhaps for longer. */
static bool pull_again(struct request *request, gf_code code, uint64_t now_ms)
{
    return code == GF_DEADLINE_EXCEEDED && !pull_of(request)->no_wait &&
           now_ms + 2 * WAIT_MARGIN_MAX_MS < request->deadline_ms;
}

static void free_pull(struct request *request)
{
    gf_view_free(pull_of(request)->result.view);
    free(pull_of(request)->job);
}

static const struct request_kind pull_kind = {
    .what = "pull",
    .result = GRADFOLD__V1__RESPONSE__RESULT_PULL,
    .prepare = prepare_pull,
    .accept = accept_pull,
    .again = pull_again,
    .free = free_pull,
};

static gf_code check(const gf_pull_args *args, gf_error *error)
{
    if (args->size < sizeof *args)
        return report(error, GF_INVALID_ARGUMENT, "gf_pull_args.size is %zu instead of %zu",
                      args->size, sizeof *args);
    if (args->job == NULL)
        return report(error, GF_INVALID_ARGUMENT, "pull: no job");
    if (args->gradients == NULL || args->n_gradients == 0)
        return report(error, GF_INVALID_ARGUMENT, "pull: no gradients");
    for (size_t i = 0; i < args->n_gradients && !args->view; i++)
        if (args->gradients[i].data == NULL && args->gradients[i].bytes > 0)
            return report(error, GF_INVALID_ARGUMENT, "pull: node %" PRIu64 ": no data",
                          args->gradients[i].node);
    return GF_OK;
}

gf_code pull_new(gf_client *client, const gf_pull_args *args, struct request **request,
                 gf_error *error)
{
    gf_code code = check(args, error);
    if (code != GF_OK)
        return code;
    struct pull *pull = calloc(1, sizeof *pull);
    if (pull == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a pull");
    pull->request.kind = &pull_kind;
    pull->job = strdup(args->job);
    pull->round = args->round;
    pull->gradients = args->gradients;
    pull->n = args->n_gradients;
    pull->no_wait = args->no_wait;
    pull->view = args->view;
    flight_prepare(client, &pull->request, args->timeout_ms);
    code = request_reserve(&pull->request, 0, error);
    if (code == GF_OK && pull->job == NULL)
        code = report(error, GF_CLIENT_NO_MEMORY, "no memory for a pull");
    if (code == GF_OK)
        *request = &pull->request;
    else
        request_free(&pull->request);
    return code;
}

void pull_take_result(struct request *request, gf_pull_result *result)
{
    *result = pull_of(request)->result;
    pull_of(request)->result.view = NULL;
}
