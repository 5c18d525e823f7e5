/* The contestant: the same round through libgradfold and a running gradfoldd. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <gradfold/gradfold.h>

#include "bench.h"

struct contest {
    const char *address;
    const struct bench *bench;
    char job[64];
};

struct worker {
    const struct contest *contest;
    gf_client *client;
    uint32_t number;
};

static void need(gf_code code, const char *what, const gf_error *error)
{
    if (code != GF_OK)
        bench_fail(what, error->message);
}

/* The handle does not live across fork(): it is closed before the workers begin. */
static void create_job(const struct contest *contest)
{
    gf_error error;
    gf_client *client;
    gf_spec *spec = gf_spec_new(contest->job, (uint32_t)contest->bench->workers);
    if (spec == NULL)
        bench_fail("spec", "no memory");
    uint64_t elements = contest->bench->bytes / sizeof(float);
    gf_spec_add_node(spec, "gradient", GF_F32, &elements, 1);
    need(gf_connect(contest->address, NULL, &client, &error), "connect", &error);
    need(gf_job_create(client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &error), "create", &error);
    gf_close(client);
    gf_spec_free(spec);
}

static void *open_worker(const void *contest, int number)
{
    struct worker *worker = malloc(sizeof *worker);
    if (worker == NULL)
        bench_fail("worker", "no memory");
    *worker = (struct worker){.contest = contest, .number = (uint32_t)number};
    gf_error error;
    need(gf_connect(worker->contest->address, NULL, &worker->client, &error), "connect", &error);
    return worker;
}

static void push(void *state, long round, const float *gradient)
{
    const struct worker *worker = state;
    uint64_t elements = worker->contest->bench->bytes / sizeof *gradient;
    const gf_tensor tensor = {
        .node = 0, .dtype = GF_F32, .shape = &elements, .ndim = 1, .data = gradient};
    const gf_push_args args = {
        .size = sizeof args,
        .job = worker->contest->job,
        .round = (uint64_t)round,
        .worker = worker->number,
        .sequence = 0,
        .final = true,
        .tensors = &tensor,
        .n_tensors = 1,
    };
    gf_error error;
    need(gf_push(worker->client, &args, NULL, &error), "push", &error);
}

static void pull(void *state, long round, float *result)
{
    const struct worker *worker = state;
    gf_gradient buffer = {
        .node = 0, .dtype = GF_F32, .data = result, .bytes = worker->contest->bench->bytes};
    const gf_pull_args args = {
        .size = sizeof args,
        .job = worker->contest->job,
        .round = (uint64_t)round,
        .gradients = &buffer,
        .n_gradients = 1,
    };
    gf_error error;
    need(gf_pull(worker->client, &args, NULL, &error), "pull", &error);
}

int main(int argc, char **argv)
{
    const char *usage = "gradfold_round ADDRESS:PORT WORKERS BYTES ROUNDS";
    struct bench bench = bench_arguments("gradfold", usage, argv + (argc > 1 ? 2 : 1));
    struct contest contest = {.address = argv[1], .bench = &bench};
    snprintf(contest.job, sizeof contest.job, "bench-%ld-%jd", (long)getpid(),
             (intmax_t)time(NULL));
    create_job(&contest);
    const struct bench_peer peer = {.open = open_worker, .push = push, .pull = pull};
    bench_run(&bench, &peer, &contest);
    return 0;
}
