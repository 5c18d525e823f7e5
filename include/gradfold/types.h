/* gradfold: codes, errors and element types. Included by gradfold.h. */
#ifndef GRADFOLD_TYPES_H
#define GRADFOLD_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GF_API __attribute__((visibility("default")))
#else
#define GF_API
#endif

#define GF_VERSION_MAJOR 0
#define GF_VERSION_MINOR 1
#define GF_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to. 0 … 99 are the server's answers, numbered as on the wire, and may grow; from
 * 100 on the library itself speaks. */
typedef enum gf_code {
    GF_OK = 0,
    GF_INVALID_ARGUMENT = 1,
    GF_MALFORMED = 2,
    GF_TOO_LARGE = 3,
    GF_NOT_FOUND = 4,
    GF_ALREADY_EXISTS = 5,
    GF_UNKNOWN_NODE = 6,
    GF_SHAPE_MISMATCH = 7,
    GF_DTYPE_MISMATCH = 8,
    GF_NON_FINITE = 9,
    GF_STALE_ROUND = 10,
    GF_FUTURE_ROUND = 11,
    GF_CONFLICT = 12,
    GF_CHECKSUM_MISMATCH = 13,
    GF_RESOURCE_EXHAUSTED = 14,
    GF_DEADLINE_EXCEEDED = 15,
    GF_UNAUTHENTICATED = 16,
    GF_PERMISSION_DENIED = 17,
    GF_UNAVAILABLE = 18,
    GF_OUT_OF_RANGE = 19,
    GF_INTERNAL = 20,

    GF_CLIENT_UNREACHABLE = 100, /* gf_connect: nobody answered within its time-out */
    GF_CLIENT_NO_MEMORY = 101,
    GF_CLIENT_CANCELLED = 102, /* the handle was closed under the operation */
    GF_CLIENT_PROTOCOL = 103,  /* what the server sent is no valid answer to the request */
    GF_CLIENT_BUFFER = 104,    /* a pulled gradient is not what the caller's buffer is for */
    GF_CLIENT_SYSTEM = 105     /* a thread or descriptor could not be had */
} gf_code;

/* "NOT_FOUND", "CLIENT_UNREACHABLE"; "UNKNOWN" for others. Static storage. */
GF_API const char *gf_code_name(gf_code code);

/* One sentence about the code, without a full stop. Static storage. */
GF_API const char *gf_code_text(gf_code code);

/* May the same call succeed later? */
GF_API bool gf_code_retryable(gf_code code);

enum {
    GF_ERROR_MESSAGE_MAX = 508
};

/* Filled by every call that fails, and made empty by every call that succeeds. Belongs to the
 * caller. Where a function takes a gf_error, NULL is allowed. */
typedef struct gf_error {
    gf_code code;
    char message[GF_ERROR_MESSAGE_MAX]; /* "node 17: shape [3,4], expected [4,3]"; 0-terminated */
} gf_error;

typedef enum gf_dtype {
    GF_F32 = 1,
    GF_F64 = 2,
    GF_F16 = 3,
    GF_BF16 = 4,
    GF_I32 = 5,
    GF_I64 = 6
} gf_dtype;

/* Bytes of an element; 0 for what is none of the six. */
GF_API size_t gf_dtype_size(gf_dtype dtype);

/* "f32", "bf16" …; "?" for what is none of the six. Static storage. */
GF_API const char *gf_dtype_name(gf_dtype dtype);

typedef enum gf_round_state {
    GF_ROUND_OPEN = 1,
    GF_ROUND_CLOSING = 2,
    GF_ROUND_CLOSED = 3
} gf_round_state;

typedef enum gf_verdict {
    GF_ACCEPTED = 1,
    GF_DUPLICATE = 2 /* this very push was accepted before; nothing was added again */
} gf_verdict;

/* Time-outs are in milliseconds, of every call from its beginning to its end. */
#define GF_DEFAULT_TIMEOUT 0u         /* the handle's, gf_options.call_timeout_ms */
#define GF_NO_TIMEOUT      UINT32_MAX /* as long as it takes */

/* "0.1.0" of the library that runs. Static storage. */
GF_API const char *gf_version(void);

#ifdef __cplusplus
}
#endif

#endif
