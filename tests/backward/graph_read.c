/* A tape from its text, line by line; README.md has the format. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/shape.h"
#include "graph.h"

struct reader {
    struct graph graph;
    struct node *nodes; /* graph.tape.nodes */
    char *rest;         /* of the line */
    unsigned line;
    struct error *error;
};

struct shape {
    size_t ndim;
    uint64_t dimensions[GRAPH_DIMENSIONS_MAX];
    uint64_t elements;
};

__attribute__((format(printf, 2, 3))) static bool bad(struct reader *r, const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(r->error, CODE_INVALID_ARGUMENT, "line %u: %s", r->line, text);
    return false;
}

static bool no_memory(struct reader *r)
{
    error_set(r->error, CODE_RESOURCE_EXHAUSTED, "line %u: no memory", r->line);
    return false;
}

/* The next word, or NULL at the end of the line. */
static char *word(struct reader *r)
{
    return strtok_r(NULL, " \t\r\n", &r->rest);
}

/* -- Words ------------------------------------------------------------------------------------- */

static bool read_number(struct reader *r, uint64_t *number)
{
    const char *text = word(r);
    char *end;
    errno = 0;
    if (text == NULL || *text < '0' || *text > '9')
        return bad(r, "a node id is missing");
    *number = strtoull(text, &end, 10);
    return (*end == '\0' && errno == 0) || bad(r, "%.40s is no node id", text);
}

static bool count_elements(struct reader *r, struct shape *shape)
{
    uint64_t bytes;
    if (!shape_size(r->graph.dtype, shape->dimensions, shape->ndim, &shape->elements, &bytes) ||
        shape->elements > GRAPH_ELEMENTS_MAX)
        return bad(r, "more than %d elements", GRAPH_ELEMENTS_MAX);
    return true;
}

static bool read_shape(struct reader *r, struct shape *shape)
{
    const char *text = word(r);
    const char *at = text;
    if (text == NULL || *at++ != '[')
        return bad(r, "a shape, such as [2,3] or [], is missing");
    shape->ndim = 0;
    while (*at != ']') {
        char *end;
        if (shape->ndim == GRAPH_DIMENSIONS_MAX || *at < '0' || *at > '9')
            return bad(r, "%.40s is no shape of at most %d dimensions", text, GRAPH_DIMENSIONS_MAX);
        shape->dimensions[shape->ndim++] = strtoull(at, &end, 10);
        at = *end == ',' && end[1] != ']' ? end + 1 : end;
    }
    if (at[1] != '\0')
        return bad(r, "%.40s is no shape", text);
    return count_elements(r, shape);
}

static bool store_element(enum dtype dtype, const char *text, void *elements, uint64_t i)
{
    char *end;
    errno = 0;
    if (dtype == DTYPE_I64) {
        ((int64_t *)elements)[i] = strtoll(text, &end, 10);
        return *end == '\0' && end != text && errno == 0;
    }
    double x = dtype == DTYPE_F32 ? (double)strtof(text, &end) : strtod(text, &end);
    if (dtype == DTYPE_F32)
        ((float *)elements)[i] = (float)x;
    else
        ((double *)elements)[i] = x;
    return *end == '\0' && end != text && isfinite(x);
}

static bool read_elements(struct reader *r, const struct shape *shape, void *elements)
{
    for (uint64_t i = 0; i < shape->elements; i++) {
        const char *text = word(r);
        if (text == NULL)
            return bad(r, "%" PRIu64 " elements are needed, there are %" PRIu64, shape->elements,
                       i);
        if (!store_element(r->graph.dtype, text, elements, i))
            return bad(r, "%.40s is no element of %s", text, dtype_name((int)r->graph.dtype));
    }
    return true;
}

static bool expect_word(struct reader *r, const char *wanted)
{
    const char *text = word(r);
    return (text != NULL && strcmp(text, wanted) == 0) || bad(r, "\"%s\" is missing", wanted);
}

static bool expect_end(struct reader *r)
{
    const char *text = word(r);
    return text == NULL || bad(r, "nothing belongs after this, but %.40s does follow", text);
}

/* "frozen" or "=" for `last` "=", "frozen" or nothing for `last` NULL. */
static bool read_frozen(struct reader *r, const char *last, bool *frozen)
{
    char *text = word(r);
    *frozen = text != NULL && strcmp(text, "frozen") == 0;
    if (*frozen)
        text = word(r);
    if (last == NULL)
        return text == NULL || bad(r, "%.40s is neither \"frozen\" nor the end", text);
    return (text != NULL && strcmp(text, last) == 0) || bad(r, "\"%s\" is missing", last);
}

/* -- Lines ------------------------------------------------------------------------------------- */

/* The next node, with room for its value; NULL: there is no room, or too many. */
static struct graph_node *add_node(struct reader *r, enum op op, const struct shape *shape,
                                   bool frozen)
{
    struct graph *graph = &r->graph;
    size_t id = graph->tape.size;
    if (id == GRAPH_NODES_MAX) {
        bad(r, "more than %d nodes", GRAPH_NODES_MAX);
        return NULL;
    }
    struct graph_node *node = &graph->nodes[id];
    uint64_t bytes = shape->elements * dtype_size(graph->dtype);
    node->op = op;
    memcpy(node->shape, shape->dimensions, sizeof node->shape);
    node->value = calloc(bytes + 1, 1);
    if (node->value == NULL) {
        no_memory(r);
        return NULL;
    }
    r->nodes[id] = (struct node){.name = "",
                                 .shape = node->shape,
                                 .ndim = shape->ndim,
                                 .dtype = graph->dtype,
                                 .requires_grad = !frozen,
                                 .elements = shape->elements,
                                 .bytes = bytes};
    graph->tape.size++;
    return node;
}

/* "ID SHAPE = ELEMENTS", as often as there is a ";". */
static bool read_given(struct reader *r, struct contributions *given)
{
    const char *text;
    while ((text = word(r)) != NULL) {
        struct shape shape = {.ndim = 0};
        uint64_t id;
        if (strcmp(text, ";") != 0)
            return bad(r, "%.40s stands where the end or a \";\" should", text);
        if (!read_number(r, &id) || !read_shape(r, &shape) || !expect_word(r, "="))
            return false;
        void *elements = contributions_add(given, id, r->graph.dtype, shape.dimensions, shape.ndim,
                                           shape.elements);
        if (elements == NULL)
            return no_memory(r);
        if (!read_elements(r, &shape, elements))
            return false;
    }
    return true;
}

static bool read_leaf(struct reader *r, enum op op)
{
    struct shape shape = {.ndim = 0};
    bool frozen;
    if (!read_shape(r, &shape) || !read_frozen(r, "=", &frozen))
        return false;
    struct graph_node *node = add_node(r, op, &shape, frozen);
    if (node == NULL || !read_elements(r, &shape, node->value))
        return false;
    return op == OP_GIVEN ? read_given(r, &node->given) : expect_end(r);
}

/* The shape of an op's value, from those of its parents; b is a for an op of one. */
static bool shape_of(struct reader *r, enum op op, const struct node *a, const struct node *b,
                     struct shape *shape)
{
    shape->ndim = 0;
    if (op == OP_MATMUL) {
        if (a->ndim != 2 || b->ndim != 2 || a->shape[1] != b->shape[0])
            return bad(r, "matmul takes [m,k] and [k,n]");
        shape->ndim = 2;
        shape->dimensions[0] = a->shape[0];
        shape->dimensions[1] = b->shape[1];
        return count_elements(r, shape);
    }
    if (!shape_equal(a->shape, a->ndim, b->shape, b->ndim))
        return bad(r, "%s takes equal shapes", op_name(op));
    if (op == OP_MSE && (!dtype_is_float(r->graph.dtype) || a->elements == 0))
        return bad(r, "mse takes floats, and at least one");
    if (op != OP_SUM && op != OP_MSE) {
        shape->ndim = a->ndim;
        memcpy(shape->dimensions, a->shape, a->ndim * sizeof *a->shape);
    }
    return count_elements(r, shape);
}

static bool read_operation(struct reader *r, enum op op)
{
    size_t n_parents = op == OP_RELU || op == OP_SUM ? 1 : 2;
    const struct node *of[GRAPH_PARENTS_MAX];
    size_t parents[GRAPH_PARENTS_MAX] = {0};
    struct shape shape = {.ndim = 0};
    bool frozen;
    for (size_t i = 0; i < n_parents; i++) {
        uint64_t id = 0;
        if (!read_number(r, &id))
            return false;
        if (id >= r->graph.tape.size)
            return bad(r, "%" PRIu64 " is no node before this one", id);
        parents[i] = (size_t)id;
        of[i] = &r->nodes[id];
    }
    if (!read_frozen(r, NULL, &frozen) || !shape_of(r, op, of[0], of[n_parents - 1], &shape))
        return false;
    struct graph_node *node = add_node(r, op, &shape, frozen);
    if (node == NULL)
        return false;
    node->n_parents = n_parents;
    memcpy(node->parents, parents, sizeof parents);
    return true;
}

static bool read_seed(struct reader *r)
{
    uint64_t id = 0;
    struct shape shape = {.ndim = 0};
    if (!read_number(r, &id))
        return false;
    if (id >= r->graph.tape.size)
        return bad(r, "%" PRIu64 " is no node before this line", id);
    const struct node *node = &r->nodes[id];
    shape.elements = node->elements;
    if (!expect_word(r, "="))
        return false;
    void *elements = contributions_add(&r->graph.seeds, id, node->dtype, node->shape, node->ndim,
                                       node->elements);
    if (elements == NULL)
        return no_memory(r);
    return read_elements(r, &shape, elements) && expect_end(r);
}

static bool read_dtype(struct reader *r)
{
    static const enum dtype dtypes[] = {DTYPE_I64, DTYPE_F64, DTYPE_F32};
    const char *text = word(r);
    for (size_t i = 0; text != NULL && i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(text, dtype_name((int)dtypes[i])) == 0) {
            r->graph.dtype = dtypes[i];
            return expect_end(r);
        }
    return bad(r, "a tape is of i64, f64 or f32");
}

static bool read_line(struct reader *r, char *line)
{
    const char *what = strtok_r(line, " \t\r\n", &r->rest);
    if (what == NULL || *what == '#')
        return true;
    if (r->graph.dtype == 0)
        return strcmp(what, "tape") == 0 ? read_dtype(r) : bad(r, "the first line says \"tape\"");
    if (strcmp(what, "seed") == 0)
        return read_seed(r);
    for (enum op op = 0; op < OP_COUNT; op++)
        if (strcmp(what, op_name(op)) == 0)
            return op == OP_LEAF || op == OP_GIVEN ? read_leaf(r, op) : read_operation(r, op);
    return bad(r, "there is no %.40s", what);
}

/* -- The whole --------------------------------------------------------------------------------- */

static void expect_contribution(struct reader *r, uint64_t id)
{
    if (id < r->graph.tape.size)
        r->nodes[id].expected++;
}

/* How many contributions each node gets: of the seeds, and of each node that is not frozen. */
static void count_contributions(struct reader *r)
{
    const struct graph *graph = &r->graph;
    for (size_t i = 0; i < graph->seeds.size; i++)
        expect_contribution(r, graph->seeds.list[i].node);
    for (size_t id = 0; id < graph->tape.size; id++) {
        const struct graph_node *node = &graph->nodes[id];
        if (!graph->tape.nodes[id].requires_grad)
            continue;
        for (size_t i = 0; i < node->n_parents; i++)
            expect_contribution(r, node->parents[i]);
        for (size_t i = 0; i < node->given.size; i++)
            expect_contribution(r, node->given.list[i].node);
    }
}

static bool read_all(struct reader *r, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    bool good = true;
    while (good && getline(&line, &room, file) >= 0) {
        r->line++;
        good = read_line(r, line);
    }
    free(line);
    if (good && (ferror(file) || r->graph.dtype == 0))
        good = bad(r, "the end, before a tape");
    return good;
}

enum code graph_read(FILE *file, struct graph *graph, struct error *error)
{
    struct error own;
    struct reader r = {.error = &own};
    error_clear(&own);
    r.nodes = calloc(GRAPH_NODES_MAX, sizeof *r.nodes);
    r.graph.nodes = calloc(GRAPH_NODES_MAX, sizeof *r.graph.nodes);
    r.graph.tape.nodes = r.nodes;
    bool good = (r.nodes != NULL && r.graph.nodes != NULL) || no_memory(&r);
    if (!good || !read_all(&r, file)) {
        graph_free(&r.graph);
        return error_set(error, own.code, "%s", own.message);
    }
    count_contributions(&r);
    *graph = r.graph;
    return CODE_OK;
}
