#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"

enum {
    NODES = 500
};

/* Against the plainest priority queue: look at all. */
static struct heap_node *smallest(struct heap_node *nodes)
{
    struct heap_node *best = NULL;
    for (int i = 0; i < NODES; i++)
        if (heap_contains(&nodes[i]) && (best == NULL || nodes[i].key < best->key))
            best = &nodes[i];
    return best;
}

static void the_first_is_the_smallest_whatever_was_removed(void **state)
{
    (void)state;
    static struct heap_node nodes[NODES];
    struct heap heap = {NULL};
    uint64_t random = 1;
    for (int step = 0; step < 20000; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        struct heap_node *node = &nodes[(random >> 33) % NODES];
        if (heap_contains(node))
            heap_remove(&heap, node);
        else
            heap_insert(&heap, node, (random >> 20) % 1000);
        const struct heap_node *first = heap_first(&heap);
        const struct heap_node *right = smallest(nodes);
        assert_true((first == NULL) == (right == NULL));
        if (first != NULL)
            assert_int_equal(first->key, right->key);
    }
}

static void removing_twice_does_no_harm(void **state)
{
    (void)state;
    struct heap_node node = {0};
    struct heap heap = {NULL};
    heap_remove(&heap, &node);
    heap_insert(&heap, &node, 7);
    heap_remove(&heap, &node);
    heap_remove(&heap, &node);
    assert_null(heap_first(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_the_smallest_whatever_was_removed),
        cmocka_unit_test(removing_twice_does_no_harm),
    };
    return cmocka_run_group_tests_name("base: heap", tests, NULL, NULL);
}
