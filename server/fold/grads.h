/* The executable Tape.addGradAll: the dense gradient array of a tape, and the one function that
 * adds an indexed contribution to it. This is the definition that everything faster is tested
 * against. */
#pragma once

#include "fold/fold.h"
#include "fold/tape.h"

/* A slot as the array holds it: its own shape, so that step 4 of the definition can be checked. */
struct grad_slot {
    const uint64_t *shape; /* borrowed from the tape */
    size_t ndim;
    uint64_t elements;
    uint64_t contributions;  /* added so far */
    struct accumulator *sum; /* owned; NULL for a frozen or empty node */
};

struct grads {
    struct grad_slot *slots;
    size_t size;
    enum accumulation accumulation;
    enum reduction reduction;
};

/* All slots zero. tape and budget are borrowed until grads_free. CODE_RESOURCE_EXHAUSTED without
 * memory. */
MUST_USE enum code grads_init(struct grads *grads, const struct tape *tape,
                              enum accumulation accumulation, enum reduction reduction,
                              struct fold_budget *budget, struct error *error);

void grads_free(struct grads *grads);

/* addGradAll tape grads c.node g, deciding in this order (DESIGN: TorchLean, Runtime Gradient
 * Accumulation Link):
 *   1. no node on the tape                      CODE_UNKNOWN_NODE
 *   2. frozen node                              success, nothing changes, even if the shape is
 * wrong
 *   3. shape or dtype is not the node's         CODE_SHAPE_MISMATCH, CODE_DTYPE_MISMATCH
 *   4. no slot, or a slot of another shape      CODE_INTERNAL
 *   5. otherwise slot c.node becomes old + data, elementwise; no other slot changes
 * On an error nothing changes. data: the tensor's bytes, borrowed for the call. */
MUST_USE enum code grad_add_all(const struct tape *tape, struct grads *grads,
                                const struct contribution *c, const void *data,
                                struct error *error);

/* The fold over a list, foldlM addGradAll: contribution after contribution, all or nothing. The
 * first error of the list is the list's; then nothing changes, and so with CODE_RESOURCE_EXHAUSTED:
 * memory is found before anything is added. Slots that no contribution names do not change.
 *
 * data[k]: the tensor of list[k], borrowed for the call. *ignored: how many went to frozen nodes;
 * set on success. */
MUST_USE enum code grads_add_list(const struct tape *tape, struct grads *grads,
                                  const struct contribution *list, const void *const *data,
                                  size_t n, size_t *ignored, struct error *error);

/* One step of the reverse loop, backwardDenseFromStep: `list` is what the VJP of node `id` gives to
 * its parents. As grads_add_list; before that, CODE_UNKNOWN_NODE without node `id`, and
 * CODE_INVALID_ARGUMENT for a parent that is on the tape but not before `id`: the loop has passed
 * it. */
MUST_USE enum code grads_step(const struct tape *tape, struct grads *grads, size_t id,
                              const struct contribution *list, const void *const *data, size_t n,
                              size_t *ignored, struct error *error);

/* Rounds slot id into out (the node's bytes). CODE_OUT_OF_RANGE for an integer sum out of its type.
 */
MUST_USE enum code grads_read(const struct tape *tape, const struct grads *grads, size_t id,
                              void *out, struct error *error);
