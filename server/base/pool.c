#include "base/pool.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/must.h"

enum {
    ALIGN = 64,
    LARGE = 64 * 1024,   /* from here on a buffer is a mapping of its own */
    HUGE_PAGE = 2 << 20, /* from here on it asks for huge pages and starts at one */
    COLOUR_ROOM = 4096,  /* large buffers start at different offsets within a page */
    COLOUR_STEP = 256,
    CLASSES = 64 * 4, /* four sizes to each power of two */
};

/* A buffer that nobody uses lies on its class's list; the link is kept in its own first bytes. */
struct kept {
    struct kept *next;
};

struct pool {
    uint64_t max;
    uint64_t used;
    uint64_t kept_bytes;
    unsigned colour;
    struct kept *classes[CLASSES];
};

/* The size of the class that holds `bytes`, and its index. At most a quarter is wasted. */
static uint64_t class_size(uint64_t bytes, unsigned *index)
{
    if (bytes <= ALIGN) {
        *index = 0;
        return ALIGN;
    }
    if (bytes > UINT64_MAX / 2) {
        *index = CLASSES - 1;
        return UINT64_MAX / 2;
    }
    unsigned exponent = 63 - (unsigned)__builtin_clzll(bytes - 1);
    uint64_t step = (UINT64_C(1) << exponent) / 4;
    uint64_t size = (bytes + step - 1) / step * step;
    *index = exponent * 4 + (unsigned)((size - (UINT64_C(1) << exponent)) / step) - 1;
    return size;
}

static uint64_t class_cost(uint64_t size)
{
    return size >= LARGE ? size + COLOUR_ROOM : size;
}

uint64_t pool_cost(uint64_t bytes)
{
    unsigned index;
    return class_cost(class_size(bytes, &index));
}

struct pool *pool_new(uint64_t bytes_max)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool != NULL)
        pool->max = bytes_max;
    return pool;
}

/* A mapping of n bytes that starts at a huge page when it is large enough to have one. */
static void *map(uint64_t n)
{
    size_t extra = n >= HUGE_PAGE ? HUGE_PAGE : 0;
    if (n > SIZE_MAX - extra)
        return NULL;
    char *p = mmap(NULL, n + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (extra == 0)
        return p;
    size_t head = (extra - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (head > 0)
        munmap(p, head);
    if (head < extra)
        munmap(p + head + n, extra - head);
    madvise(p + head, n, MADV_HUGEPAGE); /* advice: without it the buffer is as good, only slower */
    return p + head;
}

static void *fresh(struct pool *pool, uint64_t size)
{
    if (size < LARGE) {
        void *small;
        return posix_memalign(&small, ALIGN, size) == 0 ? small : NULL;
    }
    char *p = map(size + COLOUR_ROOM);
    if (p == NULL)
        return NULL;
    return p + pool->colour++ % (COLOUR_ROOM / COLOUR_STEP) * COLOUR_STEP;
}

static void release(void *buffer, uint64_t size)
{
    if (size < LARGE) {
        free(buffer);
        return;
    }
    char *start = (char *)buffer - (uintptr_t)buffer % COLOUR_ROOM;
    munmap(start, size + COLOUR_ROOM);
}

/* The size of class `index`, the inverse of class_size. */
static uint64_t size_of_class(unsigned index)
{
    if (index == 0)
        return ALIGN;
    uint64_t power = UINT64_C(1) << (index / 4);
    return power + power / 4 * (index % 4 + 1);
}

/* Gives kept buffers to the system, largest first, until used + kept + need fits. */
static void make_room(struct pool *pool, uint64_t need)
{
    for (unsigned i = CLASSES; i-- > 0;) {
        while (true) {
            if (pool->used + pool->kept_bytes + need <= pool->max)
                return;
            if (pool->classes[i] == NULL)
                break;
            struct kept *k = pool->classes[i];
            pool->classes[i] = k->next;
            pool->kept_bytes -= class_cost(size_of_class(i));
            release(k, size_of_class(i));
        }
    }
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    must(pool->used == 0);
    pool->max = 0;
    make_room(pool, 1);
    free(pool);
}

bool pool_fits(const struct pool *pool, uint64_t bytes)
{
    uint64_t cost = pool_cost(bytes);
    return cost <= pool->max && pool->used <= pool->max - cost;
}

void *pool_take(struct pool *pool, uint64_t bytes)
{
    unsigned index;
    uint64_t size = class_size(bytes, &index);
    if (!pool_fits(pool, bytes))
        return NULL;
    struct kept *k = pool->classes[index];
    if (k != NULL) {
        pool->classes[index] = k->next;
        pool->kept_bytes -= class_cost(size);
        pool->used += class_cost(size);
        return k;
    }
    make_room(pool, class_cost(size));
    void *buffer = fresh(pool, size);
    if (buffer != NULL)
        pool->used += class_cost(size);
    return buffer;
}

void pool_give(struct pool *pool, void *buffer, uint64_t bytes)
{
    if (buffer == NULL)
        return;
    unsigned index;
    uint64_t size = class_size(bytes, &index);
    must(pool->used >= class_cost(size));
    pool->used -= class_cost(size);
#if defined(__SANITIZE_ADDRESS__)
    release(buffer, size); /* so that a use after this is seen */
#else
    struct kept *k = buffer;
    k->next = pool->classes[index];
    pool->classes[index] = k;
    pool->kept_bytes += class_cost(size);
#endif
}

void pool_charge(struct pool *pool, uint64_t bytes)
{
    pool->used += bytes;
    make_room(pool, 0);
}

void pool_discharge(struct pool *pool, uint64_t bytes)
{
    must(pool->used >= bytes);
    pool->used -= bytes;
}

uint64_t pool_used(const struct pool *pool)
{
    return pool->used;
}

uint64_t pool_kept(const struct pool *pool)
{
    return pool->kept_bytes;
}

uint64_t pool_max(const struct pool *pool)
{
    return pool->max;
}
