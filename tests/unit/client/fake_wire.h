/* One connection of the fake server: bytes in and out, with its faults. */
#pragma once

#include "fake_server.h"

struct fake_wire {
    struct fake_server *server;
    int fd;
    bool gone;
    struct fake_shared *shared; /* NULL: TCP */
    int fds[4];                 /* that came */
    unsigned n_fds;
    int give_fd; /* leaves with the next byte; -1: none */
    uint64_t received;
    uint64_t sent;
    struct fake_faults faults; /* of this connection: cut and stall */
    struct fake_held {
        uint8_t *bytes;
        size_t n;
    } held; /* an answer that waits for the next one */
};

/* Exactly n bytes, or gone. buffer NULL: they are dropped. */
bool fake_read(struct fake_wire *wire, void *buffer, uint64_t n);
bool fake_write(struct fake_wire *wire, const void *buffer, uint64_t n);

/* A response with a body of pieces. */
bool fake_send(struct fake_wire *wire, const Gradfold__V1__Response *response, uint64_t body);
