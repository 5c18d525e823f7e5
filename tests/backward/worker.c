/* backward_worker: one of several processes that run the backward pass of one tape together,
 * through a gradfold server. Each owns some of the nodes.
 *
 * 1. It computes the values of all nodes, and creates the job, or finds it.
 * 2. It pushes the seeds of its nodes.
 * 3. For each of its nodes, the last one first: it pulls the gradient, which waits for the node's
 *    last contribution; runs the node's backward function; pushes what that gives to the parents:
 *    one step of backwardDenseFrom, as one push.
 * 4. Its last push is final. It pulls the gradients of its leaves.
 *
 * Every gradient is complete in the end, because what a node waits for comes from later nodes only.
 *
 * What can go wrong:
 *   any  the process is killed    restarted, it begins at 1 again: the same tape, the same pulled
 *                                 gradients, so the same pushes. Their keys do not depend on what
 *                                 happened: a seed's sequence is its number behind the nodes', a
 *                                 node's is its id. What the server had is a DUPLICATE. */

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gradfold/gradfold.h>

#include "print.h"

enum moment {
    NEVER,
    BEFORE, /* the gradient is pulled, nothing is sent */
    DURING, /* on its way: the server may have nothing, a part, or all */
    AFTER,  /* answered */
};

struct worker {
    const char *job;
    uint32_t rank;
    uint32_t world_size;
    bool twice;         /* push everything again, as if the answer was lost */
    enum moment moment; /* in which it dies, about push number … */
    size_t fatal_push;
    struct graph graph;
    uint32_t *owner; /* of each node */
    gf_client *client;
    size_t pushes; /* to come in all */
    size_t pushed; /* begun */
};

static bool failed(const char *what, const char *why)
{
    fprintf(stderr, "backward_worker: %s: %s\n", what, why);
    return false;
}

static bool refused(const char *what, uint64_t number, const gf_error *error)
{
    fprintf(stderr, "backward_worker: %s %" PRIu64 ": %s: %s\n", what, number,
            gf_code_name(error->code), error->message);
    return false;
}

/* -- Who does what ----------------------------------------------------------------------------- */

static bool owns(const struct worker *w, uint64_t node)
{
    return w->owner[node] == w->rank;
}

/* Has this node anything to say to others? */
static bool gives(const struct worker *w, size_t id)
{
    const struct graph_node *node = &w->graph.nodes[id];
    return w->graph.tape.nodes[id].requires_grad && node->n_parents + node->given.size > 0;
}

static void count_pushes(struct worker *w)
{
    for (size_t i = 0; i < w->graph.seeds.size; i++)
        w->pushes += owns(w, w->graph.seeds.list[i].node);
    for (size_t id = 0; id < w->graph.tape.size; id++)
        w->pushes += owns(w, id) && gives(w, id);
}

static size_t frozen_among(const struct tape *tape, const struct contributions *contributions)
{
    size_t frozen = 0;
    for (size_t i = 0; i < contributions->size; i++)
        if (contributions->list[i].node < tape->size) /* else the server will refuse the push */
            frozen += !tape->nodes[contributions->list[i].node].requires_grad;
    return frozen;
}

/* -- Pushing ----------------------------------------------------------------------------------- */

static void die_if(const struct worker *w, enum moment moment)
{
    if (w->moment == moment && w->fatal_push == w->pushed)
        kill(getpid(), SIGKILL);
}

static bool push_once(const struct worker *w, const gf_push_args *args, gf_push_result *result)
{
    gf_op *op;
    gf_error error;
    if (gf_push_submit(w->client, args, &op, &error) != GF_OK)
        return refused("push", args->sequence, &error);
    die_if(w, DURING);
    bool good = gf_op_wait(op, &error) == GF_OK && gf_op_push_result(op, result);
    gf_op_free(op);
    if (!good)
        return refused("push", args->sequence, &error);
    printf("push %" PRIu64 " %s\n", args->sequence,
           result->verdict == GF_DUPLICATE ? "DUPLICATE" : "ACCEPTED");
    return true;
}

static bool push_args(struct worker *w, const gf_push_args *args, size_t frozen)
{
    gf_push_result result;
    gf_push_result again;
    w->pushed++;
    die_if(w, BEFORE);
    if (!push_once(w, args, &result))
        return false;
    if (result.ignored != frozen)
        return failed("push", "the server ignored another number than go to frozen nodes");
    die_if(w, AFTER);
    if (!w->twice)
        return true;
    if (!push_once(w, args, &again))
        return false;
    return (again.verdict == GF_DUPLICATE && again.ignored == result.ignored) ||
           failed("push", "the second sending was not seen to be one");
}

/* All contributions, in their order: all or none of them count, and once. */
static bool push(struct worker *w, uint64_t sequence, const struct contributions *contributions)
{
    gf_push_args args = {.size = sizeof args,
                         .job = w->job,
                         .round = 0,
                         .worker = w->rank,
                         .sequence = sequence,
                         .final = w->pushed + 1 >= w->pushes,
                         .n_tensors = contributions->size};
    gf_tensor *tensors = calloc(contributions->size + 1, sizeof *tensors);
    if (tensors == NULL)
        return failed("push", "no memory");
    for (size_t i = 0; i < contributions->size; i++) {
        const struct contribution *c = &contributions->list[i];
        tensors[i] = (gf_tensor){.node = c->node,
                                 .dtype = (gf_dtype)c->dtype,
                                 .shape = c->shape,
                                 .ndim = c->ndim,
                                 .data = contributions->data[i]};
    }
    args.tensors = tensors;
    bool good = push_args(w, &args, frozen_among(&w->graph.tape, contributions));
    free(tensors);
    return good;
}

static bool push_seeds(struct worker *w)
{
    const struct contributions *seeds = &w->graph.seeds;
    for (size_t i = 0; i < seeds->size; i++) {
        struct contributions one = {.list = &seeds->list[i], .data = &seeds->data[i], .size = 1};
        if (owns(w, seeds->list[i].node) && !push(w, w->graph.tape.size + i, &one))
            return false;
    }
    return true;
}

/* -- Pulling ----------------------------------------------------------------------------------- */

/* Waits for the node's last contribution. To a node that expects none, no wait would end before the
 * round does: its gradient is zero. */
static bool pull(const struct worker *w, size_t id, void *gradient)
{
    static const char *const states[] = {
        [GF_ROUND_OPEN] = "OPEN", [GF_ROUND_CLOSING] = "CLOSING", [GF_ROUND_CLOSED] = "CLOSED"};
    const struct node *node = &w->graph.tape.nodes[id];
    gf_gradient sum = {
        .node = id, .dtype = (gf_dtype)node->dtype, .data = gradient, .bytes = node->bytes};
    const gf_pull_args args = {
        .size = sizeof args, .job = w->job, .round = 0, .gradients = &sum, .n_gradients = 1};
    gf_pull_result result;
    gf_error error;
    if (gf_pull(w->client, &args, &result, &error) != GF_OK)
        return refused("pull", id, &error);
    if (sum.contributions != node->expected)
        return failed("pull", "a node is not complete with the contributions that it expects");
    printf("pull %s ", states[result.state]);
    print_gradient(stdout, node, id, sum.contributions, gradient);
    return true;
}

static bool step_at(struct worker *w, size_t id, void *gradient)
{
    struct contributions vjp;
    struct error error;
    if (w->graph.tape.nodes[id].expected > 0 && !pull(w, id, gradient))
        return false;
    if (graph_vjp(&w->graph, id, gradient, &vjp, &error) != CODE_OK)
        return failed("backward", error.message);
    bool good = push(w, id, &vjp);
    contributions_free(&vjp);
    return good;
}

/* One of step_at() and pull(), with room for the gradient. */
static bool visit(struct worker *w, size_t id, bool give)
{
    void *gradient = calloc(w->graph.tape.nodes[id].bytes + 1, 1);
    if (gradient == NULL)
        return failed("gradient", "no memory");
    bool good = give ? step_at(w, id, gradient) : pull(w, id, gradient);
    free(gradient);
    return good;
}

/* -- The whole --------------------------------------------------------------------------------- */

static bool backward(struct worker *w)
{
    static const struct contributions none;
    count_pushes(w);
    if (!push_seeds(w))
        return false;
    for (size_t id = w->graph.tape.size; id-- > 0;)
        if (owns(w, id) && gives(w, id) && !visit(w, id, true))
            return false;
    if (w->pushes == 0 && !push(w, w->graph.tape.size + w->graph.seeds.size, &none))
        return false;
    for (size_t id = w->graph.tape.size; id-- > 0;)
        if (owns(w, id) && w->graph.tape.nodes[id].requires_grad && !gives(w, id) &&
            !visit(w, id, false))
            return false;
    return true;
}

static bool create_job(const struct worker *w)
{
    gf_error error = {.code = GF_CLIENT_NO_MEMORY};
    gf_spec *spec = gf_spec_new(w->job, w->world_size);
    bool good = spec != NULL;
    for (size_t id = 0; good && id < w->graph.tape.size; id++) {
        const struct node *node = &w->graph.tape.nodes[id];
        gf_spec_add_node(spec, NULL, (gf_dtype)node->dtype, node->shape, node->ndim);
        if (node->requires_grad)
            gf_spec_expect(spec, id, node->expected);
        else
            gf_spec_freeze_node(spec, id);
    }
    good = good && gf_job_create(w->client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &error) == GF_OK;
    gf_spec_free(spec);
    return good || refused("create", 0, &error);
}

static bool connect_and_run(struct worker *w, const char *address)
{
    gf_error error;
    if (gf_connect(address, NULL, &w->client, &error) != GF_OK)
        return refused("connect", 0, &error);
    bool good = create_job(w) && backward(w);
    gf_close(w->client);
    return good;
}

/* "0,2,1": an owner for each node. */
static bool read_owners(struct worker *w, const char *text)
{
    w->owner = calloc(w->graph.tape.size + 1, sizeof *w->owner);
    if (w->owner == NULL)
        return failed("owners", "no memory");
    for (size_t id = 0; id < w->graph.tape.size; id++) {
        char *end;
        w->owner[id] = (uint32_t)strtoul(text, &end, 10);
        if (end == text || w->owner[id] >= w->world_size)
            return failed("owners", "not one of the workers for each node");
        text = *end == ',' ? end + 1 : end;
    }
    return *text == '\0' || failed("owners", "more than nodes");
}

static bool read_tape(struct worker *w, const char *path)
{
    struct error error;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return false;
    }
    bool good = graph_read(file, &w->graph, &error) == CODE_OK &&
                graph_forward(&w->graph, &error) == CODE_OK;
    fclose(file);
    return good || failed(path, error.message);
}

static bool read_moment(struct worker *w, const char *name, const char *push)
{
    static const char *const names[] = {
        [BEFORE] = "before", [DURING] = "during", [AFTER] = "after"};
    for (enum moment m = BEFORE; m <= AFTER; m++)
        if (strcmp(name, names[m]) == 0)
            w->moment = m;
    w->fatal_push = strtoul(push, NULL, 10);
    return w->moment != NEVER && w->fatal_push > 0;
}

int main(int argc, char **argv)
{
    struct worker w = {.moment = NEVER};
    if (argc < 7 || argc > 9) {
        fprintf(stderr,
                "usage: %s ADDRESS JOB TAPE OWNERS WORKERS WORKER [twice | "
                "before|during|after PUSH]\n",
                argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was done is told, also when it dies */
    w.job = argv[2];
    w.world_size = (uint32_t)strtoul(argv[5], NULL, 10);
    w.rank = (uint32_t)strtoul(argv[6], NULL, 10);
    w.twice = argc == 8 && strcmp(argv[7], "twice") == 0;
    if ((argc == 8 && !w.twice) || (argc == 9 && !read_moment(&w, argv[7], argv[8])))
        return 2;
    bool good = read_tape(&w, argv[3]) && read_owners(&w, argv[4]) && connect_and_run(&w, argv[1]);
    free(w.owner);
    graph_free(&w.graph);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
