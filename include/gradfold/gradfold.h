/* libgradfold: push gradient contributions to a gradfold server, pull the sums.
 *
 *     gf_client *client;
 *     gf_error error;
 *     if (gf_connect("127.0.0.1:7433", NULL, &client, &error) != GF_OK)
 *         die(error.message);
 *     gf_push_pull(client, &push, &pull, NULL, NULL, &error);
 *     gf_close(client);
 *
 * Structures of arguments begin with their own size, so that they can grow: `{.size = sizeof args,
 * …}`; whatever is left 0 has its default. client/README.md has a complete program.
 *
 * THREADS. Any threads may use one handle at the same time; an operation (gf_op), a buffer and a
 * view belong to one thread at a time, which need not be the one that made them. Whoever waits does
 * the work: a blocking call sends and receives by itself. Only the asynchronous form starts a
 * thread, with its first use, which works only while nobody waits. No signal is raised or handled.
 *
 * FORK. A handle does not survive fork(): the child may neither use nor free it, its operations,
 * buffers and views; it shares the buffers' memory with its parent. It may make its own handle.
 *
 * RETRIES. A lost connection is made again, with growing pauses, and what was not answered is sent
 * again, until the call's deadline. A push counts once all the same, because it names its round,
 * worker and sequence: a process that restarts may send it again too, with the same four, and gets
 * GF_DUPLICATE if it was accepted before. A server that is stopping answers UNAVAILABLE; that is
 * taken as a lost connection. Every other refusal is final.
 *
 * ERRORS. Every call may return, beside its own codes:
 *   GF_DEADLINE_EXCEEDED   time ran out; the message says what it was waiting for. The server may
 *                          have acted.
 *   GF_INVALID_ARGUMENT    an argument breaks a rule; decided here or by the server
 *   GF_CLIENT_NO_MEMORY, GF_CLIENT_SYSTEM, GF_CLIENT_PROTOCOL
 *   GF_UNAUTHENTICATED, GF_PERMISSION_DENIED, GF_INTERNAL   by the server
 * Outputs are set on success only. Once a call has returned or an operation is complete, with
 * whatever code, nobody reads or writes the caller's memory any more. */
#ifndef GRADFOLD_H
#define GRADFOLD_H

#include "gradfold/job.h"
#include "gradfold/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -- Connecting ------------------------------------------------------------------------------- */

typedef struct gf_options {
    size_t size;                 /* sizeof(gf_options) */
    uint32_t connect_timeout_ms; /* of gf_connect(); 0: 5,000; a server that is just starting is
                                    waited for */
    uint32_t
        call_timeout_ms; /* of calls with GF_DEFAULT_TIMEOUT; 0: 60,000; GF_NO_TIMEOUT is allowed */
    uint32_t retry_min_ms; /* pauses between attempts to connect grow from here; 0: 20 */
    uint32_t retry_max_ms; /* up to here, each at random between a half and the whole; 0: 2,000 */
    const char *name;      /* for the server's log, copied; NULL: none */
    const char *token;     /* shown to the server, copied; NULL: none */
    bool no_shared_memory; /* stay on TCP with a server on this host, copy on a Unix socket */
} gf_options;

/* Connects and greets. address: "host:port", "1.2.3.4:port", "[::1]:port" or "unix:/path", copied.
 * Over TCP to a server on this host that also has a Unix socket, the library changes over to that.
 * options: borrowed for the call; NULL: all defaults. client: set on success, the caller's until
 * gf_close().
 * GF_INVALID_ARGUMENT: the address makes no sense, or the server speaks another protocol.
 * GF_CLIENT_UNREACHABLE: nobody answered in time; the message has the last reason. */
GF_API gf_code gf_connect(const char *address, const gf_options *options, gf_client **client,
                          gf_error *error);

/* No thread may be inside a call. Operations in flight end with GF_CLIENT_CANCELLED; they, and
 * complete ones, must still be freed. Does not wait for anybody. NULL is allowed. */
GF_API void gf_close(gf_client *client);

typedef struct gf_server_info {
    uint32_t protocol;
    char version[64]; /* 0-terminated */
    uint64_t max_header_bytes;
    uint64_t max_body_bytes; /* of one push */
    bool shared_memory;      /* of buffers and views no byte is copied on the way */
    uint64_t reserved[3];
} gf_server_info;

/* There and back. info: NULL is allowed. */
GF_API gf_code gf_ping(gf_client *client, uint32_t timeout_ms, gf_server_info *info,
                       gf_error *error);

/* -- Buffers: tensors that need not be copied --------------------------------------------------
 *
 * Memory of the client's that a server on the same host can read in place. Tensors that lie in
 * buffers are pushed like any others; when all of a push do, and the connection shares memory,
 * only their places are sent. Anywhere else a buffer is ordinary memory.
 *
 * Whose it is: from submitting a push until it is complete, the server may read the tensors; then
 * they are the caller's to overwrite. If the push ended without an answer (its deadline,
 * gf_op_free()), the server may still be reading: whatever is written then harms that push and
 * nothing else. It may be accepted with a mixture of old and new, unless it has a checksum; whoever
 * wants to push the same again under its key leaves the tensors as they are until the answer. */

typedef struct gf_buffer gf_buffer;

/* bytes (> 0) of zeros, aligned to a page. buffer: set on success, the caller's until
 * gf_buffer_free(). */
GF_API gf_code gf_buffer_new(gf_client *client, uint64_t bytes, gf_buffer **buffer,
                             gf_error *error);

/* No push from it may be in flight: complete, or given up. May come after gf_close(). NULL is
 * allowed. */
GF_API void gf_buffer_free(gf_buffer *buffer);

/* Where it begins, and as many bytes as were asked for; valid until gf_buffer_free(). */
GF_API void *gf_buffer_data(const gf_buffer *buffer);
GF_API uint64_t gf_buffer_bytes(const gf_buffer *buffer);

/* -- Push: many tensors, all or none ---------------------------------------------------------- */

typedef struct gf_tensor {
    uint64_t node;
    gf_dtype dtype;
    const uint64_t *shape; /* ndim dimensions, copied; NULL with ndim 0: a scalar */
    size_t ndim;
    const void *data; /* row-major, no padding; borrowed until the push is complete */
} gf_tensor;

typedef struct gf_push_args {
    size_t size;     /* sizeof(gf_push_args) */
    const char *job; /* copied */
    uint64_t round;
    uint32_t worker;
    uint64_t sequence; /* with job, round and worker the key: another one for every other push of
                          the round */
    bool final;        /* this worker's last push of the round */
    bool checksum;     /* send XXH3-64 of the tensors along, and have it compared */
    const gf_tensor *tensors; /* copied, except for their data; NULL with 0 */
    size_t n_tensors;         /* 0 is valid, e.g. to be final */
    uint32_t timeout_ms;
} gf_push_args;

typedef struct gf_push_result {
    gf_verdict verdict;
    uint32_t ignored; /* tensors for nodes that require no gradient */
    uint64_t round;
    uint64_t reserved[4];
} gf_push_result;

/* result: NULL is allowed. Refusals, of which nothing was added: GF_NOT_FOUND, GF_INVALID_ARGUMENT,
 * GF_STALE_ROUND, GF_FUTURE_ROUND, GF_UNKNOWN_NODE, GF_SHAPE_MISMATCH, GF_DTYPE_MISMATCH,
 * GF_NON_FINITE, GF_TOO_LARGE, GF_CONFLICT (the key was used for another push),
 * GF_CHECKSUM_MISMATCH, GF_RESOURCE_EXHAUSTED. */
GF_API gf_code gf_push(gf_client *client, const gf_push_args *args, gf_push_result *result,
                       gf_error *error);

/* -- Pull: sums into the caller's memory, or a view of the server's --------------------------- */

/* Holds what a pull showed: memory that can only be read, and does not change until the view is
 * freed, whatever becomes of the connection, the handle or the server. The server keeps the
 * memory of a round as long as somebody looks: free views soon, a connection has 64 at most. */
typedef struct gf_view gf_view;

/* From then on what it showed must not be read. Tells the server, without waiting for it. May come
 * after gf_close(). NULL is allowed. */
GF_API void gf_view_free(gf_view *view);

typedef struct gf_gradient {
    uint64_t node;
    gf_dtype dtype; /* that the node must have; 0: whichever it has */
    void *data; /* borrowed, and written to, until the pull is complete; undefined if it fails */
    uint64_t bytes;         /* exactly those of the node's tensor */
    uint32_t contributions; /* set on success: how many the sum holds */
} gf_gradient;

#define GF_NEWEST_ROUND UINT64_MAX /* the newest closed one; while none is: the open one */

typedef struct gf_pull_args {
    size_t size;     /* sizeof(gf_pull_args) */
    const char *job; /* copied */
    uint64_t round;  /* or GF_NEWEST_ROUND */
    gf_gradient
        *gradients; /* borrowed until the pull is complete; in any order, also with repetitions */
    size_t n_gradients; /* at least 1 */
    bool no_wait;       /* GF_DEADLINE_EXCEEDED at once, unless all nodes are complete */
    uint32_t timeout_ms;
    bool view; /* each gradient's `data` is set instead of written to, and can be read until
                  gf_view_free(); copied only where the connection does not share memory */
} gf_pull_args;

typedef struct gf_pull_result {
    uint64_t round;
    gf_round_state
        state; /* GF_ROUND_OPEN, GF_ROUND_CLOSING: these nodes are complete, others may not be */
    gf_view *view; /* of a pull with `view`, for which the result must be asked: the caller's; NULL
                      otherwise */
    uint64_t reserved[3];
} gf_pull_result;

/* Waits until the nodes are complete. result: NULL is allowed. GF_NOT_FOUND: no such job, or the
 * round is retired. GF_FUTURE_ROUND, GF_UNKNOWN_NODE. GF_OUT_OF_RANGE: an integer sum does not fit
 * its node. GF_CLIENT_BUFFER: a node's dtype or bytes are not the buffer's. */
GF_API gf_code gf_pull(gf_client *client, const gf_pull_args *args, gf_pull_result *result,
                       gf_error *error);

/* Both at once: the pull does not wait for the push's answer on its way. If the push fails, its
 * code is returned and the pull is given up. The pull's job, round and time-out are its own and
 * usually the same. */
GF_API gf_code gf_push_pull(gf_client *client, const gf_push_args *push, const gf_pull_args *pull,
                            gf_push_result *pushed, gf_pull_result *pulled, gf_error *error);

/* -- The asynchronous form: submit, compute, wait --------------------------------------------
 *
 * Submitting never blocks on the network. On success *op is the caller's until gf_op_free(); errors
 * of the operation itself are those of the blocking call, and come from gf_op_wait(). */

typedef struct gf_op gf_op;

GF_API gf_code gf_push_submit(gf_client *client, const gf_push_args *args, gf_op **op,
                              gf_error *error);
GF_API gf_code gf_pull_submit(gf_client *client, const gf_pull_args *args, gf_op **op,
                              gf_error *error);
GF_API gf_code gf_push_pull_submit(gf_client *client, const gf_push_args *push,
                                   const gf_pull_args *pull, gf_op **op, gf_error *error);

/* Until the operation is complete, at its deadline at the latest. Returns its code, however often
 * it is asked. */
GF_API gf_code gf_op_wait(gf_op *op, gf_error *error);

/* Until one of n operations of the same handle is complete: GF_OK and its index (its own code is
 * gf_op_wait()'s). NULLs are skipped, so that finished ones can be crossed out.
 * GF_INVALID_ARGUMENT: nothing but NULLs. */
GF_API gf_code gf_op_wait_any(gf_op *const *ops, size_t n, size_t *index, gf_error *error);

/* The same for so long at most, so that the caller can look at other things in between: signals, a
 * wish to stop. The operations go on. GF_DEADLINE_EXCEEDED: none is complete yet. */
GF_API gf_code gf_op_wait_any_for(gf_op *const *ops, size_t n, uint32_t timeout_ms, size_t *index,
                                  gf_error *error);

/* Complete? Never blocks. */
GF_API bool gf_op_test(gf_op *op);

/* Of a complete operation; false: it is not, has failed, or has no such part. A view is given to
 * who asks first; one that nobody asked for goes with the operation. */
GF_API bool gf_op_push_result(gf_op *op, gf_push_result *result);
GF_API bool gf_op_pull_result(gf_op *op, gf_pull_result *result);

/* An operation in flight is given up: the server may still act on it, the caller's memory is left
 * alone. NULL is allowed. */
GF_API void gf_op_free(gf_op *op);

#ifdef __cplusplus
}
#endif

#endif
