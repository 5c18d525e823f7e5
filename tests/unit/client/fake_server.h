/* A server over real sockets, one thread and one connection at a time for TCP and, once it shares,
 * for its Unix socket. It keeps the rules it needs and breaks them on demand.
 *
 * It knows one job with one round: a push of f32 tensors is applied once a key, a pull gives the
 * sums. Faults are set before a client connects, or between its calls; counters are read at any
 * time. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/header.h"

enum {
    FAKE_NODES = 4,
    FAKE_ELEMENTS = 2 << 20,
    FAKE_KEYS = 16384
};

#define NO_FAULT UINT64_MAX

struct fake_faults {
    uint64_t cut_read;    /* hang up after so many bytes received; NO_FAULT: never */
    uint64_t cut_write;   /* hang up in the middle of what is sent, after so many bytes */
    uint64_t stall_read;  /* receive no more after so many bytes, until the client hangs up */
    uint64_t stall_write; /* the same for sending */
    unsigned connections; /* the four above hold for so many connections from now on */

    unsigned lose_replies;   /* hang up instead of answering so many pushes, having applied them */
    unsigned unavailable;    /* answer so many requests UNAVAILABLE */
    unsigned refuse_early;   /* answer so many pushes NOT_FOUND before their body is read */
    bool mute;               /* answer pulls not at all */
    unsigned mute_node;      /* answer pulls of this node not at all; 0: none */
    bool backwards;          /* answer pushes in pairs, the second first */
    const uint8_t *nonsense; /* sent instead of the next answer, then cleared */
    size_t n_nonsense;
    int refuse_hello; /* the code of every greeting; 0: OK */
    uint64_t max_body_bytes;

    bool other_instance; /* the Unix socket is that of another server */
    bool mute_unix;      /* it does not answer greetings */
    unsigned refuse_add; /* answer so many AddBuffers RESOURCE_EXHAUSTED */
    bool no_segments;    /* answer pulls with a view with a body */
    enum fake_lie {      /* what is wrong with the next segments */
        LIE_NONE,
        LIE_SMALLER, /* than announced */
        LIE_UNSEALED,
        LIE_NO_MEMFD,
        LIE_NO_DESCRIPTOR,
        LIE_UNKNOWN,    /* never introduced */
        LIE_BEYOND,     /* a gradient ends beyond it */
        LIE_FAR_BEYOND, /* the sum overflows */
        LIE_MISALIGNED,
        LIE_BODY,        /* and a body */
        LIE_NOT_ASKED,   /* a segment for an ordinary pull */
        LIE_DESCRIPTORS, /* descriptors come with answers that need none */
        LIE_END
    } lie;
};

struct fake_counters {
    unsigned connections;
    unsigned applied;
    unsigned duplicates;
    unsigned pulls;
    unsigned requests;
    bool final;
    bool checksum_right; /* of the last push */
    uint32_t last_sequence;
    bool in_order; /* sequences never fell */

    unsigned unix_connections;
    unsigned placed; /* pushes applied whose tensors were read from buffers */
    unsigned added;
    unsigned dropped;
    unsigned segments;   /* introduced */
    unsigned shown;      /* views */
    unsigned ended;      /* of those, by EndView */
    unsigned wrong_ends; /* EndViews of something else */
};

struct fake_server {
    char address[32];
    uint16_t port;
    char folder[64]; /* "": it does not share */
    char path[96];   /* of its Unix socket, in the folder */
    char unix_address[104];

    pthread_mutex_t lock; /* faults, counters, keys, sums */
    struct fake_faults faults;
    struct fake_counters counters;
    uint64_t keys[FAKE_KEYS];
    unsigned n_keys;
    float *sums[FAKE_NODES];       /* of FAKE_ELEMENTS each */
    uint64_t elements[FAKE_NODES]; /* of the last push to the node */

    /* private */
    int listener;
    int stop[2]; /* a pipe: closed to end the thread */
    pthread_t thread;
    int unix_listener;
    pthread_t unix_thread;
};

struct fake_server *fake_start(void);

/* The port answers nobody any more; fake_restart() opens the same one again. */
void fake_pause(struct fake_server *server);
void fake_restart(struct fake_server *server);

/* Serves a Unix socket as well, and says so in greetings. */
void fake_share(struct fake_server *server);

/* All sums are zero again. */
void fake_clear_sums(struct fake_server *server);

void fake_stop(struct fake_server *server);

struct fake_counters fake_counters(struct fake_server *server);
void fake_set(struct fake_server *server, const struct fake_faults *faults);

/* All faults off. */
struct fake_faults fake_no_faults(void);
