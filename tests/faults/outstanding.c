/* What was allocated since plan_mark() and not given back, and by whom. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "plan.h"

enum {
    NOTES = 1 << 14 /* far more than are there at a time */
};

struct note {
    const void *p; /* NULL: free */
    const void *caller;
};

static struct {
    atomic_flag lock;
    atomic_long allocations;
    atomic_long mapped;
    struct note notes[NOTES];
} all = {.lock = ATOMIC_FLAG_INIT};

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&all.lock, memory_order_acquire))
        ;
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&all.lock, memory_order_release);
}

static struct note *find(const void *p, const void *wanted)
{
    size_t at = (uintptr_t)p / 16 * 2654435761u % NOTES;
    for (int tries = 0; tries < 64; tries++, at = (at + 1) % NOTES)
        if (all.notes[at].p == wanted)
            return &all.notes[at];
    return NULL;
}

void plan_allocated(const void *p, const void *caller)
{
    /* The loader's belong to threads, whose stacks libc keeps. */
    if (plan_in_loader(caller))
        return;
    lock();
    struct note *note = find(p, NULL);
    if (note != NULL) {
        *note = (struct note){p, caller};
        all.allocations++;
    }
    unlock();
}

void plan_freed(const void *p)
{
    lock();
    struct note *note = find(p, p);
    if (note != NULL) {
        note->p = NULL;
        all.allocations--;
    }
    unlock();
}

void plan_mark(void)
{
    lock();
    memset(all.notes, 0, sizeof all.notes);
    all.allocations = 0;
    unlock();
}

void plan_outstanding(char *text, size_t room)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < NOTES && used < room; i++) {
        Dl_info info;
        const struct note note = all.notes[i];
        if (note.p == NULL || dladdr(note.caller, &info) == 0)
            continue;
        const char *name = strrchr(info.dli_fname, '/');
        used += (size_t)snprintf(text + used, room - used, " %s+0x%zx",
                                 name != NULL ? name + 1 : info.dli_fname,
                                 (size_t)((uintptr_t)note.caller - (uintptr_t)info.dli_fbase));
    }
}

void plan_mapped(long bytes)
{
    atomic_fetch_add(&all.mapped, bytes);
}

long plan_allocations(void)
{
    return atomic_load(&all.allocations);
}

long plan_mapped_bytes(void)
{
    return atomic_load(&all.mapped);
}
