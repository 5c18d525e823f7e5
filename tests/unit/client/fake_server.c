#include "fake_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_answers.h"
#include "fake_shared.h"

static bool is_mute(const struct fake_faults *faults, const Gradfold__V1__Pull *pull)
{
    return faults->mute || (faults->mute_node != 0 && pull->nodes[0] == faults->mute_node);
}

static void dispatch(struct fake_wire *wire, const Gradfold__V1__Request *request, uint64_t body,
                     const struct fake_faults *faults)
{
    switch (request->op_case) {
    case GRADFOLD__V1__REQUEST__OP_HELLO:
        fake_on_hello(wire, request->id, faults);
        break;
    case GRADFOLD__V1__REQUEST__OP_PUSH:
        fake_on_push(wire, request->id, request->push, faults);
        break;
    case GRADFOLD__V1__REQUEST__OP_PULL:
        if (!is_mute(faults, request->pull))
            fake_on_pull(wire, request->id, request->pull, faults);
        break;
    case GRADFOLD__V1__REQUEST__OP_DESCRIBE_JOB:
        fake_on_describe(wire, request->id, request->describe_job->job);
        break;
    case GRADFOLD__V1__REQUEST__OP_DELETE_JOB:
        fake_on_delete(wire, request->id, request->delete_job->job);
        break;
    case GRADFOLD__V1__REQUEST__OP_LIST_JOBS:
        fake_on_list(wire, request->id);
        break;
    case GRADFOLD__V1__REQUEST__OP_CLOSE_ROUND:
        fake_on_close(wire, request->id);
        break;
    case GRADFOLD__V1__REQUEST__OP_ADD_BUFFER:
        fake_on_add_buffer(wire, request->id, request->add_buffer, faults);
        break;
    case GRADFOLD__V1__REQUEST__OP_DROP_BUFFER:
        fake_on_drop_buffer(wire, request->id, request->drop_buffer);
        break;
    case GRADFOLD__V1__REQUEST__OP_END_VIEW:
        fake_on_end_view(wire, request->id, request->end_view);
        break;
    default:
        fake_read(wire, NULL, body);
        fake_answer_code(wire, request->id, GRADFOLD__V1__CODE__CODE_INVALID_ARGUMENT, "not here");
    }
}

/* The faults that strike this request; each strikes once. */
static struct fake_faults faults_now(struct fake_server *server, const Gradfold__V1__Request *r)
{
    pthread_mutex_lock(&server->lock);
    struct fake_faults *faults = &server->faults;
    struct fake_faults now = *faults;
    bool push = r->op_case == GRADFOLD__V1__REQUEST__OP_PUSH;
    if (r->op_case != GRADFOLD__V1__REQUEST__OP_HELLO) {
        server->counters.requests++;
        server->counters.pulls += r->op_case == GRADFOLD__V1__REQUEST__OP_PULL;
        faults->unavailable -= faults->unavailable > 0;
        faults->refuse_early -= push && faults->refuse_early > 0;
        faults->lose_replies -= push && faults->lose_replies > 0;
        bool adds = r->op_case == GRADFOLD__V1__REQUEST__OP_ADD_BUFFER;
        faults->refuse_add -= adds && faults->refuse_add > 0;
        faults->nonsense = NULL;
    } else {
        now.nonsense = NULL;
        now.unavailable = 0;
    }
    pthread_mutex_unlock(&server->lock);
    return now;
}

static void serve_request(struct fake_wire *wire, struct arena *arena)
{
    const struct frame_limits limits = {4u << 20, 4ull << 30};
    uint8_t bytes[FRAME_PREFIX_BYTES];
    struct frame_prefix prefix;
    struct error error;
    Gradfold__V1__Request *request;
    if (!fake_read(wire, bytes, sizeof bytes))
        return;
    if (frame_prefix_decode(bytes, &limits, &prefix, &error) != CODE_OK)
        abort();
    uint8_t *header = malloc(prefix.header_bytes);
    arena_reset(arena);
    if (fake_read(wire, header, prefix.header_bytes)) {
        if (header_unpack_request(arena, header, prefix.header_bytes, &request, &error) != CODE_OK)
            abort();
        struct fake_faults faults = faults_now(wire->server, request);
        if (faults.nonsense != NULL) {
            fake_read(wire, NULL, prefix.body_bytes);
            fake_write(wire, faults.nonsense, faults.n_nonsense);
        } else if (faults.unavailable > 0) {
            fake_read(wire, NULL, prefix.body_bytes);
            fake_answer_code(wire, request->id, GRADFOLD__V1__CODE__CODE_UNAVAILABLE, "stopping");
        } else {
            dispatch(wire, request, prefix.body_bytes, &faults);
        }
    }
    free(header);
}

static void serve(struct fake_server *server, int fd, bool local)
{
    struct fake_wire wire = {.server = server, .fd = fd, .give_fd = -1};
    struct arena arena;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    arena_init(&arena, 64u << 20);
    pthread_mutex_lock(&server->lock);
    *(local ? &server->counters.unix_connections : &server->counters.connections) += 1;
    wire.faults = fake_no_faults();
    if (server->faults.connections > 0) {
        server->faults.connections--;
        wire.faults = server->faults;
    }
    pthread_mutex_unlock(&server->lock);
    if (local)
        wire.shared = fake_shared_new();
    while (!wire.gone)
        serve_request(&wire, &arena);
    free(wire.held.bytes);
    while (wire.n_fds > 0)
        close(wire.fds[--wire.n_fds]);
    fake_shared_free(wire.shared);
    arena_free(&arena);
    close(fd);
}

static void accept_all(struct fake_server *server, int listener, bool local)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = listener, .events = POLLIN},
                                {.fd = server->stop[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 || fds[1].revents != 0)
            return;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            serve(server, fd, local);
    }
}

static void *run(void *data)
{
    struct fake_server *server = data;
    accept_all(server, server->listener, false);
    return NULL;
}

static void *run_unix(void *data)
{
    struct fake_server *server = data;
    accept_all(server, server->unix_listener, true);
    return NULL;
}

static void listen_unix(struct fake_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unlink(server->path);
    memcpy(address.sun_path, server->path, sizeof server->path);
    server->unix_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->unix_listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->unix_listener, 16) != 0)
        abort();
    pthread_create(&server->unix_thread, NULL, run_unix, server);
}

void fake_share(struct fake_server *server)
{
    pthread_mutex_lock(&server->lock);
    snprintf(server->folder, sizeof server->folder, "/tmp/gradfold-fake-XXXXXX");
    if (mkdtemp(server->folder) == NULL)
        abort();
    snprintf(server->path, sizeof server->path, "%s/socket", server->folder);
    snprintf(server->unix_address, sizeof server->unix_address, "unix:%s", server->path);
    pthread_mutex_unlock(&server->lock);
    listen_unix(server);
}

void fake_restart(struct fake_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    socklen_t size = sizeof address;
    int one = 1;
    int small = 64 * 1024; /* so that a server that reads no more is felt by the client */
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(server->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server->listener, 16) != 0 || pipe(server->stop) != 0)
        abort();
    getsockname(server->listener, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%u", server->port);
    pthread_create(&server->thread, NULL, run, server);
    if (server->folder[0] != '\0')
        listen_unix(server);
}

void fake_pause(struct fake_server *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    if (server->folder[0] != '\0') {
        pthread_join(server->unix_thread, NULL);
        close(server->unix_listener);
    }
    close(server->stop[0]);
    close(server->listener);
}

struct fake_server *fake_start(void)
{
    struct fake_server *server = calloc(1, sizeof *server);
    pthread_mutex_init(&server->lock, NULL);
    server->faults = fake_no_faults();
    server->counters.in_order = true;
    for (size_t i = 0; i < FAKE_NODES; i++)
        server->sums[i] = calloc(FAKE_ELEMENTS, sizeof(float));
    fake_restart(server);
    return server;
}

void fake_stop(struct fake_server *server)
{
    fake_pause(server);
    unlink(server->path);
    rmdir(server->folder);
    for (size_t i = 0; i < FAKE_NODES; i++)
        free(server->sums[i]);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void fake_clear_sums(struct fake_server *server)
{
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < FAKE_NODES; i++)
        memset(server->sums[i], 0, server->elements[i] * sizeof(float));
    pthread_mutex_unlock(&server->lock);
}

struct fake_counters fake_counters(struct fake_server *server)
{
    pthread_mutex_lock(&server->lock);
    struct fake_counters counters = server->counters;
    pthread_mutex_unlock(&server->lock);
    return counters;
}

void fake_set(struct fake_server *server, const struct fake_faults *faults)
{
    pthread_mutex_lock(&server->lock);
    server->faults = *faults;
    pthread_mutex_unlock(&server->lock);
}

struct fake_faults fake_no_faults(void)
{
    return (struct fake_faults){
        .cut_read = NO_FAULT,
        .cut_write = NO_FAULT,
        .stall_read = NO_FAULT,
        .stall_write = NO_FAULT,
        .max_body_bytes = 1u << 30,
    };
}
