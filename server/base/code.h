/* The codes of the wire: one table for their numbers, names and what a caller may do about them. */
#pragma once

#include <stdbool.h>

/* X(NAME, number, retryable, text): retryable means that the same request may succeed later. */
#define CODE_TABLE(X)                                                              \
    X(OK, 0, false, "success")                                                     \
    X(INVALID_ARGUMENT, 1, false, "the request breaks a rule")                     \
    X(MALFORMED, 2, false, "the bytes are not a valid frame")                      \
    X(TOO_LARGE, 3, false, "a length is beyond the server's limit")                \
    X(NOT_FOUND, 4, false, "no such job or round")                                 \
    X(ALREADY_EXISTS, 5, false, "the job exists with another spec")                \
    X(UNKNOWN_NODE, 6, false, "no such node on the tape")                          \
    X(SHAPE_MISMATCH, 7, false, "the tensor's shape is not the node's")            \
    X(DTYPE_MISMATCH, 8, false, "the tensor's dtype does not widen to the node's") \
    X(NON_FINITE, 9, false, "a value is NaN or infinite")                          \
    X(STALE_ROUND, 10, false, "the round is over")                                 \
    X(FUTURE_ROUND, 11, true, "the round has not begun")                           \
    X(CONFLICT, 12, false, "the key was used for another push")                    \
    X(CHECKSUM_MISMATCH, 13, true, "the body is not what its checksum says")       \
    X(RESOURCE_EXHAUSTED, 14, true, "a limit of the server is reached")            \
    X(DEADLINE_EXCEEDED, 15, true, "time ran out")                                 \
    X(UNAUTHENTICATED, 16, false, "no valid credentials")                          \
    X(PERMISSION_DENIED, 17, false, "not allowed")                                 \
    X(UNAVAILABLE, 18, true, "the server cannot serve now")                        \
    X(OUT_OF_RANGE, 19, false, "the sum does not fit the node's integer type")     \
    X(INTERNAL, 20, false, "an invariant of the server is broken")

enum code {
#define CODE_ENUM(name, number, retryable, text) CODE_##name = (number),
    CODE_TABLE(CODE_ENUM)
#undef CODE_ENUM
    CODE_COUNT
};

/* "NOT_FOUND"; "UNKNOWN" for a number outside the table. Static storage. */
const char *code_name(int code);

/* One sentence without a full stop. Static storage. */
const char *code_text(int code);

bool code_retryable(int code);
