/* Figures as people read them. */
#pragma once

#include <gradfold/gradfold.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TEXT_MAX = 32,
    TEXT_SHAPE_MAX = 64 * 21 + 3
};

/* "917 B", "1.5 MiB" */
const char *text_bytes(uint64_t bytes, char out[static TEXT_MAX]);

/* "870 ms", "12.3 s", "3 min 10 s", "5 h 2 min", "3 d 4 h" */
const char *text_ms(uint64_t ms, char out[static TEXT_MAX]);

/* "[2,3]"; "[]" for a scalar */
const char *text_shape(const uint64_t *shape, size_t ndim, char out[static TEXT_SHAPE_MAX]);

/* "s", unless there is one */
const char *text_plural(uint64_t n);

const char *text_state(gf_round_state state);
