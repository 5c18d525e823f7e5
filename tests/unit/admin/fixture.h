/* A real admin on a real loop and socket over a real core, and clients that are plain sockets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>
#include <uv.h>

#include "admin/admin.h"
#include "core_rig.h"

struct fixture {
    uv_loop_t loop;
    struct rig rig;
    struct admin *admin; /* NULL once it has closed */
    struct admin_numbers numbers;
    struct sockaddr_in address; /* of the admin */
    unsigned turns;             /* of the loop so far */
};

/* What came back over a connection until its end. */
struct answer {
    int status;  /* 0: no HTTP */
    char *bytes; /* all of it, terminated */
    size_t length;
    char *body; /* within bytes, chunks put together, terminated */
    size_t body_length;
};

int set_up(void **state);
int tear_down(void **state);

/* Another admin for the fixture's core, on 127.0.0.1 with these limits. */
void fixture_restart(struct fixture *f, const struct admin_limits *limits);

/* Stops the admin and runs the loop until it has closed; false when that takes longer than ms. */
bool fixture_stop(struct fixture *f, uint64_t ms);

/* Turns the loop until ms have passed. */
void fixture_run(struct fixture *f, uint64_t ms);

/* A connected, non-blocking client socket. */
int fixture_connect(struct fixture *f);

/* Sends all of it, turning the loop. */
void fixture_send(struct fixture *f, int fd, const char *bytes);

/* Turns the loop and reads until the server closes, and closes fd. False: not within ms. */
bool fixture_receive(struct fixture *f, int fd, uint64_t ms, struct answer *answer);

/* One request in a connection of its own: "GET /metrics". The answer is to be freed. */
struct answer fixture_ask(struct fixture *f, const char *method_and_path);

void answer_free(struct answer *answer);

/* The body as JSON; to be given back with json_decref(). */
json_t *fixture_json(struct fixture *f, const char *path);
