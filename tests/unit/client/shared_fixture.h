/* What the tests of shared memory have in common: a fake server with a Unix socket, and tensors in
 * buffers and views. */
#pragma once

#include "fixture.h"

#include <dirent.h>
#include <unistd.h>

enum {
    N = 1000,
    BYTES = N * sizeof(float)
};

static inline void connect_with(struct fixture *f, const char *address, bool no_shared_memory)
{
    const gf_options options = {.size = sizeof options,
                                .call_timeout_ms = 20000,
                                .retry_min_ms = 1,
                                .retry_max_ms = 20,
                                .no_shared_memory = no_shared_memory};
    gf_close(f->client);
    f->client = NULL;
    assert_ok(f, gf_connect(address, &options, &f->client, &f->error));
}

static inline bool shares(struct fixture *f)
{
    gf_server_info info;
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, &info, &f->error));
    return info.shared_memory;
}

/* A server that shares, and a client on its Unix socket. */
static inline int setup_shared(void **state)
{
    setup(state);
    struct fixture *f = *state;
    fake_share(f->server);
    connect_with(f, f->server->unix_address, false);
    return 0;
}

/* The data in a buffer of the client's, `shift` bytes from its beginning. */
static inline gf_buffer *buffer_with_data(struct fixture *f, uint64_t n, uint64_t shift)
{
    gf_buffer *buffer;
    assert_ok(f, gf_buffer_new(f->client, n * sizeof(float) + shift, &buffer, &f->error));
    memcpy((char *)gf_buffer_data(buffer) + shift, f->data, n * sizeof(float));
    return buffer;
}

static inline gf_push_args push_from(struct fixture *f, const gf_buffer *buffer, uint64_t n,
                                     uint64_t shift, uint64_t sequence)
{
    gf_push_args push = push_of(f, n, sequence);
    f->tensor.data = (const char *)gf_buffer_data(buffer) + shift;
    return push;
}

static inline gf_pull_args view_of(struct fixture *f, uint64_t n)
{
    gf_pull_args pull = pull_of(f, n);
    f->buffer.data = NULL;
    pull.view = true;
    return pull;
}

static inline void assert_shows(const struct fixture *f, uint64_t n, float times)
{
    const float *data = f->buffer.data;
    for (uint64_t i = 0; i < n; i++)
        if (data[i] != times * f->data[i])
            fail_msg("element %zu is %g instead of %g", (size_t)i, (double)data[i],
                     (double)(times * f->data[i]));
}

/* Until the counter is there; nobody calls the library meanwhile. */
static inline void await(struct fixture *f, size_t counter, unsigned value)
{
    int64_t end = now_ms() + 10000;
    const struct timespec a_moment = {.tv_nsec = 1000 * 1000};
    for (;;) {
        struct fake_counters counters = fake_counters(f->server);
        unsigned now = *(unsigned *)(void *)((char *)&counters + counter);
        if (now == value)
            return;
        if (now_ms() > end || now > value)
            fail_msg("%u instead of %u", now, value);
        nanosleep(&a_moment, NULL);
    }
}

#define AWAIT(f, counter, value) await(f, offsetof(struct fake_counters, counter), value)

static inline unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

/* The server closes what was between it and a client in its own time. */
static inline void assert_no_more_descriptors_than(unsigned before)
{
    const struct timespec a_moment = {.tv_nsec = 1000 * 1000};
    int64_t end = now_ms() + 10000;
    while (open_descriptors() > before && now_ms() < end)
        nanosleep(&a_moment, NULL);
    assert_true(open_descriptors() <= before);
}

#define SHARED(name) cmocka_unit_test_setup_teardown(name, setup_shared, teardown)
