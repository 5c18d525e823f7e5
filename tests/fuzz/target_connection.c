/* A connection as a stream of bytes, through the whole server: sockets, frames, core, folds on
 * the thread pool.
 *
 * Input: a seed for the pieces in which it is written (1 byte; 0: at once), what is done at the
 * end (1 byte: bit 0 closes without shutting the stream first; bit 1 stops the server at the
 * worst moment: when a push that waited has its staging and the connection does not know it
 * yet; bit 2 sends the descriptor of sealed memory along with each piece), then the stream.
 *
 * Whatever is sent: every answer is a frame with a valid Response and a status, its strings are
 * UTF-8, there are no more answers than requests (and one with id 0, after which nothing more
 * comes); another connection is served before, meanwhile and afterwards; the server stops, and
 * everything comes back (what core_free() checks, and the leak sanitizer). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "message_strings.h"
#include "net/connection.h"
#include "proto/header.h"
#include "records.h"
#include "root.h"

enum {
    ANSWERS_BYTES = 256 << 10,
    TURNS_MAX = 20000, /* of the loop without an end: a hang */
    OTHER_REQUESTS = 3,
    MEMORY_BYTES = 128 << 10, /* that can be shared: enough to be folded in place */
};

extern const struct record_format record_format;
const struct record_format record_format = {2, 0, &gradfold__v1__request__descriptor};

struct client {
    int fd;
    int memory; /* its descriptor goes along with all that is sent; -1: none does */
    size_t n;   /* bytes received */
    bool eof;
    uint8_t *bytes; /* ANSWERS_BYTES */
};

struct scene {
    uv_loop_t loop;
    struct server_options options;
    struct server *server;
    struct net *net;
    bool stop_at_grant;
    bool stopping;
    bool stopped;
    struct client fuzzed, other;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* -- Clients -- */

static void client_connect(struct scene *s, struct client *client)
{
    int fds[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    *client = (struct client){.fd = fds[0], .memory = -1, .bytes = malloc(ANSWERS_BYTES)};
    must(client->bytes != NULL);
    struct connection *c = connection_new(s->net, fds[1], SOCKET_UNIX, false);
    must(c != NULL && connection_open(c));
}

static void client_receive(struct client *client)
{
    ssize_t n;
    while (!client->eof && client->n < ANSWERS_BYTES) {
        n = recv(client->fd, client->bytes + client->n, ANSWERS_BYTES - client->n, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        client->eof = n <= 0;
        client->n += n > 0 ? (size_t)n : 0;
    }
    if (client->n == ANSWERS_BYTES) { /* enough was seen */
        client->n = 0;
        client->eof = true;
    }
}

static bool news_are_waiting(const struct scene *s)
{
    list_each (link, &s->net->connections) {
        const struct connection *c = list_entry(link, struct connection, link);
        if (c->state == CONNECTION_WAIT && c->peer.intake.state == INTAKE_GRANTED)
            return true;
    }
    return false;
}

static void turn(struct scene *s)
{
    uv_run(&s->loop, UV_RUN_NOWAIT);
    if (s->stop_at_grant && !s->stopping && news_are_waiting(s)) {
        s->stopping = true;
        server_stop(s->server);
    }
    client_receive(&s->fuzzed);
}

static int open_memory(void)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    must(fd >= 0 && ftruncate(fd, MEMORY_BYTES) == 0);
    must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    return fd;
}

static ssize_t send_some(const struct client *client, struct span in)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {{0}};
    struct iovec run = {(void *)(uintptr_t)in.at, in.n};
    struct msghdr message = {.msg_iov = &run, .msg_iovlen = 1};
    if (client->memory >= 0) {
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &client->memory, sizeof(int));
        message.msg_control = &control;
        message.msg_controllen = CMSG_LEN(sizeof(int));
    }
    return sendmsg(client->fd, &message, MSG_NOSIGNAL);
}

static void client_send(struct scene *s, struct client *client, struct span in)
{
    for (unsigned stuck = 0; in.n > 0 && stuck < 50 && !s->stopping;) {
        ssize_t n = send_some(client, in);
        if (n < 0 && errno != EAGAIN)
            return;
        stuck = n > 0 ? 0 : stuck + 1;
        input_take(&in, n > 0 ? (size_t)n : 0);
        turn(s);
    }
}

/* -- Answers -- */

struct answers {
    unsigned n;
    unsigned ok;
};

static void check_answer(const Gradfold__V1__Response *response, struct answers *answers)
{
    must(response->status != NULL && response->status->has_code);
    must(message_strings_ok(&response->base));
    bool ok = response->status->code == GRADFOLD__V1__CODE__CODE_OK;
    must(ok == (response->result_case != GRADFOLD__V1__RESPONSE__RESULT__NOT_SET));
    must(response->status->code != GRADFOLD__V1__CODE__CODE_INTERNAL);
    answers->n++;
    answers->ok += ok;
}

static struct answers read_answers(const struct client *client)
{
    static const struct frame_limits limits = {LIMIT_RESPONSE_HEADER_BYTES, UINT64_MAX};
    struct answers answers = {0};
    struct span in = {client->bytes, client->n};
    struct frame_prefix prefix;
    struct error error;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    while (in.n >= FRAME_PREFIX_BYTES) {
        Gradfold__V1__Response *response;
        must(frame_prefix_decode(input_take(&in, FRAME_PREFIX_BYTES).at, &limits, &prefix,
                                 &error) == CODE_OK);
        if (prefix.header_bytes > in.n)
            break;
        struct span header = input_take(&in, prefix.header_bytes);
        must(header_unpack_response(&arena, header.at, header.n, &response, &error) == CODE_OK);
        check_answer(response, &answers);
        input_take(&in, (size_t)prefix.body_bytes);
    }
    arena_free(&arena);
    return answers;
}

/* May the request succeed? Not when it has a body and is no push. */
static bool may_succeed(const struct record *record)
{
    Gradfold__V1__Request *request;
    struct error error;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    bool may =
        header_unpack_request(&arena, record->header.at, record->header.n, &request, &error) ==
            CODE_OK &&
        (record->prefix.body_bytes == 0 || request->op_case == GRADFOLD__V1__REQUEST__OP_PUSH);
    arena_free(&arena);
    return may;
}

/* There are no more answers than complete headers and a farewell, no more successes than requests
 * that may succeed. */
static void check_answers(const struct client *client, struct span stream)
{
    struct record record;
    struct answers answers = read_answers(client);
    unsigned asked = 0;
    unsigned may = 0;
    for (; record_take(&stream, &record_format, &record); asked++)
        may += may_succeed(&record);
    must(answers.n <= asked + 1 && answers.ok <= may);
}

/* -- The other client -- */

/* Three requests that are answered OK whatever jobs there are. */
static void other_is_served(struct scene *s)
{
    static const uint8_t requests[] = {
        'G', 'F', 'D', '1', 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 1, 0x12, 2, 8, 1, /* Hello */
        'G', 'F', 'D', '1', 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0x2A, 0,       /* ListJobs */
        'G', 'F', 'D', '1', 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 3, 0x12, 2, 8, 1};
    s->other.n = 0;
    client_send(s, &s->other, (struct span){requests, sizeof requests});
    struct answers answers = {0};
    for (unsigned turns = 0; answers.n < OTHER_REQUESTS && !s->stopping; turns++) {
        must(turns < TURNS_MAX);
        turn(s);
        client_receive(&s->other);
        answers = read_answers(&s->other);
    }
    must(s->stopping || (answers.ok == OTHER_REQUESTS && !s->other.eof));
}

/* -- The server -- */

static void on_stopped(void *ctx)
{
    struct scene *s = ctx;
    s->stopped = true;
}

static void scene_begin(struct scene *s)
{
    s->options = (struct server_options){
        .staging_bytes = 2 << 10,
        .result_bytes = 256 << 10,
        .accumulator_bytes = 32 << 10,
        .max_body_bytes = 16 << 10,
        .max_connections = 10,
        .idle_ms = 60000,
        .threads = 2,
        .io_threads = 1,
        .shared_bytes = 2 * MEMORY_BYTES,
        .unix_path = "nowhere", /* large results are segments */
    };
    must(uv_loop_init(&s->loop) == 0);
    s->server = server_new(&s->loop, &s->options, "fuzz", NULL, on_stopped, s);
    must(s->server != NULL);
    s->net = s->server->loops[0].net;
    client_connect(s, &s->fuzzed);
    client_connect(s, &s->other);
}

static void scene_end(struct scene *s)
{
    close(s->fuzzed.fd);
    close(s->other.fd);
    if (s->fuzzed.memory >= 0)
        close(s->fuzzed.memory);
    free(s->fuzzed.bytes);
    free(s->other.bytes);
    s->fuzzed.eof = s->other.eof = true;
    s->stopping = true;
    server_stop(s->server);
    while (!s->stopped)
        uv_run(&s->loop, UV_RUN_ONCE);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&s->loop) == 0);
}

/* -- The stream -- */

static void send_in_pieces(struct scene *s, struct span in, uint8_t seed)
{
    struct noise noise = {seed};
    while (in.n > 0 && !s->fuzzed.eof) {
        uint64_t r = noise_next(&noise);
        size_t n = seed == 0 ? in.n : 1 + (size_t)(r >> 8) % ((size_t)1 << r % 10);
        client_send(s, &s->fuzzed, input_take(&in, n));
        if (seed != 0 && r >> 40 & 1)
            turn(s);
    }
}

/* Our side is shut; what is decided is answered, then the server closes, too. */
static void wait_for_end(struct scene *s)
{
    shutdown(s->fuzzed.fd, SHUT_WR);
    for (unsigned turns = 0; !s->fuzzed.eof && !s->stopping; turns++) {
        struct pollfd readable = {.fd = s->fuzzed.fd, .events = POLLIN};
        must(turns < TURNS_MAX);
        turn(s);
        if (!s->fuzzed.eof && turns > 10)
            poll(&readable, 1, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct scene *s = calloc(1, sizeof *s);
    must(s != NULL);
    scene_begin(s);
    struct span in = {data, n};
    uint8_t seed = input_u8(&in);
    uint8_t end = input_u8(&in);
    bool abrupt = (end & 1) != 0;
    other_is_served(s);
    s->stop_at_grant = (end & 2) != 0;
    s->fuzzed.memory = (end & 4) != 0 ? open_memory() : -1;
    send_in_pieces(s, in, seed);
    if (!s->stopping)
        other_is_served(s);
    if (!abrupt && !s->stopping)
        wait_for_end(s);
    if (!s->stopping)
        other_is_served(s);
    check_answers(&s->fuzzed, in);
    scene_end(s);
    free(s);
    return 0;
}
