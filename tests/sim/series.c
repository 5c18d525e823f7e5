#include "series.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

static volatile uint64_t playing;

/* Also from a signal handler: no printf. */
static void tell_seed(void)
{
    char text[64] = "sim: crashed; replay: sim --trace --seed ";
    size_t n = strlen(text);
    char digits[24];
    size_t d = 0;
    for (uint64_t x = playing; x > 0 || d == 0; x /= 10)
        digits[d++] = (char)('0' + x % 10);
    while (d > 0 && n < sizeof text - 1)
        text[n++] = digits[--d];
    text[n++] = '\n';
    (void)!write(STDERR_FILENO, text, n);
}

static void on_abort(int number)
{
    tell_seed();
    signal(number, SIG_DFL);
    raise(number);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void add(struct series *s, const struct sim *sim)
{
    s->seeds++;
    s->events += sim->events;
    s->simulated_ms += sim->now_ms;
    s->accepted += sim->accepted;
    s->duplicates += sim->duplicates;
    s->refused += sim->refused;
    s->rounds += sim->rounds;
    s->pulls += sim->pulls_answered;
    s->cuts += sim->cuts;
    s->deaths += sim->deaths;
    s->repeats += sim->repeats;
    s->early_folds += sim->early_folds;
    s->early_pulls += sim->early_pulls;
    s->discarded += sim->discarded;
    s->shared += sim->shared;
    s->trials += sim->trials;
    s->in_place += sim->in_place;
    s->views += sim->views;
    s->views_lost += sim->views_lost;
}

bool series_run(struct series *series, uint64_t from, uint64_t seeds, bool trace)
{
    static struct sim sim;
    double begun = seconds_now();
    *series = (struct series){.seeds = 0};
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_death_callback(tell_seed);
#endif
    bool good = true;
    for (uint64_t seed = from; seed < from + seeds && good; seed++) {
        playing = seed;
        sim_run(&sim, seed, trace);
        add(series, &sim);
        good = !sim.failed;
        if (!good)
            printf("seed %" PRIu64 ", at %" PRIu64 " ms: %s\nreplay: sim --trace --seed %" PRIu64
                   "\n",
                   seed, sim.now_ms, sim.failure, seed);
        sim_free(&sim);
    }
    series->seconds = seconds_now() - begun;
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    return good;
}

void series_print(const struct series *s)
{
    double hours = (double)s->simulated_ms / 3.6e6;
    printf("%" PRIu64 " histories, %" PRIu64 " events in %.1f s: %.0f events a second, %.2f "
           "simulated hours a second\n",
           s->seeds, s->events, s->seconds, (double)s->events / s->seconds, hours / s->seconds);
    printf("%" PRIu64 " pushes accepted, %" PRIu64 " told DUPLICATE, %" PRIu64
           " requests refused, %" PRIu64 " rounds closed, %" PRIu64 " pulls answered\n",
           s->accepted, s->duplicates, s->refused, s->rounds, s->pulls);
    printf("%" PRIu64 " connections cut, %" PRIu64 " workers died, %" PRIu64 " pushes repeated\n",
           s->cuts, s->deaths, s->repeats);
    printf("%" PRIu64 " early folds, %" PRIu64 " pulls answered before the close, %" PRIu64
           " pushes discarded by a quorum\n",
           s->early_folds, s->early_pulls, s->discarded);
    printf("%" PRIu64 " pushes from shared memory, %" PRIu64 " trials, %" PRIu64
           " rounds folded in place, %" PRIu64 " views, %" PRIu64 " of them lost\n",
           s->shared, s->trials, s->in_place, s->views, s->views_lost);
}
