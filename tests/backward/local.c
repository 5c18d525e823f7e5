/* backward_local TAPE...: the dense gradient array of each tape, as backwardDenseFrom makes it.
 *
 * Prints a line for each tape that fails, "error CODE MESSAGE", and otherwise one for each node:
 * "node ID CONTRIBUTIONS ELEMENT…", floats in hexadecimal; then "end". */

#include <stdlib.h>

#include "backward.h"
#include "print.h"

static enum code print_slot(const struct graph *graph, const struct grads *grads, size_t id,
                            struct error *error)
{
    const struct node *node = &graph->tape.nodes[id];
    void *elements = malloc(node->bytes + 1);
    if (elements == NULL)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    enum code code = grads_read(&graph->tape, grads, id, elements, error);
    if (code == CODE_OK) {
        printf("node ");
        print_gradient(stdout, node, id, grads->slots[id].contributions, elements);
    }
    free(elements);
    return code;
}

static enum code run_graph(struct graph *graph, struct fold_budget *budget, struct error *error)
{
    struct grads grads;
    enum code code = graph_forward(graph, error);
    if (code == CODE_OK)
        code = backward_dense_from(graph, ACCUMULATION_EXACT, budget, &grads, error);
    if (code != CODE_OK)
        return code;
    for (size_t id = 0; id < graph->tape.size && code == CODE_OK; id++)
        code = print_slot(graph, &grads, id, error);
    grads_free(&grads);
    return code;
}

static enum code run_file(FILE *file, struct fold_budget *budget, struct error *error)
{
    struct graph graph;
    enum code code = graph_read(file, &graph, error);
    if (code != CODE_OK)
        return code;
    code = run_graph(&graph, budget, error);
    graph_free(&graph);
    return code;
}

int main(int argc, char **argv)
{
    struct fold_budget budget;
    fold_kernels_choose(NULL);
    fold_budget_init(&budget, UINT64_MAX);
    for (int i = 1; i < argc; i++) {
        struct error error;
        FILE *file = fopen(argv[i], "r");
        if (file == NULL) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        if (run_file(file, &budget, &error) != CODE_OK)
            printf("error %s %s\n", code_name((int)error.code), error.message);
        printf("end\n");
        fclose(file);
    }
    return budget.bytes_used == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
