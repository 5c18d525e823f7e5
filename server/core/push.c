/* A push's memory. Pushes of few and small tensors come and go by the million: theirs is kept for
 * the next. */
#include "core/push.h"

#include <stdlib.h>

#include "core/batch.h"
#include "core/state.h"

/* For its body: else that lies in the push itself. */
static bool has_buffer(const struct push *push)
{
    return push->body_bytes > PUSH_INLINE_BYTES;
}

uint64_t push_cost(const struct push *push)
{
    return (has_buffer(push) && !push->in_place ? pool_cost(push->body_bytes) : 0) +
           push->own_bytes;
}

struct push *push_alloc(struct core *core, uint64_t *bytes)
{
    if (*bytes > PUSH_BLOCK_BYTES)
        return malloc(*bytes);
    *bytes = PUSH_BLOCK_BYTES;
    struct list *link = list_first(&core->spare_pushes);
    if (link == NULL)
        return malloc(*bytes);
    list_remove(link);
    core->n_spare_pushes--;
    return list_entry(link, struct push, link);
}

static void release(struct core *core, struct push *push)
{
#if !defined(__SANITIZE_ADDRESS__) /* there, a use after this is to be seen */
    if (push->own_bytes == PUSH_BLOCK_BYTES && core->n_spare_pushes < SPARE_PUSHES_MAX) {
        list_append(core->spare_pushes.next, &push->link); /* the warmest is taken first */
        core->n_spare_pushes++;
        return;
    }
#endif
    (void)core;
    free(push);
}

bool push_take_staging(struct core *core, struct push *push)
{
    if (has_buffer(push)) {
        push->body = pool_take(core->staging, push->body_bytes);
        if (push->body == NULL)
            return false;
    }
    pool_charge(core->staging, push->own_bytes);
    push->granted = true;
    return true;
}

void push_free(struct core *core, struct push *push)
{
    if (push->trial != NULL) {
        list_append(&push->trial->orphans, &push->link);
        return;
    }
    if (push->granted) {
        if (has_buffer(push))
            pool_give(core->staging, push->body, push->body_bytes);
        pool_discharge(core->staging, push->own_bytes);
    }
    sources_free(push->sources, push->n_sources);
    list_remove(&push->link);
    list_remove(&push->peer_link);
    release(core, push);
}

void push_free_spare(struct core *core)
{
    list_each (link, &core->spare_pushes)
        free(list_entry(link, struct push, link));
}
