/* A bound on everything that a peer can make us hold. Lengths are checked against these before
 * anything is allocated. What is an option of gradfoldd has its default here. */
#pragma once

#include <stdint.h>

/* -- The wire (proto/README.md) -- */
#define LIMIT_HEADER_BYTES          (UINT32_C(4) << 20)
#define LIMIT_RESPONSE_HEADER_BYTES (UINT32_C(16) << 20)
#define LIMIT_HEADER_ARENA_BYTES    (UINT64_C(96) << 20) /* what unpacking one header may take */
#define DEFAULT_MAX_BODY_BYTES      (UINT64_C(2) << 30)

/* -- Jobs -- */
enum {
    LIMIT_JOBS = 4096,
    LIMIT_NAME = 255, /* of a job or a node, in bytes */
    LIMIT_NODES = 1 << 18,
    LIMIT_DIMENSIONS = 64,
    LIMIT_WORLD_SIZE = 1 << 16,
    LIMIT_RETAIN_ROUNDS = 32,
};
#define LIMIT_TIME_MS (UINT64_C(24) * 60 * 60 * 1000) /* wait_ms and grace_ms are clamped to it */

/* -- A round -- */
#define LIMIT_KEYS_PER_ROUND         (UINT32_C(1) << 22) /* accepted pushes that are remembered */
#define LIMIT_CONTRIBUTIONS_PER_NODE UINT32_MAX          /* and what fold_read takes */

/* -- A connection -- */
enum {
    LIMIT_WAITING_PULLS = 1024,       /* of one connection */
    LIMIT_WAITING_PULL_IDS = 1 << 20, /* node ids that these list, together */
    DEFAULT_MAX_CONNECTIONS = 10000,
};
/* What a connection's unread replies may take before its requests are read no more. */
#define LIMIT_OUTGOING_BYTES (UINT64_C(1) << 20)
#define DEFAULT_IDLE_MS \
    UINT64_C(60000) /* a frame or a reply without progress for so long is lost */

/* -- Shared memory -- */
#define DEFAULT_SHARE_BYTES_MIN (UINT64_C(64) << 10)
enum {
    LIMIT_BUFFERS = 256, /* of one connection */
    LIMIT_VIEWS = 64,    /* of one connection */
    GATHER_MS = 20 /* how long a final push may wait for the others, to be folded where it lies */
};

/* -- Memory: at least this much, whatever the machine -- */
#define MIN_STAGING_BYTES (UINT64_C(1) << 20)

_Static_assert(LIMIT_HEADER_BYTES < LIMIT_RESPONSE_HEADER_BYTES,
               "a job that could be created can be described");
_Static_assert((uint64_t)LIMIT_WORLD_SIZE * 3 * (LIMIT_RETAIN_ROUNDS + 1) <
                   LIMIT_RESPONSE_HEADER_BYTES - LIMIT_HEADER_BYTES,
               "final workers of all retained rounds fit a reply (three bytes a rank)");
