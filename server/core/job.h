/* A job: a tape and a policy, and the rounds in which gradients are summed over it. */
#pragma once

#include "base/error.h"
#include "base/list.h"
#include "base/must.h"
#include "fold/fold.h"
#include "fold/tape.h"

enum non_finite {
    NON_FINITE_REJECT = 1,
    NON_FINITE_PROPAGATE = 2
};

/* What a CreateJob asks for, as it came off the wire. Enums may be any number. Borrowed for the
 * call. */
struct node_spec {
    const char *name;
    int dtype;
    const uint64_t *shape;
    size_t ndim;
    bool requires_grad;
    uint32_t expected;
};

struct job_spec {
    const char *name;
    const struct node_spec *nodes;
    size_t n_nodes;
    uint32_t world_size;
    uint32_t quorum; /* 0: world_size */
    uint64_t grace_ms;
    int reduction;
    int accumulation;
    int non_finite;
    uint32_t retain_rounds;
};

struct job {
    struct list link;   /* core.jobs */
    struct list bucket; /* core.buckets */
    char *name;
    struct tape tape;     /* owned, names and shapes included */
    uint64_t grads_bytes; /* of one round's dense array: the nodes that require a gradient */
    uint32_t world_size;
    uint32_t quorum; /* 1 … world_size */
    uint64_t grace_ms;
    enum reduction reduction;
    enum accumulation accumulation;
    enum non_finite non_finite;
    uint32_t retain_rounds;
    bool completes_early; /* a node does, with what it expects */
    uint64_t created_ms;

    struct list rounds;  /* struct round, ascending: retained, closing, and last the open one */
    struct list intakes; /* pushes that are waiting for memory or whose body is on its way */
    struct list spare;   /* struct results, for rounds to come */
    bool deleted;
    unsigned refs; /* the core, intakes, batches in flight, pulls being sent */
};

/* Checks the spec against the rules of the wire and makes a job of it, without rounds. *job is set
 * on success only. model_bytes_max: the largest dense array that the server can hold. */
MUST_USE enum code job_new(const struct job_spec *spec, uint64_t model_bytes_max, struct job **job,
                           struct error *error);

/* CODE_OK when spec asks for what job is, defaults filled in; else CODE_ALREADY_EXISTS and the
 * first difference. The spec must be a valid one. */
MUST_USE enum code job_compare(const struct job *job, const struct job_spec *spec,
                               struct error *error);

void job_ref(struct job *job);

/* Frees the job with the last reference; its rounds must be gone by then. */
void job_unref(struct job *job);

struct fold_rule job_rule(const struct job *job, size_t node);
