/* Requests, as the wire brings them; borrowed for the step. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mapping.h"
#include "core/job.h"

enum request_kind { /* numbered as the fields of the wire's oneof */
    REQUEST_HELLO = 2,
    REQUEST_CREATE_JOB = 3,
    REQUEST_DESCRIBE_JOB = 4,
    REQUEST_LIST_JOBS = 5,
    REQUEST_DELETE_JOB = 6,
    REQUEST_PUSH = 7,
    REQUEST_PULL = 8,
    REQUEST_CLOSE_ROUND = 9,
};

enum verdict {
    VERDICT_ACCEPTED = 1,
    VERDICT_DUPLICATE = 2
};

/* Where a tensor lies in memory that its client shares. */
struct tensor_place {
    struct mapping *mapping; /* NULL: the connection has no such buffer */
    uint64_t buffer;         /* the client's number for it, to be named in errors */
    uint64_t offset;
};

struct push_offer {
    const char *job;
    bool has_round;
    uint64_t round;
    uint32_t worker;
    uint64_t sequence;
    bool final;
    bool has_checksum;
    uint64_t checksum; /* XXH3-64 of the tensors */
    const struct contribution *contributions;
    size_t n_contributions;
    uint64_t body_bytes; /* that follow the header */
    /* One a contribution: the tensors lie there, and no body follows. NULL: they are the body. */
    const struct tensor_place *places;
};

struct pull_offer {
    const char *job;
    bool has_round;
    uint64_t round;
    const uint64_t *nodes; /* none: all, ascending */
    size_t n_nodes;
    uint64_t wait_ms;
    bool view; /* rather with a segment than with a body: pull_segment() */
};

struct close_offer {
    const char *job;
    bool has_round;
    uint64_t round;
};
