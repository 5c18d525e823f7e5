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
 *                                 gradients, so the same pushes in the same order, and their keys
 *                                 do not depend on anything else. What the server had is a
 *                                 DUPLICATE. */

#include <stdlib.h>
#include <string.h>

#include "exchange.h"

struct worker {
    struct exchange exchange;
    uint32_t world_size;
    struct graph graph;
    uint32_t *owner; /* of each node */
    size_t pushes;   /* to come in all */
};

static bool failed(const char *what, const char *why)
{
    fprintf(stderr, "backward_worker: %s: %s\n", what, why);
    return false;
}

/* -- Who does what ----------------------------------------------------------------------------- */

static bool owns(const struct worker *w, uint64_t node)
{
    return w->owner[node] == w->exchange.worker;
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

/* -- The pass ---------------------------------------------------------------------------------- */

static bool push(struct worker *w, const struct contributions *contributions)
{
    bool final = w->exchange.pushed + 1 >= w->pushes;
    return exchange_push(&w->exchange, contributions, &w->graph.tape, final);
}

static bool push_seeds(struct worker *w)
{
    const struct contributions *seeds = &w->graph.seeds;
    for (size_t i = 0; i < seeds->size; i++) {
        struct contributions one = {.list = &seeds->list[i], .data = &seeds->data[i], .size = 1};
        if (owns(w, seeds->list[i].node) && !push(w, &one))
            return false;
    }
    return true;
}

/* For a node that expects no contribution no wait would end before the round does: its gradient is
 * zero, as it is. */
static bool step_at(struct worker *w, size_t id, void *gradient)
{
    struct contributions vjp;
    struct error error;
    if (w->graph.tape.nodes[id].expected > 0 &&
        !exchange_pull(&w->exchange, &w->graph.tape, id, gradient))
        return false;
    if (graph_vjp(&w->graph, id, gradient, &vjp, &error) != CODE_OK)
        return failed("backward", error.message);
    bool good = push(w, &vjp);
    contributions_free(&vjp);
    return good;
}

/* A node that gives something takes its step; of a leaf, only the gradient is looked at. */
static bool visit(struct worker *w, size_t id)
{
    void *gradient = calloc(w->graph.tape.nodes[id].bytes + 1, 1);
    if (gradient == NULL)
        return failed("gradient", "no memory");
    bool good = gives(w, id) ? step_at(w, id, gradient)
                             : exchange_pull(&w->exchange, &w->graph.tape, id, gradient);
    free(gradient);
    return good;
}

static bool visit_all(struct worker *w, bool giving)
{
    for (size_t id = w->graph.tape.size; id-- > 0;)
        if (owns(w, id) && w->graph.tape.nodes[id].requires_grad && gives(w, id) == giving &&
            !visit(w, id))
            return false;
    return true;
}

static bool backward(struct worker *w)
{
    static const struct contributions none;
    count_pushes(w);
    if (!push_seeds(w) || !visit_all(w, true))
        return false;
    if (w->pushes == 0 && !push(w, &none))
        return false;
    return visit_all(w, false);
}

static bool connect_and_run(struct worker *w, const char *address)
{
    if (!exchange_open(&w->exchange, address))
        return false;
    bool good = exchange_create_job(&w->exchange, &w->graph.tape, w->world_size) && backward(w);
    exchange_close(&w->exchange);
    return good;
}

/* -- The command line -------------------------------------------------------------------------- */

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
            w->exchange.moment = m;
    w->exchange.fatal_push = strtoul(push, NULL, 10);
    return w->exchange.moment != NEVER && w->exchange.fatal_push > 0;
}

int main(int argc, char **argv)
{
    struct worker w = {.exchange.moment = NEVER};
    if (argc < 7 || argc > 9) {
        fprintf(stderr,
                "usage: %s ADDRESS JOB TAPE OWNERS WORKERS WORKER [twice | "
                "before|during|after PUSH]\n",
                argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was done is told, also when it dies */
    w.exchange.job = argv[2];
    w.world_size = (uint32_t)strtoul(argv[5], NULL, 10);
    w.exchange.worker = (uint32_t)strtoul(argv[6], NULL, 10);
    w.exchange.twice = argc == 8 && strcmp(argv[7], "twice") == 0;
    if ((argc == 8 && !w.exchange.twice) || (argc == 9 && !read_moment(&w, argv[7], argv[8])))
        return 2;
    bool good = read_tape(&w, argv[3]) && read_owners(&w, argv[4]) && connect_and_run(&w, argv[1]);
    free(w.owner);
    graph_free(&w.graph);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
