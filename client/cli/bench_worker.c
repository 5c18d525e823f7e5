/* One worker: a connection, a gradient full of ones, and room for the sum, which must be full of
 * the number of workers. With shared memory the gradient lies in a buffer, the sum is a view. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "bench_crew.h"
#include "session.h"

struct worker {
    const struct bench *bench;
    uint32_t number;
    gf_client *client;
    char job[64];
    uint64_t bytes;
    gf_buffer *buffer; /* of the gradient; NULL: it is our own memory */
    char *gradient;    /* bytes, as is sum */
    char *sum;         /* NULL: views are shown instead */
    gf_view *view;     /* of the last pull; NULL: none */
    gf_tensor *tensors;
    uint64_t *elements; /* of each node: its shape */
    gf_gradient *gradients;
    struct bench_answer answer;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool fail(struct worker *w, const char *what, gf_code code, const char *message)
{
    snprintf(w->answer.what, sizeof w->answer.what, "%s", what);
    if (message != NULL) {
        w->answer.error.code = code;
        snprintf(w->answer.error.message, sizeof w->answer.error.message, "%s", message);
    }
    return false;
}

/* -- Values -- */

/* A small whole number in a floating-point format of so many bits of exponent and mantissa. */
static uint16_t small_float(uint32_t n, unsigned exponent_bits, unsigned mantissa_bits)
{
    unsigned log2 = 31 - (unsigned)__builtin_clz(n);
    uint32_t bias = (1U << (exponent_bits - 1)) - 1;
    uint32_t fraction = (n << mantissa_bits >> log2) & ((1U << mantissa_bits) - 1);
    return (uint16_t)((bias + log2) << mantissa_bits | fraction);
}

/* The bytes of n, which is 1 … BENCH_WORKERS_MAX. */
static void encode(gf_dtype dtype, uint32_t n, char out[static 8])
{
    const float f32 = (float)n;
    const double f64 = (double)n;
    const uint16_t f16 = small_float(n, 5, 10);
    const uint16_t bf16 = small_float(n, 8, 7);
    const int64_t integer = (int64_t)n; /* little-endian: i32 is its beginning */
    const void *from = dtype == GF_F32    ? (const void *)&f32
                       : dtype == GF_F64  ? (const void *)&f64
                       : dtype == GF_F16  ? (const void *)&f16
                       : dtype == GF_BF16 ? (const void *)&bf16
                                          : (const void *)&integer;
    memcpy(out, from, gf_dtype_size(dtype));
}

/* Of sum or gradient: is it full of the value? */
static bool full_of(const struct worker *w, const char *data, uint64_t bytes, const char *value)
{
    size_t size = gf_dtype_size(w->bench->dtype);
    return bytes == 0 ||
           (memcmp(data, value, size) == 0 && memcmp(data, data + size, bytes - size) == 0);
}

static bool verify(struct worker *w, bool every)
{
    char expected[8];
    encode(w->bench->dtype, w->bench->workers, expected);
    for (uint64_t i = 0; i < w->bench->nodes; i++) {
        const gf_gradient *g = &w->gradients[i];
        if (g->contributions != w->bench->workers)
            return fail(w, "verification", GF_INTERNAL, "a sum lacks a worker's contribution");
        if (every && !full_of(w, g->data, g->bytes, expected))
            return fail(w, "verification", GF_INTERNAL, "a sum is wrong");
    }
    return true;
}

/* -- Preparing -- */

/* Touched memory that asks for huge pages. */
static char *touched(uint64_t bytes)
{
    const uint64_t huge = 2 << 20;
    uint64_t room = (bytes + huge - 1) / huge * huge;
    char *memory = aligned_alloc(huge, room == 0 ? huge : room);
    if (memory == NULL)
        return NULL;
    madvise(memory, room, MADV_HUGEPAGE);
    memset(memory, 0, room);
    return memory;
}

static void release(struct worker *w)
{
    if (w->buffer == NULL)
        free(w->gradient);
    gf_buffer_free(w->buffer);
    free(w->sum);
    free(w->tensors);
    free(w->elements);
    free(w->gradients);
    w->buffer = NULL;
    w->gradient = w->sum = NULL;
    w->tensors = NULL;
    w->elements = NULL;
    w->gradients = NULL;
}

/* Where the gradient lies, and the sum. */
static bool allocate_memory(struct worker *w)
{
    if (w->bench->transport == BENCH_SHM) {
        gf_code code = gf_buffer_new(w->client, w->bytes, &w->buffer, &w->answer.error);
        if (code != GF_OK)
            return fail(w, "memory", code, NULL);
        w->gradient = gf_buffer_data(w->buffer);
        w->sum = NULL;
        return true;
    }
    w->gradient = touched(w->bytes);
    w->sum = touched(w->bytes);
    return (w->gradient != NULL && w->sum != NULL) ||
           fail(w, "memory", GF_CLIENT_NO_MEMORY, "no room for the gradient and the sum");
}

static bool allocate(struct worker *w)
{
    release(w);
    w->tensors = calloc(w->bench->nodes, sizeof *w->tensors);
    w->elements = calloc(w->bench->nodes, sizeof *w->elements);
    w->gradients = calloc(w->bench->nodes, sizeof *w->gradients);
    if (w->tensors == NULL || w->elements == NULL || w->gradients == NULL)
        return fail(w, "memory", GF_CLIENT_NO_MEMORY, "no room for the tensors");
    return allocate_memory(w);
}

static void fill(struct worker *w)
{
    char one[8];
    size_t size = gf_dtype_size(w->bench->dtype);
    encode(w->bench->dtype, 1, one);
    for (uint64_t at = 0; at < w->bytes; at += size)
        memcpy(w->gradient + at, one, size);
}

static bool prepare(struct worker *w, const struct bench_order *order)
{
    memcpy(w->job, order->job, sizeof w->job);
    w->bytes = order->bytes;
    if (!allocate(w))
        return false;
    fill(w);
    uint64_t at = 0;
    for (uint64_t i = 0; i < w->bench->nodes; i++) {
        w->elements[i] = bench_node_elements(w->bench, w->bytes, i);
        uint64_t bytes = w->elements[i] * gf_dtype_size(w->bench->dtype);
        w->tensors[i] = (gf_tensor){.node = i,
                                    .dtype = w->bench->dtype,
                                    .shape = &w->elements[i],
                                    .ndim = 1,
                                    .data = w->gradient + at};
        w->gradients[i] = (gf_gradient){.node = i,
                                        .dtype = w->bench->dtype,
                                        .data = w->sum == NULL ? NULL : w->sum + at,
                                        .bytes = bytes};
        at += bytes;
    }
    return true;
}

/* -- Operations -- */

static gf_code call(struct worker *w, const struct bench_order *order)
{
    const gf_push_args push = {.size = sizeof push,
                               .job = w->job,
                               .round = order->round,
                               .worker = w->number,
                               .final = true,
                               .tensors = w->tensors,
                               .n_tensors = w->bench->nodes};
    const gf_pull_args pull = {.size = sizeof pull,
                               .job = w->job,
                               .round = order->round,
                               .gradients = w->gradients,
                               .n_gradients = w->bench->nodes,
                               .view = w->bench->transport == BENCH_SHM};
    gf_error *error = &w->answer.error;
    gf_pull_result pulled = {.view = NULL};
    gf_code code;
    w->answer.begin_ns = now_ns();
    if (order->op == BENCH_PUSH)
        code = gf_push(w->client, &push, NULL, error);
    else if (order->op == BENCH_PULL)
        code = gf_pull(w->client, &pull, &pulled, error);
    else
        code = gf_push_pull(w->client, &push, &pull, NULL, &pulled, error);
    w->answer.end_ns = now_ns();
    w->view = pulled.view;
    return code;
}

static bool operate(struct worker *w, const struct bench_order *order)
{
    static const char *const names[BENCH_OPS] = {"push", "pull", "round"};
    gf_code code = call(w, order);
    bool done = code == GF_OK || fail(w, names[order->op], code, NULL);
    done = done && (order->op == BENCH_PUSH || verify(w, order->verify));
    gf_view_free(w->view);
    w->view = NULL;
    return done;
}

static bool join(struct worker *w)
{
    const gf_options options = {.size = sizeof options,
                                .connect_timeout_ms = session_connect_ms(w->bench->timeout_ms),
                                .call_timeout_ms = w->bench->timeout_ms,
                                .name = "gradfold bench",
                                .no_shared_memory = w->bench->transport != BENCH_SHM};
    gf_code code = gf_connect(w->bench->address, &options, &w->client, &w->answer.error);
    return code == GF_OK || fail(w, "connect", code, NULL);
}

void bench_worker_run(const struct bench *bench, uint32_t worker, int channel)
{
    struct worker w = {.bench = bench, .number = worker};
    struct bench_order order;
    while (recv(channel, &order, sizeof order, 0) == (ssize_t)sizeof order) {
        w.answer = (struct bench_answer){.error = {.code = GF_OK}};
        if (w.client != NULL || join(&w)) {
            if (order.task == TASK_PREPARE)
                prepare(&w, &order);
            else
                operate(&w, &order);
        }
        if (send(channel, &w.answer, sizeof w.answer, MSG_NOSIGNAL) < 0)
            break;
    }
    release(&w);
    gf_close(w.client);
}
