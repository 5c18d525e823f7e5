/* gradfold: jobs, their specs and what the server knows about them. Included by gradfold.h. */
#ifndef GRADFOLD_JOB_H
#define GRADFOLD_JOB_H

#include "gradfold/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gf_client gf_client;

/* -- A spec: which nodes, how many workers, what rules ------------------------------------------
 *
 * A spec is built by one thread and can create any number of jobs. Functions that add to it do not
 * fail: a lack of memory or a wrong node id is remembered and reported by gf_job_create(). */

typedef struct gf_spec gf_spec;

/* name: 1 – 255 of [A-Za-z0-9._-], copied. world_size: workers, numbered 0 … world_size - 1. NULL
 * without memory. The rules begin as: quorum of all, sum, exact, non-finite values rejected, 2
 * rounds retained. */
GF_API gf_spec *gf_spec_new(const char *name, uint32_t world_size);

/* NULL is allowed. */
GF_API void gf_spec_free(gf_spec *spec);

/* Adds a node and returns its id: 0 for the first, then 1, 2, … name: copied; unique in the job, or
 * NULL or empty for none. shape: ndim dimensions, outermost first, copied; a scalar has ndim 0,
 * where NULL is allowed. */
GF_API uint64_t gf_spec_add_node(gf_spec *spec, const char *name, gf_dtype dtype,
                                 const uint64_t *shape, size_t ndim);

/* The node requires no gradient: contributions to it are ignored and counted. */
GF_API void gf_spec_freeze_node(gf_spec *spec, uint64_t node);

/* The node is complete, and can be pulled, with its k-th contribution of a round; 0 (the
 * beginning): when the round closes. Needs a quorum of all. */
GF_API void gf_spec_expect(gf_spec *spec, uint64_t node, uint32_t k);

/* A round closes when `quorum` workers have been final for grace_ms (and at once when all are). 0:
 * all. */
GF_API void gf_spec_set_quorum(gf_spec *spec, uint32_t quorum, uint64_t grace_ms);

/* The mean of the contributions instead of their sum: the exact sum, divided once. */
GF_API void gf_spec_set_mean(gf_spec *spec);

/* Plain additions in the order of arrival, instead of the exact sum that does not depend on it. */
GF_API void gf_spec_set_in_order(gf_spec *spec);

/* NaN and infinities go through as IEEE 754 says, instead of being refused. */
GF_API void gf_spec_set_propagate_non_finite(gf_spec *spec);

/* So many closed rounds can still be pulled; at least 1. */
GF_API void gf_spec_set_retain_rounds(gf_spec *spec, uint32_t rounds);

/* -- A job, as the server described it ------------------------------------------------------------
 *
 * A snapshot: it does not change, belongs to the caller, and lives until gf_job_free(). What its
 * functions point to lives as long. Any threads may read it at once. */

typedef struct gf_job gf_job;

typedef struct gf_node {
    const char *name; /* never NULL */
    const uint64_t *shape;
    size_t ndim;
    gf_dtype dtype;
    bool requires_grad;
    uint32_t expected;
    uint64_t reserved[4];
} gf_node;

typedef struct gf_round {
    uint64_t round;
    gf_round_state state;
    const uint32_t *final_workers; /* ascending */
    size_t n_final_workers;
    uint64_t pushes; /* accepted ones */
    uint64_t bytes;  /* of their bodies */
    uint64_t age_ms; /* since the round opened */
    uint64_t reserved[4];
} gf_round;

GF_API void gf_job_free(gf_job *job); /* NULL is allowed */
GF_API const char *gf_job_name(const gf_job *job);
GF_API uint32_t gf_job_world_size(const gf_job *job);
GF_API uint32_t gf_job_quorum(const gf_job *job);
GF_API uint64_t gf_job_grace_ms(const gf_job *job);
GF_API bool gf_job_mean(const gf_job *job);
GF_API bool gf_job_in_order(const gf_job *job);
GF_API bool gf_job_propagates_non_finite(const gf_job *job);
GF_API uint32_t gf_job_retain_rounds(const gf_job *job);

/* Nodes are there after gf_job_describe(); gf_job_create() gives none back. false: no such node. */
GF_API size_t gf_job_node_count(const gf_job *job);
GF_API bool gf_job_node(const gf_job *job, uint64_t node, gf_node *out);

/* The rounds that the server still has, ascending; the last one is the open one. false: index is
 * not below the count. */
GF_API size_t gf_job_round_count(const gf_job *job);
GF_API bool gf_job_round(const gf_job *job, size_t index, gf_round *out);

/* The number of the open round: where a worker that (re)starts goes on. */
GF_API uint64_t gf_job_open_round(const gf_job *job);

/* -- Calls
 * ------------------------------------------------------------------------------------------
 *
 * All are blocking, may be used by any threads at once, and fail as every call may: see "Errors" in
 * gradfold.h. */

/* Creates the job, or finds it with the very same spec. spec: borrowed for the call. created:
 * whether it is new; may be false after a reconnect, when the first answer was lost; NULL is
 * allowed. job: set on success, given to the caller, without nodes; NULL is allowed.
 * GF_ALREADY_EXISTS: another spec has the name. GF_INVALID_ARGUMENT: the spec breaks a rule.
 * GF_RESOURCE_EXHAUSTED: the server has no room for it. */
GF_API gf_code gf_job_create(gf_client *client, const gf_spec *spec, uint32_t timeout_ms,
                             bool *created, gf_job **job, gf_error *error);

/* job: set on success, given to the caller. GF_NOT_FOUND: no such job. */
GF_API gf_code gf_job_describe(gf_client *client, const char *name, uint32_t timeout_ms,
                               gf_job **job, gf_error *error);

/* Everything that waits for the job is answered GF_NOT_FOUND. Its name can be used again, but a new
 * run should take a new one: pushes of the old one may still be on their way. GF_NOT_FOUND: no such
 * job (unless an earlier sending of this very call deleted it). */
GF_API gf_code gf_job_delete(gf_client *client, const char *name, uint32_t timeout_ms,
                             gf_error *error);

typedef struct gf_job_names gf_job_names;

/* The names of all jobs. names: set on success, given to the caller. */
GF_API gf_code gf_job_list(gf_client *client, uint32_t timeout_ms, gf_job_names **names,
                           gf_error *error);
GF_API size_t gf_job_names_count(const gf_job_names *names);
/* NULL: index is not below the count. Lives as long as names. */
GF_API const char *gf_job_names_get(const gf_job_names *names, size_t index);
GF_API void gf_job_names_free(gf_job_names *names); /* NULL is allowed */

/* The round stops to accept pushes, is folded with what it has, and the next one is open. Harmless
 * for one that is closing or closed. state: which it is in now; NULL is allowed. GF_NOT_FOUND: no
 * such job, or the round is retired. GF_FUTURE_ROUND: it has not begun. */
GF_API gf_code gf_round_close(gf_client *client, const char *job, uint64_t round,
                              uint32_t timeout_ms, gf_round_state *state, gf_error *error);

#ifdef __cplusplus
}
#endif

#endif
