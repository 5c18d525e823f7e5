/* An intrusive pairing heap of deadlines: nothing is allocated, the earliest is found in constant
 * time. Source: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap" (1986). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct heap_node {
    uint64_t key; /* earliest first; set by heap_insert */
    struct heap_node *child;
    struct heap_node *next;  /* sibling */
    struct heap_node **from; /* the pointer that points at this node; NULL: in no heap */
};

struct heap {
    struct heap_node *root;
};

/* node must be zeroed before its first use, and in no heap. */
void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key);

/* Takes node out of its heap; harmless when it is in none. */
void heap_remove(struct heap *heap, struct heap_node *node);

/* The node with the smallest key, or NULL. */
struct heap_node *heap_first(const struct heap *heap);

bool heap_contains(const struct heap_node *node);
