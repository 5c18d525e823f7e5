/* The job that most of these tests use: two workers; node 0 "w" f32 [4], node 1 "b" i32 [2], node 2
 * "frozen" f32 [3] without gradient. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core_rig.h"

enum {
    W = 0,
    B = 1,
    FROZEN = 2,
    NODES = 3
};

struct fixture {
    struct rig rig;
    struct node_spec nodes[NODES];
    struct job_spec spec;
};

int setup(void **state);
int teardown(void **state);

/* A push of four floats to node w: {v, v, v, v}. Static storage, good until the next call. */
struct push_offer *offer_w(uint32_t worker, uint64_t sequence, bool final);
struct push_offer *offer_empty(uint32_t worker, uint64_t sequence, bool final);
/* Pushes v to each element of w from peer = worker; the last reply tells. */
struct rig_reply *push_w(struct fixture *f, uint32_t worker, uint64_t sequence, float v,
                         bool final);
struct rig_reply *push_final(struct fixture *f, uint32_t worker);
/* All nodes of a round, without waiting. */
struct rig_reply *pull_round(struct fixture *f, uint64_t round);
float sum_w(const struct rig_reply *reply);

#define assert_code(reply, expected) \
    assert_string_equal(code_name((reply)->error.code), code_name(expected))
