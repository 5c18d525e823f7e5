/* Shared memory: the way to the Unix socket, buffers and views. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"

static const struct model large = {.name = "job", .n_nodes = 2, .elements = 1 << 16, .world = 2};

static void with_socket(struct rig *rig)
{
    snprintf(rig->options.unix_path, sizeof rig->options.unix_path, "/tmp/gradfold-sweep-%ld",
             (long)getpid());
}

static void created(struct rig *rig)
{
    rig_connect(rig, 0, NULL);
    rig_connect(rig, 1, NULL);
    rig_create(rig, 0, &large);
}

/* The tensors of an entry, copied to a buffer. */
static gf_buffer *move_to_buffer(struct rig *rig, gf_client *client, struct entry *entry)
{
    gf_buffer *buffer = NULL;
    uint64_t bytes = rig->model.elements * sizeof(float);
    gf_code code = gf_buffer_new(client, entry->n * bytes, &buffer, &rig->error);
    rig_check(rig, "buffer", code, GF_OK);
    if (code != GF_OK)
        return NULL;
    for (size_t i = 0; i < entry->n; i++) {
        void *at = (char *)gf_buffer_data(buffer) + i * bytes;
        memcpy(at, entry->tensors[i].data, bytes);
        entry->tensors[i].data = at;
    }
    return buffer;
}

/* Shows all nodes; what is shown must be what is there. */
static void look(struct rig *rig, gf_client *client)
{
    gf_gradient gradients[2] = {{.node = 1}, {.node = 0}};
    gf_pull_result result = {0};
    gf_pull_args args = {.size = sizeof args,
                         .job = rig->model.name,
                         .gradients = gradients,
                         .n_gradients = 2,
                         .timeout_ms = rig->strict    ? RIG_PATIENCE_MS
                                       : rig->forever ? 20
                                                      : 400,
                         .view = true};
    gradients[0].bytes = gradients[1].bytes = rig->model.elements * sizeof(float);
    gf_code code = gf_pull(client, &args, &result, &rig->error);
    if (code != GF_DEADLINE_EXCEEDED || rig->strict)
        rig_check(rig, "pull", code, GF_OK);
    if (code == GF_OK && memcmp(gradients[0].data, gradients[1].data, gradients[0].bytes) != 0)
        rig_fail(rig, "two nodes that got the same show something else");
    gf_view_free(result.view);
}

/* true: both were accepted. */
static bool push_both(struct rig *rig)
{
    bool accepted = true;
    gf_op *ops[2] = {NULL};
    gf_buffer *buffers[2];
    struct entry *entries[2];
    for (uint32_t i = 0; i < 2; i++) {
        entries[i] = rig_entry(rig, 0, i, 1, true, 0, rig->model.n_nodes);
        buffers[i] = move_to_buffer(rig, rig->client[i], entries[i]);
        gf_push_args args = rig_push_args(rig, entries[i]);
        gf_code code = gf_push_submit(rig->client[i], &args, &ops[i], &rig->error);
        rig_check(rig, "submit", code, GF_OK);
    }
    for (int i = 0; i < 2; i++) {
        gf_code code = ops[i] != NULL ? gf_op_wait(ops[i], &rig->error) : GF_CLIENT_NO_MEMORY;
        if (ops[i] != NULL)
            rig_check(rig, "push", code, GF_OK);
        rig_settle(rig, entries[i], code);
        accepted = accepted && code == GF_OK;
        gf_op_free(ops[i]);
        gf_buffer_free(buffers[i]);
    }
    return accepted;
}

static void push_and_look(struct rig *rig)
{
    if (rig->client[0] == NULL || rig->client[1] == NULL || !push_both(rig))
        return;
    look(rig, rig->client[0]);
    look(rig, rig->client[1]);
    look(rig, rig->client[0]);
}

static void connect_and_all(struct rig *rig)
{
    created(rig);
    push_and_look(rig);
}

const struct scenario shared_scenarios[] = {
    {"shared", with_socket, created, push_and_look, false},
    {"shared-from-the-start", with_socket, NULL, connect_and_all, false},
};
const size_t n_shared_scenarios = sizeof shared_scenarios / sizeof *shared_scenarios;
