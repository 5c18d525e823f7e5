/* Gradients as text for the tests. */
#pragma once

#include <stdio.h>

#include "graph.h"

/* "ID CONTRIBUTIONS ELEMENT…" and the end of the line; floats in hexadecimal. elements: those of
 * node id. */
void print_gradient(FILE *file, const struct node *node, size_t id, uint64_t contributions,
                    const void *elements);
