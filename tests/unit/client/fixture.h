/* What the tests of the library share: a fake server, a handle, and small pushes and pulls. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_server.h"
#include "gradfold/gradfold.h"

struct fixture {
    struct fake_server *server;
    gf_client *client;
    gf_error error;
    float *data;    /* FAKE_ELEMENTS, [i] = i % 100 */
    float *results; /* FAKE_ELEMENTS */
    uint64_t shape[1];
    gf_tensor tensor;
    gf_gradient buffer;
};

#define assert_ok(f, call)                                                          \
    do {                                                                            \
        gf_code code_ = (call);                                                     \
        if (code_ != GF_OK)                                                         \
            fail_msg("%s: %s: %s", #call, gf_code_name(code_), (f)->error.message); \
    } while (0)

static inline int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void fixture_connect(struct fixture *f)
{
    const gf_options options = {
        .size = sizeof options, .call_timeout_ms = 20000, .retry_min_ms = 1, .retry_max_ms = 20};
    assert_ok(f, gf_connect(f->server->address, &options, &f->client, &f->error));
}

/* A new connection, so that faults that count bytes begin at 0. */
static inline void fixture_reconnect(struct fixture *f, const struct fake_faults *faults)
{
    gf_close(f->client);
    f->client = NULL;
    fake_set(f->server, faults);
    fixture_connect(f);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->data = malloc(FAKE_ELEMENTS * sizeof(float));
    f->results = calloc(FAKE_ELEMENTS, sizeof(float));
    for (int i = 0; i < FAKE_ELEMENTS; i++)
        f->data[i] = (float)(i % 100);
    f->server = fake_start();
    fixture_connect(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    gf_close(f->client);
    fake_stop(f->server);
    free(f->data);
    free(f->results);
    free(f);
    return 0;
}

/* A push of one tensor of n elements to node 0. */
static inline gf_push_args push_of(struct fixture *f, uint64_t n, uint64_t sequence)
{
    f->shape[0] = n;
    f->tensor = (gf_tensor){.dtype = GF_F32, .shape = f->shape, .ndim = 1, .data = f->data};
    return (gf_push_args){.size = sizeof(gf_push_args),
                          .job = "job",
                          .round = 7,
                          .worker = 1,
                          .sequence = sequence,
                          .tensors = &f->tensor,
                          .n_tensors = 1};
}

/* The pull of what it was pushed to. */
static inline gf_pull_args pull_of(struct fixture *f, uint64_t n)
{
    f->buffer = (gf_gradient){.dtype = GF_F32, .data = f->results, .bytes = n * sizeof(float)};
    return (gf_pull_args){.size = sizeof(gf_pull_args),
                          .job = "job",
                          .round = 7,
                          .gradients = &f->buffer,
                          .n_gradients = 1};
}

/* The results are `times` the data. */
static inline void assert_results(const struct fixture *f, uint64_t n, float times)
{
    for (uint64_t i = 0; i < n; i++)
        if (f->results[i] != times * f->data[i])
            fail_msg("element %zu is %g instead of %g", (size_t)i, (double)f->results[i],
                     (double)(times * f->data[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
