#include "net/buffers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapping.h"

/* The first of that number or a greater one. */
static size_t place_of(const struct buffers *b, uint64_t number)
{
    size_t from = 0;
    size_t to = b->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (b->list[middle].number < number)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool charge(struct buffer_budget *budget, uint64_t bytes)
{
    uint64_t used = atomic_load(&budget->bytes);
    do {
        if (bytes > budget->bytes_max || used > budget->bytes_max - bytes)
            return false;
    } while (!atomic_compare_exchange_weak(&budget->bytes, &used, used + bytes));
    return true;
}

void buffers_cancel(struct buffer_budget *budget, uint64_t bytes)
{
    atomic_fetch_sub(&budget->bytes, bytes);
}

static bool make_room(struct buffers *b)
{
    if (b->n < b->capacity)
        return true;
    size_t capacity = b->capacity == 0 ? 4 : 2 * b->capacity;
    struct buffer *list = realloc(b->list, capacity * sizeof *list);
    if (!list)
        return false;
    b->list = list;
    b->capacity = capacity;
    return true;
}

enum code buffers_reserve(struct buffers *b, struct buffer_budget *budget, uint64_t number,
                          uint64_t bytes, struct error *error)
{
    if (number == 0)
        return error_set(error, CODE_INVALID_ARGUMENT, "buffers are numbered from 1");
    if (buffers_find(b, number))
        return error_set(error, CODE_INVALID_ARGUMENT, "buffer %" PRIu64 " is in use", number);
    if (b->n >= LIMIT_BUFFERS)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "a connection has %d buffers at most",
                         LIMIT_BUFFERS);
    if (!make_room(b))
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    if (!charge(budget, bytes))
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "buffer %" PRIu64 " of %" PRIu64 " bytes: all clients' buffers may have "
                         "%" PRIu64 " bytes together (--shared-bytes)",
                         number, bytes, budget->bytes_max);
    return CODE_OK;
}

void buffers_add(struct buffers *b, uint64_t number, struct mapping *mapping)
{
    size_t at = place_of(b, number);
    must(b->n < b->capacity);
    memmove(&b->list[at + 1], &b->list[at], (b->n - at) * sizeof *b->list);
    b->list[at] = (struct buffer){number, mapping};
    b->n++;
}

struct mapping *buffers_find(const struct buffers *b, uint64_t number)
{
    size_t at = place_of(b, number);
    return at < b->n && b->list[at].number == number ? b->list[at].mapping : NULL;
}

static void let_go(struct buffer_budget *budget, struct mapping *mapping)
{
    buffers_cancel(budget, mapping->bytes);
    mapping_unref(mapping);
}

bool buffers_drop(struct buffers *b, struct buffer_budget *budget, uint64_t number)
{
    struct mapping *mapping = buffers_find(b, number);
    if (!mapping)
        return false;
    size_t at = place_of(b, number);
    b->n--;
    memmove(&b->list[at], &b->list[at + 1], (b->n - at) * sizeof *b->list);
    let_go(budget, mapping);
    return true;
}

void buffers_free(struct buffers *b, struct buffer_budget *budget)
{
    for (size_t i = 0; i < b->n; i++)
        let_go(budget, b->list[i].mapping);
    free(b->list);
    *b = (struct buffers){0};
}
