/* Final pushes whose tensors lie in shared memory, folded where they lie. */
#pragma once

#include "core/batch.h"
#include "core/core.h"
#include "core/round.h"

/* A push that was offered may wait for the other workers' final ones, instead of for staging.
 * False: it may not. */
bool gather_join(struct core *core, struct intake *intake, uint64_t now_ms);

/* The intake ends; harmless when it does not gather. */
void gather_leave(struct core *core, struct push *push);

/* All that gather in this round go the way of all pushes: they wait for staging. */
void gather_release(struct core *core, struct round *round);

/* Releases those for whom the others took too long. */
void gather_expire(struct core *core, uint64_t now_ms);

/* Is every worker final, or gathers? */
bool gather_complete(const struct round *round);

/* Starts the trial, or releases all. */
void gather_try(struct core *core, struct update *update, struct round *round);

/* The trial is back: commits its pushes, or releases them. */
void gather_tried(struct core *core, struct update *update, struct batch *trial, uint64_t now_ms);
