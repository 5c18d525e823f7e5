/* What will happen, and when: a heap of items by virtual time. Items of one millisecond happen in
 * the order in which they were added, so that a seed replays. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum item_kind {
    ITEM_SEGMENT,   /* what: struct wire; the next segment reaches the server */
    ITEM_LOST,      /* what: struct wire; the server notices that it is cut */
    ITEM_REPLY,     /* what: struct request; its answer reaches the worker */
    ITEM_PATIENCE,  /* what: struct request; the worker gives the connection up */
    ITEM_SENT,      /* what: struct request; a pull's sums have left */
    ITEM_COPY,      /* what: struct wire; a thread copies a piece of a push in shared memory */
    ITEM_RUBBISH,   /* what: struct request; its worker writes to that memory */
    ITEM_PERSISTED, /* what: struct request; its push is durable */
    ITEM_FOLD,      /* what: struct fold_task; a thread does it */
    ITEM_FOLDED,    /* what: struct fold_task; the core hears of it */
    ITEM_WAKE,      /* the core asked for a tick */
    ITEM_WORKER,    /* what: struct worker; its turn */
    ITEM_MISCHIEF,  /* the next fault, or a request that nobody planned */
    ITEM_CALM,      /* no more faults from now on */
};

struct item {
    uint64_t at_ms;
    uint64_t order;
    enum item_kind kind;
    void *what;
};

struct agenda {
    struct item *items;
    size_t n;
    size_t capacity;
    uint64_t order;
};

void agenda_add(struct agenda *agenda, uint64_t at_ms, enum item_kind kind, void *what);

/* The earliest; false when there is none. */
bool agenda_take(struct agenda *agenda, struct item *item);

void agenda_free(struct agenda *agenda);
