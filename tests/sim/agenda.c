#include "agenda.h"

#include <stdlib.h>

#include "base/must.h"

static bool before(const struct item *a, const struct item *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void agenda_add(struct agenda *agenda, uint64_t at_ms, enum item_kind kind, void *what)
{
    if (agenda->n == agenda->capacity) {
        agenda->capacity = agenda->capacity == 0 ? 256 : 2 * agenda->capacity;
        agenda->items = realloc(agenda->items, agenda->capacity * sizeof *agenda->items);
        must(agenda->items != NULL);
    }
    struct item item = {.at_ms = at_ms, .order = agenda->order++, .kind = kind, .what = what};
    size_t i = agenda->n++;
    for (; i > 0 && before(&item, &agenda->items[(i - 1) / 2]); i = (i - 1) / 2)
        agenda->items[i] = agenda->items[(i - 1) / 2];
    agenda->items[i] = item;
}

bool agenda_take(struct agenda *agenda, struct item *item)
{
    if (agenda->n == 0)
        return false;
    *item = agenda->items[0];
    struct item last = agenda->items[--agenda->n];
    size_t i = 0;
    for (size_t child = 1; child < agenda->n; child = 2 * i + 1) {
        if (child + 1 < agenda->n && before(&agenda->items[child + 1], &agenda->items[child]))
            child++;
        if (!before(&agenda->items[child], &last))
            break;
        agenda->items[i] = agenda->items[child];
        i = child;
    }
    agenda->items[i] = last;
    return true;
}

void agenda_free(struct agenda *agenda)
{
    free(agenda->items);
    *agenda = (struct agenda){0};
}
