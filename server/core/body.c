#include "core/body.h"

#include <string.h>
#include <xxhash.h>

#include "core/push.h"
#include "fold/fold.h"

enum {
    COPY_BYTES = 256 * 1024 /* still in the cache when it is checked */
};

unsigned char *body_room(const struct intake *intake, uint64_t *room)
{
    const struct push *push = intake->push;
    *room = push->body_bytes - intake->check.received;
    return *room == 0 ? NULL : push->body + intake->check.received;
}

/* Looks at the part of one term that has arrived and was not looked at, in whole elements. */
static void scan_term(struct body_check *check, const struct push *push, const struct term *term,
                      uint64_t end)
{
    uint64_t size = dtype_size(term->dtype);
    uint64_t from = check->scanned > term->offset ? check->scanned : term->offset;
    if (from > end)
        return;
    uint64_t n = (end - from) / size;
    int64_t bad = fold_find_non_finite(term->dtype, push->body + from, n);
    check->scanned = from + n * size;
    if (bad == FOLD_ALL_FINITE)
        return;
    check->non_finite = true;
    check->bad_node = term->node;
    check->bad_index = (from - term->offset) / size + (uint64_t)bad;
}

static void scan(struct body_check *check, const struct push *push)
{
    while (check->term < push->n_terms && !check->non_finite) {
        const struct term *term = &push->terms[check->term];
        const struct node *node = &push->job->tape.nodes[term->node];
        uint64_t end = term->offset + node->elements * dtype_size(term->dtype);
        bool whole = check->received >= end;
        scan_term(check, push, term, whole ? end : check->received);
        if (!whole)
            return;
        check->term++;
    }
}

void body_received(struct intake *intake, uint64_t n)
{
    struct body_check *check = &intake->check;
    const struct push *push = intake->push;
    if (check->hash != NULL)
        XXH3_64bits_update(check->hash, push->body + check->received, n);
    check->received += n;
    must(check->received <= push->body_bytes);
    if (check->reject_non_finite)
        scan(check, push);
}

bool body_copy(struct intake *intake)
{
    struct body_check *check = &intake->check;
    const struct push *push = intake->push;
    uint64_t room;
    unsigned char *to = body_room(intake, &room);
    if (to == NULL)
        return false;
    const struct source *from = &push->sources[check->source];
    uint64_t n = from->bytes - check->copied;
    if (n > COPY_BYTES)
        n = COPY_BYTES;
    memcpy(to, from->data + check->copied, n);
    body_received(intake, n);
    check->copied += n;
    if (check->copied == from->bytes) {
        check->source++;
        check->copied = 0;
    }
    return check->received < push->body_bytes;
}
