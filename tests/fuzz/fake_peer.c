#include "fake_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/header.h"
#include "records.h"

extern const struct record_format record_format;

enum {
    START_S = 1000,
    SENT_MAX = 1 << 18,
    IDLE_MAX = 100000 /* polls of one input */
};

/* One input at a time, in one thread. */
static struct {
    struct span answers;
    struct span pieces; /* of an answer, yet to be sent */
    size_t piece;
    uint8_t control;
    bool giving; /* a descriptor leaves with the next byte */
    int fd;      /* our end; -1: none */
    bool closing;
    uint64_t skip; /* body bytes of the request, yet to come */
    uint8_t *sending;
    size_t n_received;
    uint8_t received[SENT_MAX];
    struct span body; /* of the last answer */
    bool body_known;  /* it is what a pull gets */
    uint64_t now_ms;
    unsigned polls;
} peer = {.fd = -1};

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

/* -- The wire -- */

static void hang_up(void)
{
    if (peer.fd >= 0)
        close(peer.fd);
    free(peer.sending);
    peer.sending = NULL;
    peer.fd = -1;
    peer.pieces.n = peer.n_received = 0;
    peer.skip = 0;
    peer.closing = peer.giving = false;
}

static int segment(void)
{
    int fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    must(fd >= 0 && ftruncate(fd, FAKE_PEER_SEGMENT) == 0);
    must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    return fd;
}

static ssize_t send_with_segment(struct iovec piece)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    int fd = segment();
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    ssize_t sent = sendmsg(peer.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
    peer.giving = sent < 0;
    return sent;
}

static void send_piece(void)
{
    size_t n = peer.piece < peer.pieces.n ? peer.piece : peer.pieces.n;
    struct iovec piece = {(void *)(uintptr_t)peer.pieces.at, n};
    ssize_t sent = peer.giving ? send_with_segment(piece)
                               : send(peer.fd, peer.pieces.at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        hang_up();
        return;
    }
    input_take(&peer.pieces, sent > 0 ? (size_t)sent : 0);
    if (peer.pieces.n == 0 && peer.closing)
        hang_up();
}

/* -- Answers -- */

static const uint8_t greeting[] = {0x12, 2, 8, 0, /* status OK */
                                   0x1A, 2, 8, 1 /* hello: protocol 1 */};

static size_t put_id(uint8_t *to, uint64_t id)
{
    size_t n = 0;
    to[n++] = 8;
    for (; id > 0x7F; id >>= 7)
        to[n++] = (uint8_t)(id | 0x80);
    to[n++] = (uint8_t)id;
    return n;
}

/* A later field overrides an earlier one: the id goes behind the header. */
static void answer(struct span header, struct span body, uint64_t body_bytes, const uint64_t *id,
                   uint8_t control)
{
    size_t n = FRAME_PREFIX_BYTES + header.n + 11;
    free(peer.sending);
    peer.sending = malloc(n + body.n + peer.answers.n);
    must(peer.sending != NULL);
    n = FRAME_PREFIX_BYTES;
    memcpy(peer.sending + n, header.at, header.n);
    n += header.n;
    if (id != NULL)
        n += put_id(peer.sending + n, *id);
    frame_prefix_encode(peer.sending, (uint32_t)(n - FRAME_PREFIX_BYTES), body_bytes);
    peer.piece = (control >> 4 & 3) == 1 ? n : (control >> 4 & 3) == 2 ? 7 : 4096;
    if ((control >> 4 & 3) == 0)
        peer.piece = SIZE_MAX;
    if (body.n > 0)
        memcpy(peer.sending + n, body.at, body.n);
    n += body.n;
    peer.pieces = (struct span){peer.sending, n};
    peer.closing = (control & 2) != 0;
    peer.giving = (control & 0x80) != 0;
}

static void answer_rest(void)
{
    peer.body_known = peer.body_known && peer.answers.n == 0;
    if (peer.answers.n > 0) {
        free(peer.sending);
        peer.sending = input_copy(peer.answers);
        peer.pieces = (struct span){peer.sending, peer.answers.n};
        peer.piece = 64;
    }
    peer.answers.n = 0;
    peer.closing = true;
    if (peer.pieces.n == 0)
        hang_up();
}

static void answer_request(uint64_t id, bool greets)
{
    struct record record;
    struct span rest = peer.answers;
    bool there = record_take(&rest, &record_format, &record);
    if (greets && !(there && (record.control & 0x40) != 0)) {
        answer((struct span){greeting, sizeof greeting}, (struct span){NULL, 0}, 0, &id, 0);
        return;
    }
    if (!there) {
        answer_rest();
        return;
    }
    peer.answers = rest;
    peer.body = record.body;
    peer.body_known = peer.body_known && (record.control & 1) == 0;
    if ((record.control & 4) == 0)
        answer(record.header, record.body, record.prefix.body_bytes,
               (record.control & 1) == 0 ? &id : NULL, record.control);
}

/* -- Requests: what the library sends must be right -- */

static bool take_request(const struct frame_prefix *prefix)
{
    struct arena arena;
    struct error error;
    struct record next;
    Gradfold__V1__Request *request;
    const uint8_t *header = peer.received + FRAME_PREFIX_BYTES;
    arena_init(&arena, 16 << 20);
    must(header_unpack_request(&arena, header, prefix->header_bytes, &request, &error) == CODE_OK);
    must(request->has_id && request->id > 0);
    bool is_push = request->op_case == GRADFOLD__V1__REQUEST__OP_PUSH;
    must(is_push || prefix->body_bytes == 0);
    struct span rest = peer.answers;
    bool early = record_take(&rest, &record_format, &next) && (next.control & 8) != 0;
    size_t n = FRAME_PREFIX_BYTES + prefix->header_bytes;
    bool ready = early || peer.n_received - n >= prefix->body_bytes;
    if (ready) {
        peer.skip = prefix->body_bytes;
        peer.n_received -= n;
        memmove(peer.received, peer.received + n, peer.n_received);
        answer_request(request->id, request->op_case == GRADFOLD__V1__REQUEST__OP_HELLO);
    }
    arena_free(&arena);
    return ready;
}

/* false: no more can be done with what is there. */
static bool take_received(void)
{
    static const struct frame_limits limits = {1 << 20, 1 << 20};
    struct frame_prefix prefix;
    struct error error;
    size_t n = peer.skip < peer.n_received ? (size_t)peer.skip : peer.n_received;
    peer.n_received -= n;
    peer.skip -= n;
    memmove(peer.received, peer.received + n, peer.n_received);
    if (peer.n_received < FRAME_PREFIX_BYTES)
        return false;
    must(frame_prefix_decode(peer.received, &limits, &prefix, &error) == CODE_OK);
    return peer.n_received - FRAME_PREFIX_BYTES >= prefix.header_bytes && take_request(&prefix);
}

/* Whatever can be done now. */
static void serve(void)
{
    if (peer.fd < 0)
        return;
    ssize_t n =
        recv(peer.fd, peer.received + peer.n_received, SENT_MAX - peer.n_received, MSG_DONTWAIT);
    if (n > 0)
        peer.n_received += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        hang_up();
        return;
    }
    while (peer.fd >= 0 && peer.pieces.n == 0 && take_received())
        ;
    if (peer.fd >= 0 && peer.pieces.n > 0)
        send_piece();
}

/* -- System calls -- */

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int fds[2];
    (void)address;
    (void)length;
    hang_up();
    if (peer.answers.n == 0) {
        errno = ECONNREFUSED;
        return -1;
    }
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    must(dup2(fds[0], fd) == fd);
    close(fds[0]);
    peer.fd = fds[1];
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    must(++peer.polls < IDLE_MAX);
    serve();
    int ready = __real_poll(fds, n, 0);
    if (ready != 0 || timeout_ms == 0)
        return ready;
    must(timeout_ms > 0 || peer.pieces.n > 0);
    if (peer.pieces.n == 0)
        peer.now_ms += (uint64_t)timeout_ms;
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    now->tv_sec = (time_t)(START_S + peer.now_ms / 1000);
    now->tv_nsec = (long)(peer.now_ms % 1000 * 1000000);
    return 0;
}

/* -- An input -- */

void fake_peer_begin(struct span answers)
{
    peer.answers = answers;
    peer.body_known = true;
    peer.body = (struct span){NULL, 0};
    peer.now_ms = 0;
    peer.polls = 0;
}

void fake_peer_end(void)
{
    hang_up();
}

uint64_t fake_peer_passed_ms(void)
{
    return peer.now_ms;
}

bool fake_peer_last_body(struct span *body)
{
    *body = peer.body;
    return peer.body_known;
}
