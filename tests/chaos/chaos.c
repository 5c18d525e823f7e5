/* Chaos over real sockets: worker processes push through a proxy that spoils connections, and are
 * killed; every push is audited.
 *
 * 1. A gradfoldd, the proxy, and four workers, each a process of its own, are started.
 * 2. While they work, one after another is killed with SIGKILL and started again, and some rounds
 *    are closed by force, so that late pushes are refused.
 * 3. Each closed round is pulled, directly. When all workers are past it, its sums are compared
 *    with what they wrote down: push i has the value 1 in element i of every node, so an accepted
 *    one reads exactly 1, a refused one 0, an unknown one 0 or 1, and 2 is a double count.
 * 4. The job is deleted, the memory must be back, and gradfoldd must end well. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

enum {
    KILL_MS = 60, /* between two kills, on average */
    CLOSE_ONE_IN = 120,
    ABANDON_ONE_IN = 4,
    RETAIN = 32
};

static void check(struct chaos *c, const char *what, bool ok)
{
    printf("%s: %s\n", ok ? "ok    " : "FAILED", what);
    ok ? c->passed++ : c->failed++;
}

/* -- Workers -- */

static void start_worker(struct chaos *c, unsigned number)
{
    char text[2][16];
    snprintf(text[0], sizeof text[0], "%u", number);
    snprintf(text[1], sizeof text[1], "%d", c->board_fd);
    pid_t pid = fork();
    if (pid == 0) {
        execl(c->self, c->self, "--worker", text[0], "--board", text[1], (char *)NULL);
        _exit(127);
    }
    c->workers[number] = pid;
}

/* The place of a worker that was killed is taken by another one, which begins the round again. Or
 * nobody ever knows what became of its pushes: the round is closed, the next one begins. */
static void replace_worker(struct chaos *c, unsigned number)
{
    atomic_uint *cursor = &c->board->cursor[number];
    if (random_below(&c->random, ABANDON_ONE_IN) == 0 &&
        atomic_load(cursor) < atomic_load(&c->board->rounds)) {
        unsigned round = atomic_fetch_add(cursor, 1);
        gf_round_close(c->client, c->board->job, round, CALL_MS, NULL, NULL);
    }
    start_worker(c, number);
}

/* One that ended well is done. */
static void look_after_workers(struct chaos *c)
{
    int status;
    for (unsigned i = 0; i < BOARD_WORKERS; i++) {
        if (c->done[i] || waitpid(c->workers[i], &status, WNOHANG) != c->workers[i])
            continue;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
            replace_worker(c, i);
            continue;
        }
        c->done[i] = true;
        c->failed_workers += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
}

static bool all_done(const struct chaos *c)
{
    for (unsigned i = 0; i < BOARD_WORKERS; i++)
        if (!c->done[i])
            return false;
    return true;
}

static void maybe_kill(struct chaos *c)
{
    if (now_ms() < c->next_kill_ms)
        return;
    c->next_kill_ms = now_ms() + 1 + (int64_t)random_below(&c->random, 2 * KILL_MS);
    unsigned i = (unsigned)random_below(&c->random, BOARD_WORKERS);
    if (c->done[i] || kill(c->workers[i], SIGKILL) != 0)
        return;
    c->kills++;
}

static void end_workers(struct chaos *c)
{
    for (unsigned i = 0; i < BOARD_WORKERS; i++) {
        if (c->done[i])
            continue;
        kill(c->workers[i], SIGKILL);
        waitpid(c->workers[i], NULL, 0);
    }
}

/* -- The run -- */

static void maybe_close(struct chaos *c)
{
    if (random_below(&c->random, CLOSE_ONE_IN) == 0 && c->pulled < atomic_load(&c->board->rounds))
        gf_round_close(c->client, c->board->job, c->pulled, CALL_MS, NULL, NULL);
}

static bool create_job(struct chaos *c)
{
    gf_error error;
    const uint64_t shape[] = {BOARD_ELEMENTS};
    if (gf_connect(c->server.address, NULL, &c->client, &error) != GF_OK)
        return false;
    gf_spec *spec = gf_spec_new(c->board->job, BOARD_WORKERS);
    for (unsigned i = 0; i < c->board->nodes; i++)
        gf_spec_add_node(spec, NULL, GF_F32, shape, 1);
    gf_spec_set_retain_rounds(spec, RETAIN);
    gf_code code = gf_job_create(c->client, spec, CALL_MS, NULL, NULL, &error);
    gf_spec_free(spec);
    if (code != GF_OK)
        fprintf(stderr, "create: %s\n", error.message);
    return code == GF_OK;
}

static bool make_board(struct chaos *c)
{
    c->board_fd = memfd_create("board", 0);
    if (c->board_fd < 0 || ftruncate(c->board_fd, sizeof *c->board) != 0)
        return false;
    c->board = mmap(NULL, sizeof *c->board, PROT_READ | PROT_WRITE, MAP_SHARED, c->board_fd, 0);
    if (c->board == MAP_FAILED)
        return false;
    struct board *b = c->board;
    snprintf(b->job, sizeof b->job, "chaos-%llu", (unsigned long long)c->seed);
    b->nodes = 100;
    unsigned long each = (unsigned long)b->nodes * BOARD_ELEMENTS;
    /* Some are refused, the more the busier the machine is; the audit says when it is enough. */
    unsigned long rounds = (c->contributions + each - 1) / each * 4 + 1;
    b->rounds = rounds < BOARD_ROUNDS_MAX ? (unsigned)rounds : BOARD_ROUNDS_MAX;
    c->sums = calloc((size_t)(BOARD_AHEAD + 1) * each, sizeof *c->sums);
    return c->sums != NULL;
}

static bool begin(struct chaos *c)
{
    static const char *const options[] = {"--idle-timeout", "5s", "--log-level", "error", NULL};
    c->random = c->seed;
    if (!make_board(c) || !gradfoldd_start(&c->server, c->program, options) || !create_job(c) ||
        !proxy_start(&c->proxy, c->server.address, c->seed))
        return false;
    snprintf(c->board->address, sizeof c->board->address, "%s", c->proxy.address);
    for (unsigned i = 0; i < BOARD_WORKERS; i++)
        start_worker(c, i);
    return true;
}

static bool over(struct chaos *c)
{
    return atomic_load(&c->board->audited) == atomic_load(&c->board->rounds) ||
           now_ms() - c->started_ms > (int64_t)c->seconds_max * 1000 ||
           gradfoldd_died(&c->server) || c->failed_workers > 0;
}

static bool memory_is_back(struct chaos *c)
{
    gf_error error;
    if (gf_job_delete(c->client, c->board->job, CALL_MS, &error) != GF_OK)
        return false;
    for (int64_t deadline = now_ms() + 10000; now_ms() < deadline; poll(NULL, 0, 20))
        if (gradfoldd_metric(&c->server, "gradfoldd_staging_used_bytes") == 0 &&
            gradfoldd_metric(&c->server, "gradfoldd_results_used_bytes") == 0 &&
            gradfoldd_metric(&c->server, "gradfoldd_connections") <= 1)
            return true;
    return false;
}

static void say_numbers(struct chaos *c, double duplicates)
{
    const struct tally *t = &c->tally;
    const struct proxy *p = &c->proxy;
    printf("contributions: %lu acknowledged, %lu refused, %lu unknown (%lu of them there); "
           "%lu lost, %lu doubled, %lu otherwise wrong\n",
           t->accepted, t->refused, t->unknown_there + t->unknown_absent, t->unknown_there, t->lost,
           t->doubled, t->wrong);
    printf("connections: %lu through the proxy, %lu cut, %lu stalled, %lu split into bytes, %lu "
           "replayed; workers: %lu killed; duplicates: %.0f answered, %lu of them to workers\n",
           atomic_load(&p->connections), atomic_load(&p->cuts), atomic_load(&p->stalls),
           atomic_load(&p->splits), atomic_load(&p->replays), c->kills, duplicates,
           atomic_load(&c->board->duplicates));
    printf("seed %llu, %u rounds, %.1f s\n", (unsigned long long)c->seed,
           atomic_load(&c->board->audited), (double)(now_ms() - c->started_ms) / 1000);
}

static void conclude(struct chaos *c)
{
    const struct tally *t = &c->tally;
    bool alive = !gradfoldd_died(&c->server);
    double duplicates =
        alive ? gradfoldd_metric(&c->server, "gradfoldd_pushes_duplicate_total") : -1;
    say_numbers(c, duplicates);
    check(c, "every round was audited in time",
          atomic_load(&c->board->audited) == atomic_load(&c->board->rounds));
    check(c, "as many contributions were acknowledged as wanted", t->accepted >= c->contributions);
    check(c, "nothing acknowledged was lost", t->lost == 0);
    check(c, "nothing was counted twice", t->doubled == 0);
    check(c, "nothing refused or unsent is in the sums", t->wrong == 0);
    check(c, "no answer broke a promise", atomic_load(&c->board->surprises) == 0);
    check(c, "all workers came to their end", c->failed_workers == 0);
    check(c, "there was chaos",
          atomic_load(&c->proxy.cuts) > 20 && atomic_load(&c->proxy.stalls) > 0 &&
              atomic_load(&c->proxy.splits) > 0 && atomic_load(&c->proxy.replays) > 0 &&
              c->kills > 0 && duplicates > 0);
    check(c, "the server gave all memory back", alive && memory_is_back(c));
    gf_close(c->client);
    check(c, "the server ended well", alive && gradfoldd_stop(&c->server) == 0);
}

static int run(struct chaos *c)
{
    printf("chaos: seed %llu\n", (unsigned long long)c->seed);
    fflush(stdout);
    c->started_ms = now_ms();
    if (!begin(c)) {
        gradfoldd_stop(&c->server);
        printf("0 passed, 1 failed\n");
        return EXIT_FAILURE;
    }
    while (!over(c)) {
        look_after_workers(c);
        maybe_kill(c);
        maybe_close(c);
        chaos_audit(c);
        poll(NULL, 0, 2);
    }
    for (int64_t deadline = now_ms() + 5000; now_ms() < deadline && !all_done(c); poll(NULL, 0, 5))
        look_after_workers(c);
    end_workers(c);
    proxy_stop(&c->proxy);
    conclude(c);
    gradfoldd_stop(&c->server);
    printf("%u passed, %u failed\n", c->passed, c->failed);
    return c->failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_worker(unsigned number, int fd)
{
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return board != MAP_FAILED && number < BOARD_WORKERS ? worker_main(board, number)
                                                         : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct chaos c = {.contributions = 1000000, .seconds_max = 240, .board_fd = -1};
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"contributions", required_argument, NULL, 'c'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {"gradfoldd", required_argument, NULL, 'g'},
                                          {"worker", required_argument, NULL, 'w'},
                                          {"board", required_argument, NULL, 'b'},
                                          {NULL, 0, NULL, 0}};
    long worker = -1;
    c.self = "/proc/self/exe";
    c.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        unsigned long long number = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        switch (o) {
        case 's':
            c.seed = number;
            break;
        case 'c':
            c.contributions = number;
            break;
        case 't':
            c.seconds_max = (unsigned)number;
            break;
        case 'g':
            c.program = optarg;
            break;
        case 'w':
            worker = (long)number;
            break;
        case 'b':
            c.board_fd = (int)number;
            break;
        default:
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    if (worker >= 0)
        return run_worker((unsigned)worker, c.board_fd);
    if (c.program == NULL || access(c.program, X_OK) != 0) {
        fprintf(stderr, "usage: chaos --gradfoldd PROGRAM [--seed N] [--contributions N] "
                        "[--seconds N]\n");
        return 2;
    }
    return run(&c);
}
