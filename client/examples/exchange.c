#include "exchange.h"

#include <stdio.h>

/* Which nodes a layer consists of. */
static const struct {
    enum node node[LAYER_NODES_MAX];
    size_t count;
} layer_info[LAYERS] = {
    [OUTPUT_LAYER] = {{OUTPUT_WEIGHT, OUTPUT_BIAS, LOSS}, 3},
    [HIDDEN_LAYER] = {{HIDDEN_WEIGHT, HIDDEN_BIAS}, 2},
};

static int complain(const struct exchange *exchange, const char *what, const gf_error *error)
{
    fprintf(stderr, "worker %zu: %s: %s: %s\n", exchange->options->worker, what,
            gf_code_name(error->code), error->message);
    return -1;
}

/* -- The job: what is summed, and by which rules -- */

/* A node of the job has a name, an element type and a shape; its id is its index. The nodes of the
 * output layer tell how many contributions they expect: they can be pulled as soon as they have
 * them, while the hidden layer is still being summed. The others can be pulled when the round
 * closes, which it does when every worker has sent its final push. */
static gf_spec *spec_build(const struct options *options)
{
    uint32_t workers = (uint32_t)options->workers;
    gf_spec *spec = gf_spec_new(options->job, workers);
    if (spec == NULL)
        return NULL;
    gf_spec_set_mean(spec); /* the exact mean: not even its last bit depends on who comes first */
    for (enum node node = 0; node < NODES; node++) {
        const struct node_info *info = &node_info[node];
        gf_spec_add_node(spec, info->name, GF_F32, info->shape, info->dimensions);
    }
    for (size_t i = 0; i < layer_info[OUTPUT_LAYER].count; i++)
        gf_spec_expect(spec, layer_info[OUTPUT_LAYER].node[i], workers);
    return spec;
}

/* Every worker does this, and so does one that was restarted: the first creates the job, the others
 * find it. */
static int job_create(struct exchange *exchange)
{
    gf_error error;
    gf_spec *spec = spec_build(exchange->options);
    gf_code code = gf_job_create(exchange->client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &error);
    gf_spec_free(spec);
    return code == GF_OK ? 0 : complain(exchange, "creating the job", &error);
}

int exchange_open(struct exchange *exchange, const struct options *options)
{
    gf_error error;
    *exchange = (struct exchange){.options = options};
    if (gf_connect(options->server, NULL, &exchange->client, &error) != GF_OK)
        return complain(exchange, options->server, &error);
    if (job_create(exchange) == 0)
        return 0;
    exchange_close(exchange);
    return -1;
}

void exchange_close(struct exchange *exchange)
{
    for (enum layer layer = 0; layer < LAYERS; layer++)
        gf_op_free(exchange->op[layer]); /* gives up what is still under way */
    gf_close(exchange->client);
}

/* -- Pushing and pulling -- */

/* The tensors are described, not copied: the library sends them from where they are. */
static gf_push_args push_build(const struct exchange *exchange, enum layer layer, uint64_t round,
                               struct tensors *gradients, gf_tensor *tensor)
{
    size_t count = layer_info[layer].count;
    for (size_t i = 0; i < count; i++) {
        enum node node = layer_info[layer].node[i];
        tensor[i] = (gf_tensor){
            .node = node,
            .dtype = GF_F32,
            .shape = node_info[node].shape,
            .ndim = node_info[node].dimensions,
            .data = tensors_node(gradients, node),
        };
    }
    /* Round, worker and sequence are the key of the push: whoever sends it again, after a lost
     * reply or after a restart, names the same key, and it counts once. */
    return (gf_push_args){
        .size = sizeof(gf_push_args),
        .job = exchange->options->job,
        .round = round,
        .worker = (uint32_t)exchange->options->worker,
        .sequence = layer,
        .final = layer == HIDDEN_LAYER,
        .checksum = true,
        .tensors = tensor,
        .n_tensors = count,
    };
}

static gf_pull_args pull_build(struct exchange *exchange, enum layer layer, uint64_t round,
                               struct tensors *mean)
{
    gf_gradient *buffer = exchange->buffer[layer];
    size_t count = layer_info[layer].count;
    for (size_t i = 0; i < count; i++) {
        enum node node = layer_info[layer].node[i];
        buffer[i] = (gf_gradient){
            .node = node,
            .dtype = GF_F32,
            .data = tensors_node(mean, node),
            .bytes = node_info[node].count * sizeof(float),
        };
    }
    return (gf_pull_args){
        .size = sizeof(gf_pull_args),
        .job = exchange->options->job,
        .round = round,
        .gradients = buffer,
        .n_gradients = count,
    };
}

int exchange_begin(struct exchange *exchange, enum layer layer, uint64_t round,
                   struct tensors *gradients, struct tensors *mean)
{
    gf_error error;
    gf_tensor tensor[LAYER_NODES_MAX];
    gf_push_args push = push_build(exchange, layer, round, gradients, tensor);
    gf_pull_args pull = pull_build(exchange, layer, round, mean);
    if (gf_push_pull_submit(exchange->client, &push, &pull, &exchange->op[layer], &error) != GF_OK)
        return complain(exchange, "push and pull", &error);
    return 0;
}

int exchange_end(struct exchange *exchange, enum layer layer, gf_verdict *verdict)
{
    gf_error error;
    gf_push_result pushed = {0};
    gf_op *op = exchange->op[layer];
    if (gf_op_wait(op, &error) != GF_OK)
        return complain(exchange, "push and pull", &error);
    gf_op_push_result(op, &pushed);
    gf_op_free(op);
    exchange->op[layer] = NULL;
    *verdict = pushed.verdict;
    return 0;
}

int exchange_repeat(struct exchange *exchange, enum layer layer, uint64_t round,
                    struct tensors *gradients, gf_verdict *verdict)
{
    gf_error error;
    gf_push_result pushed = {0};
    gf_tensor tensor[LAYER_NODES_MAX];
    gf_push_args push = push_build(exchange, layer, round, gradients, tensor);
    if (gf_push(exchange->client, &push, &pushed, &error) != GF_OK)
        return complain(exchange, "push", &error);
    *verdict = pushed.verdict;
    return 0;
}
