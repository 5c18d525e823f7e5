/* A client as plain as can be: blocking sockets with a deadline, one call a frame. Whatever fails
 * fails the test. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "gradfold.pb-c.h"
#include "options/address.h"

typedef Gradfold__V1__Request wire_request;
typedef Gradfold__V1__Response wire_response;

/* The last answer of a connection. */
struct wire {
    int fd;
    struct arena arena;
    wire_response *response;
    uint8_t *header;
    uint8_t *body;
    size_t body_bytes;
};

void wire_connect(struct wire *wire, const struct address *address);
void wire_close(struct wire *wire);

/* Raw bytes, all of them. */
void wire_write(struct wire *wire, const void *bytes, size_t n);

/* The frame's prefix and header alone; the body is the caller's. */
void wire_send_header(struct wire *wire, const wire_request *request, uint64_t body_bytes);
void wire_send(struct wire *wire, const wire_request *request, const void *body, size_t n);

/* Waits for the next response, which is valid until the next call, and returns its code. */
int wire_receive(struct wire *wire);
int wire_ask(struct wire *wire, const wire_request *request);

/* Nothing has come, and nothing does within 50 ms. */
bool wire_is_silent(struct wire *wire);

/* The other side has closed, in order. */
void wire_expect_end(struct wire *wire);
/* The same, or by a reset. */
void wire_expect_gone(struct wire *wire);

/* -- Requests about a job with one f32 vector -- */

void wire_create(struct wire *wire, const char *job, uint64_t elements, uint32_t world_size);

/* The header of a push to round 0 from the worker; sequence is also the id. */
void wire_push_header(struct wire *wire, const char *job, uint64_t elements, uint32_t worker,
                      uint64_t sequence, bool final);

/* Asks for round 0, id as given. */
void wire_pull(struct wire *wire, const char *job, uint64_t id, uint64_t wait_ms);

/* As many elements of this value. */
float *wire_floats(uint64_t elements, float value);
