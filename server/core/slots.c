#include "core/slots.h"

#include <inttypes.h>

enum code slot_offer(const struct node *node, struct slot *slot, uint64_t id, struct error *error)
{
    uint64_t total = (uint64_t)slot->accepted + ++slot->offered;
    if (node->expected > 0 && total > node->expected)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "node %" PRIu64 ": has its %" PRIu32 " expected contributions", id,
                         node->expected);
    if (total > LIMIT_CONTRIBUTIONS_PER_NODE)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "node %" PRIu64 ": has %" PRIu32 " contributions, the limit", id,
                         slot->accepted);
    return CODE_OK;
}

void slots_forget_offered(struct slot *slots, const struct term *terms, uint32_t n)
{
    /*@ loop invariant 0 <= i <= n;
      @ loop invariant \forall integer id; 0 <= terms_of{Pre}(terms, i, id) <= i;
      @ loop invariant \forall integer k; 0 <= k < n ==>
      @     terms[k].node == \at(terms[k].node, Pre);
      @ loop invariant \forall integer id;
      @     terms_of{Pre}(terms, i, id) > 0 ==> slots[id].offered == 0;
      @ loop invariant \forall integer id; terms_of{Pre}(terms, i, id) == 0 ==>
      @     slots[id].offered == \at(slots[id].offered, Pre);
      @ loop assigns i, slots[0 .. LIMIT_NODES - 1].offered;
      @ loop variant n - i; */
    for (uint32_t i = 0; i < n; i++)
        slots[terms[i].node].offered = 0;
}

void slots_accept(struct slot *slots, const struct term *terms, uint32_t n)
{
    /*@ loop invariant 0 <= i <= n;
      @ loop invariant \forall integer k; 0 <= k < n ==>
      @     terms[k].node == \at(terms[k].node, Pre);
      @ loop invariant \forall integer id; slots[id].accepted ==
      @     \at(slots[id].accepted, Pre) + terms_of{Pre}(terms, i, id);
      @ loop assigns i, slots[0 .. LIMIT_NODES - 1].accepted;
      @ loop variant n - i; */
    for (uint32_t i = 0; i < n; i++) {
        /*@ assert terms_of{Pre}(terms, i + 1, terms[i].node) ==
          @     terms_of{Pre}(terms, i, terms[i].node) + 1; */
        slots[terms[i].node].accepted++;
    }
}
