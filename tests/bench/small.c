#include "small.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <gradfold/gradfold.h>

#include "bench.h"

static void need(gf_code code, const char *what, const gf_error *error)
{
    if (code != GF_OK)
        bench_fail(what, error->message);
}

struct small small_read(const struct words *words)
{
    struct small small = {
        .address = words_text(words, "address", NULL),
        .pushes = (uint64_t)words_number(words, "pushes", -1, 1L << 26),
        .round = (uint64_t)words_number(words, "round", 10000, 1L << 20),
        .window = (uint64_t)words_number(words, "window", 1024, 1L << 20),
        .one_at_a_time = words_choice(words, "mode", "pipelined", "one"),
    };
    if (small.round == 0 || small.window == 0 || small.pushes % small.round != 0)
        bench_fail("small pushes", "all are at least 1, and rounds whole");
    snprintf(small.job, sizeof small.job, "bench-%ld-%jd", (long)getpid(), (intmax_t)time(NULL));
    return small;
}

static gf_client *connect_to(const char *address)
{
    gf_client *client;
    gf_error error;
    need(gf_connect(address, NULL, &client, &error), "connect", &error);
    return client;
}

void small_create(const struct small *small)
{
    gf_spec *spec = gf_spec_new(small->job, 1);
    if (spec == NULL)
        bench_fail("spec", "no memory");
    const uint64_t elements = SMALL_ELEMENTS;
    gf_spec_add_node(spec, "gradient", GF_F32, &elements, 1);
    gf_client *client = connect_to(small->address);
    gf_error error;
    need(gf_job_create(client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &error), "create", &error);
    gf_close(client);
    gf_spec_free(spec);
}

void small_check(const struct small *small)
{
    float sums[SMALL_ELEMENTS];
    gf_gradient gradient = {.node = 0, .dtype = GF_F32, .data = sums, .bytes = sizeof sums};
    const gf_pull_args args = {
        .size = sizeof args,
        .job = small->job,
        .round = small->pushes / small->round - 1,
        .gradients = &gradient,
        .n_gradients = 1,
    };
    gf_client *client = connect_to(small->address);
    gf_error error;
    need(gf_pull(client, &args, NULL, &error), "pull", &error);
    for (int i = 0; i < SMALL_ELEMENTS; i++)
        if (sums[i] != (float)small->round)
            bench_fail("small pushes", "a wrong sum");
    gf_close(client);
}

void small_report(const struct small *small, double taken, double *seconds)
{
    size_t n = (size_t)small->pushes;
    printf("{\"pushes_per_s\": %.6g, ", (double)n / taken);
    if (small->one_at_a_time)
        printf("\"p50_us\": %.6g, \"p99_us\": %.6g, ", bench_quantile(seconds, n, 0.5) * 1e6,
               bench_quantile(seconds, n, 0.99) * 1e6);
    printf("\"sum\": \"right\"}\n");
}
