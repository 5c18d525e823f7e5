#include "core/keys.h"

#include <stdlib.h>

enum {
    KEYS_MIN = 16,
    KEYS_MAX = INT32_MAX
};

/* A mix of both words; workers may number their pushes as they like. Source: the finaliser of
 * splitmix64 (Steele, Lea, Flood 2014). */
static uint32_t hash(uint32_t worker, uint64_t sequence)
{
    uint64_t h = sequence + UINT64_C(0x9e3779b97f4a7c15) * (worker + UINT64_C(1));
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(h >> 32);
}

/* h / 2^32 of n. */
/*@ requires n > 0;
  @ assigns \nothing;
  @ ensures 0 <= \result < n; */
static uint32_t scale(uint32_t h, uint32_t n)
{
    return (uint32_t)((uint64_t)h * n / 0x100000000);
}

/* Trusted: that this is a function of its arguments. */
/*@ requires n_buckets > 0;
  @ assigns \nothing;
  @ ensures \result == bucket(worker, sequence, n_buckets); */
static uint32_t bucket_at(uint32_t worker, uint64_t sequence, uint32_t n_buckets)
{
    return scale(hash(worker, sequence), n_buckets);
}

bool key_print_equal(const struct key_print *a, const struct key_print *b)
{
    return a->contributions[0] == b->contributions[0] &&
           a->contributions[1] == b->contributions[1] && a->body_bytes == b->body_bytes &&
           a->has_checksum == b->has_checksum && a->checksum == b->checksum && a->final == b->final;
}

struct key *keys_find(const struct keys *keys, uint32_t worker, uint64_t sequence)
{
    if (keys->count == 0)
        return NULL;
    int32_t at = keys->newest[bucket_at(worker, sequence, keys->n_buckets)];
    /*@ loop invariant 0 <= at <= keys->count;
      @ loop invariant at > 0 ==> bucket_of(keys->table + (at - 1), keys->n_buckets) ==
      @                           bucket(worker, sequence, keys->n_buckets);
      @ loop invariant \forall integer i; at <= i < keys->count ==>
      @     !key_is(keys->table + i, worker, sequence);
      @ loop assigns at;
      @ loop variant at; */
    while (at > 0) {
        struct key *k = &keys->table[at - 1];
        if (k->worker == worker && k->sequence == sequence)
            return k;
        /*@ assert \forall integer i; k->older <= i < at - 1 ==>
          @     bucket_of(keys->table + i, keys->n_buckets) !=
          @     bucket(worker, sequence, keys->n_buckets); */
        at = k->older;
    }
    return NULL;
}

/* Puts key i in front of the older ones of its bucket. */
/*@ requires keys_room(table, newest, n_buckets) && i < n_buckets <= KEYS_MAX;
  @ requires older_ok(table, n_buckets, i);
  @ requires newest_ok(table, newest, n_buckets, i);
  @ assigns table[i].older, newest[0 .. n_buckets - 1];
  @ ensures older_ok(table, n_buckets, i + 1);
  @ ensures newest_ok(table, newest, n_buckets, i + 1); */
static void link_key(struct key *table, int32_t *newest, uint32_t n_buckets, uint32_t i)
{
    uint32_t b = bucket_at(table[i].worker, table[i].sequence, n_buckets);
    int32_t older = newest[b];
    //@ assert last_in(table, n_buckets, b, i, older);
    /*@ assert \forall integer c; 0 <= c < n_buckets && c != b ==>
      @     last_in(table, n_buckets, c, i + 1, newest[c]); */
    table[i].older = older;
    newest[b] = (int32_t)(i + 1);
    /*@ assert \forall integer j; 0 <= j < i ==>
      @     table[j].older == \at(table[j].older, Pre); */
    //@ assert table[i].older == older;
    /*@ assert \forall integer c; 0 <= c < n_buckets && c != b ==>
      @     newest[c] == \at(newest[c], Pre); */
}

/* Links the first n keys anew; the buckets are empty. */
/*@ requires keys_room(table, newest, n_buckets) && n <= n_buckets <= KEYS_MAX;
  @ requires \forall integer b; 0 <= b < n_buckets ==> newest[b] == 0;
  @ assigns table[0 .. n - 1].older, newest[0 .. n_buckets - 1];
  @ ensures older_ok(table, n_buckets, n);
  @ ensures newest_ok(table, newest, n_buckets, n); */
static void link_all(struct key *table, int32_t *newest, uint32_t n_buckets, uint32_t n)
{
    /*@ loop invariant 0 <= i <= n;
      @ loop invariant older_ok(table, n_buckets, i);
      @ loop invariant newest_ok(table, newest, n_buckets, i);
      @ loop assigns i, table[0 .. n - 1].older, newest[0 .. n_buckets - 1];
      @ loop variant n - i; */
    for (uint32_t i = 0; i < n; i++)
        link_key(table, newest, n_buckets, i);
}

/* Room for n keys, in n empty buckets. False without memory; then nothing has changed. Trusted:
 * calloc and realloc are. */
/*@ requires \valid(keys) && keys_ok(keys) && keys->count <= n <= KEYS_MAX && n > 0;
  @ assigns keys->table, keys->newest, keys->n_buckets;
  @ ensures \result ==> keys->n_buckets == n && keys_room(keys->table, keys->newest, n) &&
  @     \separated(keys, keys->table + (0 .. n - 1)) &&
  @     \separated(keys, keys->newest + (0 .. n - 1)) &&
  @     (\forall integer b; 0 <= b < n ==> keys->newest[b] == 0) &&
  @     (\forall integer i; 0 <= i < keys->count ==>
  @         keys->table[i].worker == \old(keys->table[i].worker) &&
  @         keys->table[i].sequence == \old(keys->table[i].sequence));
  @ ensures !\result ==> keys->table == \old(keys->table) &&
  @     keys->newest == \old(keys->newest) && keys->n_buckets == \old(keys->n_buckets); */
static bool make_room(struct keys *keys, uint32_t n)
{
    int32_t *newest = calloc(n, sizeof *newest);
    if (newest == NULL)
        return false;
    struct key *table = realloc(keys->table, n * sizeof *table);
    if (table == NULL) {
        free(newest);
        return false;
    }
    free(keys->newest);
    keys->table = table;
    keys->newest = newest;
    keys->n_buckets = n;
    return true;
}

bool keys_reserve(struct keys *keys, uint32_t n)
{
    uint64_t count = (uint64_t)keys->count + n;
    if (count <= keys->n_buckets)
        return true;
    uint64_t hint = (uint64_t)keys->hint + keys->hint / 8; /* a few more are no reason to grow */
    if (keys->n_buckets == 0 && count < hint)
        count = hint;
    if (count < 2 * (uint64_t)keys->n_buckets)
        count = 2 * (uint64_t)keys->n_buckets;
    if (count < KEYS_MIN)
        count = KEYS_MIN;
    if (count > KEYS_MAX || !make_room(keys, (uint32_t)count))
        return false;
    link_all(keys->table, keys->newest, keys->n_buckets, keys->count);
    return true;
}

/* Key n, after n others. */
/*@ requires keys_room(table, newest, n_buckets) && n < n_buckets <= KEYS_MAX;
  @ requires older_ok(table, n_buckets, n);
  @ requires newest_ok(table, newest, n_buckets, n);
  @ assigns table[n], newest[0 .. n_buckets - 1];
  @ ensures older_ok(table, n_buckets, n + 1);
  @ ensures newest_ok(table, newest, n_buckets, n + 1);
  @ ensures key_is(table + n, worker, sequence) && !table[n].persisted; */
static void append(struct key *table, int32_t *newest, uint32_t n_buckets, uint32_t n,
                   uint32_t worker, uint64_t sequence)
{
    table[n].worker = worker;
    table[n].sequence = sequence;
    table[n].ignored = 0;
    table[n].persisted = false;
    /*@ assert \forall integer i; 0 <= i < n ==>
      @     table[i].worker == \at(table[i].worker, Pre) &&
      @     table[i].sequence == \at(table[i].sequence, Pre); */
    link_key(table, newest, n_buckets, n);
}

struct key *keys_insert(struct keys *keys, uint32_t worker, uint64_t sequence)
{
    uint32_t n = keys->count++;
    /*@ assert \forall integer i; 0 <= i < n ==>
      @     keys->table[i].worker == \at(keys->table[i].worker, Pre); */
    append(keys->table, keys->newest, keys->n_buckets, n, worker, sequence);
    //@ assert keys->count == n + 1 && keys->n_buckets == \at(keys->n_buckets, Pre);
    //@ assert keys_kept{Pre, Here}(keys);
    //@ assert keys_differ(keys->table, keys->count);
    //@ assert keys_room(keys->table, keys->newest, keys->n_buckets);
    return &keys->table[n];
}

void keys_free(struct keys *keys)
{
    free(keys->table);
    free(keys->newest);
    *keys = (struct keys){0};
}
