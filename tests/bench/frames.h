/* All requests of a run of small pushes, and all their answers, as bytes. Ids, sequences and rounds
 * are chosen so that each has the same length. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "small.h"

struct frames {
    uint8_t *at;
    size_t each;
    size_t bytes;
};

void frames_prepare(const struct small *small, struct frames *requests, struct frames *replies);

/* What the first answer says that differs from replies: got came at offset `at`. Static storage. */
const char *frames_explain(const struct frames *replies, size_t at, const uint8_t *got, size_t n);
