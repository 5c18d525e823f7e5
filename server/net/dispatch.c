/* What a complete header leads to: an event for the core, or an answer of net's own.
 *
 * Answered here are Hello, what is about shared memory (sharing.c), and what never becomes a
 * request: a header that is none, an op that this server does not know, a body where none
 * belongs. */
#include "core/pull.h"
#include "net/connection.h"
#include "net/mail.h"
#include "net/quick.h"
#include "net/response.h"
#include "proto/header.h"

enum {
    PROTOCOL = 1
};

static bool queue(struct connection *c, bool here, const Gradfold__V1__Response *response,
                  struct pull *pull, uint64_t body_bytes, int fd, bool *too_large)
{
    if (here)
        return sender_add(&c->sender, response, pull, body_bytes, fd, too_large);
    return mail_frame(c, response, pull, body_bytes, fd, too_large);
}

/* Without an answer the peer would wait for ever. */
static void give_up(struct connection *c, bool here)
{
    if (here)
        c->broken = true;
    else
        mail_broken(c);
}

void dispatch_answer(struct connection *c, const Gradfold__V1__Response *response)
{
    bool too_large;
    if (!queue(c, true, response, NULL, 0, SOCKET_NO_FD, &too_large))
        give_up(c, true);
}

static void refuse(struct connection *c, bool here, uint64_t request_id, const struct error *error)
{
    struct net *net = c->net;
    struct short_response parts;
    bool too_large;
    response_refuse(&parts, request_id, error);
    if (!queue(c, here, &parts.response, NULL, 0, SOCKET_NO_FD, &too_large))
        give_up(c, here);
    struct net_note note = {c->rejected ? NET_REJECTED : NET_REFUSED, c->name, request_id, error};
    if (net->config.note)
        net->config.note(net->config.ctx, &note);
}

void dispatch_refuse(struct connection *c, uint64_t request_id, const struct error *error)
{
    if (error->code == CODE_MALFORMED || error->code == CODE_TOO_LARGE)
        counter_add(&c->net->config.counters->frames_malformed, 1);
    refuse(c, true, request_id, error);
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
    response_hello(&parts, id, &c->net->config);
    dispatch_answer(c, &parts.response);
}

/* NULL: the connection cannot have any. */
static const struct buffers *buffers_of(const struct connection *c)
{
    return c->sharing ? &c->sharing->buffers : NULL;
}

static bool is_about_sharing(const Gradfold__V1__Request *message)
{
    return message->op_case == GRADFOLD__V1__REQUEST__OP_ADD_BUFFER ||
           message->op_case == GRADFOLD__V1__REQUEST__OP_DROP_BUFFER ||
           message->op_case == GRADFOLD__V1__REQUEST__OP_END_VIEW;
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
    } else if (is_about_sharing(message)) {
        sharing_request(c, message);
    } else if (request_translate(&c->net->requests, message, c->body_left, buffers_of(c), &request,
                                 &error)) {
        dispatch_refuse(c, id, &error);
    } else {
        request.event.peer = &c->peer;
        c->net->config.submit(c->net->config.ctx, &request.event);
    }
}

static void unpack(struct connection *c, const uint8_t *header, size_t n)
{
    struct error error;
    Gradfold__V1__Request *message;
    enum code code = header_unpack_request(&c->net->requests, header, n, &message, &error);
    if (code == CODE_OK)
        handle(c, message, header_request_strings_ok(header, n));
    else
        dispatch_refuse(c, code == CODE_MALFORMED ? 0 : header_request_id(header, n), &error);
}

void dispatch(struct connection *c, const uint8_t *header, size_t n)
{
    struct arena *arena = &c->net->requests;
    struct request request;
    if (quick_push(arena, header, n, c->body_left, &request)) {
        request.event.peer = &c->peer;
        c->net->config.submit(c->net->config.ctx, &request.event);
    } else {
        arena_reset(arena);
        unpack(c, header, n);
    }
    arena_reset(arena);
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
static void refuse_instead(struct connection *c, bool here, const struct reply *reply,
                           const struct error *error)
{
    if (has_effect(reply))
        give_up(c, here);
    else
        refuse(c, here, reply->request_id, error);
}

/* How the pull is answered with a segment. False: it is not. */
static bool show(struct connection *c, const struct pull *pull, struct showing *showing)
{
    const struct segment *segment = pull && c->sharing ? pull_segment(pull) : NULL;
    return segment && views_show(&c->sharing->views, c->net->config.core, segment, showing);
}

/* Queues the answer; pull: it has one, and showing says how (NULL: as a body). */
static enum code answer(struct connection *c, bool here, const struct reply *reply,
                        struct pull *pull, const struct showing *showing, struct error *error)
{
    Gradfold__V1__Response response;
    uint64_t body_bytes;
    bool too_large = false;
    if (showing && views_full(&c->sharing->views))
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "a connection holds %d views at most",
                         LIMIT_VIEWS);
    enum code code = response_build(&c->net->replies, c->net->config.core, reply, showing,
                                    &response, &body_bytes, error);
    if (code != CODE_OK)
        return code;
    if (queue(c, here, &response, showing ? NULL : pull, body_bytes,
              showing ? showing->fd : SOCKET_NO_FD, &too_large))
        return CODE_OK;
    return error_set(error, CODE_RESOURCE_EXHAUSTED, "%s",
                     too_large ? "the answer's header is too large; ask for less at a time"
                               : "no memory for the answer");
}

static void send_verdict(struct connection *c, const struct reply *reply)
{
    uint8_t header[QUICK_VERDICT_BYTES];
    if (!sender_add_packed(&c->sender, header, quick_verdict(reply, header)))
        give_up(c, true);
}

bool dispatch_reply(struct connection *c, const struct reply *reply, bool here)
{
    if (here && reply->error.code == CODE_OK && reply->request == REQUEST_PUSH) {
        send_verdict(c, reply);
        return true;
    }
    struct error error;
    struct showing showing;
    bool has_pull = reply->error.code == CODE_OK && reply->request == REQUEST_PULL;
    struct pull *pull = has_pull ? reply->pull : NULL;
    bool shown = show(c, pull, &showing);
    enum code code = answer(c, here, reply, pull, shown ? &showing : NULL, &error);
    if (code == CODE_OK && shown)
        views_hold(&c->sharing->views, &showing, reply->request_id, pull);
    if (code != CODE_OK && shown)
        views_cancel(&showing);
    if (code != CODE_OK)
        refuse_instead(c, here, reply, &error);
    arena_reset(&c->net->replies);
    return code == CODE_OK || !pull;
}
