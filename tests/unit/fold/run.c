/* A run of trials: how many, from which seed, and what they covered. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "trial.h"

enum {
    CHECKS_A_TRIAL = 9
};

uint64_t run_seed(void)
{
    static uint64_t seed;
    if (seed != 0)
        return seed;
    const char *wanted = getenv("GRADFOLD_TEST_SEED");
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    seed = wanted != NULL ? strtoull(wanted, NULL, 10)
                          : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    seed += seed == 0;
    printf("GRADFOLD_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

double run_scale(void)
{
    const char *wanted = getenv("GRADFOLD_TEST_SCALE");
    if (wanted != NULL && strtod(wanted, NULL) > 0)
        return 1 / strtod(wanted, NULL);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0.2;
#else
    return 1;
#endif
}

static void print_coverage(enum dtype node, enum accumulation accumulation,
                           const struct coverage *c)
{
    printf("%-4s %-8s %" PRIu64 " element sums compared with the oracle, %" PRIu64
           " wrong: %" PRIu64 " sets, %" PRIu64 " trials; blocks in tier 0/1/2: %" PRIu64
           "/%" PRIu64 "/%" PRIu64 ", promotions refused %" PRIu64 ", overwritten tensors %" PRIu64
           ", out of range %" PRIu64 ", scalar/avx2/avx512 %" PRIu64 "/%" PRIu64 "/%" PRIu64 "\n",
           dtype_name(node), accumulation == ACCUMULATION_EXACT ? "exact" : "in order", c->checked,
           c->wrong, c->sums, c->trials, c->tiers[0], c->tiers[1], c->tiers[2], c->refused,
           c->overlapped, c->out_of_range, c->by_kernels[0], c->by_kernels[1], c->by_kernels[2]);
}

bool trials_run(enum dtype node, enum accumulation accumulation, uint64_t checks)
{
    struct coverage coverage = {0};
    struct trial t;
    uint64_t seed = run_seed() * 1000003 + (uint64_t)node * 101 + (uint64_t)accumulation;
    checks = (uint64_t)((double)checks * run_scale());
    for (; coverage.checked < checks && coverage.wrong == 0; seed += 1009) {
        trial_make(&t, seed, node, accumulation, &coverage);
        for (int i = 0; i < CHECKS_A_TRIAL && coverage.wrong == 0; i++)
            if (!trial_check(&t))
                coverage.wrong += coverage.wrong == 0;
        trial_free(&t);
    }
    print_coverage(node, accumulation, &coverage);
    fold_kernels_choose(NULL);
    return coverage.wrong == 0;
}
