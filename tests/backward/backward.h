/* backwardDenseFrom: the reverse loop over a tape, with gradfold's own addGradAll. */
#pragma once

#include "graph.h"

/* backwardDenseFromStep: a frozen node changes nothing, and its backward function is not run; any
 * other gives its contributions at slot id, which are added in their order. On an error the
 * contributions of this step may be in the array partly: the whole result is the error. */
MUST_USE enum code backward_step(const struct graph *graph, struct grads *grads, size_t id,
                                 struct error *error);

/* The dense array of the seeds, zero elsewhere; then a step for each id from the last to 0. grads:
 * set on success, the caller's until grads_free(); read with grads_read(). budget: borrowed until
 * then. accumulation: EXACT is what the service serves; IN_ORDER is the source's sum of floats,
 * literally. CODE_OUT_OF_RANGE, CODE_RESOURCE_EXHAUSTED, and those of grad_add_all(), which an
 * OP_GIVEN can provoke. */
MUST_USE enum code backward_dense_from(const struct graph *graph, enum accumulation accumulation,
                                       struct fold_budget *budget, struct grads *grads,
                                       struct error *error);
