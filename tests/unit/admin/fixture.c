#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEADLINE_MS = 20000
};

static void fill(void *context, struct admin_numbers *numbers)
{
    struct fixture *f = context;
    *numbers = f->numbers;
    numbers->now_ms = f->rig.now_ms;
}

void fixture_restart(struct fixture *f, const struct admin_limits *limits)
{
    if (f->admin != NULL)
        assert_true(fixture_stop(f, DEADLINE_MS));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct admin_config config = {.address = (const struct sockaddr *)&any,
                                  .core = f->rig.core,
                                  .fill = fill,
                                  .context = f,
                                  .version = "1.2.3",
                                  .kernels = "scalar"};
    if (limits != NULL)
        config.limits = *limits;
    struct error error;
    f->admin = admin_new(&f->loop, &config, &error);
    assert_non_null(f->admin);
    struct sockaddr_storage bound;
    admin_address(f->admin, &bound);
    memcpy(&f->address, &bound, sizeof f->address);
    assert_int_not_equal(f->address.sin_port, 0);
}

int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    struct core_config config = rig_config();
    config.result_bytes = 64 << 20; /* for jobs of many nodes */
    if (uv_loop_init(&f->loop) != 0 || !rig_init(&f->rig, &config))
        return -1;
    fixture_restart(f, NULL);
    *state = f;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->admin != NULL && !fixture_stop(f, DEADLINE_MS))
        return -1;
    uv_run(&f->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&f->loop) != 0) /* a handle was left open */
        return -1;
    rig_free(&f->rig);
    test_free(f);
    return 0;
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* Waits for the loop or fd (-1: none), a moment at most, and turns the loop once. */
static void turn(struct fixture *f, int fd, short events)
{
    struct pollfd fds[2] = {{.fd = uv_backend_fd(&f->loop), .events = POLLIN},
                            {.fd = fd, .events = events}};
    int wait_ms = uv_backend_timeout(&f->loop);
    if (wait_ms < 0 || wait_ms > 20)
        wait_ms = 20;
    poll(fds, 2, wait_ms);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    f->turns++;
}

void fixture_run(struct fixture *f, uint64_t ms)
{
    uint64_t end = now_ms() + ms;
    while (now_ms() < end)
        turn(f, -1, 0);
}

static void on_closed(void *context)
{
    struct fixture *f = context;
    f->admin = NULL;
}

bool fixture_stop(struct fixture *f, uint64_t ms)
{
    uint64_t end = now_ms() + ms;
    admin_stop(f->admin, on_closed, f);
    while (f->admin != NULL && now_ms() < end)
        turn(f, -1, 0);
    return f->admin == NULL;
}

int fixture_connect(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&f->address, sizeof f->address), 0);
    return fd;
}

void fixture_send(struct fixture *f, int fd, const char *bytes)
{
    size_t left = strlen(bytes);
    while (left > 0) {
        ssize_t n = send(fd, bytes, left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            assert_int_equal(errno, EAGAIN);
        else
            bytes += n, left -= (size_t)n;
        turn(f, fd, POLLOUT);
    }
}

/* -- Reading an answer -- */

/* Puts the chunks of a chunked body together, in place. */
static size_t join_chunks(char *body)
{
    char *from = body;
    char *to = body;
    for (;;) {
        char *end = NULL;
        unsigned long n = strtoul(from, &end, 16);
        if (end == from || strncmp(end, "\r\n", 2) != 0)
            return 0; /* cut short */
        from = end + 2;
        if (n == 0)
            return (size_t)(to - body);
        memmove(to, from, n);
        to += n;
        from += n + 2;
    }
}

static void parse(struct answer *a)
{
    a->body = a->bytes + a->length;
    if (sscanf(a->bytes, "HTTP/1.1 %d ", &a->status) != 1)
        return;
    char *head_end = strstr(a->bytes, "\r\n\r\n");
    if (head_end == NULL)
        return;
    a->body = head_end + 4;
    a->body_length = a->length - (size_t)(a->body - a->bytes);
    head_end[2] = '\0'; /* so that a search for a header does not find it in the body */
    if (strcasestr(a->bytes, "\r\nTransfer-Encoding: chunked\r\n") != NULL && a->body_length > 0)
        a->body_length = join_chunks(a->body);
    a->body[a->body_length] = '\0';
}

bool fixture_receive(struct fixture *f, int fd, uint64_t ms, struct answer *a)
{
    size_t room = 1 << 16;
    uint64_t end = now_ms() + ms;
    bool ended = false;
    *a = (struct answer){.bytes = malloc(room)};
    while (!ended && now_ms() < end) {
        if (room - a->length < 1 << 15)
            a->bytes = realloc(a->bytes, room *= 2);
        assert_non_null(a->bytes);
        ssize_t n = recv(fd, a->bytes + a->length, room - a->length - 1, MSG_DONTWAIT);
        if (n > 0)
            a->length += (size_t)n;
        ended = n == 0 || (n < 0 && errno != EAGAIN);
        if (n < 0 && !ended)
            turn(f, fd, POLLIN);
    }
    a->bytes[a->length] = '\0';
    close(fd);
    parse(a);
    return ended;
}

struct answer fixture_ask(struct fixture *f, const char *method_and_path)
{
    char request[2048];
    struct answer a;
    int n =
        snprintf(request, sizeof request,
                 "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method_and_path);
    assert_true(n > 0 && (size_t)n < sizeof request);
    int fd = fixture_connect(f);
    fixture_send(f, fd, request);
    if (!fixture_receive(f, fd, DEADLINE_MS, &a))
        fail_msg("no end of the answer to %s", method_and_path);
    return a;
}

void answer_free(struct answer *a)
{
    free(a->bytes);
    *a = (struct answer){0};
}

json_t *fixture_json(struct fixture *f, const char *path)
{
    char request[1024];
    json_error_t error;
    snprintf(request, sizeof request, "GET %s", path);
    struct answer a = fixture_ask(f, request);
    assert_int_equal(a.status, 200);
    assert_non_null(strcasestr(a.bytes, "\r\nContent-Type: application/json\r\n"));
    json_t *json = json_loadb(a.body, a.body_length, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        fail_msg("%s: %s at %d: %.200s", path, error.text, error.position, a.body);
    answer_free(&a);
    return json;
}
