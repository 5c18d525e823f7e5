/* One worker of a job of one node, with buffers and views, for test_local.py.
 *
 * usage: local_worker ADDRESS JOB WORKER WORLD_SIZE BYTES ROUNDS shared|tcp|dies|waits
 *
 * shared, tcp: takes part in rounds from the open one up to ROUNDS, and prints a sum of the bits
 * of the last result. dies: is killed in mid-round, with its push under way. waits: holds a view
 * and a buffer, says so, and goes on with the same ones on a server that was restarted. */
#include <gradfold/gradfold.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    gf_client *client;
    gf_buffer *buffer;
    const char *job;
    uint32_t number;
    uint32_t world_size;
    uint64_t elements;
    gf_gradient gradient;
};

static void check(gf_code code, const gf_error *error, const char *what)
{
    if (code == GF_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, gf_code_name(code), error->message);
    exit(1);
}

static void connect_to(struct worker *w, const char *address, bool shared)
{
    gf_error error;
    gf_server_info info;
    const gf_options options = {.size = sizeof options, .no_shared_memory = !shared};
    check(gf_connect(address, &options, &w->client, &error), &error, "connect");
    check(gf_ping(w->client, GF_DEFAULT_TIMEOUT, &info, &error), &error, "ping");
    if (info.shared_memory != shared) {
        fprintf(stderr, "memory is%s shared\n", shared ? " not" : "");
        exit(1);
    }
    check(gf_buffer_new(w->client, w->elements * sizeof(float), &w->buffer, &error), &error,
          "buffer");
}

static uint64_t join_job(struct worker *w)
{
    gf_error error;
    gf_job *job;
    gf_spec *spec = gf_spec_new(w->job, w->world_size);
    gf_spec_add_node(spec, "w", GF_F32, &w->elements, 1);
    check(gf_job_create(w->client, spec, GF_DEFAULT_TIMEOUT, NULL, &job, &error), &error, "create");
    uint64_t round = gf_job_open_round(job);
    gf_job_free(job);
    gf_spec_free(spec);
    return round;
}

/* Whoever pushes for this worker, and how often: the same numbers. */
static gf_push_args push_of(const struct worker *w, uint64_t round, gf_tensor *tensor)
{
    float *data = gf_buffer_data(w->buffer);
    for (uint64_t i = 0; i < w->elements; i++)
        data[i] = (float)((i * 2654435761u + w->number * 97 + round) % 1000) / 7;
    *tensor = (gf_tensor){
        .dtype = GF_F32, .shape = &w->elements, .ndim = 1, .data = gf_buffer_data(w->buffer)};
    return (gf_push_args){.size = sizeof(gf_push_args),
                          .job = w->job,
                          .round = round,
                          .worker = w->number,
                          .sequence = 1,
                          .final = true,
                          .checksum = round % 2 == 1,
                          .tensors = tensor,
                          .n_tensors = 1};
}

static gf_view *one_round(struct worker *w, uint64_t round)
{
    gf_error error;
    gf_tensor tensor;
    gf_pull_result result;
    gf_push_args push = push_of(w, round, &tensor);
    w->gradient = (gf_gradient){.bytes = w->elements * sizeof(float)};
    const gf_pull_args pull = {.size = sizeof pull,
                               .job = w->job,
                               .round = round,
                               .gradients = &w->gradient,
                               .n_gradients = 1,
                               .view = true};
    check(gf_push_pull(w->client, &push, &pull, NULL, &result, &error), &error, "round");
    return result.view;
}

static uint64_t bits(const struct worker *w)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < w->elements; i++) {
        uint32_t bits_of_one;
        memcpy(&bits_of_one, (const char *)w->gradient.data + i * sizeof(float), sizeof(float));
        sum = sum * 31 + bits_of_one;
    }
    return sum;
}

static void take_part(struct worker *w, uint64_t rounds)
{
    uint64_t last = 0;
    for (uint64_t round = join_job(w); round < rounds; round++) {
        gf_view *view = one_round(w, round);
        last = bits(w);
        gf_view_free(view);
    }
    printf("%016" PRIx64 "\n", last);
}

static void die(struct worker *w)
{
    gf_error error;
    gf_tensor tensor;
    gf_op *op;
    uint64_t round = join_job(w);
    gf_view_free(one_round(w, round));
    gf_push_args push = push_of(w, round + 1, &tensor);
    check(gf_push_submit(w->client, &push, &op, &error), &error, "submit");
    raise(SIGKILL);
}

static void wait_for_restart(struct worker *w)
{
    char line[8];
    gf_view *view = one_round(w, join_job(w));
    struct worker before = *w;
    uint64_t sum = bits(&before);
    printf("ready\n");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(1);
    gf_view *after = one_round(w, join_job(w));
    bool same = bits(&before) == sum && bits(w) == sum;
    gf_view_free(view);
    gf_view_free(after);
    printf(same ? "same\n" : "another result\n");
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    struct worker w = {.job = argv[2],
                       .number = (uint32_t)strtoul(argv[3], NULL, 10),
                       .world_size = (uint32_t)strtoul(argv[4], NULL, 10),
                       .elements = strtoull(argv[5], NULL, 10) / sizeof(float)};
    connect_to(&w, argv[1], strcmp(argv[7], "tcp") != 0);
    if (strcmp(argv[7], "dies") == 0)
        die(&w);
    else if (strcmp(argv[7], "waits") == 0)
        wait_for_restart(&w);
    else
        take_part(&w, strtoull(argv[6], NULL, 10));
    gf_buffer_free(w.buffer);
    gf_close(w.client);
    return 0;
}
