/* The inner loops, compiled once for each instruction set from one source (kernels.inc), and the
 * choice among them. Every set gives the same bits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fold/group.h"

/* Element counts given to kernels of floats are multiples of CHUNK. Those that can fail return the
 * first element of the chunk that failed, with all before it done and nothing of it stored; or n.
 */
struct float_kernels {
    /* Tier 0: hi += the group, from element `from` on. Fails where an addition is inexact. */
    size_t (*add)(const double *hi, double *hi_out, const struct group *group, size_t from,
                  size_t n);

    /* Tier 1: (hi, lo) += the group. Fails where lo does not hold what hi cannot. */
    size_t (*add_pair)(const double *const pair[2], double *const pair_out[2],
                       const struct group *group, size_t from, size_t n);

    /* The whole sum (or mean, by a divisor > 1) of one group, in one pass: out has the group's
     * dtype and may be one of its tensors. Fails where tier 2 is needed. */
    size_t (*sum)(const struct group *group, void *out, size_t from, size_t n, uint64_t divisor);

    /* Tier 2 of dtypes up to f32: planes += the group; special += what is not finite. */
    void (*add_planes)(int64_t planes[][CHUNK], double *special, const struct group *group,
                       size_t from);

    /* Rounds hi + lo (lo may be NULL), divided by divisor, to out's dtype. */
    void (*finish)(const double *hi, const double *lo, void *out, size_t n, uint64_t divisor);

    /* n elements as doubles, exactly. */
    void (*widen)(const void *data, double *out, size_t n);

    /* state = state + x, both of this dtype, rounded to it. */
    void (*step)(void *state, const void *x, size_t n);

    /* Is there one among n elements? Any n. */
    bool (*non_finite)(const void *data, size_t n);
};

struct kernels {
    const char *name;

    /* Sums of at most PLANE_ADDS_MAX contributions in planes, rounded to odd; special where that
     * is not finite. */
    void (*round_planes)(int64_t planes[][CHUNK], const double *special, double *out);

    struct float_kernels of[DTYPE_BF16 + 1]; /* by dtype */
};

enum {
    PLANES = 8,            /* a contribution goes to the plane of its 32 binades */
    PLANE_ADDS_MAX = 128,  /* contributions after which planes must be carried */
    DIVISOR_MAX = 1 << 27, /* beyond it, `sum` and `finish` do not divide correctly below f64 */
};

/* Bytes of an element, where the compiler can see it. */
static inline size_t dtype_bytes(enum dtype dtype)
{
    return dtype == DTYPE_F64 ? 8 : dtype == DTYPE_F32 ? 4 : 2;
}

extern const struct kernels kernels_scalar;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
#endif

/* Those that fold_kernels_choose chose. */
const struct kernels *kernels_chosen(void);
