/* 64-byte pushes through libgradfold: one at a time, each timed; or pipelined, `window` of them
 * submitted and not yet waited for. A round is `round` pushes; the last is final. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <gradfold/gradfold.h>

#include "bench.h"
#include "small.h"

struct run {
    struct small small;
    gf_client *client;
    gf_op **ops; /* a ring */
    float gradient[SMALL_ELEMENTS];
    double *seconds;
};

static void need(gf_code code, const char *what, const gf_error *error)
{
    if (code != GF_OK)
        bench_fail(what, error->message);
}

static void finish(gf_op **op)
{
    gf_error error;
    if (*op != NULL)
        need(gf_op_wait(*op, &error), "push", &error);
    gf_op_free(*op);
    *op = NULL;
}

static void push(struct run *run, uint64_t i)
{
    const uint64_t elements = SMALL_ELEMENTS;
    const gf_tensor tensor = {
        .node = 0, .dtype = GF_F32, .shape = &elements, .ndim = 1, .data = run->gradient};
    const gf_push_args args = {
        .size = sizeof args,
        .job = run->small.job,
        .round = i / run->small.round,
        .sequence = i,
        .final = (i + 1) % run->small.round == 0,
        .tensors = &tensor,
        .n_tensors = 1,
    };
    gf_error error;
    if (run->small.one_at_a_time) {
        double started = bench_seconds();
        need(gf_push(run->client, &args, NULL, &error), "push", &error);
        run->seconds[i] = bench_seconds() - started;
        return;
    }
    gf_op **op = &run->ops[i % run->small.window];
    finish(op);
    need(gf_push_submit(run->client, &args, op, &error), "submit", &error);
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *const keys[] = {SMALL_KEYS, NULL};
    struct words words = words_read(argv, "small_library address=ADDRESS " SMALL_USAGE, keys);
    struct run run = {.small = small_read(&words)};
    run.seconds = calloc(run.small.pushes, sizeof *run.seconds);
    run.ops = calloc(run.small.window, sizeof(gf_op *));
    if (run.seconds == NULL || run.ops == NULL)
        bench_fail("memory", "none left");
    for (int i = 0; i < SMALL_ELEMENTS; i++)
        run.gradient[i] = 1;
    small_create(&run.small);
    const gf_options options = {.size = sizeof options, .no_shared_memory = true};
    gf_error error;
    need(gf_connect(run.small.address, &options, &run.client, &error), "connect", &error);
    double started = bench_seconds();
    for (uint64_t i = 0; i < run.small.pushes; i++)
        push(&run, i);
    for (uint64_t i = 0; i < run.small.window; i++)
        finish(&run.ops[(run.small.pushes + i) % run.small.window]);
    double taken = bench_seconds() - started;
    gf_close(run.client);
    small_check(&run.small);
    small_report(&run.small, taken, run.seconds);
    free(run.ops);
    free(run.seconds);
    return 0;
}
