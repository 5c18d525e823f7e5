#include "echo.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "bench.h"
#include "socket.h"

enum {
    READ_BYTES = 64 * 1024
};

struct echo {
    uv_tcp_t socket;
    const struct frames *requests;
    const struct frames *replies;
    size_t received;
    size_t sent;
    char buffer[READ_BYTES];
};

static void need(int status, const char *what)
{
    if (status < 0)
        bench_fail(what, uv_strerror(status));
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct echo *echo = handle->data;
    *buffer = uv_buf_init(echo->buffer, sizeof echo->buffer);
}

static void written(uv_write_t *request, int status)
{
    free(request);
    need(status, "echo: write");
}

/* What the socket does not take at once waits for it. */
static void answer(struct echo *echo, size_t until)
{
    char *from = (char *)echo->replies->at + echo->sent;
    uv_buf_t buffer = uv_buf_init(from, (unsigned)(until - echo->sent));
    echo->sent = until;
    uv_stream_t *stream = (uv_stream_t *)&echo->socket;
    int n = uv_try_write(stream, &buffer, 1);
    if (n != UV_EAGAIN)
        need(n, "echo: write");
    if (n == (int)buffer.len)
        return;
    uv_write_t *request = malloc(sizeof *request);
    if (request == NULL)
        bench_fail("echo", "no memory");
    size_t done = n > 0 ? (size_t)n : 0;
    buffer = uv_buf_init(from + done, (unsigned)(buffer.len - done));
    need(uv_write(request, stream, &buffer, 1, written), "echo: write");
}

static void came(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    (void)buffer;
    struct echo *echo = stream->data;
    if (n == UV_EOF)
        uv_close((uv_handle_t *)stream, NULL);
    else
        need((int)n, "echo: read");
    if (n <= 0)
        return;
    echo->received += (size_t)n;
    size_t until = echo->received / echo->requests->each * echo->replies->each;
    if (until > echo->sent)
        answer(echo, until);
}

static void serve(int listener, const struct frames *requests, const struct frames *replies)
{
    struct echo *echo = calloc(1, sizeof *echo);
    uv_loop_t loop;
    if (echo == NULL)
        bench_fail("echo", "no memory");
    echo->requests = requests;
    echo->replies = replies;
    need(uv_loop_init(&loop), "echo: loop");
    need(uv_tcp_init(&loop, &echo->socket), "echo: socket");
    need(uv_tcp_open(&echo->socket, socket_accept(listener)), "echo: socket");
    echo->socket.data = echo;
    need(uv_read_start((uv_stream_t *)&echo->socket, give_buffer, came), "echo: read");
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    free(echo);
}

int echo_connect(const struct frames *requests, const struct frames *replies)
{
    struct socket_address address;
    int listener = socket_listen(false, &address);
    if (bench_fork() == 0) {
        serve(listener, requests, replies);
        _exit(0);
    }
    close(listener);
    return socket_connect(&address);
}
