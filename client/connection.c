#include "client/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/buffer.h"
#include "client/client.h"
#include "client/clock.h"
#include "client/drive.h"
#include "client/flight.h"
#include "client/hello.h"
#include "client/local.h"
#include "client/receive.h"
#include "client/report.h"
#include "client/view.h"

enum {
    ATTEMPT_MS = 10 * 1000, /* for one address to accept and greet */
    CHANGE_MS = 1000,       /* for the Unix socket to greet */
    HEADER_MAX = 16 * 1024 * 1024,
    RETRY_MIN_MS = 20,
    RETRY_MAX_MS = 2000,
};

bool connection_init(gf_client *client, const gf_options *options)
{
    struct connection *connection = &client->connection;
    uint32_t min_ms = options->retry_min_ms != 0 ? options->retry_min_ms : RETRY_MIN_MS;
    uint32_t max_ms = options->retry_max_ms != 0 ? options->retry_max_ms : RETRY_MAX_MS;
    struct frame_limits limits = {HEADER_MAX, INT64_MAX};
    uint64_t seed = (uint64_t)(uintptr_t)client ^ clock_now_ms();
    ssize_t got = getrandom(&seed, sizeof seed, GRND_NONBLOCK);
    (void)got; /* any seed will do */
    *connection = (struct connection){.fd = -1, .tcp_fd = -1, .timer_ms = NEVER};
    segments_init(&connection->segments);
    backoff_init(&connection->backoff, min_ms, max_ms, seed);
    frame_reader_init(&connection->reader, &limits);
    arena_init(&connection->arena, 0);
    connection->in = malloc(RECEIVE_BYTES);
    return connection->in != NULL;
}

static void forget_addresses(struct connection *connection)
{
    if (connection->addresses != NULL)
        freeaddrinfo(connection->addresses);
    connection->addresses = NULL;
    connection->at = NULL;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_socket(struct connection *connection)
{
    close_fd(&connection->fd);
    connection->send_blocked = false;
}

/* Everything that belongs to one attempt. */
static void tear_down(gf_client *client)
{
    struct connection *connection = &client->connection;
    close_socket(connection);
    close_fd(&connection->tcp_fd);
    connection->shared = false;
    connection->held = NULL;
    buffers_disconnected(client);
    views_disconnected(client);
    forget_addresses(connection);
    resolve_abandon(connection->resolve);
    connection->resolve = NULL;
    request_free(connection->greeting);
    connection->greeting = NULL;
    connection->give_up = false;
    connection->hold_ms = 0;
    receive_reset(client);
}

void connection_free(gf_client *client)
{
    tear_down(client);
    frame_reader_free(&client->connection.reader);
    arena_free(&client->connection.arena);
    free(client->connection.in);
}

static void pause_for(gf_client *client, uint32_t ms)
{
    bool proven = client->connection.proven;
    tear_down(client);
    client->connection.proven = false;
    client->connection.state = CONNECTION_PAUSING;
    client->connection.timer_ms = clock_now_ms() + (proven ? 0 : ms);
    flight_requeue_all(client);
}

static void ready(gf_client *client)
{
    client->connection.state = CONNECTION_READY;
    client->connection.timer_ms = NEVER;
}

/* The Unix socket is nothing for us. */
static void stay(gf_client *client)
{
    struct connection *connection = &client->connection;
    close_socket(connection);
    connection->fd = connection->tcp_fd;
    connection->tcp_fd = -1;
    connection->shared = false;
    request_free(connection->greeting);
    connection->greeting = NULL;
    receive_reset(client);
    ready(client);
}

void connection_lost(gf_client *client, const gf_error *reason)
{
    if (client->connection.tcp_fd >= 0) {
        stay(client);
        return;
    }
    report(&client->connection.trouble, reason->code, "%s: %s", client->text, reason->message);
    pause_for(client, backoff_next_ms(&client->connection.backoff));
}

void connection_drop(gf_client *client)
{
    /* Reset it: what the kernel still holds of the bytes that were taken back is not sent any more.
     */
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (client->connection.fd >= 0)
        setsockopt(client->connection.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    pause_for(client, 0);
}

/* The socket is connected. */
static void greet(gf_client *client, uint32_t patience_ms)
{
    struct connection *connection = &client->connection;
    gf_error error;
    if (hello_new(client, GF_NO_TIMEOUT, &connection->greeting, &error) != GF_OK) {
        connection_lost(client, &error);
        return;
    }
    connection->state = CONNECTION_GREETING;
    connection->timer_ms = clock_now_ms() + patience_ms;
    forget_addresses(connection);
}

/* From TCP to the Unix socket of the same server; false: there is none that could be used. */
static bool change_over(gf_client *client, const struct hello_answer *answer)
{
    struct connection *connection = &client->connection;
    int fd;
    if (client->no_shared_memory || client->address.path[0] != '\0' || connection->tcp_fd >= 0 ||
        answer->unix_path[0] == '\0' || !answer->has_instance || !local_peer(connection->fd) ||
        local_connect(answer->unix_path, &fd) != 0)
        return false;
    connection->instance = answer->instance;
    connection->tcp_fd = connection->fd;
    connection->fd = fd;
    connection->shared = true;
    receive_reset(client);
    greet(client, CHANGE_MS);
    return true;
}

void connection_greeted(gf_client *client)
{
    struct connection *connection = &client->connection;
    struct hello_answer answer = *hello_answer(connection->greeting);
    if (connection->tcp_fd >= 0 &&
        (!answer.has_instance || answer.instance != connection->instance)) {
        stay(client);
        return;
    }
    request_free(connection->greeting);
    connection->greeting = NULL;
    client->server = answer.info;
    if (change_over(client, &answer))
        return;
    close_fd(&connection->tcp_fd);
    ready(client);
}

void connection_proved(gf_client *client)
{
    if (client->connection.proven)
        return;
    client->connection.proven = true;
    backoff_reset(&client->connection.backoff);
    report_ok(&client->connection.trouble);
}

void connection_hold(gf_client *client)
{
    struct connection *connection = &client->connection;
    connection->proven = false;
    connection->hold_ms = clock_now_ms() + backoff_next_ms(&connection->backoff);
}

/* errno, or 0 when the socket is connected or on its way. */
static int begin_connect(struct connection *connection, const struct addrinfo *address)
{
    int one = 1;
    connection->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return errno;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(connection->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    if (connect(connection->fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)
        return 0;
    return errno;
}

/* The next address that does not fail at once; failure is why the one before did. */
static void try_next_address(gf_client *client, int failure)
{
    struct connection *connection = &client->connection;
    close_socket(connection);
    for (; connection->at != NULL; close_socket(connection)) {
        failure = begin_connect(connection, connection->at);
        connection->at = connection->at->ai_next;
        if (failure == 0) {
            connection->state = CONNECTION_CONNECTING;
            connection->timer_ms = clock_now_ms() + ATTEMPT_MS;
            return;
        }
    }
    gf_error reason;
    report(&reason, GF_CLIENT_UNREACHABLE, "%s", strerror(failure));
    connection_lost(client, &reason);
}

static void resolved(gf_client *client)
{
    struct connection *connection = &client->connection;
    gf_error reason;
    connection->addresses = resolve_finish(connection->resolve, &reason);
    connection->resolve = NULL;
    connection->at = connection->addresses;
    if (connection->addresses == NULL)
        connection_lost(client, &reason);
    else
        try_next_address(client, 0);
}

static void begin_local(gf_client *client)
{
    int failure = local_connect(client->address.path, &client->connection.fd);
    gf_error reason;
    if (failure == 0) {
        client->connection.shared = !client->no_shared_memory;
        greet(client, ATTEMPT_MS);
        return;
    }
    report(&reason, GF_CLIENT_UNREACHABLE, "%s", strerror(failure));
    connection_lost(client, &reason);
}

static void begin(gf_client *client)
{
    struct connection *connection = &client->connection;
    if (client->address.path[0] != '\0') {
        begin_local(client);
        return;
    }
    connection->timer_ms = clock_now_ms() + ATTEMPT_MS;
    connection->resolve = resolve_start(&client->address);
    if (connection->resolve == NULL) {
        gf_error reason;
        report(&reason, GF_CLIENT_SYSTEM, "no memory or thread to look the host up");
        connection_lost(client, &reason);
        return;
    }
    connection->state = CONNECTION_RESOLVING;
    if (resolve_fd(connection->resolve) < 0)
        resolved(client);
}

static void timer(gf_client *client)
{
    struct connection *connection = &client->connection;
    gf_error reason;
    switch (connection->state) {
    case CONNECTION_PAUSING:
        connection->state = CONNECTION_NONE;
        connection->timer_ms = NEVER;
        break;
    case CONNECTION_CONNECTING:
        try_next_address(client, ETIMEDOUT);
        break;
    default:
        report(&reason, GF_CLIENT_UNREACHABLE, "%s", "no answer");
        connection_lost(client, &reason);
        break;
    }
}

void connection_tick(gf_client *client, uint64_t now_ms)
{
    struct connection *connection = &client->connection;
    if (connection->timer_ms <= now_ms)
        timer(client);
    if (connection->hold_ms != 0 && connection->hold_ms <= now_ms)
        connection->hold_ms = 0;
    if (connection->state == CONNECTION_NONE && client_busy(client))
        begin(client);
}

uint64_t connection_timer_ms(const gf_client *client)
{
    const struct connection *connection = &client->connection;
    if (connection->hold_ms != 0 && connection->hold_ms < connection->timer_ms)
        return connection->hold_ms;
    return connection->timer_ms;
}

struct pollfd connection_interest(const gf_client *client)
{
    const struct connection *connection = &client->connection;
    switch (connection->state) {
    case CONNECTION_RESOLVING:
        return (struct pollfd){.fd = resolve_fd(connection->resolve), .events = POLLIN};
    case CONNECTION_CONNECTING:
        return (struct pollfd){.fd = connection->fd, .events = POLLOUT};
    case CONNECTION_GREETING:
    case CONNECTION_READY:
        return (struct pollfd){.fd = connection->fd,
                               .events = connection->send_blocked ? POLLIN | POLLOUT : POLLIN};
    default:
        return (struct pollfd){.fd = -1};
    }
}

static void connecting(gf_client *client)
{
    int failure = 0;
    socklen_t size = sizeof failure;
    if (getsockopt(client->connection.fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0)
        failure = errno;
    if (failure == 0)
        greet(client, ATTEMPT_MS);
    else
        try_next_address(client, failure);
}

void connection_event(gf_client *client, short revents)
{
    if (revents == 0)
        return;
    switch (client->connection.state) {
    case CONNECTION_RESOLVING:
        resolved(client);
        break;
    case CONNECTION_CONNECTING:
        connecting(client);
        break;
    case CONNECTION_GREETING:
    case CONNECTION_READY:
        if (revents & POLLOUT)
            client->connection.send_blocked = false;
        if (revents & ~POLLOUT)
            receive_some(client);
        break;
    default:
        break;
    }
}
