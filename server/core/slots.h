/* What a round knows of each node, and how the contributions of a push count there. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "fold/tape.h"

struct accumulator;
struct push;

/* One contribution that will be added. Lives in its push. */
struct term {
    struct push *push;
    struct term *next; /* of the same node, in the order of eligibility */
    uint64_t offset;   /* of the tensor in the body */
    uint32_t node;
    enum dtype dtype;
};

struct slot {
    struct term *first; /* eligible and not folded yet */
    struct term *last;
    struct accumulator *sum; /* what was folded early */
    uint64_t eligible;       /* contributions that are in the sum or will be */
    uint64_t folded;         /* of these, no longer among the terms */
    uint32_t accepted;       /* contributions of accepted pushes, eligible or held */
    uint32_t offered;        /* of the pushes that are being looked at; 0 between steps */
    bool queued;             /* in round.complete */
    bool complete;           /* the result can be read */
    bool out_of_range;       /* and does not fit its integer type */
};

/*@ predicate terms_readable{L}(struct term *terms, integer n) =
  @     n > 0 ==> \valid_read(terms + (0 .. n - 1));
  @ predicate terms_have_slots{L}(struct term *terms, integer n, struct slot *slots) =
  @     \forall integer i; 0 <= i < n ==> terms[i].node < LIMIT_NODES &&
  @         \valid(slots + terms[i].node) &&
  @         \separated(slots + terms[i].node, terms + (0 .. n - 1));
  @ // How many of the terms are of node `id`.
  @ logic integer terms_of{L}(struct term *terms, integer n, integer id) =
  @     n <= 0 ? 0 : terms_of(terms, n - 1, id) + (terms[n - 1].node == id ? 1 : 0); */

/* May node `id` have one more contribution, with those that are offered already? Counts it in
 * slot->offered either way. CODE_INVALID_ARGUMENT when the node has all that it expects. */
/*@ requires \valid_read(node) && \valid(slot) && (error == \null || \valid(error));
  @ requires \separated(slot, node) && \separated(slot, error) && \separated(node, error);
  @ requires slot->offered < UINT32_MAX;
  @ assigns slot->offered, *error;
  @ ensures slot->offered == \old(slot->offered) + 1;
  @ behavior more_than_expected:
  @   assumes 0 < node->expected <= slot->accepted + slot->offered;
  @   ensures \result == CODE_INVALID_ARGUMENT;
  @ behavior more_than_can_be_counted:
  @   assumes node->expected == 0 && slot->accepted + slot->offered >= UINT32_MAX;
  @   ensures \result == CODE_RESOURCE_EXHAUSTED;
  @ behavior room:
  @   assumes slot->accepted + slot->offered < (node->expected > 0 ? node->expected : UINT32_MAX);
  @   ensures \result == CODE_OK;
  @ complete behaviors;
  @ disjoint behaviors; */
enum code slot_offer(const struct node *node, struct slot *slot, uint64_t id, struct error *error);

/* Of the terms' nodes: nothing is offered any more. */
/*@ requires terms_readable(terms, n) && terms_have_slots(terms, n, slots);
  @ assigns slots[0 .. LIMIT_NODES - 1].offered;
  @ ensures \forall integer id; terms_of{Pre}(terms, n, id) > 0 ==> slots[id].offered == 0;
  @ ensures \forall integer id; terms_of{Pre}(terms, n, id) == 0 ==>
  @     slots[id].offered == \old(slots[id].offered); */
void slots_forget_offered(struct slot *slots, const struct term *terms, uint32_t n);

/* The terms count: pointwise, and nowhere else. slot_offer said that there is room. */
/*@ requires terms_readable(terms, n) && terms_have_slots(terms, n, slots);
  @ requires \forall integer id, i; 0 <= i <= n ==>
  @     slots[id].accepted + terms_of(terms, i, id) <= UINT32_MAX;
  @ assigns slots[0 .. LIMIT_NODES - 1].accepted;
  @ ensures \forall integer id;
  @     slots[id].accepted == \old(slots[id].accepted) + terms_of{Pre}(terms, n, id); */
void slots_accept(struct slot *slots, const struct term *terms, uint32_t n);
