#include "exchange.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "print.h"

static bool refused(const char *what, uint64_t number, const gf_error *error)
{
    fprintf(stderr, "backward_worker: %s %" PRIu64 ": %s: %s\n", what, number,
            gf_code_name(error->code), error->message);
    return false;
}

static bool wrong(const char *what, uint64_t number, const char *why)
{
    fprintf(stderr, "backward_worker: %s %" PRIu64 ": %s\n", what, number, why);
    return false;
}

/* So long a call may take: where everything is slow, the environment says how many times longer;
 * less than a pass may take (programs.py), so that the worker can say which call it was. */
static uint32_t patience_ms(void)
{
    const char *scale = getenv("GRADFOLD_TEST_SCALE");
    double times = scale != NULL ? strtod(scale, NULL) : 1;
    return times >= 2 ? 40000 : (uint32_t)(20000 * (times > 1 ? times : 1));
}

bool exchange_open(struct exchange *exchange, const char *address)
{
    const gf_options options = {.size = sizeof options, .call_timeout_ms = patience_ms()};
    gf_error error;
    exchange->shared = strncmp(address, "unix:", 5) == 0;
    bool good = gf_connect(address, &options, &exchange->client, &error) == GF_OK;
    if (good && exchange->twice)
        good = gf_connect(address, &options, &exchange->second, &error) == GF_OK;
    if (good)
        return true;
    exchange_close(exchange);
    return refused("connect as", exchange->worker, &error);
}

void exchange_close(struct exchange *exchange)
{
    gf_close(exchange->client);
    gf_close(exchange->second);
}

bool exchange_create_job(struct exchange *exchange, const struct tape *tape, uint32_t world_size)
{
    gf_error error = {.code = GF_CLIENT_NO_MEMORY};
    gf_spec *spec = gf_spec_new(exchange->job, world_size);
    bool good = spec != NULL;
    for (size_t id = 0; good && id < tape->size; id++) {
        const struct node *node = &tape->nodes[id];
        gf_spec_add_node(spec, NULL, (gf_dtype)node->dtype, node->shape, node->ndim);
        if (node->requires_grad)
            gf_spec_expect(spec, id, node->expected);
        else
            gf_spec_freeze_node(spec, id);
    }
    good = good &&
           gf_job_create(exchange->client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &error) == GF_OK;
    gf_spec_free(spec);
    return good || refused("create as", exchange->worker, &error);
}

/* -- Pushing ----------------------------------------------------------------------------------- */

static void die_if(const struct exchange *exchange, enum moment moment)
{
    if (exchange->moment == moment && exchange->fatal_push == exchange->pushed)
        kill(getpid(), SIGKILL);
}

/* While the push is on its way: at once, or a moment later, in which most arrive. */
static void die_during(const struct exchange *exchange, gf_op *op)
{
    size_t index;
    if (exchange->moment != DURING || exchange->fatal_push != exchange->pushed)
        return;
    if (exchange->pushed % 2 == 0)
        (void)gf_op_wait_any_for(&op, 1, 1, &index, NULL);
    kill(getpid(), SIGKILL);
}

static bool finish(gf_op *op, const gf_push_args *args, gf_push_result *result)
{
    gf_error error;
    if (gf_op_wait(op, &error) != GF_OK || !gf_op_push_result(op, result))
        return refused("push", args->sequence, &error);
    printf("push %" PRIu64 " %s\n", args->sequence,
           result->verdict == GF_DUPLICATE ? "DUPLICATE" : "ACCEPTED");
    return true;
}

static bool check(const gf_push_args *args, const gf_push_result *results, size_t n,
                  uint32_t frozen)
{
    for (size_t i = 0; i < n; i++)
        if (results[i].ignored != frozen)
            return wrong("push", args->sequence, "ignored are not those that go to frozen nodes");
    return n == 1 || results[0].verdict != results[1].verdict ||
           wrong("push", args->sequence, "sent twice, and counted twice or not at all");
}

static bool send(struct exchange *exchange, const gf_push_args *args, uint32_t frozen)
{
    gf_client *const clients[2] = {exchange->client, exchange->second};
    size_t n = exchange->twice ? 2 : 1;
    gf_op *ops[2] = {NULL, NULL};
    gf_push_result results[2];
    gf_error error;
    bool good = true;
    die_if(exchange, BEFORE);
    for (size_t i = 0; i < n && good; i++)
        good = gf_push_submit(clients[i], args, &ops[i], &error) == GF_OK ||
               refused("push", args->sequence, &error);
    if (good)
        die_during(exchange, ops[0]);
    for (size_t i = 0; i < n && good; i++)
        good = finish(ops[i], args, &results[i]);
    for (size_t i = 0; i < n; i++)
        gf_op_free(ops[i]);
    die_if(exchange, AFTER);
    return good && check(args, results, n, frozen);
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

/* Moves what the tensors hold into one buffer. NULL: there is none to be had. */
static gf_buffer *into_buffer(const struct exchange *exchange, gf_tensor *tensors,
                              const uint64_t *bytes, size_t n)
{
    gf_buffer *buffer;
    gf_error error;
    uint64_t sum = 8;
    for (size_t i = 0; i < n; i++)
        sum += padded(bytes[i]);
    if (gf_buffer_new(exchange->client, sum, &buffer, &error) != GF_OK) {
        refused("buffer of", sum, &error);
        return NULL;
    }
    unsigned char *at = gf_buffer_data(buffer);
    for (size_t i = 0; i < n; i++) {
        memcpy(at, tensors[i].data, bytes[i]);
        tensors[i].data = at;
        at += padded(bytes[i]);
    }
    return buffer;
}

static bool push_tensors(struct exchange *exchange, const gf_push_args *args, uint32_t frozen,
                         gf_tensor *tensors, const uint64_t *bytes)
{
    gf_buffer *buffer = NULL;
    if (exchange->shared) {
        buffer = into_buffer(exchange, tensors, bytes, args->n_tensors);
        if (buffer == NULL)
            return false;
    }
    bool good = send(exchange, args, frozen);
    gf_buffer_free(buffer);
    return good;
}

bool exchange_push(struct exchange *exchange, const struct contributions *contributions,
                   const struct tape *tape, bool final)
{
    uint64_t sequence = ++exchange->pushed;
    size_t n = contributions->size;
    uint32_t frozen = 0;
    gf_tensor *tensors = calloc(n + 1, sizeof *tensors);
    uint64_t *bytes = calloc(n + 1, sizeof *bytes);
    bool good = tensors != NULL && bytes != NULL;
    for (size_t i = 0; good && i < n; i++) {
        const struct contribution *c = &contributions->list[i];
        tensors[i] = (gf_tensor){.node = c->node,
                                 .dtype = (gf_dtype)c->dtype,
                                 .shape = c->shape,
                                 .ndim = c->ndim,
                                 .data = contributions->data[i]};
        bytes[i] = contributions_bytes(contributions, i);
        if (c->node < tape->size) /* else the server will refuse the push */
            frozen += !tape->nodes[c->node].requires_grad;
    }
    const gf_push_args args = {.size = sizeof args,
                               .job = exchange->job,
                               .round = 0,
                               .worker = exchange->worker,
                               .sequence = sequence,
                               .final = final,
                               .tensors = tensors,
                               .n_tensors = n};
    good = good ? push_tensors(exchange, &args, frozen, tensors, bytes)
                : wrong("push", sequence, "no memory");
    free(tensors);
    free(bytes);
    return good;
}

/* -- Pulling ----------------------------------------------------------------------------------- */

bool exchange_pull(const struct exchange *exchange, const struct tape *tape, size_t id,
                   void *gradient)
{
    static const char *const states[] = {
        [GF_ROUND_OPEN] = "OPEN", [GF_ROUND_CLOSING] = "CLOSING", [GF_ROUND_CLOSED] = "CLOSED"};
    const struct node *node = &tape->nodes[id];
    gf_gradient sum = {
        .node = id, .dtype = (gf_dtype)node->dtype, .data = gradient, .bytes = node->bytes};
    const gf_pull_args args = {.size = sizeof args,
                               .job = exchange->job,
                               .round = 0,
                               .gradients = &sum,
                               .n_gradients = 1,
                               .view = exchange->shared};
    gf_pull_result result;
    gf_error error;
    if (gf_pull(exchange->client, &args, &result, &error) != GF_OK)
        return refused("pull", id, &error);
    if (exchange->shared && node->bytes > 0)
        memcpy(gradient, sum.data, node->bytes);
    gf_view_free(result.view);
    if (sum.contributions != node->expected)
        return wrong("pull", id, "complete with other contributions than it expects");
    printf("pull %s ", states[result.state]);
    print_gradient(stdout, node, id, sum.contributions, gradient);
    return true;
}
