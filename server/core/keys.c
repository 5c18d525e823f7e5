#include "core/keys.h"

#include <stdlib.h>
#include <string.h>

enum {
    CAPACITY_MIN = 16
};

/* A mix of both words; workers may number their pushes as they like. Source: the finaliser of
 * splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t hash(uint32_t worker, uint64_t sequence)
{
    uint64_t h = sequence + UINT64_C(0x9e3779b97f4a7c15) * (worker + UINT64_C(1));
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

bool key_print_equal(const struct key_print *a, const struct key_print *b)
{
    return a->contributions[0] == b->contributions[0] &&
           a->contributions[1] == b->contributions[1] && a->body_bytes == b->body_bytes &&
           a->has_checksum == b->has_checksum && a->checksum == b->checksum && a->final == b->final;
}

/* The key's entry, or the free one where it belongs. The table has a free entry. */
static struct key *seek(const struct keys *keys, uint32_t worker, uint64_t sequence)
{
    uint32_t mask = keys->capacity - 1;
    uint32_t at = (uint32_t)hash(worker, sequence) & mask;
    for (;; at = (at + 1) & mask) {
        struct key *k = &keys->table[at];
        if (!k->used || (k->worker == worker && k->sequence == sequence))
            return k;
    }
}

struct key *keys_find(const struct keys *keys, uint32_t worker, uint64_t sequence)
{
    if (keys->count == 0)
        return NULL;
    struct key *k = seek(keys, worker, sequence);
    return k->used ? k : NULL;
}

bool keys_reserve(struct keys *keys, uint32_t n)
{
    uint64_t count = (uint64_t)keys->count + n;
    if (count <= keys->capacity / 4 * 3)
        return true;
    if (keys->capacity == 0 && count < keys->hint)
        count = keys->hint;
    struct keys larger = {.capacity = keys->capacity == 0 ? CAPACITY_MIN : keys->capacity * 2,
                          .count = keys->count};
    while (count > larger.capacity / 4 * 3)
        larger.capacity *= 2;
    larger.table = calloc(larger.capacity, sizeof *larger.table);
    if (larger.table == NULL)
        return false;
    for (uint32_t i = 0; i < keys->capacity; i++)
        if (keys->table[i].used)
            *seek(&larger, keys->table[i].worker, keys->table[i].sequence) = keys->table[i];
    free(keys->table);
    *keys = larger;
    return true;
}

struct key *keys_insert(struct keys *keys, uint32_t worker, uint64_t sequence)
{
    struct key *k = seek(keys, worker, sequence);
    must(!k->used);
    *k = (struct key){.worker = worker, .sequence = sequence, .used = true};
    keys->count++;
    return k;
}

void keys_free(struct keys *keys)
{
    free(keys->table);
    *keys = (struct keys){0};
}
