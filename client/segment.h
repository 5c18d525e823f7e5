/* The server's shared memory, as far as this connection knows it: descriptors that came along, and
 * the segments that they were. A mapping is kept for later rounds, which lie in the same few
 * segments, and lives on in the views that show it. Under the client's lock. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/mapping.h"
#include "gradfold/types.h"
#include "proto/header.h"

enum {
    DESCRIPTORS_MAX = 8, /* that came and whose frame is not complete; a server sends one a frame */
    SEGMENTS_MAX = 4096  /* known at a time; a server has a few */
};

struct segments {
    struct list known;
    unsigned n_known;
    int descriptors[DESCRIPTORS_MAX]; /* in the order in which they came */
    unsigned n_descriptors;
    bool truncated; /* some could not be taken: this process has too many open */
};

void segments_init(struct segments *segments);

/* The connection is gone: views keep what they show. */
void segments_reset(struct segments *segments);

/* Takes the descriptors of a message that was received with MSG_CMSG_CLOEXEC. */
void segments_receive(struct segments *segments, struct msghdr *message);

/* No frame that could have brought a descriptor is incomplete: closes what nobody asked for. */
void segments_settle(struct segments *segments);

/* The segment that an answer lies in, mapped; borrowed from segments. Forgets retired ones.
 * GF_CLIENT_PROTOCOL: it is unknown, smaller than announced, or could shrink; GF_CLIENT_SYSTEM: no
 * memory or descriptor could be had, and the connection knows less than the server believes. */
gf_code segments_find(struct segments *segments, const Gradfold__V1__PullResult *result,
                      struct mapping **mapping, gf_error *error);

/* Forgets the segments that the server does not use any more. */
void segments_retire(struct segments *segments, const Gradfold__V1__PullResult *result);
