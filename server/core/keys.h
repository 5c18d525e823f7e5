/* The keys of a round's accepted pushes: what makes a retry count once.
 *
 * A table from (worker, sequence) to the print of the push that used it: the keys in the order of
 * their insertion, and for each bucket of a hash the newest key in it. Each key knows the next
 * older one of its bucket, so a search goes from newer to older keys and must end. Keys are never
 * removed but all at once, with their round.
 *
 * What is proved of it is beside each function (tests/proof/README.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

/* What must be equal for a repeated key to be the same push. */
struct key_print {
    uint64_t contributions[2]; /* XXH3-128 of nodes, dtypes and shapes, in order */
    uint64_t body_bytes;
    uint64_t checksum;
    bool has_checksum;
    bool final;
};

struct key {
    uint64_t sequence;
    uint32_t worker;
    uint32_t ignored; /* of the first reply */
    struct key_print print;
    int32_t older; /* 1 + the index of the next older key in the same bucket, or 0 */
    bool persisted;
};

struct keys {
    struct key *table;  /* `count` keys, room for `n_buckets` */
    int32_t *newest;    /* of each bucket: 1 + the index of its newest key, or 0 */
    uint32_t n_buckets; /* as many as the table has room for keys */
    uint32_t count;
    uint32_t hint; /* how many there will be, perhaps: room for so many is made at first */
};

/*@ axiomatic Bucket {
  @     logic integer bucket(integer worker, integer sequence, integer n_buckets);
  @     axiom bucket_range: \forall integer w, s, n; n > 0 ==> 0 <= bucket(w, s, n) < n;
  @ }
  @ logic integer bucket_of{L}(struct key *k, integer n_buckets) =
  @     bucket(k->worker, k->sequence, n_buckets);
  @ predicate key_is{L}(struct key *k, integer worker, integer sequence) =
  @     k->worker == worker && k->sequence == sequence;
  @
  @ // last: 1 + the index of the last of the first n keys that is in bucket b, or 0
  @ predicate last_in{L}(struct key *table, integer n_buckets, integer b, integer n,
  @                      integer last) =
  @     0 <= last <= n && (last > 0 ==> bucket_of(table + (last - 1), n_buckets) == b) &&
  @     (\forall integer i; last <= i < n ==> bucket_of(table + i, n_buckets) != b);
  @ predicate older_ok{L}(struct key *table, integer n_buckets, integer n) =
  @     \forall integer i; 0 <= i < n ==>
  @         last_in(table, n_buckets, bucket_of(table + i, n_buckets), i, table[i].older);
  @ predicate newest_ok{L}(struct key *table, int32_t *newest, integer n_buckets, integer n) =
  @     \forall integer b; 0 <= b < n_buckets ==> last_in(table, n_buckets, b, n, newest[b]);
  @ predicate keys_room{L}(struct key *table, int32_t *newest, integer n) =
  @     n > 0 ==> \valid(table + (0 .. n - 1)) && \valid(newest + (0 .. n - 1)) &&
  @               \separated(table + (0 .. n - 1), newest + (0 .. n - 1));
  @ predicate keys_differ{L}(struct key *table, integer n) =
  @     \forall integer i, j; 0 <= i < j < n ==>
  @         table[i].worker != table[j].worker || table[i].sequence != table[j].sequence;
  @
  @ predicate keys_ok{L}(struct keys *keys) =
  @     keys->count <= keys->n_buckets <= 0x7fffffff &&
  @     keys_room(keys->table, keys->newest, keys->n_buckets) &&
  @     older_ok(keys->table, keys->n_buckets, keys->count) &&
  @     newest_ok(keys->table, keys->newest, keys->n_buckets, keys->count) &&
  @     keys_differ(keys->table, keys->count) &&
  @     (keys->n_buckets > 0 ==> \separated(keys, keys->table + (0 .. keys->n_buckets - 1)) &&
  @                             \separated(keys, keys->newest + (0 .. keys->n_buckets - 1)));
  @ predicate keys_have{L}(struct keys *keys, integer worker, integer sequence) =
  @     \exists integer i; 0 <= i < keys->count && key_is(keys->table + i, worker, sequence);
  @ predicate keys_kept{K, L}(struct keys *keys) =
  @     \at(keys->count, K) <= \at(keys->count, L) &&
  @     \forall integer i; 0 <= i < \at(keys->count, K) ==>
  @         \at(keys->table[i].worker, L) == \at(keys->table[i].worker, K) &&
  @         \at(keys->table[i].sequence, L) == \at(keys->table[i].sequence, K);
  @ // What a round begins with.
  @ lemma no_keys{L}: \forall struct keys *keys;
  @     keys->count == 0 && keys->n_buckets == 0 ==> keys_ok(keys); */

/*@ requires \valid_read(a) && \valid_read(b);
  @ assigns \nothing;
  @ ensures \result <==>
  @     a->contributions[0] == b->contributions[0] &&
  @     a->contributions[1] == b->contributions[1] && a->body_bytes == b->body_bytes &&
  @     a->has_checksum == b->has_checksum && a->checksum == b->checksum &&
  @     a->final == b->final; */
bool key_print_equal(const struct key_print *a, const struct key_print *b);

/* NULL when the key is new. Valid until room is made. */
/*@ requires \valid_read(keys) && keys_ok(keys);
  @ assigns \result \from keys->table;
  @ ensures \result == \null <==> !keys_have(keys, worker, sequence);
  @ ensures \result != \null ==>
  @     key_is(\result, worker, sequence) &&
  @     \exists integer i; 0 <= i < keys->count && \result == keys->table + i; */
struct key *keys_find(const struct keys *keys, uint32_t worker, uint64_t sequence);

/* Makes room for n more; false without memory. */
/*@ requires \valid(keys) && keys_ok(keys);
  @ ensures keys_ok(keys) && keys->count == \old(keys->count) && keys->hint == \old(keys->hint);
  @ ensures \forall integer w, s; keys_have(keys, w, s) <==> keys_have{Pre}(keys, w, s);
  @ ensures \result ==> keys->count + n <= keys->n_buckets; */
MUST_USE bool keys_reserve(struct keys *keys, uint32_t n);

/* The key must be new, and room reserved: neither is looked at here. The print is the caller's to
 * fill in. */
/*@ requires \valid(keys) && keys_ok(keys) && keys->count < keys->n_buckets;
  @ requires !keys_have(keys, worker, sequence);
  @ assigns keys->count, keys->table[keys->count], keys->newest[0 .. keys->n_buckets - 1];
  @ assigns \result \from keys->table;
  @ ensures keys_ok(keys) && keys_kept{Pre, Post}(keys);
  @ ensures keys->count == \old(keys->count) + 1;
  @ ensures \result == keys->table + \old(keys->count) && key_is(\result, worker, sequence);
  @ ensures !\result->persisted; */
struct key *keys_insert(struct keys *keys, uint32_t worker, uint64_t sequence);

void keys_free(struct keys *keys);
