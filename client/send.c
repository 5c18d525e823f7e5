#include "client/send.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "client/clock.h"
#include "client/drive.h"
#include "client/flight.h"
#include "client/report.h"

enum {
    SEND_BYTES = 1024 * 1024,
    SEND_VECTORS = 256
};

static struct request *request_of(struct list *link)
{
    return list_entry(link, struct request, link);
}

bool send_wanted(const gf_client *client)
{
    const struct connection *connection = &client->connection;
    if (connection->send_blocked || connection->give_up)
        return false;
    if (connection->state == CONNECTION_GREETING)
        return connection->greeting->state != REQUEST_AWAITING;
    if (connection->state != CONNECTION_READY || list_empty(&client->queue))
        return false;
    const struct request *first = request_of(client->queue.next);
    return first != connection->held &&
           (connection->hold_ms == 0 || first->state == REQUEST_SENDING);
}

/* What the server would refuse for its size is refused here, before it hangs up over it. */
static gf_code within_limits(const gf_client *client, const struct request *request,
                             gf_error *error)
{
    uint64_t head_max = client->server.max_header_bytes;
    uint64_t body_max = client->server.max_body_bytes;
    if (head_max != 0 && request->head_bytes - FRAME_PREFIX_BYTES > head_max)
        return report(error, GF_TOO_LARGE, "a header of %zu bytes, the server's limit is %" PRIu64,
                      request->head_bytes - FRAME_PREFIX_BYTES, head_max);
    if (body_max != 0 && request->body_bytes > body_max)
        return report(error, GF_TOO_LARGE,
                      "a body of %" PRIu64 " bytes, the server's limit is %" PRIu64,
                      request->body_bytes, body_max);
    return GF_OK;
}

/* Before the first byte leaves. false: it never will. */
static bool make_ready(gf_client *client, struct request *request)
{
    gf_error error;
    gf_code code = GF_OK;
    if (request->kind->prepare != NULL)
        code = request->kind->prepare(client, request, &error);
    if (code == GF_OK)
        code = within_limits(client, request, &error);
    if (code != GF_OK)
        flight_finish(client, request, &error);
    return code == GF_OK;
}

struct batch {
    struct iovec vector[SEND_VECTORS];
    int used;
    uint64_t left;         /* bytes that it may still take */
    struct request *giver; /* the first, if a descriptor leaves with its first byte; NULL: none */
};

static void add(struct batch *batch, const struct request *request)
{
    int added = pieces_vector(request->out, request->n_out, request->sent,
                              batch->vector + batch->used, SEND_VECTORS - batch->used, batch->left);
    batch->left -= vector_bytes(batch->vector + batch->used, added);
    batch->used += added;
}

enum readiness {
    READY,
    NOT_NOW,
    LOOK_AGAIN /* it has failed, or others have come before it */
};

/* May a request that has not begun join the batch? */
static enum readiness readiness(gf_client *client, struct request *request,
                                const struct list *stayed, const struct batch *batch)
{
    if (request->kind->ready != NULL && !request->kind->ready(client, request)) {
        if (stayed->next != &request->link)
            return LOOK_AGAIN;
        client->connection.held = request;
        return NOT_NOW;
    }
    if (request->passes != NULL && batch->used > 0)
        return NOT_NOW;
    return make_ready(client, request) ? READY : LOOK_AGAIN;
}

static void gather(gf_client *client, struct batch *batch)
{
    /* A failed push takes its pull along, so the link behind a failed request may be gone: go on
     * from the last one that stayed. */
    struct list *stayed = &client->queue;
    while (stayed->next != &client->queue && batch->left > 0 && batch->used < SEND_VECTORS) {
        struct request *request = request_of(stayed->next);
        if (client->connection.hold_ms != 0 && request->state != REQUEST_SENDING)
            return;
        enum readiness ready = READY;
        if (request->sent_bytes == 0)
            ready = readiness(client, request, stayed, batch);
        if (ready == NOT_NOW)
            return;
        if (ready == LOOK_AGAIN)
            continue;
        if (request->passes != NULL && request->sent_bytes == 0)
            batch->giver = request;
        add(batch, request);
        stayed = &request->link;
    }
}

/* Counts n sent bytes to the request; returns those that are not its own. */
static uint64_t account(gf_client *client, struct request *request, uint64_t n)
{
    uint64_t left = request->head_bytes + request->body_bytes - request->sent_bytes;
    uint64_t own = n < left ? n : left;
    pieces_advance(request->out, request->n_out, &request->sent, own);
    request->sent_bytes += own;
    if (own < left)
        request->state = REQUEST_SENDING;
    else if (request == client->connection.greeting)
        request->state = REQUEST_AWAITING;
    else
        flight_sent(client, request);
    return n - own;
}

/* Every byte finds its request, before any of them ends. */
static void sent(gf_client *client, uint64_t n)
{
    bool answered = false;
    if (client->connection.state == CONNECTION_GREETING)
        n = account(client, client->connection.greeting, n);
    while (n > 0) {
        struct request *request = request_of(client->queue.next);
        n = account(client, request, n);
        answered = answered || request->answered;
    }
    if (answered)
        flight_finish_answered(client);
}

static void send_failed(gf_client *client, struct request *giver, int failure)
{
    gf_error reason;
    if (failure == EINTR)
        return;
    /* The peer is gone, but its last words may still be there to be received. */
    client->connection.send_blocked = true;
    if (failure == EAGAIN || failure == EPIPE || failure == ECONNRESET)
        return;
    if (giver != NULL) { /* the descriptor does not pass: do without */
        client->connection.send_blocked = false;
        report(&reason, GF_RESOURCE_EXHAUSTED, "passing a descriptor: %s", strerror(failure));
        flight_finish(client, giver, &reason);
        return;
    }
    report(&reason, GF_CLIENT_UNREACHABLE, "sending: %s", strerror(failure));
    connection_lost(client, &reason);
}

union control {
    struct cmsghdr header; /* for its alignment */
    char room[CMSG_SPACE(sizeof(int))];
};

static void pass(struct msghdr *message, union control *control, int fd)
{
    memset(control, 0, sizeof *control);
    message->msg_control = control;
    message->msg_controllen = sizeof *control;
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

void send_some(gf_client *client)
{
    struct batch batch = {.left = SEND_BYTES};
    client->behind = 0;
    if (client->connection.state == CONNECTION_GREETING)
        add(&batch, client->connection.greeting);
    else
        gather(client, &batch);
    if (batch.used == 0 || client->connection.give_up)
        return;
    struct msghdr message = {.msg_iov = batch.vector, .msg_iovlen = (size_t)batch.used};
    union control control;
    if (batch.giver != NULL)
        pass(&message, &control, *batch.giver->passes);
    drive_move_begin(client);
    ssize_t n = sendmsg(client->connection.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    int failure = errno;
    drive_move_end(client);
    if (n < 0) {
        send_failed(client, batch.giver, failure);
        return;
    }
    client->connection.send_blocked = (uint64_t)n < SEND_BYTES - batch.left;
    sent(client, (uint64_t)n);
}
