#include "fake_wire.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Waits for events on the connection; false: the server stops, or the client hung up. */
static bool await(struct fake_wire *wire, short events)
{
    struct pollfd fds[2] = {{.fd = wire->fd, .events = events},
                            {.fd = wire->server->stop[0], .events = POLLIN}};
    if (poll(fds, 2, -1) < 0 || fds[1].revents != 0)
        return false;
    return (fds[0].revents & events) != 0;
}

static bool hang_up(struct fake_wire *wire)
{
    wire->gone = true;
    return false;
}

/* Neither reads nor writes until the client is gone. */
static bool stall(struct fake_wire *wire)
{
    await(wire, POLLRDHUP | POLLHUP | POLLERR);
    return hang_up(wire);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(4 * sizeof(int))];
};

static ssize_t take(struct fake_wire *wire, void *buffer, uint64_t n)
{
    union control control;
    struct iovec vector = {buffer, n};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(wire->fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (c != NULL && c->cmsg_type == SCM_RIGHTS && wire->n_fds < 4)
        memcpy(&wire->fds[wire->n_fds++], CMSG_DATA(c), sizeof(int));
    return got;
}

static ssize_t give(struct fake_wire *wire, const void *buffer, uint64_t n)
{
    union control control = {.room = {0}};
    struct iovec vector = {(void *)(uintptr_t)buffer, n};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (wire->give_fd < 0)
        return send(wire->fd, buffer, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &wire->give_fd, sizeof(int));
    ssize_t sent = sendmsg(wire->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        wire->give_fd = -1;
    return sent;
}

bool fake_read(struct fake_wire *wire, void *buffer, uint64_t n)
{
    static _Thread_local uint8_t dropped[65536];
    uint8_t *at = buffer;
    while (n > 0) {
        if (wire->received >= wire->faults.cut_read)
            return hang_up(wire);
        if (wire->received >= wire->faults.stall_read)
            return stall(wire);
        uint64_t want =
            least(n, least(wire->faults.cut_read, wire->faults.stall_read) - wire->received);
        if (buffer == NULL)
            want = least(want, sizeof dropped);
        if (!await(wire, POLLIN))
            return hang_up(wire);
        ssize_t got = take(wire, buffer != NULL ? at : dropped, want);
        if (got <= 0)
            return hang_up(wire);
        wire->received += (uint64_t)got;
        n -= (uint64_t)got;
        if (buffer != NULL)
            at += got;
    }
    return true;
}

bool fake_write(struct fake_wire *wire, const void *buffer, uint64_t n)
{
    const uint8_t *at = buffer;
    while (n > 0) {
        if (wire->sent >= wire->faults.cut_write)
            return hang_up(wire);
        if (wire->sent >= wire->faults.stall_write)
            return stall(wire);
        uint64_t want =
            least(n, least(wire->faults.cut_write, wire->faults.stall_write) - wire->sent);
        if (!await(wire, POLLOUT))
            return hang_up(wire);
        ssize_t sent = give(wire, at, want);
        if (sent <= 0)
            return hang_up(wire);
        wire->sent += (uint64_t)sent;
        n -= (uint64_t)sent;
        at += sent;
    }
    return true;
}

bool fake_send(struct fake_wire *wire, const Gradfold__V1__Response *response, uint64_t body)
{
    size_t n = gradfold__v1__response__get_packed_size(response);
    uint8_t *bytes = malloc(FRAME_PREFIX_BYTES + n);
    frame_prefix_encode(bytes, (uint32_t)n, body);
    gradfold__v1__response__pack(response, bytes + FRAME_PREFIX_BYTES);
    n += FRAME_PREFIX_BYTES;
    bool hold = wire->server->faults.backwards && wire->held.bytes == NULL &&
                response->result_case == GRADFOLD__V1__RESPONSE__RESULT_PUSH;
    if (hold) {
        wire->held = (struct fake_held){bytes, n};
        return true;
    }
    bool ok = fake_write(wire, bytes, n);
    free(bytes);
    if (wire->held.bytes != NULL && ok)
        ok = fake_write(wire, wire->held.bytes, wire->held.n);
    free(wire->held.bytes);
    wire->held = (struct fake_held){0};
    return ok;
}
