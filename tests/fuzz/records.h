/* Inputs that are a few leading bytes and then frames, each behind a byte that says what to do with
 * it: how several targets are fed, and how their inputs are mutated (mutate_frames.c). */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "fuzz.h"
#include "proto/frame.h"

enum {
    RECORDS_MAX = 48
};

struct record_format {
    size_t lead;                                  /* bytes before the first frame */
    size_t control;                               /* bytes before each frame: 0 or 1 */
    const ProtobufCMessageDescriptor *descriptor; /* of the headers */
};

struct record {
    uint8_t control;
    struct frame_prefix prefix;
    struct span header;
    struct span body; /* prefix.body_bytes of them, or fewer: the input's end */
};

/* The next record. false: what is left is none; *in stays where it is. */
bool record_take(struct span *in, const struct record_format *format, struct record *record);
