#include "soak_load.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gradfold/gradfold.h"

enum {
    LARGE_ELEMENTS = 256 << 10,
    NODES_MAX = 100,
    SMALL_ELEMENTS = 32,
    CALL_MS = 20000,
    PAUSE_MS = 10
};

/* A job of two workers, both played by one thread. */
struct work {
    struct load *load;
    gf_client *client[2];
    char job[64];
    unsigned nodes;
    uint64_t elements;
    float *values;
    float *sums;
    uint64_t shape[1];
    gf_tensor tensors[NODES_MAX];
    gf_gradient gradients[NODES_MAX];
};

static void wrong(struct load *load, const char *what, const gf_error *error)
{
    if (atomic_load(&load->stopping))
        return;
    atomic_fetch_add(&load->wrong, 1);
    fprintf(stderr, "%s: %s: %s\n", what, gf_code_name(error->code), error->message);
}

static bool work_begin(struct work *w, struct load *load, const char *job, unsigned nodes,
                       uint64_t elements)
{
    gf_error error;
    *w = (struct work){.load = load, .nodes = nodes, .elements = elements, .shape = {elements}};
    snprintf(w->job, sizeof w->job, "%s", job);
    w->values = malloc(elements * sizeof *w->values);
    w->sums = malloc(nodes * elements * sizeof *w->sums);
    gf_spec *spec = gf_spec_new(job, 2);
    for (unsigned i = 0; i < nodes; i++) {
        gf_spec_add_node(spec, NULL, GF_F32, w->shape, 1);
        w->tensors[i] = (gf_tensor){
            .node = i, .dtype = GF_F32, .shape = w->shape, .ndim = 1, .data = w->values};
        w->gradients[i] = (gf_gradient){.node = i,
                                        .dtype = GF_F32,
                                        .data = w->sums + i * elements,
                                        .bytes = elements * sizeof(float)};
    }
    gf_code code = gf_connect(load->server->address, NULL, &w->client[0], &error);
    if (code == GF_OK)
        code = gf_connect(load->server->address, NULL, &w->client[1], &error);
    if (code == GF_OK)
        code = gf_job_create(w->client[0], spec, CALL_MS, NULL, NULL, &error);
    gf_spec_free(spec);
    if (code != GF_OK)
        wrong(load, "begin", &error);
    return code == GF_OK;
}

static void work_end(struct work *w)
{
    gf_error error;
    if (w->client[0] != NULL && gf_job_delete(w->client[0], w->job, CALL_MS, &error) != GF_OK)
        wrong(w->load, "delete", &error);
    gf_close(w->client[0]);
    gf_close(w->client[1]);
    free(w->values);
    free(w->sums);
}

/* Both push the round's number, whose double comes back. */
static bool work_round(struct work *w, uint64_t round)
{
    gf_error error;
    float value = (float)(round % 1000 + 1);
    for (uint64_t i = 0; i < w->elements; i++)
        w->values[i] = value;
    for (uint32_t worker = 0; worker < 2; worker++) {
        const gf_push_args push = {.size = sizeof push,
                                   .job = w->job,
                                   .round = round,
                                   .worker = worker,
                                   .sequence = 1,
                                   .final = true,
                                   .checksum = round % 2 == 0,
                                   .tensors = w->tensors,
                                   .n_tensors = w->nodes,
                                   .timeout_ms = CALL_MS};
        if (gf_push(w->client[worker], &push, NULL, &error) != GF_OK) {
            wrong(w->load, "push", &error);
            return false;
        }
    }
    const gf_pull_args pull = {.size = sizeof pull,
                               .job = w->job,
                               .round = round,
                               .gradients = w->gradients,
                               .n_gradients = w->nodes,
                               .timeout_ms = CALL_MS};
    if (gf_pull(w->client[round % 2], &pull, NULL, &error) != GF_OK) {
        wrong(w->load, "pull", &error);
        return false;
    }
    for (uint64_t i = 0; i < w->nodes * w->elements; i++)
        if (w->sums[i] != 2 * value) {
            atomic_fetch_add(&w->load->wrong, 1);
            return false;
        }
    return true;
}

static void work_on(struct load *load, const char *job, unsigned nodes, uint64_t elements)
{
    struct work *w = malloc(sizeof *w);
    if (w == NULL)
        return;
    bool ok = work_begin(w, load, job, nodes, elements);
    for (uint64_t round = 0; ok && !atomic_load(&load->stopping); round++) {
        ok = work_round(w, round);
        atomic_fetch_add(&load->rounds, 1);
        poll(NULL, 0, PAUSE_MS);
    }
    work_end(w);
    free(w);
}

void *load_large(void *data)
{
    work_on(data, "large", 4, LARGE_ELEMENTS);
    return NULL;
}

void *load_small(void *data)
{
    work_on(data, "small", NODES_MAX, SMALL_ELEMENTS);
    return NULL;
}

/* A job of its own each time, a few rounds, and away; sometimes without cleaning up at once. */
void *load_visitors(void *data)
{
    struct load *load = data;
    struct work *w = malloc(sizeof *w);
    uint64_t random = 7;
    for (unsigned long i = 0; w != NULL && !atomic_load(&load->stopping); i++) {
        char job[64];
        snprintf(job, sizeof job, "visitor-%lu", i);
        uint64_t elements = 1 + random_below(&random, 20000);
        bool ok = work_begin(w, load, job, 1 + (unsigned)random_below(&random, 20), elements);
        for (uint64_t round = 0; ok && round < random_below(&random, 5); round++)
            ok = work_round(w, round);
        work_end(w);
        atomic_fetch_add(&load->visits, 1);
        poll(NULL, 0, PAUSE_MS);
    }
    free(w);
    return NULL;
}

/* Connections that send nonsense, half a frame, or nothing; pushes that are refused. */
static void bare_nuisance(const struct load *load, uint64_t *random)
{
    static const unsigned char half[] = {'G', 'F', 'D', '1', 100, 0, 0, 0,
                                         255, 0,   0,   0,   0,   0, 0, 0};
    unsigned char bytes[512];
    int fd = connect_to(load->server->address);
    if (fd < 0)
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)random_next(random);
    memcpy(bytes, half, sizeof half);
    size_t n = random_below(random, sizeof bytes);
    ssize_t sent = 0;
    if (random_below(random, 2) == 0)
        sent = send(fd, bytes, n, MSG_NOSIGNAL);
    else if (n > sizeof half)
        sent = send(fd, bytes + sizeof half, n - sizeof half, MSG_NOSIGNAL);
    (void)sent; /* the server may have hung up before */
    close(fd);
}

static void refused_push(const struct load *load, uint64_t *random)
{
    static const float data[SMALL_ELEMENTS];
    const uint64_t shape[] = {1 + random_below(random, SMALL_ELEMENTS - 1)};
    const gf_tensor tensor = {.node = random_below(random, 200),
                              .dtype = GF_F32,
                              .shape = shape,
                              .ndim = 1,
                              .data = data};
    const gf_push_args args = {.size = sizeof args,
                               .job = random_below(random, 2) == 0 ? "small" : "nowhere",
                               .worker = 77,
                               .tensors = &tensor,
                               .n_tensors = 1,
                               .timeout_ms = CALL_MS};
    gf_client *client;
    gf_error error;
    if (gf_connect(load->server->address, NULL, &client, &error) != GF_OK)
        return;
    gf_push(client, &args, NULL, &error);
    gf_close(client);
}

void *load_nuisances(void *data)
{
    struct load *load = data;
    uint64_t random = 11;
    while (!atomic_load(&load->stopping)) {
        bare_nuisance(load, &random);
        refused_push(load, &random);
        atomic_fetch_add(&load->nuisances, 2);
        poll(NULL, 0, PAUSE_MS);
    }
    return NULL;
}

void *load_admin(void *data)
{
    struct load *load = data;
    while (!atomic_load(&load->stopping)) {
        if (gradfoldd_metric(load->server, "gradfoldd_jobs") < 0)
            atomic_fetch_add(&load->wrong, 1);
        atomic_fetch_add(&load->scrapes, 1);
        poll(NULL, 0, 100);
    }
    return NULL;
}
