#include "trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fold/state.h"
#include "oracle.h"

static const enum dtype all_dtypes[] = {DTYPE_F32,  DTYPE_F64, DTYPE_F16,
                                        DTYPE_BF16, DTYPE_I32, DTYPE_I64};

static void *must_alloc(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL)
        abort();
    return memory;
}

/* Sizes around chunks and blocks, and many or few contributions, but never much work at once. */
static void draw_sizes(struct trial *t)
{
    struct random *r = &t->random;
    switch (random_below(r, 6)) {
    case 0:
        t->elements = 1 + random_below(r, 70);
        break;
    case 1:
        t->elements = FOLD_BLOCK - 33 + random_below(r, 67);
        break;
    case 2:
        t->elements = 1 + random_below(r, 4 * FOLD_BLOCK);
        break;
    case 3:
        t->elements = (1 + random_below(r, 3)) * FOLD_BLOCK;
        break;
    default:
        t->elements = 1 + random_below(r, 2 * FOLD_BLOCK);
    }
    if (t->elements < 100 && random_one_in(r, 2))
        t->n = 1 + (unsigned)random_below(r, TRIAL_CONTRIBUTIONS_MAX);
    else if (random_one_in(r, 2))
        t->n = 1 + (unsigned)random_below(r, 9);
    else
        t->n = 1 + (unsigned)random_below(r, 40);
}

static void draw_tensors(struct trial *t)
{
    struct random *r = &t->random;
    bool mixed = random_one_in(r, 3);
    for (unsigned k = 0; k < t->n; k++) {
        enum dtype from = t->rule.dtype;
        if (mixed)
            do
                from = all_dtypes[random_below(r, 6)];
            while (!dtype_widens(from, t->rule.dtype));
        size_t offset = random_below(r, 16);
        t->memory[k] = must_alloc(offset + t->elements * dtype_size(from));
        t->tensors[k].data = (unsigned char *)t->memory[k] + offset;
        t->tensors[k].dtype = from;
    }
}

/* One kind of values, for a fifth of the trials with a few elements of other kinds strewn in, so
 * that a chunk fails among others that do not. */
static void draw_values(struct trial *t)
{
    struct random *r = &t->random;
    enum dtype from[TRIAL_CONTRIBUTIONS_MAX];
    uint64_t bits[TRIAL_CONTRIBUTIONS_MAX];
    enum values kind = (enum values)random_below(r, VALUES_COUNT);
    bool strewn = random_one_in(r, 3);
    for (unsigned k = 0; k < t->n; k++)
        from[k] = t->tensors[k].dtype;
    for (uint64_t i = 0; i < t->elements; i++) {
        enum values here = kind;
        if (strewn && random_one_in(r, 200))
            here = (enum values)random_below(r, VALUES_COUNT);
        values_fill(r, here, t->rule.dtype, from, bits, t->n);
        for (unsigned k = 0; k < t->n; k++)
            bits_store(from[k], (unsigned char *)(uintptr_t)t->tensors[k].data, i, bits[k]);
    }
}

void trial_make(struct trial *t, uint64_t seed, enum dtype node, enum accumulation accumulation,
                struct coverage *coverage)
{
    *t = (struct trial){.seed = seed, .random = random_seeded(seed), .coverage = coverage};
    t->rule.dtype = node;
    t->rule.accumulation = accumulation;
    t->rule.reduction = random_one_in(&t->random, 2) ? REDUCTION_SUM : REDUCTION_MEAN;
    draw_sizes(t);
    draw_tensors(t);
    draw_values(t);
    t->expected = must_alloc(t->elements * dtype_size(node));
    t->in_range = must_alloc(fold_blocks(t->elements) * sizeof *t->in_range);
    memset(t->in_range, true, fold_blocks(t->elements) * sizeof *t->in_range);
    if (accumulation == ACCUMULATION_EXACT)
        expect_exact(t);
    else
        expect_in_order(t);
    coverage->trials++;
    coverage->sums += t->elements;
}

void trial_free(struct trial *t)
{
    for (unsigned k = 0; k < t->n; k++)
        free(t->memory[k]);
    free(t->expected);
    free(t->in_range);
}

static void shuffle(struct trial *t)
{
    for (unsigned k = t->n; k > 1; k--) {
        unsigned other = (unsigned)random_below(&t->random, k);
        struct tensor tensor = t->tensors[k - 1];
        void *memory = t->memory[k - 1];
        t->tensors[k - 1] = t->tensors[other];
        t->memory[k - 1] = t->memory[other];
        t->tensors[other] = tensor;
        t->memory[other] = memory;
    }
}

static void draw_kernels(struct trial *t)
{
    static const char *const names[KERNELS_MAX] = {"scalar", "avx2", "avx512"};
    for (;;) {
        uint64_t i = random_below(&t->random, KERNELS_MAX);
        if (fold_kernels_choose(names[i]) == NULL)
            continue;
        t->coverage->by_kernels[i]++;
        return;
    }
}

/* Adds contributions in batches to ranges of blocks, until some are left for the read-out or none.
 */
static void accumulate(struct trial *t, struct accumulator *acc, struct fold_budget *budget)
{
    struct random *r = &t->random;
    uint64_t blocks = fold_blocks(t->elements);
    unsigned calls = 1 + (unsigned)random_below(r, 6);
    for (unsigned call = 0; call < calls; call++) {
        uint64_t first = accumulator_floor(acc);
        struct terms terms = {.tensors = t->tensors + first,
                              .count = random_below(r, t->n - first + 1),
                              .first = first};
        uint64_t block = random_below(r, blocks);
        uint64_t count = 1 + random_below(r, blocks - block);
        if (random_one_in(r, 2)) {
            block = 0;
            count = blocks;
        }
        if (accumulator_add(acc, &terms, block, count))
            continue;
        t->coverage->refused++;
        if (random_one_in(r, 3)) {
            budget->bytes_max = UINT64_MAX;
            if (!accumulator_add(acc, &terms, block, count))
                abort();
        }
    }
    for (uint64_t b = 0; b < blocks; b++)
        t->coverage->tiers[acc->blocks[b].tier]++;
}

static struct accumulator *draw_accumulator(struct trial *t, struct fold_budget *budget)
{
    struct random *r = &t->random;
    fold_budget_init(budget, UINT64_MAX);
    struct accumulator *acc = accumulator_new(&t->rule, t->elements, budget);
    if (acc == NULL)
        abort();
    if (random_one_in(r, 2))
        budget->bytes_max = budget->bytes_used + random_below(r, 80 * t->elements);
    accumulate(t, acc, budget);
    return acc;
}

static bool wrong_element(const struct trial *t, const unsigned char *out, uint64_t i,
                          const struct terms *terms)
{
    enum dtype dtype = t->rule.dtype;
    fprintf(stderr,
            "seed %" PRIu64 ": %s %s element %" PRIu64 " of %" PRIu64 ": %016" PRIx64
            ", expected %016" PRIx64 "; %u contributions, %" PRIu64 " in the accumulator\n",
            t->seed, dtype_name(dtype), t->rule.reduction == REDUCTION_MEAN ? "mean" : "sum", i,
            t->elements, bits_load(dtype, out, i), bits_load(dtype, t->expected, i), t->n,
            terms->first);
    for (unsigned k = 0; k < t->n && k < 12; k++)
        fprintf(stderr, "  %s %016" PRIx64 "\n", dtype_name(t->tensors[k].dtype),
                bits_load(t->tensors[k].dtype, t->tensors[k].data, i));
    return false;
}

static bool compare(struct trial *t, const unsigned char *out, const struct terms *terms)
{
    size_t size = dtype_size(t->rule.dtype);
    for (uint64_t i = 0; i < t->elements; i++) {
        if (!t->in_range[i / FOLD_BLOCK])
            continue;
        if (memcmp(out + i * size, t->expected + i * size, size) != 0) {
            t->coverage->wrong++;
            return wrong_element(t, out, i, terms);
        }
        t->coverage->checked++;
    }
    return true;
}

/* Reads in ranges of blocks; false when what is said of their range is wrong. */
static bool read_ranges(struct trial *t, const struct accumulator *acc, const struct terms *terms,
                        unsigned char *out)
{
    uint64_t blocks = fold_blocks(t->elements);
    for (uint64_t block = 0; block < blocks;) {
        uint64_t count = 1 + random_below(&t->random, blocks - block);
        bool expected = true;
        for (uint64_t b = block; b < block + count; b++)
            expected &= t->in_range[b];
        if (fold_read(&t->rule, acc, terms, t->n, t->elements, out, block, count) != expected) {
            fprintf(stderr, "seed %" PRIu64 ": in range: expected %d\n", t->seed, expected);
            t->coverage->wrong++;
            return false;
        }
        block += count;
    }
    return true;
}

enum {
    GUARD = 40,
    GUARD_BYTE = 0xa5
};

static bool guards_hold(const struct trial *t, const unsigned char *memory, size_t before,
                        size_t bytes)
{
    for (size_t i = 0; i < before; i++)
        if (memory[i] != GUARD_BYTE || memory[before + bytes + i] != GUARD_BYTE) {
            fprintf(stderr, "seed %" PRIu64 ": written beside the output\n", t->seed);
            return false;
        }
    return true;
}

static bool read_and_compare(struct trial *t, const struct accumulator *acc)
{
    struct random *r = &t->random;
    size_t bytes = t->elements * dtype_size(t->rule.dtype);
    uint64_t first = acc == NULL ? 0 : accumulator_floor(acc);
    struct terms terms = {.tensors = t->tensors + first, .count = t->n - first, .first = first};
    size_t before = GUARD + random_below(r, 16);
    unsigned char *memory = must_alloc(bytes + 2 * before);
    unsigned char *out = memory + before;
    memset(memory, GUARD_BYTE, bytes + 2 * before);
    unsigned over = (unsigned)random_below(r, 2 * t->n);
    const void *overwritten = NULL;
    if (over < t->n && t->tensors[over].dtype == t->rule.dtype) {
        memcpy(out, t->tensors[over].data, bytes);
        overwritten = t->tensors[over].data;
        t->tensors[over].data = out;
        t->coverage->overlapped++;
    }
    bool right = read_ranges(t, acc, &terms, out);
    if (overwritten != NULL)
        t->tensors[over].data = overwritten;
    right = right && compare(t, out, &terms) && guards_hold(t, memory, before, bytes);
    free(memory);
    return right;
}

bool trial_check(struct trial *t)
{
    struct fold_budget budget;
    struct accumulator *acc = NULL;
    draw_kernels(t);
    if (t->rule.accumulation == ACCUMULATION_EXACT)
        shuffle(t);
    if (!random_one_in(&t->random, 3))
        acc = draw_accumulator(t, &budget);
    bool right = read_and_compare(t, acc);
    accumulator_free(acc);
    if (acc != NULL && budget.bytes_used != 0) {
        fprintf(stderr, "seed %" PRIu64 ": budget not given back\n", t->seed);
        right = false;
    }
    return right;
}
