/* All strings of an unpacked message, whatever the message is. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "fuzz.h"

/* Is each of them UTF-8? */
bool message_strings_ok(const ProtobufCMessage *message);
