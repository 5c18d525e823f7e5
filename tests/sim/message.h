/* A push as a worker means it: the same contents under the same key, however often it is sent and
 * whoever the worker is by then. */
#pragma once

#include "plan.h"

enum {
    MESSAGE_TERMS = 8
};

/* What is wrong with a push that should be refused. */
enum flaw {
    FLAW_NONE,
    FLAW_NODE,
    FLAW_SHAPE,
    FLAW_DTYPE,
    FLAW_LENGTH,
    FLAW_CHECKSUM,
    FLAW_NON_FINITE,
    FLAW_WORKER,
    FLAW_FUTURE,
    FLAW_TOO_MANY, /* contributions to a node that expects fewer */
    FLAW_CONFLICT, /* the key of another push */
    FLAW_COUNT
};

struct message {
    struct message *next; /* of its job, for the audit and for the end */
    const struct plan_job *job;
    struct push_offer offer;
    struct contribution contributions[MESSAGE_TERMS];
    uint64_t shapes[MESSAGE_TERMS][2];
    uint64_t offsets[MESSAGE_TERMS]; /* of the tensors in the body */
    bool non_finite;                 /* one of them holds NaN or infinity, in a node that looks */
    bool checksum_wrong;
    bool length_wrong;
    unsigned char *body;

    /* -- What the worker knows of it (worker.c, audit.c) -- */
    bool planned; /* it adds to the audit node, at: */
    unsigned audit_element;
    unsigned sendings;
    unsigned refusals; /* sendings that were answered with an error */
    bool counted;      /* ACCEPTED or DUPLICATE was the answer to one */
};

/* Push number k (0 … job->pushes - 1) of a worker in a round; its sequence is k + 1. */
struct message *message_planned(const struct plan_job *job, uint64_t round, uint32_t worker,
                                unsigned k, uint64_t seed);

/* No tensors, final: what a worker sends whose planned final push was refused. */
struct message *message_final(const struct plan_job *job, uint64_t round, uint32_t worker,
                              uint64_t sequence);

/* One that nobody planned, with that flaw if the job allows for it. like: a planned one. */
struct message *message_flawed(const struct message *like, enum flaw flaw, uint64_t sequence);

void message_free(struct message *message);

/* The bits of element e of contribution i. */
uint64_t message_bits(const struct message *message, size_t i, uint64_t e);

/* Of contribution i, and of all of them. */
uint64_t message_bytes(const struct message *message, size_t i);
uint64_t message_end(const struct message *message);

/* The integer x, -3 … 3, as the dtype writes it. */
uint64_t message_integer_bits(enum dtype dtype, int x);
