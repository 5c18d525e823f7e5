/* What every fuzz target shares. A target is one function of bytes: it must return, whatever they
 * are. What must hold is said with must(); sanitizers say the rest.
 *
 * Built with clang's libFuzzer by tests/fuzz/run; built without it, together with replay.c, into
 * a test that goes through the committed corpus (README.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Called by libFuzzer and replay.c alike, where a target defines it. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* libFuzzer's: where a target defines the first, it is called in place of the second. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);

/* -- An input, taken from its front ----------------------------------------------------------- */

struct span {
    const uint8_t *at;
    size_t n;
};

/* Numbers, little-endian; missing bytes are 0. */
uint8_t input_u8(struct span *in);
uint16_t input_u16(struct span *in);
uint64_t input_u64(struct span *in);

/* Up to n bytes, fewer when no more are there. */
struct span input_take(struct span *in, size_t n);

/* A copy of exactly its size, so that a sanitizer sees a step too far; to be freed. */
void *input_copy(struct span in);

/* A copy that is 0-terminated, likewise. */
char *input_text(struct span in);

/* -- Pseudo-random numbers from a seed of the input ------------------------------------------- */

struct noise {
    uint64_t state;
};

uint64_t noise_next(struct noise *noise);
