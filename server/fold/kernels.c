#include "fold/kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Set once at start-up, before any fold runs, and constant from then on. */
static const struct kernels *chosen = &kernels_scalar;

const struct kernels *kernels_chosen(void)
{
    return chosen;
}

static bool runs_always(void)
{
    return true;
}

#if defined(__x86_64__)
/* Asked of the processor: not every compiler's builtin knows the word. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

static bool runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && has_f16c();
}

static bool runs_avx512(void)
{
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

static const struct {
    const struct kernels *kernels;
    bool (*runs)(void);
} best_first[] = {
#if defined(__x86_64__)
    {&kernels_avx512, runs_avx512},
    {&kernels_avx2, runs_avx2},
#endif
    {&kernels_scalar, runs_always},
};

const char *fold_kernels_choose(const char *wanted)
{
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++) {
        const struct kernels *kernels = best_first[i].kernels;
        if ((wanted == NULL || strcmp(wanted, kernels->name) == 0) && best_first[i].runs()) {
            chosen = kernels;
            return kernels->name;
        }
    }
    return NULL;
}
