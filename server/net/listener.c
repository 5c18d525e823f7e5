/* A listening socket: see listener.h.
 *
 * 1. The socket is readable: connections are accepted, a bounded number in one turn.
 * 2. Each becomes a connection of the loop that has the fewest, or is told that there are too many.
 *    Those of a Unix socket stay in this loop.
 *
 * What can go wrong:
 *   1'   no descriptor or memory   polling pauses until the next sweep, peers wait in the backlog
 *   1''  the peer is gone again    the next one is taken
 *   2'   more than can be told so  the connection is closed without a word */
#include "net/listener.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/mail.h"

enum {
    BACKLOG = 1024,
    ACCEPTS_PER_TURN = 64
};

static void pause_accepting(struct listener *l, int reason)
{
    struct net *net = l->net;
    uv_poll_stop(&l->poll);
    l->paused = true;
    counter_add(&net->config.counters->accept_pauses, 1);
    struct error error;
    error_set(&error, CODE_RESOURCE_EXHAUSTED, "accept: %s", strerror(reason));
    if (net->config.note)
        net->config.note(net->config.ctx, &(struct net_note){NET_ACCEPT_PAUSED, NULL, 0, &error});
}

/* The net with the fewest connections, each in its turn when several have; and how many all have.
 * They only become fewer meanwhile: nobody else accepts. */
static struct net *choose(struct net *net, unsigned *open)
{
    unsigned n = net->config.n_nets;
    unsigned fewest = UINT_MAX;
    unsigned chosen = 0;
    *open = 0;
    for (unsigned i = net->next_net; i < net->next_net + n; i++) {
        unsigned has = atomic_load(&net->config.nets[i % n]->config.counters->connections_open);
        *open += has;
        if (has < fewest) {
            fewest = has;
            chosen = i % n;
        }
    }
    net->next_net = chosen + 1;
    return net->config.nets[chosen];
}

static void hand_over(struct net *net, struct connection *c)
{
    if (c->net == net) {
        connection_open(c);
        return;
    }
    uv_mutex_lock(net->config.mutex);
    mail_connection(c);
    uv_mutex_unlock(net->config.mutex);
}

static void reject(struct net *net, int fd, enum socket_family family)
{
    counter_add(&net->config.counters->connections_rejected, 1);
    if (net->rejects >= REJECTS_MAX) {
        close(fd);
        return;
    }
    struct connection *c = connection_new(net, fd, family, true);
    if (!c || !connection_open(c))
        return;
    struct error error;
    error_set(&error, CODE_RESOURCE_EXHAUSTED, "the server has all %u connections that it may have",
              net->config.max_connections);
    connection_reject(c, &error);
}

static void welcome(struct listener *l, int fd)
{
    enum socket_family family = l->file.path[0] ? SOCKET_UNIX : SOCKET_TCP;
    unsigned open;
    struct net *chosen = choose(l->net, &open);
    if (family == SOCKET_UNIX) /* tensors lie in shared memory: little comes over the socket, and */
        chosen = l->net;       /* rounds of short messages are quicker within one thread */
    if (open >= l->net->config.max_connections) {
        reject(l->net, fd, family);
        return;
    }
    struct connection *c = connection_new(chosen, fd, family, false);
    if (!c)
        return;
    counter_add(&l->net->config.counters->connections_accepted, 1);
    hand_over(l->net, c);
}

static bool is_passing(int reason)
{
    return reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    (void)events;
    if (status < 0) {
        pause_accepting(l, -status);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            welcome(l, fd);
        else if (is_passing(errno)) {
            pause_accepting(l, errno);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        /* Anything else is the trouble of one connection that is gone already. */
    }
}

void listener_resume(struct listener *l)
{
    if (!l->paused || l->closing)
        return;
    l->paused = false;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static int open_socket(const struct sockaddr *address)
{
    socklen_t size =
        address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static enum code refuse_address(const struct sockaddr *address, int reason, struct error *error)
{
    char name[NET_NAME_MAX];
    return error_set(error, CODE_UNAVAILABLE, "listen %s: %s", net_address_name(address, name),
                     strerror(reason));
}

/* Takes l and its socket over. 0, or libuv's error, with l gone. */
static int start(struct net *net, struct listener *l)
{
    int err = uv_poll_init(net->loop, &l->poll, l->fd);
    if (err) {
        unix_file_remove(&l->file);
        close(l->fd);
        free(l);
        return err;
    }
    l->net = net;
    l->poll.data = l;
    net->handles++;
    list_append(&net->listeners, &l->link);
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    return 0;
}

enum code listener_new(struct net *net, const struct sockaddr *address, struct error *error)
{
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return refuse_address(address, ENOMEM, error);
    l->fd = open_socket(address);
    if (l->fd < 0) {
        int reason = errno;
        free(l);
        return refuse_address(address, reason, error);
    }
    int err = start(net, l);
    return err ? refuse_address(address, -err, error) : CODE_OK;
}

enum code listener_new_unix(struct net *net, const char *path, mode_t mode, struct error *error)
{
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return error_set(error, CODE_UNAVAILABLE, "listen unix %s: no memory", path);
    enum code code = unix_file_listen(&l->file, path, mode, BACKLOG, &l->fd, error);
    if (code != CODE_OK) {
        free(l);
        return code;
    }
    int err = start(net, l);
    if (err)
        return error_set(error, CODE_UNAVAILABLE, "listen unix %s: %s", path, uv_strerror(err));
    return CODE_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    struct net *net = l->net;
    list_remove(&l->link);
    close(l->fd);
    free(l);
    net_handle_closed(net);
}

void listener_close(struct listener *l)
{
    if (l->closing)
        return;
    l->closing = true;
    unix_file_remove(&l->file);
    uv_close((uv_handle_t *)&l->poll, on_closed);
}
