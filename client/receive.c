#include "client/receive.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "client/drive.h"
#include "client/flight.h"
#include "client/reply.h"
#include "client/report.h"

enum {
    RECEIVE_MAX = 1024 * 1024,
    RECEIVE_VECTORS = 16
};

void receive_reset(gf_client *client)
{
    struct connection *connection = &client->connection;
    struct frame_limits limits = connection->reader.limits;
    frame_reader_free(&connection->reader);
    frame_reader_init(&connection->reader, &limits);
    connection->in_at = connection->in_end = 0;
    connection->incoming = (struct incoming){0};
    segments_reset(&connection->segments);
}

/* n bytes of the body are where they belong. */
static void body_received(gf_client *client, uint64_t n)
{
    struct incoming *incoming = &client->connection.incoming;
    struct request *request = incoming->request;
    incoming->left -= n;
    if (request == NULL)
        return;
    pieces_advance(request->into, request->n_into, &incoming->at, n);
    if (incoming->left > 0)
        return;
    incoming->request = NULL;
    gf_error ok;
    report_ok(&ok);
    flight_finish(client, request, &ok);
}

/* The part of the body that came along with the header. */
static void take_body(gf_client *client)
{
    struct connection *connection = &client->connection;
    struct incoming *incoming = &connection->incoming;
    uint64_t have = connection->in_end - connection->in_at;
    uint64_t n = have < incoming->left ? have : incoming->left;
    struct iovec vector[RECEIVE_VECTORS];
    if (incoming->request != NULL) {
        int used = pieces_vector(incoming->request->into, incoming->request->n_into, incoming->at,
                                 vector, RECEIVE_VECTORS, n);
        n = vector_bytes(vector, used);
        const uint8_t *from = connection->in + connection->in_at;
        for (int i = 0; i < used; from += vector[i++].iov_len)
            memcpy(vector[i].iov_base, from, vector[i].iov_len);
    }
    connection->in_at += n;
    body_received(client, n);
}

/* false: the connection is lost. */
static bool take_header(gf_client *client)
{
    struct connection *connection = &client->connection;
    struct error error;
    gf_error reason;
    size_t used;
    enum frame_event event =
        frame_reader_feed(&connection->reader, connection->in + connection->in_at,
                          connection->in_end - connection->in_at, &used, &error);
    connection->in_at += used;
    if (event == FRAME_MORE)
        return true;
    if (event == FRAME_HEADER)
        return reply_received(client);
    report(&reason,
           error.code == CODE_RESOURCE_EXHAUSTED ? GF_CLIENT_NO_MEMORY : GF_CLIENT_PROTOCOL, "%s",
           error.message);
    return reply_nonsense(client, connection->greeting, &reason);
}

static void take(gf_client *client)
{
    struct connection *connection = &client->connection;
    while (connection->in_at < connection->in_end) {
        if (connection->incoming.left > 0)
            take_body(client);
        else if (!take_header(client))
            return;
    }
    if (!frame_reader_in_frame(&connection->reader))
        segments_settle(&connection->segments);
}

/* Where the next bytes go: into the body's place, and what may follow it into our own. */
static int places(struct connection *connection, struct iovec vector[static RECEIVE_VECTORS + 1])
{
    const struct incoming *incoming = &connection->incoming;
    int used = 0;
    if (incoming->left > 0 && incoming->request != NULL) {
        used = pieces_vector(incoming->request->into, incoming->request->n_into, incoming->at,
                             vector, RECEIVE_VECTORS, RECEIVE_MAX);
        if (vector_bytes(vector, used) < incoming->left)
            return used;
    }
    vector[used++] = (struct iovec){connection->in, RECEIVE_BYTES};
    return used;
}

static void receive_failed(gf_client *client, ssize_t n, int failure)
{
    gf_error reason;
    if (n < 0 && (failure == EAGAIN || failure == EINTR))
        return;
    report(&reason, GF_CLIENT_UNREACHABLE, "%s",
           n == 0 ? "the server closed the connection" : strerror(failure));
    connection_lost(client, &reason);
}

union control {
    struct cmsghdr header; /* for its alignment */
    char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

void receive_some(gf_client *client)
{
    struct connection *connection = &client->connection;
    union control control;
    struct iovec vector[RECEIVE_VECTORS + 1];
    struct msghdr message = {.msg_iov = vector};
    message.msg_iovlen = (size_t)places(connection, vector);
    if (connection->shared) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    drive_move_begin(client);
    ssize_t n = recvmsg(connection->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int failure = errno;
    drive_move_end(client);
    if (n <= 0) {
        receive_failed(client, n, failure);
        return;
    }
    if (connection->shared)
        segments_receive(&connection->segments, &message);
    uint64_t direct = vector_bytes(vector, (int)message.msg_iovlen - 1);
    if (vector[message.msg_iovlen - 1].iov_base != connection->in)
        direct = (uint64_t)n;
    if (direct > (uint64_t)n)
        direct = (uint64_t)n;
    connection->in_at = 0;
    connection->in_end = (size_t)((uint64_t)n - direct);
    if (direct > 0)
        body_received(client, direct);
    take(client);
}
