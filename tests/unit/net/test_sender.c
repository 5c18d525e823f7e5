/* The outgoing queue over a socket pair, both ends in one loop's hands. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/limits.h"
#include "core/pull.h"
#include "net/sender.h"
#include "proto/frame.h"

enum {
    BODY_BYTES = 5 << 20
};

struct fixture {
    uv_loop_t loop;
    struct socket socket;
    int peer;
    struct counter bytes_out;
    struct sender sender;
    struct pull *given_back;
    unsigned n_given_back;
    unsigned pieces; /* that left, one in each turn of the loop */
    int status;      /* of the last flush */
    struct node node;
    struct job job;
    struct pull *pull;
    Gradfold__V1__Status ok;
    Gradfold__V1__Response response;
    bool too_large;
};

static void give_back(struct sender *sender, struct pull *pull)
{
    struct fixture *f = list_entry(sender, struct fixture, sender);
    f->given_back = pull;
    f->n_given_back++;
}

/* As a connection does it. */
static void flush(struct fixture *f)
{
    uint64_t before = counter_get(&f->bytes_out);
    f->status = sender_flush(&f->sender);
    f->pieces += counter_get(&f->bytes_out) != before;
    assert_int_equal(socket_want(&f->socket, false, !sender_idle(&f->sender)), 0);
}

static void on_ready(struct socket *socket, bool readable, bool writable)
{
    struct fixture *f = list_entry(socket, struct fixture, socket);
    assert_true(writable && !readable);
    sender_unblock(&f->sender);
    flush(f);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int fds[2];
    signal(SIGPIPE, SIG_IGN);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
    uv_loop_init(&f->loop);
    assert_int_equal(socket_open(&f->socket, &f->loop, fds[0], SOCKET_UNIX, on_ready), 0);
    f->peer = fds[1];
    sender_init(&f->sender, &f->socket, &f->bytes_out);
    f->sender.give_back = give_back;
    f->pull = calloc(1, sizeof *f->pull);
    f->node.bytes = BODY_BYTES;
    f->job.tape = (struct tape){&f->node, 1};
    f->pull->job = &f->job;
    f->pull->all = true;
    f->pull->n_nodes = 1;
    f->ok = (Gradfold__V1__Status)GRADFOLD__V1__STATUS__INIT;
    f->ok.has_code = true;
    f->response = (Gradfold__V1__Response)GRADFOLD__V1__RESPONSE__INIT;
    f->response.has_id = true;
    f->response.status = &f->ok;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->socket.fd >= 0)
        socket_close(&f->socket, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    sender_drop(&f->sender);
    uv_loop_close(&f->loop);
    close(f->peer);
    free(f->pull);
    free(f);
    return 0;
}

static void add(struct fixture *f, uint64_t id)
{
    f->response.id = id;
    assert_true(sender_add(&f->sender, &f->response, NULL, 0, SOCKET_NO_FD, &f->too_large));
}

static void add_pull(struct fixture *f, uint64_t id)
{
    f->response.id = id;
    assert_true(
        sender_add(&f->sender, &f->response, f->pull, BODY_BYTES, SOCKET_NO_FD, &f->too_large));
}

static void turn(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void read_exactly(struct fixture *f, uint8_t *to, size_t n)
{
    for (size_t have = 0; have < n; turn(f)) {
        ssize_t got = recv(f->peer, to + have, n - have, MSG_DONTWAIT);
        have += got > 0 ? (size_t)got : 0;
    }
}

/* Reads a frame's prefix and header; returns its body's length. */
static uint64_t read_header(struct fixture *f, uint64_t id)
{
    static const struct frame_limits limits = {1 << 20, 1 << 30};
    uint8_t bytes[64];
    struct frame_prefix prefix;
    struct error error;
    read_exactly(f, bytes, FRAME_PREFIX_BYTES);
    assert_int_equal(frame_prefix_decode(bytes, &limits, &prefix, &error), CODE_OK);
    assert_true(prefix.header_bytes <= sizeof bytes);
    read_exactly(f, bytes, prefix.header_bytes);
    assert_int_equal(bytes[1], id);
    return prefix.body_bytes;
}

static void replies_collect_and_leave_in_one_write(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 1; id <= 100; id++)
        add(f, id);
    flush(f);
    assert_int_equal(f->status, 0);
    while (!sender_idle(&f->sender))
        turn(f);
    assert_int_equal(f->pieces, 1);
    for (uint64_t id = 1; id <= 100; id++)
        assert_int_equal(read_header(f, id), 0);
    assert_int_equal(f->sender.bytes, 0);
}

static void a_pull_leaves_in_pieces_and_in_its_place(void **state)
{
    struct fixture *f = *state;
    static uint8_t buffer[BODY_BYTES];
    add(f, 1);
    add_pull(f, 2);
    add(f, 3);
    flush(f);
    assert_int_equal(f->status, 0);
    turn(f);
    assert_int_equal(read_header(f, 1), 0);
    assert_int_equal(read_header(f, 2), BODY_BYTES);
    read_exactly(f, buffer, BODY_BYTES);
    while (!sender_idle(&f->sender))
        turn(f);
    assert_ptr_equal(f->given_back, f->pull);
    assert_int_equal(f->n_given_back, 1);
    assert_true(f->pieces >= BODY_BYTES >> 20);
    assert_int_equal(read_header(f, 3), 0);
}

static void a_dropped_queue_gives_its_pulls_back_once(void **state)
{
    struct fixture *f = *state;
    add_pull(f, 1);
    add_pull(f, 2);
    flush(f);
    assert_int_equal(f->status, 0);
    turn(f);
    socket_close(&f->socket, NULL);
    sender_drop(&f->sender);
    assert_int_equal(f->n_given_back, 2);
    turn(f);
    assert_int_equal(f->n_given_back, 2);
    assert_int_equal(f->sender.pulls, 0);
}

static void unsent_replies_fill_it_and_sent_ones_drain_it(void **state)
{
    struct fixture *f = *state;
    uint64_t n = 0;
    assert_false(sender_full(&f->sender));
    while (!sender_full(&f->sender))
        add(f, ++n % 100);
    assert_true(f->sender.bytes > LIMIT_OUTGOING_BYTES);
    assert_false(sender_drained(&f->sender));
    flush(f);
    assert_int_equal(f->status, 0);
    for (uint64_t i = 1; i <= n; i++)
        read_header(f, i % 100);
    while (!sender_idle(&f->sender))
        turn(f);
    assert_true(sender_drained(&f->sender));
}

static void a_write_without_progress_is_stalled(void **state)
{
    struct fixture *f = *state;
    static char buffer[1 << 20];
    add_pull(f, 1);
    flush(f);
    assert_int_equal(f->status, 0);
    for (int i = 0; i < 20; i++)
        turn(f);
    uint64_t now = uv_now(&f->loop);
    assert_false(sender_stalled(&f->sender, now + 1, 1000));
    assert_true(sender_stalled(&f->sender, now + 2000, 1000));
    f->sender.moved_ms = now - 2000;
    assert_true(sender_stalled(&f->sender, now, 1000));
    while (recv(f->peer, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
        ;
    turn(f);
    assert_false(sender_stalled(&f->sender, uv_now(&f->loop), 1000));
}

static void a_header_beyond_the_limit_is_not_queued(void **state)
{
    struct fixture *f = *state;
    char *message = malloc(LIMIT_RESPONSE_HEADER_BYTES + 1);
    memset(message, 'x', LIMIT_RESPONSE_HEADER_BYTES);
    message[LIMIT_RESPONSE_HEADER_BYTES] = '\0';
    f->ok.message = message;
    assert_false(sender_add(&f->sender, &f->response, NULL, 0, SOCKET_NO_FD, &f->too_large));
    assert_true(f->too_large);
    assert_true(sender_idle(&f->sender));
    f->ok.message = NULL;
    free(message);
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void add_with_fd(struct fixture *f, uint64_t id)
{
    f->response.id = id;
    assert_true(sender_add(&f->sender, &f->response, NULL, 0, open_null(), &f->too_large));
}

/* Reads one frame without a body, byte by byte; true: a descriptor came with its first byte. */
static bool read_frame(struct fixture *f, uint64_t id)
{
    struct socket socket = {.fd = f->peer};
    uint8_t bytes[64];
    size_t n = FRAME_PREFIX_BYTES;
    bool with_fd = false;
    for (size_t i = 0; i < n; i++) {
        int fd;
        assert_int_equal(socket_read_fd(&socket, &bytes[i], 1, &fd), 1);
        assert_true(fd == SOCKET_NO_FD || i == 0);
        with_fd = with_fd || fd >= 0;
        if (fd >= 0)
            close(fd);
        if (i == FRAME_PREFIX_BYTES - 1)
            n += bytes[4];
    }
    assert_int_equal(bytes[FRAME_PREFIX_BYTES + 1], id);
    return with_fd;
}

static void descriptors_go_with_the_first_byte_of_their_frame(void **state)
{
    struct fixture *f = *state;
    int lowest = open_null();
    close(lowest);
    add(f, 1);
    add_with_fd(f, 2);
    add(f, 3);
    add(f, 4);
    add_with_fd(f, 5);
    add_with_fd(f, 6);
    flush(f);
    assert_true(sender_idle(&f->sender));
    for (uint64_t id = 1; id <= 6; id++)
        assert_int_equal(read_frame(f, id), id == 2 || id >= 5);
    int fd = open_null();
    assert_int_equal(fd, lowest); /* all are closed, here and there */
    close(fd);
}

static void a_dropped_queue_closes_its_descriptors(void **state)
{
    struct fixture *f = *state;
    int lowest = open_null();
    close(lowest);
    add_with_fd(f, 1);
    add_with_fd(f, 2);
    sender_drop(&f->sender);
    int fd = open_null();
    assert_int_equal(fd, lowest);
    close(fd);
}

static void a_closed_peer_is_reported(void **state)
{
    struct fixture *f = *state;
    shutdown(f->peer, SHUT_RDWR);
    add(f, 1);
    flush(f);
    assert_int_equal(f->status, -EPIPE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(replies_collect_and_leave_in_one_write),
        TEST(a_pull_leaves_in_pieces_and_in_its_place),
        TEST(a_dropped_queue_gives_its_pulls_back_once),
        TEST(unsent_replies_fill_it_and_sent_ones_drain_it),
        TEST(a_write_without_progress_is_stalled),
        TEST(a_header_beyond_the_limit_is_not_queued),
        TEST(descriptors_go_with_the_first_byte_of_their_frame),
        TEST(a_dropped_queue_closes_its_descriptors),
        TEST(a_closed_peer_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
