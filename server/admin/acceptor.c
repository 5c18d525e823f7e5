#include "admin/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum {
    BACKLOG = 128,
    BATCH = 16,
    PAUSE_MS = 100
};

static socklen_t address_length(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

/* An IPv6 address means IPv6 alone: 0.0.0.0 and [::] are then two addresses. */
static int bind_and_listen(int fd, const struct sockaddr *address)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -1;
    if (address->sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return -1;
    if (bind(fd, address, address_length(address)) < 0)
        return -1;
    return listen(fd, BACKLOG);
}

enum code acceptor_open(const struct sockaddr *address, int *fd, struct error *error)
{
    int s = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0)
        return error_set(error, CODE_UNAVAILABLE, "socket: %s", strerror(errno));
    if (bind_and_listen(s, address) < 0) {
        error_set(error, CODE_UNAVAILABLE, "cannot listen: %s", strerror(errno));
        close(s);
        return CODE_UNAVAILABLE;
    }
    *fd = s;
    return CODE_OK;
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* Polls when both the owner and the descriptors allow it. */
static void update(struct acceptor *l)
{
    if (l->wanted && !l->paused)
        uv_poll_start(&l->poll, UV_READABLE, on_readable);
    else
        uv_poll_stop(&l->poll);
}

static void on_again(uv_timer_t *timer)
{
    struct acceptor *l = timer->data;
    l->paused = false;
    update(l);
}

/* Without descriptors the socket stays readable: polling on would spin. */
static void pause_accepting(struct acceptor *l)
{
    l->paused = true;
    uv_timer_start(&l->again, on_again, PAUSE_MS, 0);
    update(l);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct acceptor *l = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < BATCH && l->wanted; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->accepted(l, fd, (const struct sockaddr *)&peer, length);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(l);
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

int acceptor_start(struct acceptor *l, uv_loop_t *loop, int fd)
{
    int status = uv_poll_init(loop, &l->poll, fd);
    if (status < 0) {
        close(fd);
        return status;
    }
    uv_timer_init(loop, &l->again);
    l->fd = fd;
    l->poll.data = l;
    l->again.data = l;
    l->handles = 2;
    l->paused = false;
    l->wanted = true;
    update(l);
    return 0;
}

void acceptor_want(struct acceptor *l, bool wanted)
{
    if (l->wanted == wanted)
        return;
    l->wanted = wanted;
    update(l);
}

static void on_closed(uv_handle_t *handle)
{
    struct acceptor *l = handle->data;
    if (--l->handles == 0)
        l->closed(l);
}

void acceptor_close(struct acceptor *l)
{
    l->wanted = false;
    uv_close((uv_handle_t *)&l->poll, on_closed);
    uv_close((uv_handle_t *)&l->again, on_closed);
    close(l->fd);
    l->fd = -1;
}
