/* Weights in files.
 *
 * A worker may be killed at any moment. Once a round it writes down where it is: the round that
 * comes next and the weights that this round starts from. That is all a worker is; with it, a
 * restarted one goes on exactly where the killed one was. */
#pragma once

#include "model.h"

/* Replaces the file at `path` in one step: whoever reads it finds the old content or the new, never
 * half of it. (It survives the end of the process. To survive a power failure it would take an
 * fsync() as well.) Returns 0, or -1 after it has said on stderr what is wrong. */
int checkpoint_save(const char *path, uint64_t round, const struct tensors *weights);

/* Reads what checkpoint_save() wrote. Returns 1; 0 if there is no such file, with the outputs
 * untouched; -1 after it has said on stderr what is wrong. */
int checkpoint_load(const char *path, uint64_t *round, struct tensors *weights);

/* Writes the trained weights: their f32 bytes in the order of the nodes, nothing else. Returns as
 * checkpoint_save() does. */
int weights_save(const char *path, const struct tensors *weights);

/* Reads what weights_save() wrote. Returns 0, or -1 after it has said on stderr what is wrong. */
int weights_load(const char *path, struct tensors *weights);
