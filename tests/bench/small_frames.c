/* 64-byte pushes by a writer that only sends frames which it prepared, and compares the answers
 * with those that it expects, byte by byte: what the server can do, whatever the client.
 *
 * address=echo: the same bytes in both directions, answered by a bare libuv server (echo.c): what
 * is left without gradfold. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "echo.h"
#include "frames.h"
#include "small.h"
#include "socket.h"

enum {
    READ_BYTES = 64 * 1024,
    SEND_BYTES = 64 * 1024 /* of one call */
};

struct run {
    struct small small;
    struct frames requests;
    struct frames replies; /* as expected */
    int fd;
    uint64_t sent;     /* bytes */
    uint64_t received; /* bytes */
    double *seconds;
};

/* What came is what was expected? */
static void take(struct run *run, const uint8_t *bytes, size_t n)
{
    if (run->received + n > run->replies.bytes)
        bench_fail("server", "answers more than was asked");
    if (memcmp(bytes, run->replies.at + run->received, n) != 0)
        bench_fail("server", frames_explain(&run->replies, run->received, bytes, n));
    run->received += n;
}

static void receive(struct run *run, int flags)
{
    uint8_t buffer[READ_BYTES];
    ssize_t n = recv(run->fd, buffer, sizeof buffer, flags);
    if (n == 0)
        bench_fail("server", "hangs up");
    if (n < 0 && errno != EAGAIN)
        bench_fail("receive", strerror(errno));
    if (n > 0)
        take(run, buffer, (size_t)n);
}

static void send_some(struct run *run, uint64_t until)
{
    uint64_t left = until - run->sent;
    ssize_t n = send(run->fd, run->requests.at + run->sent, left < SEND_BYTES ? left : SEND_BYTES,
                     MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
        bench_fail("send", strerror(errno));
    if (n > 0)
        run->sent += (uint64_t)n;
}

/* Whole frames only, at most `window` ahead of the answers. */
static void pipeline(struct run *run)
{
    const struct small *small = &run->small;
    while (run->received < run->replies.bytes) {
        uint64_t allowed = run->received / run->replies.each + small->window;
        uint64_t until = (allowed < small->pushes ? allowed : small->pushes) * run->requests.each;
        struct pollfd fd = {.fd = run->fd, .events = POLLIN};
        if (run->sent < until)
            fd.events |= POLLOUT;
        if (poll(&fd, 1, -1) < 0)
            bench_fail("poll", strerror(errno));
        if (fd.revents & (POLLIN | POLLHUP | POLLERR))
            receive(run, MSG_DONTWAIT);
        if (fd.revents & POLLOUT)
            send_some(run, until);
    }
}

static void one_at_a_time(struct run *run)
{
    for (uint64_t i = 0; i < run->small.pushes; i++) {
        double started = bench_seconds();
        while (run->sent < (i + 1) * run->requests.each)
            send_some(run, (i + 1) * run->requests.each);
        while (run->received < (i + 1) * run->replies.each)
            receive(run, 0);
        run->seconds[i] = bench_seconds() - started;
    }
}

static int connect_to(const char *address)
{
    struct socket_address at = socket_address_of(address);
    return socket_connect(&at);
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *const keys[] = {SMALL_KEYS, NULL};
    struct words words = words_read(argv, "small_frames address=ADDRESS|echo " SMALL_USAGE, keys);
    struct run run = {.small = small_read(&words)};
    bool echo = strcmp(run.small.address, "echo") == 0;
    run.seconds = calloc(run.small.pushes, sizeof *run.seconds);
    if (run.seconds == NULL)
        bench_fail("memory", "none left");
    frames_prepare(&run.small, &run.requests, &run.replies);
    if (!echo)
        small_create(&run.small);
    run.fd = echo ? echo_connect(&run.requests, &run.replies) : connect_to(run.small.address);
    double started = bench_seconds();
    (run.small.one_at_a_time ? one_at_a_time : pipeline)(&run);
    double taken = bench_seconds() - started;
    close(run.fd);
    int status = 0;
    if (echo && (wait(&status) < 0 || status != 0))
        bench_fail("echo", "the server failed");
    if (!echo)
        small_check(&run.small);
    small_report(&run.small, taken, run.seconds);
    return 0;
}
