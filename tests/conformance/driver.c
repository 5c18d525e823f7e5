/* Runs cases of the conformance suite through the C functions that the server is made of.
 *
 * Standard input, words and numbers between blanks; README.md beside this file has an example:
 *   case N                                      is printed: what follows is of case N
 *   array ACCUMULATION REDUCTION NON_FINITE     begins an array, numbers of the wire
 *   node DTYPE REQUIRES_GRAD NDIM DIMENSION...  its next node
 *   break missing|shape ID                      spoils the array, so that step 4 can be seen
 *   list N                                      a list of contributions, which are the next N lines
 *   add NODE DTYPE NDIM DIMENSION... BYTES      its tensor in hexadecimal, - for none
 *   read                                        ends the array
 *   tape ACCUMULATION                           a reverse pass over the tape that follows, in lines
 *   end                                         as tests/backward reads them, up to this one
 * Standard output: `list CODE IGNORED MESSAGE` for each list, `tape CODE MESSAGE` for each tape,
 * and at the end of both, for each slot, `slot CONTRIBUTIONS BYTES` or `slot CODE`, then `done`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backward.h"
#include "base/shape.h"

enum {
    NODES_MAX = 64,
    NDIM_MAX = 8,
    LIST_MAX = 1024,
    BODY_MAX = 1 << 20,
    BROKEN_NDIM = NDIM_MAX + 1
};

static const uint64_t broken_shape[BROKEN_NDIM];

struct array {
    struct node nodes[NODES_MAX];
    uint64_t shapes[NODES_MAX][NDIM_MAX];
    struct tape tape;
    struct grads grads;
    enum accumulation accumulation;
    enum reduction reduction;
    bool reject;
    bool begun; /* grads is there */
    struct fold_budget budget;
};

/* A push: tensors back to back, wherever that aligns them. */
struct list {
    struct contribution items[LIST_MAX];
    uint64_t shapes[LIST_MAX][NDIM_MAX];
    const void *data[LIST_MAX];
    size_t n;
    unsigned char body[BODY_MAX];
    size_t bytes;
};

/* Standard input, a line at a time, and what is left of the line. */
struct input {
    char line[2 * BODY_MAX + 1024];
    char *rest;
};

/* The next line; false at the end. */
static bool next_line(struct input *in)
{
    in->rest = in->line;
    return fgets(in->line, sizeof in->line, stdin) != NULL;
}

static char *word(struct input *in)
{
    char *text = strtok_r(NULL, " \n", &in->rest);
    must(text != NULL);
    return text;
}

static uint64_t number(struct input *in)
{
    return strtoull(word(in), NULL, 10);
}

static size_t read_shape(struct input *in, uint64_t shape[NDIM_MAX])
{
    size_t ndim = (size_t)number(in);
    must(ndim <= NDIM_MAX);
    for (size_t i = 0; i < ndim; i++)
        shape[i] = number(in);
    return ndim;
}

static void read_node(struct input *in, struct array *a)
{
    size_t id = a->tape.size++;
    must(id < NODES_MAX);
    struct node *node = &a->nodes[id];
    *node = (struct node){.name = "", .shape = a->shapes[id]};
    node->dtype = (enum dtype)number(in);
    node->requires_grad = number(in) != 0;
    node->ndim = read_shape(in, a->shapes[id]);
    must(shape_size(node->dtype, node->shape, node->ndim, &node->elements, &node->bytes));
}

static void begin(struct array *a)
{
    if (a->begun)
        return;
    a->begun = true;
    must(grads_init(&a->grads, &a->tape, a->accumulation, a->reduction, &a->budget, NULL) ==
         CODE_OK);
}

static void spoil(struct input *in, struct array *a)
{
    begin(a);
    bool missing = strcmp(word(in), "missing") == 0;
    size_t id = (size_t)number(in);
    must(id < a->grads.size);
    if (missing) {
        for (size_t i = id; i < a->grads.size; i++)
            accumulator_free(a->grads.slots[i].sum);
        a->grads.size = id;
    } else {
        a->grads.slots[id].shape = broken_shape;
        a->grads.slots[id].ndim = BROKEN_NDIM;
    }
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void read_bytes(struct list *list, const char *hex)
{
    for (; hex[0] != '\0' && hex[0] != '-'; hex += 2) {
        must(list->bytes < BODY_MAX);
        list->body[list->bytes++] = (unsigned char)(digit(hex[0]) * 16 + digit(hex[1]));
    }
}

static void read_contribution(struct input *in, struct list *list, size_t i)
{
    struct contribution *c = &list->items[i];
    c->node = number(in);
    c->dtype = (int)strtol(word(in), NULL, 10);
    c->shape = list->shapes[i];
    c->ndim = read_shape(in, list->shapes[i]);
    list->data[i] = list->body + list->bytes;
    read_bytes(list, word(in));
}

/* What the core does before anything is folded: every contribution is decided, then those that are
 * to be added are looked through. CODE_OK also when one is refused: grads_add_list says so. */
static enum code look_for_non_finite(const struct array *a, const struct list *list,
                                     struct error *error)
{
    for (size_t i = 0; i < list->n; i++)
        if (grad_decide(&a->tape, &list->items[i], NULL) == GRAD_ERROR)
            return CODE_OK;
    for (size_t i = 0; i < list->n; i++) {
        const struct contribution *c = &list->items[i];
        const struct node *node = &a->nodes[c->node];
        if (grad_decide(&a->tape, c, NULL) == GRAD_ADD &&
            fold_find_non_finite((enum dtype)c->dtype, list->data[i], node->elements) !=
                FOLD_ALL_FINITE)
            return error_set(error, CODE_NON_FINITE, "node %" PRIu64, c->node);
    }
    return CODE_OK;
}

static void run_list(struct array *a, const struct list *list)
{
    struct error error;
    size_t ignored = 0;
    error_clear(&error);
    begin(a);
    enum code code = a->reject ? look_for_non_finite(a, list, &error) : CODE_OK;
    if (code == CODE_OK)
        code =
            grads_add_list(&a->tape, &a->grads, list->items, list->data, list->n, &ignored, &error);
    printf("list %d %zu %s\n", code, code == CODE_OK ? ignored : 0, error.message);
}

static void print_slots(const struct tape *tape, const struct grads *grads)
{
    static unsigned char out[BODY_MAX];
    for (size_t id = 0; id < tape->size; id++) {
        must(tape->nodes[id].bytes <= sizeof out);
        enum code code = grads_read(tape, grads, id, out, NULL);
        if (code != CODE_OK) {
            printf("slot %d\n", code);
            continue;
        }
        printf("slot %" PRIu64 " ", grads->slots[id].contributions);
        for (uint64_t i = 0; i < tape->nodes[id].bytes; i++)
            printf("%02x", out[i]);
        puts(tape->nodes[id].bytes == 0 ? "-" : "");
    }
    puts("done");
}

static void end_array(struct array *a)
{
    begin(a);
    print_slots(&a->tape, &a->grads);
    grads_free(&a->grads);
    must(a->budget.bytes_used == 0);
}

static void run_array(struct input *in)
{
    static struct array a;
    static struct list list;
    a = (struct array){.tape = {.nodes = a.nodes}};
    fold_budget_init(&a.budget, UINT64_MAX);
    a.accumulation = (enum accumulation)number(in);
    a.reduction = (enum reduction)number(in);
    a.reject = number(in) == 1;
    size_t missing = 0;
    while (next_line(in)) {
        const char *verb = word(in);
        if (strcmp(verb, "node") == 0) {
            read_node(in, &a);
        } else if (strcmp(verb, "break") == 0) {
            spoil(in, &a);
        } else if (strcmp(verb, "list") == 0) {
            list.n = missing = (size_t)number(in);
            list.bytes = 0;
            must(list.n <= LIST_MAX);
            if (missing == 0)
                run_list(&a, &list);
        } else if (strcmp(verb, "add") == 0) {
            must(missing > 0);
            read_contribution(in, &list, list.n - missing);
            if (--missing == 0)
                run_list(&a, &list);
        } else {
            must(strcmp(verb, "read") == 0);
            break;
        }
    }
    end_array(&a);
}

static void run_graph(FILE *file, enum accumulation accumulation)
{
    struct graph graph = {0};
    struct grads grads = {0};
    struct fold_budget budget;
    struct error error;
    error_clear(&error);
    fold_budget_init(&budget, UINT64_MAX);
    enum code code = graph_read(file, &graph, &error);
    if (code == CODE_OK)
        code = graph_forward(&graph, &error);
    if (code == CODE_OK)
        code = backward_dense_from(&graph, accumulation, &budget, &grads, &error);
    printf("tape %d %s\n", code, error.message);
    if (code == CODE_OK) {
        print_slots(&graph.tape, &grads);
        grads_free(&grads);
    } else {
        puts("done");
    }
    graph_free(&graph);
}

/* The lines up to one that is "end". */
static void run_tape(struct input *in)
{
    enum accumulation accumulation = (enum accumulation)number(in);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    must(file != NULL);
    while (next_line(in) && strcmp(in->line, "end\n") != 0)
        fputs(in->line, file);
    fclose(file);
    file = fmemopen(text, size, "r");
    must(file != NULL);
    run_graph(file, accumulation);
    fclose(file);
    free(text);
}

int main(void)
{
    static struct input in;
    fold_kernels_choose(getenv("GRADFOLDD_KERNELS"));
    while (next_line(&in)) {
        const char *verb = word(&in);
        if (strcmp(verb, "case") == 0) {
            printf("case %s\n", word(&in));
        } else if (strcmp(verb, "array") == 0) {
            run_array(&in);
        } else {
            must(strcmp(verb, "tape") == 0);
            run_tape(&in);
        }
    }
    return 0;
}
