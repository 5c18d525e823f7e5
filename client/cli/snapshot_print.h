/* A snapshot as tables. */
#pragma once

#include "snapshot.h"

/* rates: of snapshot_rates(); NULL: none. One line a job, about its open round. */
void snapshot_print(FILE *out, const struct snapshot *snapshot, const json_t *rates);

/* The rounds of the first job. */
void snapshot_print_rounds(FILE *out, const struct snapshot *snapshot);

/* {"server": …, "jobs": […], "rates": …}; NULL: no memory. */
json_t *snapshot_json(const struct snapshot *snapshot, json_t *rates);
