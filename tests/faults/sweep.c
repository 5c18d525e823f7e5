/* Counted fault sweeps: every scenario, with the n-th call of every kind failing, for every n,
 * once, twice in a row, and for ever.
 *
 * A scenario runs in a process of its own, so that a crash or a hang costs one injection: the
 * parent sees in shared memory which one it was, reports it, and starts another process behind it.
 * Before anything fails, the scenario must go well three times. */
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

#include "run_one.h"

enum {
    SCENARIOS_MAX = 128,
    JOBS_MAX = 16,
    HANG_S = 60,
    FAILURES_MAX = 25, /* of a scenario, printed */
    UNITS_PER_FAULT = 2 * MODE_COUNT,
};

struct options {
    const char *only;
    const char *call;
    const char *side;
    unsigned n;     /* 0: all */
    unsigned every; /* the k-th n only */
    int mode;       /* -1: all */
    int jobs;
};

/* How far a scenario is; shared between the processes. */
struct progress {
    volatile unsigned unit; /* a fault, side and mode: injection_of() */
    volatile unsigned n;
    volatile unsigned long beats;
    volatile unsigned runs;
    volatile unsigned injected; /* runs in which the fault struck */
    volatile unsigned failures;
    volatile bool warm;
};

struct slot {
    pid_t pid; /* 0: free */
    size_t scenario;
    unsigned long beats;
    time_t since;
};

struct sweep {
    struct options options;
    const struct scenario *scenarios[SCENARIOS_MAX];
    size_t n_scenarios;
    struct progress *progress; /* of each scenario, shared */
    struct slot slots[JOBS_MAX];
    double started;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct injection injection_of(unsigned unit, unsigned n)
{
    return (struct injection){.fault = &faults[unit / UNITS_PER_FAULT],
                              .side = unit / MODE_COUNT % 2 == 0 ? SIDE_CLIENT : SIDE_SERVER,
                              .n = n,
                              .mode = unit % MODE_COUNT};
}

static void say_failure(const struct sweep *s, size_t scenario, const struct injection *i,
                        const char *what)
{
    struct progress *p = &s->progress[scenario];
    const char *name = s->scenarios[scenario]->name;
    if (++p->failures > FAILURES_MAX)
        return;
    if (i->fault == NULL) {
        printf("FAIL %s without a fault: %s\n", name, what);
        return;
    }
    printf("FAIL %s: %s\n     again: --only %s --call %s --side %s --n %u --%s\n", name, what, name,
           i->fault->name, plan_side_name(i->side), i->n, plan_mode_name(i->mode));
}

/* -- The child: all injections of a scenario from where it is -- */

static bool unit_wanted(const struct options *o, const struct injection *i)
{
    if (i->mode == MODE_FOREVER && !i->fault->lasts)
        return false;
    if (o->call != NULL && strcmp(o->call, i->fault->name) != 0)
        return false;
    if (o->side != NULL && strcmp(o->side, plan_side_name(i->side)) != 0)
        return false;
    return o->mode < 0 || o->mode == (int)i->mode;
}

static unsigned inject(struct sweep *s, size_t scenario, const struct injection *i)
{
    char failure[600];
    unsigned strikes = run_one(s->scenarios[scenario], i, failure);
    struct progress *p = &s->progress[scenario];
    p->beats++;
    p->runs++;
    if (strikes > 0)
        p->injected++;
    if (failure[0] != '\0')
        say_failure(s, scenario, i, failure);
    return strikes;
}

/* Every single allocation once, also in a short sweep: error paths that leak are rare. */
static unsigned stride(const struct options *o, unsigned unit)
{
    const struct injection i = injection_of(unit, 1);
    return i.fault->call == CALL_MEMORY && i.mode == MODE_ONCE ? 1 : o->every;
}

/* n = 1, 1 + every, …, until there is no n-th call any more. */
static void sweep_unit(struct sweep *s, size_t scenario, unsigned unit, unsigned calls)
{
    struct progress *p = &s->progress[scenario];
    const struct options *o = &s->options;
    unsigned every = stride(o, unit);
    unsigned first = o->n > 0 ? o->n : 1 + unit % every;
    if (p->n < first)
        p->n = first;
    for (;; p->n += every) {
        struct injection i = injection_of(unit, p->n);
        if (inject(s, scenario, &i) == 0 && p->n >= calls)
            return;
        if (o->n > 0)
            return;
    }
}

static bool warm_up(struct sweep *s, size_t scenario, unsigned counts[SIDE_COUNT][CALL_COUNT])
{
    const struct injection none = {.fault = NULL};
    struct progress *p = &s->progress[scenario];
    char failure[600];
    for (int i = 0; i < 3; i++) {
        run_one(s->scenarios[scenario], &none, failure);
        p->beats++;
        bool leak_of_warmth = i == 0 && strncmp(failure, "leak", 4) == 0;
        if (failure[0] != '\0' && !leak_of_warmth) {
            say_failure(s, scenario, &none, failure);
            return false;
        }
    }
    for (int side = 0; side < SIDE_COUNT; side++)
        for (int call = 0; call < CALL_COUNT; call++)
            counts[side][call] = plan_count((enum plan_call)call, (enum plan_side)side);
    return true;
}

static void child(struct sweep *s, size_t scenario)
{
    unsigned counts[SIDE_COUNT][CALL_COUNT];
    struct progress *p = &s->progress[scenario];
    if (!warm_up(s, scenario, counts))
        return;
    p->warm = true;
    for (; p->unit < n_faults * UNITS_PER_FAULT; p->unit++, p->n = 0) {
        struct injection i = injection_of(p->unit, 0);
        unsigned calls = counts[i.side][i.fault->call];
        if (unit_wanted(&s->options, &i) && calls > 0)
            sweep_unit(s, scenario, p->unit, calls);
    }
}

/* -- The parent -- */

static void start(struct sweep *s, struct slot *slot, size_t scenario)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        child(s, scenario);
        exit(EXIT_SUCCESS);
    }
    if (pid < 0) {
        perror("fork");
        exit(EXIT_FAILURE);
    }
    *slot = (struct slot){.pid = pid, .scenario = scenario, .since = time(NULL)};
}

static void say_end(const struct sweep *s, size_t scenario)
{
    const struct progress *p = &s->progress[scenario];
    printf("%-24s %7u faults %7u runs %s\n", s->scenarios[scenario]->name, p->injected, p->runs,
           p->failures > 0 ? "FAILED" : "ok");
    fflush(stdout);
}

/* A process ended: true when the scenario is over, too. */
static bool ended(struct sweep *s, struct slot *slot, int status)
{
    struct progress *p = &s->progress[slot->scenario];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    char what[64];
    snprintf(what, sizeof what, WIFSIGNALED(status) ? "killed by signal %d" : "exit status %d",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (!p->warm) {
        say_failure(s, slot->scenario, &(struct injection){.fault = NULL}, what);
        return true;
    }
    struct injection i = injection_of(p->unit, p->n);
    say_failure(s, slot->scenario, &i, what);
    p->runs++;
    p->injected++;
    p->n++;
    if (s->options.n > 0)
        return true;
    p->warm = false;
    start(s, slot, slot->scenario);
    return false;
}

static void watch(struct sweep *s, struct slot *slot)
{
    int status;
    if (slot->pid == 0)
        return;
    unsigned long beats = s->progress[slot->scenario].beats;
    if (beats != slot->beats) {
        slot->beats = beats;
        slot->since = time(NULL);
    } else if (time(NULL) - slot->since > HANG_S) {
        printf("the next one hangs\n");
        kill(slot->pid, SIGABRT);
        slot->since = time(NULL);
    }
    if (waitpid(slot->pid, &status, WNOHANG) != slot->pid)
        return;
    if (ended(s, slot, status)) {
        slot->pid = 0;
        say_end(s, slot->scenario);
    }
}

static void run_all(struct sweep *s)
{
    size_t next = 0;
    for (bool busy = true; busy;) {
        busy = false;
        for (int i = 0; i < s->options.jobs; i++) {
            watch(s, &s->slots[i]);
            if (s->slots[i].pid == 0 && next < s->n_scenarios)
                start(s, &s->slots[i], next++);
            busy = busy || s->slots[i].pid != 0;
        }
        poll(NULL, 0, 20);
    }
}

static int sum_up(const struct sweep *s)
{
    unsigned long injected = 0, runs = 0;
    unsigned failed = 0;
    for (size_t i = 0; i < s->n_scenarios; i++) {
        injected += s->progress[i].injected;
        runs += s->progress[i].runs;
        failed += s->progress[i].failures > 0;
    }
    printf("%lu injected faults in %lu runs of %zu scenarios, %.0f s\n", injected, runs,
           s->n_scenarios, now_s() - s->started);
    printf("%zu passed, %u failed\n", s->n_scenarios - failed, failed);
    return failed > 0 || s->n_scenarios == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* -- The command line -- */

static void add(struct sweep *s, const struct scenario *scenarios, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s->options.only == NULL || strcmp(s->options.only, scenarios[i].name) == 0)
            s->scenarios[s->n_scenarios++] = &scenarios[i];
}

static void usage(void)
{
    printf(
        "usage: sweep [--full | --every K] [--only SCENARIO] [--call FAULT] [--side client|server]"
        "\n             [--n N] [--once | --twice | --forever] [--jobs N]\n\nfaults:");
    for (size_t i = 0; i < n_faults; i++)
        printf(" %s", faults[i].name);
    printf("\n");
    exit(2);
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"full", no_argument, NULL, 'f'},
                                          {"every", required_argument, NULL, 'e'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"call", required_argument, NULL, 'c'},
                                          {"side", required_argument, NULL, 's'},
                                          {"n", required_argument, NULL, 'n'},
                                          {"once", no_argument, NULL, '1'},
                                          {"twice", no_argument, NULL, '2'},
                                          {"forever", no_argument, NULL, 'i'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct options){.every = 5, .mode = -1, .jobs = 6};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        unsigned number = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;
        switch (c) {
        case 'f':
            o->every = 1;
            break;
        case 'e':
            o->every = number > 0 ? number : 1;
            break;
        case 'o':
            o->only = optarg;
            break;
        case 'c':
            o->call = optarg;
            break;
        case 's':
            o->side = optarg;
            break;
        case 'n':
            o->n = number;
            break;
        case '1':
            o->mode = MODE_ONCE;
            break;
        case 'i':
            o->mode = MODE_FOREVER;
            break;
        case '2':
            o->mode = MODE_TWICE;
            break;
        case 'j':
            o->jobs = number > 0 && number <= JOBS_MAX ? (int)number : 6;
            break;
        default:
            usage();
        }
    }
}

int main(int argc, char **argv)
{
    static struct sweep s;
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_options(&s.options, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    setenv("UV_THREADPOOL_SIZE", "2", 1);
    add(&s, job_scenarios, n_job_scenarios);
    add(&s, push_scenarios, n_push_scenarios);
    add(&s, round_scenarios, n_round_scenarios);
    add(&s, peer_scenarios, n_peer_scenarios);
    add(&s, shared_scenarios, n_shared_scenarios);
    s.started = now_s();
    s.progress = mmap(NULL, SCENARIOS_MAX * sizeof *s.progress, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s.progress == MAP_FAILED)
        return EXIT_FAILURE;
    run_all(&s);
    return sum_up(&s);
}
