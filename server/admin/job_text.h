/* Jobs, rounds and nodes as JSON. */
#pragma once

#include "admin/text.h"
#include "core/job.h"
#include "core/round.h"

/* One element of the list of jobs. */
void job_text_summary(struct text *out, const struct job *job, uint64_t now_ms);

/* The first members of the job's object, and those of its spec without the nodes; both without
 * braces. */
void job_text_head(struct text *out, const struct job *job, uint64_t now_ms);
void job_text_spec(struct text *out, const struct job *job);

void job_text_round(struct text *out, const struct round *round, uint64_t now_ms);

/* id: the index of the node. */
void job_text_node(struct text *out, const struct node *node, size_t id);
