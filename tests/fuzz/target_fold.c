/* The fold's kernels against each other: every instruction set gives the same bits, and exact
 * sums do not depend on the order, whatever the bits of the tensors are.
 *
 * Input: dtype (1 byte), rule (1 byte), number of tensors (1 byte), elements (1 byte), a seed
 * for how they are batched (1 byte), bits, which are repeated with a twist until there are
 * enough. */
#include <stdlib.h>
#include <string.h>

#include "fold/fold.h"
#include "fuzz.h"

enum {
    TERMS_MAX = 20,
    ELEMENTS_MAX = FOLD_BLOCK + 8
};

struct sums {
    struct fold_rule rule;
    uint64_t elements;
    struct tensor tensors[TERMS_MAX];
    size_t n;
    uint8_t seed;
};

static const char *const sets[] = {"avx2", "avx512"};

/* Bits of the input, again and again; each time a little different. */
static void fill(uint8_t *to, size_t n, struct span bits, size_t *at)
{
    for (size_t i = 0; i < n; i++, ++*at) {
        size_t turn = bits.n > 0 ? *at / bits.n : 0;
        to[i] = bits.n == 0 ? 0 : bits.at[*at % bits.n];
        if (turn > 0 && *at % 7 == turn % 7)
            to[i] = (uint8_t)(to[i] ^ turn);
    }
}

static enum dtype narrower(enum dtype dtype, uint8_t choice)
{
    enum dtype other = (enum dtype)(DTYPE_F32 + choice % 6);
    return dtype_widens(other, dtype) ? other : dtype;
}

static bool make(struct sums *s, struct span in)
{
    *s = (struct sums){.rule.dtype = (enum dtype)(DTYPE_F32 + input_u8(&in) % 6)};
    uint8_t rule = input_u8(&in);
    s->rule.accumulation = (rule & 1) != 0 ? ACCUMULATION_IN_ORDER : ACCUMULATION_EXACT;
    s->rule.reduction = (rule & 2) != 0 ? REDUCTION_MEAN : REDUCTION_SUM;
    s->n = input_u8(&in) % (TERMS_MAX + 1u);
    uint8_t elements = input_u8(&in);
    s->elements = elements < 240 ? 1 + elements % 80u : FOLD_BLOCK - 7u + (elements - 240u);
    s->seed = input_u8(&in);
    size_t at = 0;
    for (size_t i = 0; i < s->n; i++) {
        enum dtype dtype =
            (rule & 4) != 0 ? narrower(s->rule.dtype, (uint8_t)(rule / 8 + i)) : s->rule.dtype;
        size_t bytes = s->elements * dtype_size(dtype);
        uint8_t *data = malloc(bytes);
        must(data != NULL);
        fill(data, bytes, in, &at);
        s->tensors[i] = (struct tensor){data, dtype};
    }
    return s->elements <= ELEMENTS_MAX;
}

struct outcome {
    bool ok;
    uint8_t *bytes;
};

static struct outcome read_out(const struct sums *s, const struct accumulator *acc)
{
    uint64_t floor = acc != NULL ? accumulator_floor(acc) : 0;
    struct terms rest = {s->tensors + floor, s->n - floor, floor};
    struct outcome o = {.bytes = malloc(s->elements * dtype_size(s->rule.dtype))};
    must(o.bytes != NULL);
    o.ok = fold_read(&s->rule, acc, &rest, s->n, s->elements, o.bytes, 0, fold_blocks(s->elements));
    return o;
}

static struct outcome sum_at_once(const struct sums *s)
{
    return read_out(s, NULL);
}

/* In batches, through an accumulator that may have no memory for all it should hold. */
static struct outcome sum_in_batches(const struct sums *s)
{
    struct fold_budget budget;
    struct noise noise = {s->seed};
    fold_budget_init(&budget, s->seed % 4 == 3 ? 40000 : 1 << 24);
    struct accumulator *acc = accumulator_new(&s->rule, s->elements, &budget);
    for (size_t at = 0; acc != NULL && at < s->n;) {
        size_t n = 1 + noise_next(&noise) % (s->n - at);
        struct terms terms = {s->tensors + at, n, at};
        if (!accumulator_add(acc, &terms, 0, fold_blocks(s->elements)))
            break;
        at += n;
    }
    struct outcome o = read_out(s, acc);
    accumulator_free(acc);
    must(atomic_load(&budget.bytes_used) == 0);
    return o;
}

static void same(const struct sums *s, const struct outcome *a, struct outcome b)
{
    must(a->ok == b.ok);
    if (a->ok)
        must(memcmp(a->bytes, b.bytes, s->elements * dtype_size(s->rule.dtype)) == 0);
    free(b.bytes);
}

static void compare_scans(const struct sums *s, const char *set)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct tensor *t = &s->tensors[i];
        must(fold_kernels_choose("scalar") != NULL);
        int64_t plain = fold_find_non_finite(t->dtype, t->data, s->elements);
        must(fold_kernels_choose(set) != NULL);
        must(fold_find_non_finite(t->dtype, t->data, s->elements) == plain);
    }
}

static void reverse(struct sums *s)
{
    for (size_t i = 0; i < s->n / 2; i++) {
        struct tensor t = s->tensors[i];
        s->tensors[i] = s->tensors[s->n - 1 - i];
        s->tensors[s->n - 1 - i] = t;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sums s;
    must(make(&s, (struct span){data, n}));
    must(fold_kernels_choose("scalar") != NULL);
    struct outcome plain = sum_at_once(&s);
    same(&s, &plain, sum_in_batches(&s));
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (fold_kernels_choose(sets[i]) == NULL)
            continue;
        same(&s, &plain, sum_at_once(&s));
        same(&s, &plain, sum_in_batches(&s));
        compare_scans(&s, sets[i]);
    }
    if (s.rule.accumulation == ACCUMULATION_EXACT) {
        reverse(&s);
        same(&s, &plain, sum_at_once(&s));
        same(&s, &plain, sum_in_batches(&s));
    }
    free(plain.bytes);
    for (size_t i = 0; i < s.n; i++)
        free((void *)(uintptr_t)s.tensors[i].data);
    return 0;
}
