/* The client library against a server that answers with whatever the input holds.
 *
 * Input: two calls (1 byte each; the highest bit of the first: on a Unix socket), then answers as
 * fake_peer.h has them. Whatever comes: each call ends in its time with a result or an error;
 * nothing is written beyond the caller's buffers; a pull that succeeds holds the body of its
 * answer; what the library hands out can be read to its end, views included; no descriptor stays
 * open. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_peer.h"
#include "fuzz.h"
#include "gradfold/gradfold.h"
#include "proto/header.h"
#include "records.h"

enum {
    CALL_MS = 400,
    SLACK_MS = 20,
    GUARD = 64,
    BUFFERS = 3,
};

extern const struct record_format record_format;
const struct record_format record_format = {2, 1, &gradfold__v1__response__descriptor};

static const uint64_t sizes[BUFFERS] = {16, 0, 24};
static const float pushed[6] = {1, 2, 3, 4, 5, 6};

/* -- What comes back is looked at to its end -- */

static uint64_t read_job(const gf_job *job)
{
    uint64_t sum = strlen(gf_job_name(job)) + gf_job_world_size(job) + gf_job_quorum(job) +
                   gf_job_grace_ms(job) + gf_job_mean(job) + gf_job_in_order(job) +
                   gf_job_propagates_non_finite(job) + gf_job_retain_rounds(job) +
                   gf_job_open_round(job);
    gf_node node;
    gf_round round;
    for (size_t i = 0; i < gf_job_node_count(job); i++) {
        must(gf_job_node(job, i, &node));
        sum += strlen(node.name) + node.expected;
        for (size_t k = 0; k < node.ndim; k++)
            sum += node.shape[k];
    }
    for (size_t i = 0; i < gf_job_round_count(job); i++) {
        must(gf_job_round(job, i, &round));
        for (size_t k = 0; k < round.n_final_workers; k++)
            sum += round.final_workers[k];
    }
    must(!gf_job_node(job, gf_job_node_count(job), &node));
    must(!gf_job_round(job, gf_job_round_count(job), &round));
    return sum;
}

static void read_names(const gf_job_names *names)
{
    size_t n = gf_job_names_count(names);
    for (size_t i = 0; i < n; i++)
        must(strlen(gf_job_names_get(names, i)) < UINT32_MAX);
    must(gf_job_names_get(names, n) == NULL);
}

/* -- Buffers between guards -- */

struct buffers {
    gf_gradient at[BUFFERS];
    uint8_t *memory[BUFFERS];
};

static void buffers_init(struct buffers *b)
{
    for (uint64_t i = 0; i < BUFFERS; i++) {
        b->memory[i] = malloc(sizes[i] + 2 * GUARD);
        must(b->memory[i] != NULL);
        memset(b->memory[i], 0xA5, sizes[i] + 2 * GUARD);
        b->at[i] = (gf_gradient){.node = i,
                                 .dtype = i == 0 ? GF_F32 : 0,
                                 .data = b->memory[i] + GUARD,
                                 .bytes = sizes[i]};
    }
}

static void buffers_check(const struct buffers *b, bool pulled)
{
    struct span body;
    bool known = fake_peer_last_body(&body);
    for (size_t i = 0; i < BUFFERS; i++) {
        for (size_t k = 0; k < GUARD; k++)
            must(b->memory[i][k] == 0xA5 && b->memory[i][GUARD + sizes[i] + k] == 0xA5);
        struct span mine = input_take(&body, sizes[i]);
        if (pulled && known)
            must(mine.n == sizes[i] && memcmp(mine.at, b->memory[i] + GUARD, mine.n) == 0);
    }
    if (pulled && known)
        must(body.n == 0);
}

static void buffers_free(struct buffers *b)
{
    for (size_t i = 0; i < BUFFERS; i++)
        free(b->memory[i]);
}

/* -- Calls -- */

static gf_push_args push_args(void)
{
    static const uint64_t shape[] = {2, 3};
    static const gf_tensor tensors[] = {
        {.node = 2, .dtype = GF_F32, .shape = shape, .ndim = 2, .data = pushed},
        {.node = 0, .dtype = GF_F32, .shape = NULL, .ndim = 0, .data = pushed}};
    return (gf_push_args){.size = sizeof(gf_push_args),
                          .job = "digits",
                          .round = 3,
                          .sequence = 1,
                          .checksum = true,
                          .tensors = tensors,
                          .n_tensors = 2,
                          .timeout_ms = CALL_MS};
}

static gf_pull_args pull_args(struct buffers *b)
{
    return (gf_pull_args){.size = sizeof(gf_pull_args),
                          .job = "digits",
                          .round = 3,
                          .gradients = b->at,
                          .n_gradients = BUFFERS,
                          .timeout_ms = CALL_MS};
}

static gf_code call_create(gf_client *client, gf_error *error)
{
    gf_job *job = NULL;
    bool created;
    gf_spec *spec = gf_spec_new("digits", 2);
    gf_spec_add_node(spec, "weights", GF_F32, &sizes[0], 1);
    gf_code code = gf_job_create(client, spec, CALL_MS, &created, &job, error);
    if (code == GF_OK)
        read_job(job);
    gf_job_free(job);
    gf_spec_free(spec);
    return code;
}

static gf_code call_describe(gf_client *client, gf_error *error)
{
    gf_job *job = NULL;
    gf_code code = gf_job_describe(client, "digits", CALL_MS, &job, error);
    if (code == GF_OK)
        read_job(job);
    gf_job_free(job);
    return code;
}

static gf_code call_list(gf_client *client, gf_error *error)
{
    gf_job_names *names = NULL;
    gf_code code = gf_job_list(client, CALL_MS, &names, error);
    if (code == GF_OK)
        read_names(names);
    gf_job_names_free(names);
    return code;
}

static gf_code call_pull(gf_client *client, gf_error *error)
{
    struct buffers b;
    gf_pull_result result;
    buffers_init(&b);
    gf_pull_args args = pull_args(&b);
    gf_code code = gf_pull(client, &args, &result, error);
    buffers_check(&b, code == GF_OK);
    buffers_free(&b);
    return code;
}

static gf_code call_push(gf_client *client, gf_error *error)
{
    gf_push_result result;
    gf_push_args args = push_args();
    return gf_push(client, &args, &result, error);
}

static gf_code call_both(gf_client *client, gf_error *error)
{
    struct buffers b;
    gf_pull_result pulled;
    gf_push_result result;
    buffers_init(&b);
    gf_push_args push = push_args();
    gf_pull_args pull = pull_args(&b);
    gf_code code = gf_push_pull(client, &push, &pull, &result, &pulled, error);
    buffers_check(&b, false);
    buffers_free(&b);
    return code;
}

/* -- Shared memory: where it is not shared, a body -- */

static gf_code call_view(gf_client *client, gf_error *error)
{
    gf_gradient gradients[BUFFERS];
    gf_pull_result result;
    gf_pull_args args = {.size = sizeof args,
                         .job = "digits",
                         .round = 3,
                         .gradients = gradients,
                         .n_gradients = BUFFERS,
                         .timeout_ms = CALL_MS,
                         .view = true};
    for (uint64_t i = 0; i < BUFFERS; i++)
        gradients[i] = (gf_gradient){.node = i, .bytes = sizes[i]};
    gf_code code = gf_pull(client, &args, &result, error);
    if (code != GF_OK)
        return code;
    unsigned sum = 0;
    for (size_t i = 0; i < BUFFERS; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            sum += ((const uint8_t *)gradients[i].data)[k];
    must(sum <= 255 * (sizes[0] + sizes[2]) && result.view != NULL);
    gf_view_free(result.view);
    return code;
}

static gf_code call_push_buffer(gf_client *client, gf_error *error)
{
    gf_buffer *buffer;
    gf_push_args args = push_args();
    gf_tensor tensor = args.tensors[0];
    gf_code code = gf_buffer_new(client, sizeof pushed, &buffer, error);
    must(code == GF_OK);
    memcpy(gf_buffer_data(buffer), pushed, sizeof pushed);
    tensor.data = gf_buffer_data(buffer);
    args.tensors = &tensor;
    args.n_tensors = 1;
    code = gf_push(client, &args, NULL, error);
    gf_buffer_free(buffer);
    return code;
}

static gf_code call_ping(gf_client *client, gf_error *error)
{
    gf_server_info info;
    gf_code code = gf_ping(client, CALL_MS, &info, error);
    if (code == GF_OK)
        must(memchr(info.version, '\0', sizeof info.version) != NULL);
    return code;
}

static gf_code call_close(gf_client *client, gf_error *error)
{
    gf_round_state state;
    return gf_round_close(client, "digits", 3, CALL_MS, &state, error);
}

static gf_code call_delete(gf_client *client, gf_error *error)
{
    return gf_job_delete(client, "digits", CALL_MS, error);
}

static gf_code (*const calls[])(gf_client *client, gf_error *error) = {
    call_ping, call_create, call_describe, call_list, call_push,        call_pull,
    call_both, call_close,  call_delete,   call_view, call_push_buffer,
};

static void run(gf_client *client, size_t which)
{
    gf_error error;
    memset(&error, 0xA5, sizeof error);
    uint64_t before_ms = fake_peer_passed_ms();
    gf_code code = calls[which % (sizeof calls / sizeof *calls)](client, &error);
    must(fake_peer_passed_ms() - before_ms <= CALL_MS + SLACK_MS);
    must(memchr(error.message, '\0', sizeof error.message) != NULL);
    must(error.code == code && (code == GF_OK) == (error.message[0] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const gf_options options = {.size = sizeof options, .connect_timeout_ms = CALL_MS};
    struct span in = {data, n};
    uint8_t first = input_u8(&in);
    uint8_t second = input_u8(&in);
    gf_client *client = NULL;
    gf_error error;
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    fake_peer_begin(in);
    gf_code code = gf_connect((first & 0x80) != 0 ? "unix:/fuzz" : "127.0.0.1:7433", &options,
                              &client, &error);
    must(fake_peer_passed_ms() <= CALL_MS + SLACK_MS);
    must((code == GF_OK) == (client != NULL));
    if (client != NULL) {
        run(client, first & 0x7F);
        run(client, second);
        gf_close(client);
    }
    fake_peer_end();
    int again = dup(STDERR_FILENO);
    close(again);
    must(again == lowest);
    return 0;
}
