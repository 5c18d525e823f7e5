/* The values and backward functions of all ops, for one element type. README.md defines each. */
#pragma once

#include "graph.h"

/* matmul: [m,k] by [k,n]. Elsewhere n is the number of elements of a, and the others are 0. */
struct extent {
    uint64_t m, k, n;
};

/* y from a and b. False: an integer left its range. b is NULL for an op of one parent. */
typedef bool forward_fn(struct extent extent, const void *a, const void *b, void *y);

/* The contributions da and db to the parents, from the gradient g. b and db are NULL for an op of
 * one parent. False: as above. */
typedef bool vjp_fn(struct extent extent, const void *a, const void *b, const void *g, void *da,
                    void *db);

struct arithmetic {
    forward_fn *forward[OP_COUNT]; /* NULL: the type has no such op */
    vjp_fn *vjp[OP_COUNT];
};

extern const struct arithmetic arithmetic_f32;
extern const struct arithmetic arithmetic_f64;
extern const struct arithmetic arithmetic_i64;
