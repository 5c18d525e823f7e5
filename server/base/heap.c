#include "base/heap.h"

#include <stddef.h>

static void place(struct heap_node **slot, struct heap_node *node)
{
    *slot = node;
    if (node != NULL)
        node->from = slot;
}

/* Both are roots without siblings; the later one becomes the first child of the earlier one. */
static struct heap_node *merge(struct heap_node *a, struct heap_node *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->key < a->key) {
        struct heap_node *t = a;
        a = b;
        b = t;
    }
    place(&b->next, a->child);
    place(&a->child, b);
    return a;
}

/* Merges siblings in pairs from left to right, then the pairs from right to left. */
static struct heap_node *merge_siblings(struct heap_node *first)
{
    struct heap_node *pairs = NULL;
    while (first != NULL) {
        struct heap_node *a = first;
        struct heap_node *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = NULL;
        if (b != NULL)
            b->next = NULL;
        struct heap_node *merged = merge(a, b);
        merged->next = pairs;
        pairs = merged;
    }
    struct heap_node *root = NULL;
    while (pairs != NULL) {
        struct heap_node *rest = pairs->next;
        pairs->next = NULL;
        root = merge(root, pairs);
        pairs = rest;
    }
    return root;
}

void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key)
{
    *node = (struct heap_node){.key = key};
    place(&heap->root, merge(heap->root, node));
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!heap_contains(node))
        return;
    struct heap_node *children = merge_siblings(node->child);
    if (heap->root == node) {
        place(&heap->root, children);
    } else {
        place(node->from, node->next);
        place(&heap->root, merge(heap->root, children));
    }
    *node = (struct heap_node){0};
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->root;
}

bool heap_contains(const struct heap_node *node)
{
    return node->from != NULL;
}
