/* The admin interface as a stream of bytes: request lines, escaped names, arguments.
 *
 * Input: a seed for the pieces in which it is written (1 byte), the stream. Each answer begins
 * as HTTP does, and what says that it is JSON is JSON. libmicrohttpd itself is not looked at,
 * only what we make of what it hands over. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "admin/engine.h"
#include "core/core.h"
#include "fuzz.h"

enum {
    ANSWERS_BYTES = 1 << 18
};

struct scene {
    uv_loop_t loop;
    struct core *core;
    struct world world;
    struct engine engine;
    bool closed;
    int fd;
    bool eof;
    size_t n;
    char answers[ANSWERS_BYTES + 1];
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

static void on_changed(struct engine *engine)
{
    (void)engine;
}

static void on_closed(struct engine *engine)
{
    struct scene *s = list_entry(engine, struct scene, engine);
    s->closed = true;
}

static void make_jobs(struct core *core)
{
    static const char *const names[] = {"a", "digits", "x.y_z-9"};
    static const uint64_t shape[] = {2, 3};
    static const struct node_spec nodes[] = {{"w.1", DTYPE_F32, shape, 2, true, 0},
                                             {"", DTYPE_I64, NULL, 0, false, 0}};
    struct peer peer = {0};
    struct update update;
    peer_init(&peer);
    for (size_t i = 0; i < 3; i++) {
        struct job_spec spec = {names[i], nodes, i, 2, 0, 0, 1, 1, 1, 2};
        struct event event = {.kind = EVENT_CREATE_JOB, .peer = &peer, .spec = &spec};
        core_step(core, &event, &update);
        must(core_find_job(core, names[i]) != NULL);
    }
    core_step(core, &(struct event){.kind = EVENT_PEER_LOST, .peer = &peer}, &update);
}

static void scene_begin(struct scene *s)
{
    static const struct core_config config = {.staging_bytes = 1 << 20,
                                              .result_bytes = 1 << 20,
                                              .accumulator_bytes = 1 << 20,
                                              .max_body_bytes = 1 << 20,
                                              .fold_tasks = 2};
    static const struct sockaddr_in nobody = {.sin_family = AF_INET};
    int fds[2];
    must(uv_loop_init(&s->loop) == 0);
    must((s->core = core_new(&config)) != NULL);
    make_jobs(s->core);
    s->world = (struct world){
        .config = {.core = s->core,
                   .version = "fuzz",
                   .kernels = "none",
                   .limits = {.connections = 8, .idle_s = 10, .request_ms = 60000, .stop_ms = 100}},
        .state = ADMIN_READY};
    s->engine.changed = on_changed;
    s->engine.closed = on_closed;
    must(engine_start(&s->engine, &s->loop, &s->world) == 0);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    s->fd = fds[0];
    engine_add(&s->engine, fds[1], (const struct sockaddr *)&nobody, sizeof nobody);
}

static void scene_end(struct scene *s)
{
    close(s->fd);
    engine_close(&s->engine);
    while (!s->closed)
        uv_run(&s->loop, UV_RUN_ONCE);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&s->loop) == 0);
    core_free(s->core);
}

static void turn(struct scene *s)
{
    uv_run(&s->loop, UV_RUN_NOWAIT);
    while (!s->eof && s->n < ANSWERS_BYTES) {
        ssize_t n = recv(s->fd, s->answers + s->n, ANSWERS_BYTES - s->n, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        s->eof = n <= 0;
        s->n += n > 0 ? (size_t)n : 0;
    }
    s->eof = true;
}

static void send_in_pieces(struct scene *s, struct span in, uint8_t seed)
{
    struct noise noise = {seed};
    for (unsigned stuck = 0; in.n > 0 && !s->eof && stuck < 50;) {
        size_t n = seed == 0 ? in.n : 1 + (size_t)noise_next(&noise) % 64;
        ssize_t sent = send(s->fd, in.at, n < in.n ? n : in.n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        stuck = sent > 0 ? 0 : stuck + 1;
        input_take(&in, sent > 0 ? (size_t)sent : 0);
        turn(s);
    }
}

/* The first answer, if it is whole (that to HEAD has no body). */
static void check_answer(const struct scene *s)
{
    const char *end = strstr(s->answers, "\r\n\r\n");
    if (s->n == 0)
        return;
    must(s->n < 9 || strncmp(s->answers, "HTTP/1.", 7) == 0);
    const char *length = strstr(s->answers, "Content-Length: ");
    if (end == NULL || length == NULL || length > end)
        return;
    unsigned long n = strtoul(length + 16, NULL, 10);
    const char *json = strstr(s->answers, "application/json");
    if (json == NULL || json > end || strlen(end + 4) < n || end[4] != '{')
        return;
    json_error_t why;
    json_t *parsed = json_loadb(end + 4, n, 0, &why);
    must(parsed != NULL);
    json_decref(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct scene *s = calloc(1, sizeof *s);
    struct span in = {data, n};
    must(s != NULL);
    uint8_t seed = input_u8(&in);
    scene_begin(s);
    send_in_pieces(s, in, seed);
    shutdown(s->fd, SHUT_WR);
    for (unsigned turns = 0; !s->eof && turns < 200; turns++)
        turn(s);
    check_answer(s);
    scene_end(s);
    free(s);
    return 0;
}
