/* What the server says about itself and its jobs, at one moment. */
#pragma once

#include <stdio.h>

#include "admin.h"

struct snapshot {
    double at_s;     /* when, on a clock of our own */
    size_t all_jobs; /* of which some may be left out of jobs */
    json_t *server;  /* {"address", "version", "kernels", "metrics": {…}, "replies": {…}} */
    json_t *jobs;    /* as /v1/jobs/NAME?nodes=0 has them */
};

/* job: only this one; NULL: all, but no more than jobs_max. False: admin says why. In both cases
 * snapshot_free(). */
bool snapshot_take(struct snapshot *snapshot, struct admin *admin, const char *job,
                   size_t jobs_max);
void snapshot_free(struct snapshot *snapshot);

/* A metric without its prefix; 0 if there is none. */
double snapshot_metric(const struct snapshot *snapshot, const char *name);

/* Since an earlier snapshot, as {"seconds", "pushed_gb_per_s", "sent_gb_per_s", "rounds_per_s",
 * "pushes_per_s", "jobs": {NAME: rounds a second}}. NULL: no memory. */
json_t *snapshot_rates(const struct snapshot *before, const struct snapshot *now);
