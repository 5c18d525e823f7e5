#include "client/reply.h"

#include "client/clock.h"
#include "client/flight.h"
#include "client/report.h"
#include "client/view.h"

enum {
    ARENA_BASE = 2 * 1024 * 1024,
    ARENA_FACTOR = 40
};

bool reply_nonsense(gf_client *client, struct request *request, const gf_error *reason)
{
    gf_error copy = *reason;
    bool greeting = request != NULL && request == client->connection.greeting;
    if (greeting && client->connection.tcp_fd >= 0)
        ; /* a Unix socket that is nothing for us: TCP goes on */
    else if (greeting)
        flight_fail_all(client, &copy);
    else if (request != NULL)
        flight_finish(client, request, &copy);
    else
        flight_fail_sent(client, &copy);
    connection_lost(client, &copy);
    return false;
}

/* Id 0: the server could not follow our stream, or has no room for a connection. */
static bool broken_off(gf_client *client, const gf_error *reason)
{
    gf_error nonsense;
    if (reason->code == GF_OK) { /* nothing that was asked for has succeeded */
        report(&nonsense, GF_CLIENT_PROTOCOL, "an answer to no request");
        reason = &nonsense;
    }
    if (reason->code == GF_UNAVAILABLE || reason->code == GF_RESOURCE_EXHAUSTED) {
        connection_lost(client, reason);
        return false;
    }
    return reply_nonsense(client, client->connection.greeting, reason);
}

static void finish(gf_client *client, struct request *request, const gf_error *outcome)
{
    if (request == client->connection.greeting) {
        connection_greeted(client);
    } else if (request->state == REQUEST_SENDING) {
        request->answered = true;
        request->outcome = *outcome;
    } else {
        flight_finish(client, request, outcome);
    }
}

static bool unavailable(gf_client *client, struct request *request, const gf_error *reason)
{
    if (request->state != REQUEST_AWAITING || request == client->connection.greeting) {
        connection_lost(client, reason);
        return false;
    }
    report(&client->connection.trouble, reason->code, "%s: UNAVAILABLE: %.300s", client->text,
           reason->message);
    if (request->kind->ended == NULL)
        flight_requeue(client, request);
    else
        flight_finish(client, request, reason);
    connection_hold(client);
    return true;
}

static bool refused(gf_client *client, struct request *request, const gf_error *reason)
{
    if (reason->code == GF_UNAVAILABLE)
        return unavailable(client, request, reason);
    if (request == client->connection.greeting)
        return reply_nonsense(client, request, reason);
    connection_proved(client);
    const struct request_kind *kind = request->kind;
    gf_error ok;
    report_ok(&ok);
    if (kind->again != NULL && request->state == REQUEST_AWAITING &&
        kind->again(request, reason->code, clock_now_ms()))
        flight_requeue(client, request);
    else
        finish(client, request,
               kind->excuse != NULL && kind->excuse(request, reason->code) ? &ok : reason);
    return true;
}

static bool accepted(gf_client *client, struct request *request,
                     const Gradfold__V1__Response *response)
{
    struct connection *connection = &client->connection;
    uint64_t body_bytes = connection->incoming.left;
    gf_error error;
    report_ok(&error);
    gf_code code = GF_OK;
    if (response->result_case != request->kind->result)
        code = report(&error, GF_CLIENT_PROTOCOL, "%s: the answer has no result for it",
                      request->kind->what);
    if (code == GF_OK)
        code = request->kind->accept(request, response, body_bytes, &error);
    if (code == GF_CLIENT_PROTOCOL)
        return reply_nonsense(client, request, &error);
    if (request != connection->greeting)
        connection_proved(client);
    if (code == GF_OK && body_bytes > 0)
        connection->incoming.request = request;
    else
        finish(client, request, &error);
    return true;
}

/* Codes from 100 on are the library's own: no server may speak in its name. */
static bool is_server_code(int code)
{
    return code >= 0 && code < GF_CLIENT_UNREACHABLE;
}

static void status_of(const Gradfold__V1__Response *response, gf_error *error)
{
    const Gradfold__V1__Status *status = response->status;
    gf_code code = (gf_code)status->code;
    const char *message = status->message;
    if (message == NULL || message[0] == '\0')
        message = gf_code_text(code);
    if (code == GF_OK)
        report_ok(error);
    else
        report(error, code, "%s", message);
}

static struct request *addressee(gf_client *client, uint64_t id)
{
    struct request *greeting = client->connection.greeting;
    if (greeting != NULL)
        return id == greeting->id ? greeting : NULL;
    return flight_find(client, id);
}

/* An OK. Request NULL: it was given up meanwhile. */
static bool succeeded(gf_client *client, struct request *request,
                      const Gradfold__V1__Response *response)
{
    gf_error error;
    gf_code code = GF_OK;
    if (request == NULL || request != client->connection.greeting)
        code = view_received(client, response, &error);
    if (code == GF_CLIENT_PROTOCOL)
        return reply_nonsense(client, request, &error);
    if (code != GF_OK) {
        if (request != NULL)
            flight_finish(client, request, &error);
        connection_lost(client, &error);
        return false;
    }
    bool alive = request == NULL || accepted(client, request, response);
    view_dismiss(client);
    return alive;
}

static bool dispatch(gf_client *client, const Gradfold__V1__Response *response)
{
    gf_error status;
    struct request *request = addressee(client, response->id);
    if (response->status == NULL || !is_server_code((int)response->status->code)) {
        report(&status, GF_CLIENT_PROTOCOL, "an answer without a status, or with a strange one");
        return reply_nonsense(client, request, &status);
    }
    status_of(response, &status);
    if (response->id == 0)
        return broken_off(client, &status);
    if (status.code == GF_OK)
        return succeeded(client, request, response);
    return request == NULL || refused(client, request, &status);
}

bool reply_received(gf_client *client)
{
    struct connection *connection = &client->connection;
    struct frame_prefix prefix = connection->reader.prefix;
    Gradfold__V1__Response *response;
    struct error error;
    connection->incoming = (struct incoming){.left = prefix.body_bytes};
    arena_reset(&connection->arena);
    connection->arena.limit = ARENA_BASE + (size_t)prefix.header_bytes * ARENA_FACTOR;
    enum code code = header_unpack_response(&connection->arena, connection->reader.header,
                                            prefix.header_bytes, &response, &error);
    if (code != CODE_OK) {
        gf_error reason;
        report(&reason, code == CODE_RESOURCE_EXHAUSTED ? GF_CLIENT_NO_MEMORY : GF_CLIENT_PROTOCOL,
               "%s", error.message);
        return reply_nonsense(client, connection->greeting, &reason);
    }
    return dispatch(client, response);
}
