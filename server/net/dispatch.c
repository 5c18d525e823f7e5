/* What a complete header leads to: an event for the core, or an answer of net's own.
 *
 * Answered here are Hello, and what never becomes a request: a header that is none, an op that this
 * server does not know, a body where none belongs. */
#include "net/connection.h"
#include "net/request.h"
#include "net/response.h"
#include "proto/header.h"

enum {
    PROTOCOL = 1
};

static void queue(struct connection *c, const Gradfold__V1__Response *response)
{
    bool too_large;
    if (!sender_add(&c->sender, response, NULL, 0, SOCKET_NO_FD, &too_large))
        c->broken = true; /* without an answer the peer would wait for ever */
}

void dispatch_refuse(struct connection *c, uint64_t request_id, const struct error *error)
{
    struct net *net = c->net;
    struct short_response parts;
    char name[NET_NAME_MAX];
    response_refuse(&parts, request_id, error);
    queue(c, &parts.response);
    if (error->code == CODE_MALFORMED || error->code == CODE_TOO_LARGE)
        net->stats.frames_malformed++;
    struct net_note note = {c->rejected ? NET_REJECTED : NET_REFUSED, net_peer_name(&c->peer, name),
                            request_id, error};
    if (net->config.note)
        net->config.note(net->config.ctx, &note);
}

/* -- Requests -- */

static void answer_hello(struct connection *c, uint64_t id, const Gradfold__V1__Hello *hello)
{
    uint32_t protocol = hello->has_protocol ? hello->protocol : 0;
    if (protocol != PROTOCOL) {
        struct error error;
        error_set(&error, CODE_INVALID_ARGUMENT,
                  "protocol %u is not supported; this server speaks %d", protocol, PROTOCOL);
        dispatch_refuse(c, id, &error);
        return;
    }
    struct short_response parts;
    response_hello(&parts, id, c->net->config.version, c->net->limits.header_bytes_max,
                   c->net->limits.body_bytes_max);
    queue(c, &parts.response);
}

static void handle(struct connection *c, const Gradfold__V1__Request *message, bool strings_ok)
{
    struct error error;
    struct request request;
    uint64_t id = message->has_id ? message->id : 0;
    bool is_push = message->op_case == GRADFOLD__V1__REQUEST__OP_PUSH;
    bool is_known = message->op_case != GRADFOLD__V1__REQUEST__OP__NOT_SET;
    if (!strings_ok) {
        error_set(&error, CODE_INVALID_ARGUMENT, "a name holds a NUL byte, or is not UTF-8");
        dispatch_refuse(c, id, &error);
    } else if (c->body_left > 0 && is_known && !is_push) {
        error_set(&error, CODE_MALFORMED,
                  "only a push has a body, this request has one of %llu bytes",
                  (unsigned long long)c->body_left);
        dispatch_refuse(c, id, &error);
    } else if (message->op_case == GRADFOLD__V1__REQUEST__OP_HELLO) {
        answer_hello(c, id, message->hello);
    } else if (request_translate(&c->net->requests, message, c->body_left, &request, &error)) {
        dispatch_refuse(c, id, &error);
    } else {
        request.event.peer = &c->peer;
        c->net->config.submit(c->net->config.ctx, &request.event);
    }
}

void dispatch(struct connection *c, const uint8_t *header, size_t n)
{
    struct error error;
    Gradfold__V1__Request *message;
    enum code code = header_unpack_request(&c->net->requests, header, n, &message, &error);
    if (code == CODE_OK)
        handle(c, message, header_request_strings_ok(header, n));
    else
        dispatch_refuse(c, code == CODE_MALFORMED ? 0 : header_request_id(header, n), &error);
    arena_reset(&c->net->requests);
}

/* -- Replies -- */

/* Something has happened that a refusal would deny. */
static bool has_effect(const struct reply *reply)
{
    switch (reply->request) {
    case REQUEST_PUSH:
    case REQUEST_CREATE_JOB:
    case REQUEST_DELETE_JOB:
    case REQUEST_CLOSE_ROUND:
        return reply->error.code == CODE_OK;
    default:
        return false;
    }
}

/* The reply cannot be sent. What must not be denied is left unsaid: the peer loses its connection,
 * and a retry is told. */
static void refuse_instead(struct connection *c, const struct reply *reply,
                           const struct error *error)
{
    if (has_effect(reply)) {
        c->broken = true;
        return;
    }
    dispatch_refuse(c, reply->request_id, error);
    if (reply->error.code == CODE_OK && reply->request == REQUEST_PULL)
        c->sender.give_back(&c->sender, reply->pull);
}

void dispatch_reply(struct connection *c, const struct reply *reply)
{
    struct net *net = c->net;
    struct error error;
    Gradfold__V1__Response response;
    uint64_t body_bytes;
    bool too_large = false;
    bool has_body = reply->error.code == CODE_OK && reply->request == REQUEST_PULL;
    if (response_build(&net->replies, net->config.core, reply, &response, &body_bytes, &error)) {
        refuse_instead(c, reply, &error);
    } else if (!sender_add(&c->sender, &response, has_body ? reply->pull : NULL, body_bytes,
                           SOCKET_NO_FD, &too_large)) {
        error_set(&error, CODE_RESOURCE_EXHAUSTED, "%s",
                  too_large ? "the answer's header is too large; ask for less at a time"
                            : "no memory for the answer");
        refuse_instead(c, reply, &error);
    }
    arena_reset(&net->replies);
}
