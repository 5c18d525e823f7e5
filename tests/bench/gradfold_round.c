/* The contestant: the same round through libgradfold and a running gradfoldd.
 *
 * transport=copy sends gradients and receives sums over the address's socket, TCP or Unix;
 * transport=shm, over a Unix socket only, has the gradient in a gf_buffer and reads a gf_view. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gradfold/gradfold.h>

#include "bench.h"

struct contest {
    const struct bench *bench;
    const char *address;
    bool shm;
    bool in_order;
    uint32_t retain;
    char job[64];
};

struct worker {
    const struct contest *contest;
    uint32_t number;
    gf_client *client;
    uint64_t elements; /* of each tensor */
    gf_tensor *tensors;
    gf_gradient *gradients;
    gf_view *view; /* of the last round */
};

static void need(gf_code code, const char *what, const gf_error *error)
{
    if (code != GF_OK)
        bench_fail(what, error->message);
}

static gf_client *connect_to(const struct contest *contest)
{
    const gf_options options = {.size = sizeof options, .no_shared_memory = !contest->shm};
    gf_error error;
    gf_client *client;
    gf_server_info info;
    need(gf_connect(contest->address, &options, &client, &error), "connect", &error);
    need(gf_ping(client, GF_DEFAULT_TIMEOUT, &info, &error), "ping", &error);
    if (info.shared_memory != contest->shm)
        bench_fail(contest->address, contest->shm ? "does not share memory" : "shares memory");
    return client;
}

/* The handle does not live across fork(): it is closed before the workers begin. */
static void create_job(const struct contest *contest)
{
    const struct bench *bench = contest->bench;
    gf_error error;
    gf_client *client = connect_to(contest);
    gf_spec *spec = gf_spec_new(contest->job, (uint32_t)bench->workers);
    if (spec == NULL)
        bench_fail("spec", "no memory");
    uint64_t elements = bench->bytes / bench->tensors / sizeof(float);
    for (size_t i = 0; i < bench->tensors; i++)
        gf_spec_add_node(spec, NULL, GF_F32, &elements, 1);
    if (contest->in_order)
        gf_spec_set_in_order(spec);
    gf_spec_set_retain_rounds(spec, contest->retain);
    need(gf_job_create(client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &error), "create", &error);
    gf_close(client);
    gf_spec_free(spec);
}

static void *open_worker(const void *of, int number)
{
    const struct contest *contest = of;
    const struct bench *bench = contest->bench;
    struct worker *w = malloc(sizeof *w);
    if (w == NULL)
        bench_fail("worker", "no memory");
    *w = (struct worker){
        .contest = contest,
        .number = (uint32_t)number,
        .client = connect_to(contest),
        .elements = bench->bytes / bench->tensors / sizeof(float),
        .tensors = calloc(bench->tensors, sizeof *w->tensors),
        .gradients = calloc(bench->tensors, sizeof *w->gradients),
    };
    if (w->tensors == NULL || w->gradients == NULL)
        bench_fail("worker", "no memory");
    for (size_t i = 0; i < bench->tensors; i++) {
        w->tensors[i] = (gf_tensor){.node = i, .dtype = GF_F32, .shape = &w->elements, .ndim = 1};
        w->gradients[i] =
            (gf_gradient){.node = i, .dtype = GF_F32, .bytes = w->elements * sizeof(float)};
    }
    return w;
}

static float *shared_gradient(void *state)
{
    const struct worker *w = state;
    gf_error error;
    gf_buffer *buffer;
    need(gf_buffer_new(w->client, w->contest->bench->bytes, &buffer, &error), "buffer", &error);
    return gf_buffer_data(buffer);
}

static void push(void *state, long round, const float *gradient)
{
    struct worker *w = state;
    gf_view_free(w->view);
    w->view = NULL;
    for (size_t i = 0; i < w->contest->bench->tensors; i++)
        w->tensors[i].data = gradient + i * w->elements;
    const gf_push_args args = {
        .size = sizeof args,
        .job = w->contest->job,
        .round = (uint64_t)round,
        .worker = w->number,
        .sequence = 0,
        .final = true,
        .tensors = w->tensors,
        .n_tensors = w->contest->bench->tensors,
    };
    gf_error error;
    need(gf_push(w->client, &args, NULL, &error), "push", &error);
}

static void pull(void *state, long round, float **sums)
{
    struct worker *w = state;
    const struct bench *bench = w->contest->bench;
    for (size_t i = 0; i < bench->tensors; i++)
        w->gradients[i].data = sums[i];
    const gf_pull_args args = {
        .size = sizeof args,
        .job = w->contest->job,
        .round = (uint64_t)round,
        .gradients = w->gradients,
        .n_gradients = bench->tensors,
        .view = w->contest->shm,
    };
    gf_error error;
    gf_pull_result result;
    need(gf_pull(w->client, &args, &result, &error), "pull", &error);
    w->view = result.view;
    for (size_t i = 0; i < bench->tensors; i++)
        sums[i] = w->gradients[i].data;
    if (w->gradients[0].contributions != (uint32_t)bench->workers)
        bench_fail("pull", "a sum of fewer or more than the workers");
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *const keys[] = {BENCH_KEYS, "address", "transport", "accumulation", "retain", NULL};
    struct words words = words_read(argv,
                                    "gradfold_round address=ADDRESS [transport=copy|shm] "
                                    "[accumulation=exact|in-order] [retain=N] " BENCH_USAGE,
                                    keys);
    struct bench bench = bench_read("gradfold", &words);
    struct contest contest = {
        .bench = &bench,
        .address = words_text(&words, "address", NULL),
        .shm = words_choice(&words, "transport", "copy", "shm"),
        .in_order = words_choice(&words, "accumulation", "exact", "in-order"),
        .retain = (uint32_t)words_number(&words, "retain", 2, 32),
    };
    snprintf(contest.job, sizeof contest.job, "bench-%ld-%jd", (long)getpid(),
             (intmax_t)time(NULL));
    create_job(&contest);
    const struct bench_peer peer = {
        .open = open_worker,
        .gradient = contest.shm ? shared_gradient : NULL,
        .push = push,
        .pull = pull,
        .views = contest.shm,
    };
    bench_run(&bench, &peer, &contest);
    return 0;
}
