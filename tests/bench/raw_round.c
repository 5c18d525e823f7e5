/* The limit: a round's bytes over bare sockets, without any protocol.
 *
 * A worker writes its gradient and reads one byte back; then it writes one byte and reads the sum.
 * The server is one thread on epoll that receives straight into one staging buffer a worker, and
 * adds them up in one pass on two threads. transport=unix: the same over a Unix socket. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "socket.h"

enum {
    PIECE = 1 << 20, /* of one call: larger ones fall out of the cache */
    BLOCK = 1024     /* elements that stay in the cache while all workers are added */
};

struct server {
    const struct bench *bench;
    int epoll;
    int *fds;
    float **staged;
    float *sum;
    size_t *done;
};

static size_t piece(size_t whole, size_t done)
{
    return whole - done < PIECE ? whole - done : PIECE;
}

/* -- The worker ----------------------------------------------------------------------------- */

struct worker {
    int fd;
    size_t bytes;
};

struct contest {
    struct socket_address address;
    size_t bytes;
};

static void *open_worker(const void *contest, int number)
{
    (void)number;
    const struct contest *c = contest;
    struct worker *worker = malloc(sizeof *worker);
    if (worker == NULL)
        bench_fail("worker", "no memory");
    *worker = (struct worker){.fd = socket_connect(&c->address), .bytes = c->bytes};
    return worker;
}

static void send_all(int fd, const void *from, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const char *)from + done, piece(bytes, done));
        if (n <= 0)
            bench_fail("write", strerror(errno));
        done += (size_t)n;
    }
}

static void receive_all(int fd, void *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = read(fd, (char *)to + done, piece(bytes, done));
        if (n <= 0)
            bench_fail("read", strerror(errno));
        done += (size_t)n;
    }
}

static void push(void *state, long round, const float *gradient)
{
    (void)round;
    const struct worker *worker = state;
    char verdict;
    send_all(worker->fd, gradient, worker->bytes);
    receive_all(worker->fd, &verdict, 1);
}

static void pull(void *state, long round, float **sums)
{
    (void)round;
    const struct worker *worker = state;
    send_all(worker->fd, "", 1);
    receive_all(worker->fd, sums[0], worker->bytes);
}

/* -- The server ----------------------------------------------------------------------------- */

static void add_up(const struct server *server, size_t from, size_t to)
{
    for (size_t at = from; at < to; at += BLOCK) {
        size_t n = to - at < BLOCK ? to - at : BLOCK;
        float sum[BLOCK];
        memcpy(sum, server->staged[0] + at, n * sizeof *sum);
        for (int w = 1; w < server->bench->workers; w++)
            for (size_t i = 0; i < n; i++)
                sum[i] += server->staged[w][at + i];
        memcpy(server->sum + at, sum, n * sizeof *sum);
    }
}

static void *upper_half(void *server)
{
    size_t n = ((const struct server *)server)->bench->bytes / sizeof(float);
    add_up(server, n / 2, n);
    return NULL;
}

static void fold(struct server *server)
{
    pthread_t half;
    if (pthread_create(&half, NULL, upper_half, server) != 0)
        bench_fail("thread", "cannot be had");
    add_up(server, 0, server->bench->bytes / sizeof(float) / 2);
    pthread_join(half, NULL);
}

static void watch(const struct server *server, int worker, unsigned events)
{
    struct epoll_event event = {.events = events, .data.u32 = (unsigned)worker};
    epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->fds[worker], &event);
}

/* Receives a piece of a worker's gradient; true when that was the last. */
static bool take_piece(struct server *server, int w)
{
    size_t bytes = server->bench->bytes;
    char *to = (char *)server->staged[w] + server->done[w];
    ssize_t n = recv(server->fds[w], to, piece(bytes, server->done[w]), MSG_DONTWAIT);
    if (n == 0)
        bench_fail("server", "a worker has gone");
    if (n > 0)
        server->done[w] += (size_t)n;
    if (server->done[w] < bytes)
        return false;
    send_all(server->fds[w], "", 1);
    return true;
}

/* Sends a piece of the sum to a worker that has asked for it; true when that was the last. */
static bool give_piece(struct server *server, int w)
{
    char asked;
    if (server->done[w] == SIZE_MAX) {
        if (recv(server->fds[w], &asked, 1, MSG_DONTWAIT) == 1) {
            server->done[w] = 0;
            watch(server, w, EPOLLOUT);
        }
        return false;
    }
    size_t bytes = server->bench->bytes;
    const char *from = (const char *)server->sum + server->done[w];
    ssize_t n = send(server->fds[w], from, piece(bytes, server->done[w]), MSG_DONTWAIT);
    if (n > 0)
        server->done[w] += (size_t)n;
    return server->done[w] == bytes;
}

static void serve(struct server *server, bool (*move)(struct server *, int), size_t begin)
{
    enum {
        EVENTS = 64
    };
    for (int w = 0; w < server->bench->workers; w++) {
        server->done[w] = begin;
        watch(server, w, EPOLLIN);
    }
    for (int left = server->bench->workers; left > 0;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(server->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int w = (int)events[i].data.u32;
            if (move(server, w)) {
                watch(server, w, 0);
                left--;
            }
        }
    }
}

static void accept_workers(struct server *server, int listener)
{
    for (int w = 0; w < server->bench->workers; w++) {
        server->fds[w] = socket_accept(listener);
        server->staged[w] = bench_floats(server->bench->bytes);
        struct epoll_event event = {.data.u32 = (unsigned)w};
        if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->fds[w], &event) != 0)
            bench_fail("epoll", strerror(errno));
    }
}

static void run_server(const struct bench *bench, int listener)
{
    size_t n = (size_t)bench->workers;
    struct server server = {
        .bench = bench,
        .epoll = epoll_create1(0),
        .fds = calloc(n, sizeof *server.fds),
        .staged = calloc(n, sizeof *server.staged),
        .done = calloc(n, sizeof *server.done),
        .sum = bench_floats(bench->bytes),
    };
    if (server.epoll < 0 || server.fds == NULL || server.staged == NULL || server.done == NULL)
        bench_fail("server", "no memory");
    accept_workers(&server, listener);
    for (int r = 0; r < bench->warm_up + bench->rounds; r++) {
        serve(&server, take_piece, 0);
        fold(&server);
        serve(&server, give_piece, SIZE_MAX);
    }
}

static void start_server(const struct bench *bench, bool on_unix, struct contest *contest)
{
    int listener = socket_listen(on_unix, &contest->address);
    if (bench_fork() == 0) {
        run_server(bench, listener);
        _exit(0);
    }
    close(listener);
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *const keys[] = {BENCH_KEYS, "transport", NULL};
    struct words words = words_read(argv, "raw_round [transport=unix] " BENCH_USAGE, keys);
    struct bench bench = bench_read("raw sockets", &words);
    bool on_unix = words_choice(&words, "transport", "tcp", "unix");
    struct contest contest = {.bytes = bench.bytes};
    start_server(&bench, on_unix, &contest);
    const struct bench_peer peer = {.open = open_worker, .push = push, .pull = pull};
    bench_run(&bench, &peer, &contest);
    return 0;
}
