/* A socket that is polled by libuv and read by hand: see socket.h.
 *
 * That it should not be read for a while is usually over before the next byte comes, so the loop
 * is told only when one has come: a push that waits for a moment costs no system call. */
#include "net/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_poll(uv_poll_t *poll, int status, int events);

/* The loop waits for what is wanted, exactly. */
static int set_poll(struct socket *s)
{
    if (s->polled == s->wanted)
        return 0;
    s->polled = s->wanted;
    return s->wanted == 0 ? uv_poll_stop(&s->poll) : uv_poll_start(&s->poll, s->wanted, on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct socket *s = (struct socket *)(void *)((char *)poll - offsetof(struct socket, poll));
    if (status < 0) { /* libuv has stopped: reading and writing will tell what is wrong */
        s->polled = 0;
        events = s->wanted;
    }
    bool unwanted = (s->polled & ~s->wanted) != 0;
    int news = events & s->wanted;
    if ((unwanted && set_poll(s) != 0) || news == 0)
        return;
    s->ready(s, news & UV_READABLE, news & UV_WRITABLE);
}

int socket_open(struct socket *s, uv_loop_t *loop, int fd, enum socket_family family,
                void (*ready)(struct socket *socket, bool readable, bool writable))
{
    int err = uv_poll_init(loop, &s->poll, fd);
    if (err) {
        close(fd);
        fd = -1;
    }
    s->fd = fd;
    s->family = family;
    s->wanted = s->polled = 0;
    s->ready = ready;
    return err;
}

int socket_want(struct socket *s, bool readable, bool writable)
{
    s->wanted = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    bool more = (s->wanted & ~s->polled) != 0;
    bool unwritable = (s->polled & ~s->wanted & UV_WRITABLE) != 0;
    return more || unwritable ? set_poll(s) : 0;
}

/* -- Bytes -- */

ssize_t socket_read(struct socket *s, void *to, size_t n)
{
    ssize_t got;
    do
        got = recv(s->fd, to, n, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* Room for one descriptor, aligned as its header wants. */
union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
};

static int find_fd(struct msghdr *message)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    int fd;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len >= CMSG_LEN(sizeof fd)) {
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
        return fd;
    }
    return message->msg_flags & MSG_CTRUNC ? SOCKET_FD_LOST : SOCKET_NO_FD;
}

ssize_t socket_read_fd(struct socket *s, void *to, size_t n, int *fd)
{
    union control control;
    struct iovec run = {to, n};
    /* CMSG_LEN, as CMSG_SPACE has room for two: the kernel closes what does not fit. */
    struct msghdr message = {.msg_iov = &run,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t got;
    *fd = SOCKET_NO_FD;
    do
        got = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    *fd = find_fd(&message);
    return got;
}

ssize_t socket_write(struct socket *s, struct iovec *runs, size_t n, int fd)
{
    union control control = {{0}};
    struct msghdr message = {.msg_iov = runs, .msg_iovlen = n};
    if (fd != SOCKET_NO_FD) {
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        message.msg_control = &control;
        message.msg_controllen = CMSG_LEN(sizeof fd);
    }
    ssize_t written;
    do
        written = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        return errno == ENOBUFS ? -EAGAIN : -errno; /* the kernel is short of memory for a moment */
    return written;
}

void socket_close(struct socket *s, uv_close_cb closed)
{
    uv_close((uv_handle_t *)&s->poll, closed);
    close(s->fd);
    s->fd = -1;
    s->wanted = s->polled = 0;
}
