/* Which call is to fail, and how: the fault object behind the interposed functions.
 *
 * Every call of a thread belongs to a side: the client's or the server's, each of which can be made
 * to fail alone, or the test's own, which is never touched. Calls are counted by family and side
 * from plan_arm() on, so that "the 17th allocation of the server" means the same every time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum plan_side {
    SIDE_TEST,
    SIDE_CLIENT,
    SIDE_SERVER,
    SIDE_COUNT
};

enum plan_call {
    CALL_MEMORY, /* malloc, calloc, realloc, posix_memalign, aligned_alloc, mmap; so strdup too */
    CALL_RECV,   /* read, readv, recv, recvmsg of a socket */
    CALL_SEND,   /* write, writev, send, sendmsg to a socket */
    CALL_ACCEPT,
    CALL_SOCKET,
    CALL_CONNECT,
    CALL_BIND,
    CALL_LISTEN,
    CALL_SOCKOPT, /* setsockopt, getsockopt */
    CALL_SOCKNAME,
    CALL_EPOLL_CTL,
    CALL_EPOLL_CREATE,
    CALL_EPOLL_WAIT,
    CALL_POLL,
    CALL_EVENTFD,
    CALL_GETADDRINFO,
    CALL_FILE,       /* fopen, opendir, open */
    CALL_DESCRIPTOR, /* memfd_create, fcntl(F_DUPFD_CLOEXEC) */
    CALL_THREAD,     /* pthread_create */
    CALL_WORK,       /* uv_queue_work */
    CALL_COUNT
};

/* Beside values of errno and EAI_…, which are what they are. */
enum {
    FAULT_NONE = 0,
    FAULT_SHORT = 10001, /* one byte only */
    FAULT_EOF = 10002    /* the peer is gone */
};

/* One way in which a family fails. */
struct fault {
    const char *name; /* "recv:ECONNRESET" */
    enum plan_call call;
    int how;
    bool lasts; /* may also fail for ever: no kernel says EINTR for ever */
};

extern const struct fault faults[];
extern const size_t n_faults;

const char *plan_side_name(enum plan_side side);

enum plan_mode {
    MODE_ONCE,
    MODE_TWICE, /* the next one fails too: often the first step of the recovery */
    MODE_FOREVER,
    MODE_COUNT
};

const char *plan_mode_name(enum plan_mode mode);

/* From now on the n-th call fails, and those behind it that the mode says. fault NULL: calls are
 * only counted. */
void plan_arm(const struct fault *fault, enum plan_side side, unsigned n, enum plan_mode mode);
void plan_disarm(void);

/* How often the armed fault struck, and how many calls of a family were counted. */
unsigned plan_strikes(void);
unsigned plan_count(enum plan_call call, enum plan_side side);

/* The side of this thread, inherited by threads that it creates; returns the one before. */
enum plan_side plan_enter(enum plan_side side);

/* -- For the interposed functions -- */

/* A call is about to be made: FAULT_NONE, or how it has to fail. */
int plan_take(enum plan_call call);

/* Does this address belong to the code of libuv, or of the loader? */
bool plan_in_libuv(const void *address);
bool plan_in_loader(const void *address);

/* Is fd a socket, and of a side that can fail? */
bool plan_is_socket(int fd);
void plan_note_socket(int fd);

/* The socket that the client's side made last; -1: none. */
int plan_client_socket(void);

/* -- What is outstanding -- */

void plan_allocated(const void *p, const void *caller);
void plan_freed(const void *p);
void plan_mapped(long bytes);
long plan_allocations(void);
long plan_mapped_bytes(void);

/* Allocations are counted from plan_mark() on; the callers of those that are still there, as
 * "object+0xoffset", into text. */
void plan_mark(void);
void plan_outstanding(char *text, size_t room);
