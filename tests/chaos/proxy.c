/* A thread accepts, and one a connection passes bytes on in both directions.
 *
 * 1. The connection draws its fate: where it will be cut, stalled and split, and whether what the
 *    client sent will be replayed.
 * 2. Bytes are passed on. Up to its cut, what was read is passed on whole.
 * 3. The end, its own or the cut. What was recorded is sent to the server once more, over a new
 *    connection, whose answers nobody wants. */
#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gradfoldd.h"

enum {
    RECORD_MAX = 256 << 10,
    PIECE = 16 << 10,
    SPLIT_BYTES = 200,
    STALL_MS = 200,
    REPLAY_QUIET_MS = 100,
    IDLE_MS = 30000,
};

#define NEVER UINT64_MAX

/* At which byte of one direction something happens. */
struct fate {
    uint64_t cut;
    uint64_t stall;
    uint64_t split;
};

struct way {
    struct fate fate;
    uint64_t passed;
};

struct connection {
    struct proxy *proxy;
    uint64_t random;
    int client;
    int server;
    struct way up;   /* to the server */
    struct way down; /* to the client */
    bool replay;
    size_t recorded;
    unsigned char record[RECORD_MAX];
};

/* Any order of magnitude is as likely as any other. */
static uint64_t some_offset(uint64_t *random)
{
    return random_below(random, UINT64_C(1) << (4 + random_below(random, 15)));
}

static void draw(struct connection *c)
{
    uint64_t *random = &c->random;
    struct way *ways[] = {&c->up, &c->down};
    for (int i = 0; i < 2; i++) {
        struct fate *fate = &ways[i]->fate;
        fate->cut = random_below(random, 3) > 0 ? 60 + some_offset(random) : NEVER;
        fate->stall = random_below(random, 6) == 0 ? some_offset(random) : NEVER;
        fate->split = random_below(random, 3) == 0 ? some_offset(random) : NEVER;
    }
    c->replay = random_below(random, 2) == 0;
}

static bool send_all(int fd, const unsigned char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool within(const struct way *way, uint64_t at, size_t n)
{
    return at != NEVER && at >= way->passed && at - way->passed < n;
}

/* One byte a segment, as far as the split goes. */
static bool pass_split(struct connection *c, int to, const unsigned char *bytes, size_t n)
{
    size_t single = n < SPLIT_BYTES ? n : SPLIT_BYTES;
    atomic_fetch_add(&c->proxy->splits, 1);
    for (size_t i = 0; i < single; i++)
        if (!send_all(to, bytes + i, 1))
            return false;
    return send_all(to, bytes + single, n - single);
}

/* false: the connection is over. */
static bool pass(struct connection *c, struct way *way, int from, int to)
{
    unsigned char bytes[PIECE];
    ssize_t got = recv(from, bytes, sizeof bytes, 0);
    if (got <= 0)
        return false;
    size_t n = (size_t)got;
    bool cut = within(way, way->fate.cut, n);
    if (cut)
        n = (size_t)(way->fate.cut - way->passed);
    if (way == &c->up && c->replay && c->recorded + n <= RECORD_MAX) {
        memcpy(c->record + c->recorded, bytes, n);
        c->recorded += n;
    }
    if (within(way, way->fate.stall, n)) {
        atomic_fetch_add(&c->proxy->stalls, 1);
        poll(NULL, 0, (int)random_below(&c->random, STALL_MS));
    }
    bool ok =
        within(way, way->fate.split, n) ? pass_split(c, to, bytes, n) : send_all(to, bytes, n);
    way->passed += n;
    if (cut)
        atomic_fetch_add(&c->proxy->cuts, 1);
    return ok && !cut;
}

static void carry(struct connection *c)
{
    struct pollfd fds[2] = {{.fd = c->client, .events = POLLIN},
                            {.fd = c->server, .events = POLLIN}};
    int64_t idle_since = now_ms();
    while (!atomic_load(&c->proxy->stopping) && now_ms() - idle_since < IDLE_MS) {
        if (poll(fds, 2, 50) <= 0)
            continue;
        idle_since = now_ms();
        if (fds[0].revents != 0 && !pass(c, &c->up, c->client, c->server))
            return;
        if (fds[1].revents != 0 && !pass(c, &c->down, c->server, c->client))
            return;
    }
}

/* Sometimes with a reset, which throws away what the kernel still holds. */
static void hang_up(struct connection *c, int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (random_below(&c->random, 2) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void replay(struct connection *c)
{
    unsigned char dropped[PIECE];
    int fd = connect_to(c->proxy->server);
    if (fd < 0)
        return;
    atomic_fetch_add(&c->proxy->replays, 1);
    struct pollfd answers = {.fd = fd, .events = POLLIN};
    if (send_all(fd, c->record, c->recorded))
        while (poll(&answers, 1, REPLAY_QUIET_MS) > 0 && recv(fd, dropped, sizeof dropped, 0) > 0)
            ;
    close(fd);
}

static void *run_connection(void *data)
{
    struct connection *c = data;
    const int on = 1;
    c->server = connect_to(c->proxy->server);
    if (c->server >= 0) {
        setsockopt(c->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(c->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        carry(c);
        hang_up(c, c->server);
    }
    hang_up(c, c->client);
    if (c->replay && c->recorded > 0 && !atomic_load(&c->proxy->stopping))
        replay(c);
    atomic_fetch_sub(&c->proxy->threads, 1);
    free(c);
    return NULL;
}

static bool start_thread(void *(*run)(void *), void *data)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, data) != 0)
        return false;
    pthread_detach(thread);
    return true;
}

static void welcome(struct proxy *proxy, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return;
    }
    c->proxy = proxy;
    c->client = fd;
    c->random = proxy->seed + 1000003 * atomic_fetch_add(&proxy->connections, 1);
    draw(c);
    atomic_fetch_add(&proxy->threads, 1);
    if (!start_thread(run_connection, c)) {
        atomic_fetch_sub(&proxy->threads, 1);
        close(fd);
        free(c);
    }
}

static void *run_listener(void *data)
{
    struct proxy *proxy = data;
    struct pollfd fds = {.fd = proxy->listener, .events = POLLIN};
    while (!atomic_load(&proxy->stopping)) {
        if (poll(&fds, 1, 50) <= 0)
            continue;
        int fd = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            welcome(proxy, fd);
    }
    close(proxy->listener);
    atomic_fetch_sub(&proxy->threads, 1);
    return NULL;
}

bool proxy_start(struct proxy *proxy, const char *server, uint64_t seed)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *proxy = (struct proxy){.seed = seed, .threads = 1};
    snprintf(proxy->server, sizeof proxy->server, "%s", server);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy->listener, (struct sockaddr *)&at, size) != 0 ||
        listen(proxy->listener, 128) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&at, &size) != 0)
        return false;
    snprintf(proxy->address, sizeof proxy->address, "127.0.0.1:%u", ntohs(at.sin_port));
    return start_thread(run_listener, proxy);
}

void proxy_stop(struct proxy *proxy)
{
    atomic_store(&proxy->stopping, true);
    for (int64_t deadline = now_ms() + 10000; now_ms() < deadline;) {
        if (atomic_load(&proxy->threads) == 0)
            return;
        poll(NULL, 0, 5);
    }
    fprintf(stderr, "threads of the proxy do not end\n");
}
