/* backwardDenseFrom: the reverse loop over a tape, whose every step is gradfold's own grads_step().
 */
#pragma once

#include "graph.h"

/* backwardDenseFromStep: a frozen node changes nothing, and its backward function is not run; any
 * other gives its contributions at the value of slot id, and they are added in their order, all or
 * none. Errors are those of grads_read(), graph_vjp() and grads_step(). */
MUST_USE enum code backward_step(const struct graph *graph, struct grads *grads, size_t id,
                                 struct error *error);

/* The dense array of the seeds, zero elsewhere; then a step for each id from the last to 0. grads:
 * set on success, the caller's until grads_free(); read with grads_read(). budget: borrowed until
 * then. accumulation: EXACT is what the service serves; IN_ORDER is the source's sum of floats,
 * literally. Errors: those of backward_step(), and CODE_RESOURCE_EXHAUSTED. */
MUST_USE enum code backward_dense_from(const struct graph *graph, enum accumulation accumulation,
                                       struct fold_budget *budget, struct grads *grads,
                                       struct error *error);
