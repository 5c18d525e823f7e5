#include "wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/frame.h"
#include "proto/header.h"

enum {
    DEADLINE_S = 20,
    ARENA_BYTES = 64 << 20
};

void wire_connect(struct wire *w, const struct address *address)
{
    struct timeval deadline = {.tv_sec = DEADLINE_S};
    int on = 1;
    *w = (struct wire){.fd = socket(address->any.sa_family, SOCK_STREAM, 0)};
    assert_true(w->fd >= 0);
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    assert_int_equal(connect(w->fd, &address->any, address->length), 0);
    arena_init(&w->arena, ARENA_BYTES);
}

static void forget(struct wire *w)
{
    free(w->header);
    free(w->body);
    w->header = w->body = NULL;
    w->response = NULL;
    arena_reset(&w->arena);
}

void wire_close(struct wire *w)
{
    forget(w);
    arena_free(&w->arena);
    close(w->fd);
}

void wire_write(struct wire *w, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t written = send(w->fd, at, n, MSG_NOSIGNAL);
        assert_true(written > 0);
        at += written;
        n -= (size_t)written;
    }
}

void wire_send_header(struct wire *w, const wire_request *request, uint64_t body_bytes)
{
    size_t n = gradfold__v1__request__get_packed_size(request);
    uint8_t *frame = malloc(FRAME_PREFIX_BYTES + n);
    assert_non_null(frame);
    frame_prefix_encode(frame, (uint32_t)n, body_bytes);
    gradfold__v1__request__pack(request, frame + FRAME_PREFIX_BYTES);
    wire_write(w, frame, FRAME_PREFIX_BYTES + n);
    free(frame);
}

void wire_send(struct wire *w, const wire_request *request, const void *body, size_t n)
{
    wire_send_header(w, request, n);
    wire_write(w, body, n);
}

static void read_all(struct wire *w, void *to, size_t n)
{
    char *at = to;
    while (n > 0) {
        ssize_t got = recv(w->fd, at, n, 0);
        assert_true(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

int wire_receive(struct wire *w)
{
    static const struct frame_limits limits = {16 << 20, UINT64_C(1) << 32};
    uint8_t bytes[FRAME_PREFIX_BYTES];
    struct frame_prefix prefix;
    struct error error;
    forget(w);
    read_all(w, bytes, sizeof bytes);
    assert_int_equal(frame_prefix_decode(bytes, &limits, &prefix, &error), CODE_OK);
    w->header = malloc(prefix.header_bytes);
    w->body = malloc(prefix.body_bytes + 1);
    assert_true(w->header && w->body);
    read_all(w, w->header, prefix.header_bytes);
    read_all(w, w->body, prefix.body_bytes);
    w->body_bytes = prefix.body_bytes;
    assert_int_equal(
        header_unpack_response(&w->arena, w->header, prefix.header_bytes, &w->response, &error),
        CODE_OK);
    assert_non_null(w->response->status);
    assert_true(w->response->status->has_code);
    return (int)w->response->status->code;
}

int wire_ask(struct wire *w, const wire_request *request)
{
    wire_send_header(w, request, 0);
    int code = wire_receive(w);
    assert_int_equal(w->response->id, request->id);
    return code;
}

bool wire_is_silent(struct wire *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    return poll(&p, 1, 50) == 0;
}

void wire_expect_end(struct wire *w)
{
    char byte;
    assert_int_equal(recv(w->fd, &byte, 1, 0), 0);
}

void wire_expect_gone(struct wire *w)
{
    char byte;
    ssize_t n = recv(w->fd, &byte, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* -- Requests -- */

void wire_create(struct wire *w, const char *job, uint64_t elements, uint32_t world_size)
{
    char name[64];
    snprintf(name, sizeof name, "%s", job);
    Gradfold__V1__Node node = GRADFOLD__V1__NODE__INIT;
    Gradfold__V1__Node *nodes[] = {&node};
    node.has_dtype = true;
    node.dtype = GRADFOLD__V1__DTYPE__DTYPE_F32;
    node.n_shape = 1;
    node.shape = &elements;
    Gradfold__V1__JobSpec spec = GRADFOLD__V1__JOB_SPEC__INIT;
    spec.name = name;
    spec.n_nodes = 1;
    spec.nodes = nodes;
    spec.has_world_size = true;
    spec.world_size = world_size;
    Gradfold__V1__CreateJob create = GRADFOLD__V1__CREATE_JOB__INIT;
    create.spec = &spec;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = 1;
    request.op_case = GRADFOLD__V1__REQUEST__OP_CREATE_JOB;
    request.create_job = &create;
    assert_int_equal(wire_ask(w, &request), CODE_OK);
    assert_int_equal(w->response->result_case, GRADFOLD__V1__RESPONSE__RESULT_CREATE_JOB);
}

void wire_push_header(struct wire *w, const char *job, uint64_t elements, uint32_t worker,
                      uint64_t sequence, bool final)
{
    char name[64];
    snprintf(name, sizeof name, "%s", job);
    Gradfold__V1__Contribution contribution = GRADFOLD__V1__CONTRIBUTION__INIT;
    Gradfold__V1__Contribution *contributions[] = {&contribution};
    contribution.has_node = contribution.has_dtype = true;
    contribution.dtype = GRADFOLD__V1__DTYPE__DTYPE_F32;
    contribution.n_shape = 1;
    contribution.shape = &elements;
    Gradfold__V1__Push push = GRADFOLD__V1__PUSH__INIT;
    push.job = name;
    push.has_round = push.has_worker = push.has_sequence = push.has_final = true;
    push.worker = worker;
    push.sequence = sequence;
    push.final = final;
    push.n_contributions = 1;
    push.contributions = contributions;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = sequence;
    request.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    request.push = &push;
    wire_send_header(w, &request, elements * sizeof(float));
}

void wire_pull(struct wire *w, const char *job, uint64_t id, uint64_t wait_ms)
{
    char name[64];
    snprintf(name, sizeof name, "%s", job);
    Gradfold__V1__Pull pull = GRADFOLD__V1__PULL__INIT;
    pull.job = name;
    pull.has_round = pull.has_wait_ms = true;
    pull.wait_ms = wait_ms;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = id;
    request.op_case = GRADFOLD__V1__REQUEST__OP_PULL;
    request.pull = &pull;
    wire_send_header(w, &request, 0);
}

float *wire_floats(uint64_t elements, float value)
{
    float *floats = malloc(elements * sizeof *floats + 1);
    assert_non_null(floats);
    for (uint64_t i = 0; i < elements; i++)
        floats[i] = value;
    return floats;
}
