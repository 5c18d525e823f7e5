/* The runs of a pull's body: whatever the nodes, all bytes come once and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/pull.h"
#include "net/pieces.h"

enum {
    NODES = 6,
    ASKED_MAX = 16
};

/* Bytes of the nodes; the third is empty, the fifth is frozen (it takes no room in the array). */
static const uint64_t sizes[NODES] = {16, 100000, 0, 8, 200000, 4};

struct fixture {
    struct node nodes[NODES];
    struct job job;
    struct results *results;
    struct pull *pull;
    unsigned char *expected;
    uint64_t expected_bytes;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint64_t offset = 0;
    for (int i = 0; i < NODES; i++) {
        f->nodes[i] = (struct node){.bytes = sizes[i], .offset = offset, .requires_grad = i != 4};
        offset += i == 4 ? 0 : sizes[i];
    }
    f->job.tape = (struct tape){f->nodes, NODES};
    f->results = calloc(1, sizeof *f->results);
    f->results->contributions = calloc(NODES, sizeof(uint32_t));
    f->results->data = malloc(offset);
    for (uint64_t i = 0; i < offset; i++)
        f->results->data[i] = (unsigned char)(i * 31 + 1);
    for (int i = 0; i < NODES; i++)
        f->results->contributions[i] = i != 4;
    f->pull = calloc(1, sizeof *f->pull + ASKED_MAX * sizeof f->pull->nodes[0]);
    f->pull->job = &f->job;
    f->pull->results = f->results;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    free(f->results->data);
    free(f->results->contributions);
    free(f->results);
    free(f->pull);
    free(f->expected);
    free(f);
    return 0;
}

static void expect(struct fixture *f)
{
    struct gradient g;
    for (size_t i = 0; i < f->pull->n_nodes; i++) {
        pull_gradient(f->pull, i, &g);
        f->expected_bytes += g.node->bytes;
    }
    f->expected = calloc(1, f->expected_bytes + 1);
    unsigned char *at = f->expected;
    for (size_t i = 0; i < f->pull->n_nodes; at += g.node->bytes, i++) {
        pull_gradient(f->pull, i, &g);
        if (g.data)
            memcpy(at, g.data, g.node->bytes);
    }
}

/* Compares all runs with what is expected; returns how many there were. */
static unsigned compare(struct fixture *f, uint64_t max)
{
    struct pieces pieces;
    uint64_t at = 0, n;
    unsigned runs = 0;
    expect(f);
    pieces_begin(&pieces, f->pull, f->expected_bytes);
    while (pieces.left > 0) {
        const unsigned char *run = pieces_next(&pieces, max, &n);
        assert_true(n > 0 && n <= max && at + n <= f->expected_bytes);
        assert_memory_equal(run, f->expected + at, n);
        at += n;
        runs++;
    }
    assert_true(at == f->expected_bytes);
    pieces_next(&pieces, max, &n);
    assert_true(n == 0);
    return runs;
}

static void ask(struct fixture *f, const uint32_t *nodes, size_t n)
{
    memcpy(f->pull->nodes, nodes, n * sizeof *nodes);
    f->pull->n_nodes = n;
}

static void all_nodes_make_few_runs(void **state)
{
    struct fixture *f = *state;
    f->pull->all = true;
    f->pull->n_nodes = NODES;
    /* nodes 0 to 3 are one run, the frozen one takes 4 zero blocks, the last is one */
    assert_int_equal(compare(f, 1 << 20), 6);
}

static void runs_are_never_longer_than_asked(void **state)
{
    struct fixture *f = *state;
    f->pull->all = true;
    f->pull->n_nodes = NODES;
    compare(f, 7);
}

static void nodes_come_in_the_order_and_as_often_as_asked(void **state)
{
    struct fixture *f = *state;
    ask(f, (const uint32_t[]){5, 0, 0, 2, 4, 3, 1, 4, 4, 5}, 10);
    compare(f, 1 << 20);
}

static void empty_nodes_and_no_nodes_have_no_runs(void **state)
{
    struct fixture *f = *state;
    ask(f, (const uint32_t[]){2, 2}, 2);
    assert_int_equal(compare(f, 100), 0);
    free(f->expected);
    f->pull->n_nodes = 0;
    assert_int_equal(compare(f, 100), 0);
}

static void without_results_all_is_zero(void **state)
{
    struct fixture *f = *state;
    f->pull->results = NULL;
    f->pull->all = true;
    f->pull->n_nodes = NODES;
    compare(f, 1 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_nodes_make_few_runs),
        TEST(runs_are_never_longer_than_asked),
        TEST(nodes_come_in_the_order_and_as_often_as_asked),
        TEST(empty_nodes_and_no_nodes_have_no_runs),
        TEST(without_results_all_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
