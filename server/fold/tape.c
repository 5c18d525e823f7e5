#include "fold/tape.h"

#include <inttypes.h>

#include "base/shape.h"

/*@ requires \valid_read(node) && shape_readable(node->shape, node->ndim);
  @ requires contribution_readable(c);
  @ requires error == \null || \valid(error);
  @ assigns *error;
  @ ensures \result == GRAD_ERROR && (error != \null ==> error->code == CODE_SHAPE_MISMATCH); */
static enum grad_decision wrong_shape(const struct node *node, const struct contribution *c,
                                      struct error *error)
{
    char got[SHAPE_TEXT_MAX];
    char expected[SHAPE_TEXT_MAX];
    error_set(error, CODE_SHAPE_MISMATCH, "node %" PRIu64 ": shape %s, expected %s", c->node,
              shape_text(got, c->shape, c->ndim), shape_text(expected, node->shape, node->ndim));
    return GRAD_ERROR;
}

enum grad_decision grad_decide(const struct tape *tape, const struct contribution *c,
                               struct error *error)
{
    if (c->node >= tape->size) {
        error_set(error, CODE_UNKNOWN_NODE, "node %" PRIu64 ": the tape has %zu nodes", c->node,
                  tape->size);
        return GRAD_ERROR;
    }
    const struct node *node = &tape->nodes[c->node];
    if (!dtype_valid(c->dtype)) {
        error_set(error, CODE_INVALID_ARGUMENT, "node %" PRIu64 ": unknown dtype %d", c->node,
                  c->dtype);
        return GRAD_ERROR;
    }
    if (!node->requires_grad)
        return GRAD_IGNORE;
    if (!shape_equal(node->shape, node->ndim, c->shape, c->ndim))
        return wrong_shape(node, c, error);
    enum dtype from = (enum dtype)c->dtype;
    if (!dtype_widens(from, node->dtype)) {
        error_set(error, CODE_DTYPE_MISMATCH, "node %" PRIu64 ": dtype %s, expected %s", c->node,
                  dtype_name(from), dtype_name(node->dtype));
        return GRAD_ERROR;
    }
    return GRAD_ADD;
}

size_t grad_decide_list(const struct tape *tape, const struct contribution *list, size_t n,
                        size_t *ignored, struct error *error)
{
    size_t frozen = 0;
    size_t k = 0;
    /*@ loop invariant 0 <= k <= n && 0 <= frozen <= k;
      @ loop invariant all_fine{Pre}(tape, list, k);
      @ loop invariant frozen == frozen_among{Pre}(tape, list, k);
      @ loop assigns k, frozen, *error;
      @ loop variant n - k; */
    for (; k < n; k++) {
        enum grad_decision decision = grad_decide(tape, &list[k], error);
        if (decision == GRAD_ERROR)
            break;
        if (decision == GRAD_IGNORE)
            frozen++;
    }
    *ignored = frozen;
    return k;
}
