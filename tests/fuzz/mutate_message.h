/* Mutations of protobuf messages that leave them well-formed: what libFuzzer does to single bytes
 * breaks the lengths around them, and the parser is as far as it gets. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "fuzz.h"

/* Changes one field somewhere in the message (or the message as a whole, when it is none): another
 * value, once more, left out, a new one. At most `max` bytes into out; returns how many. */
size_t mutate_message(const ProtobufCMessageDescriptor *descriptor, struct span message,
                      uint8_t *out, size_t max, struct noise *noise);
