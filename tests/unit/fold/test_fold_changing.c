/* Tensors that another process writes while they are read: its own elements are anything then, all
 * others are what they are without it. Every instruction set, dtype, tier and mode. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "fold/fold.h"
#include "oracle.h"
#include "trial.h"
#include "values.h"

enum {
    TENSORS = 12, /* two groups */
    CHANGING = 3, /* of them */
    ELEMENTS = 2 * FOLD_BLOCK + 77,
    BYTES = ELEMENTS * 8,
    TIMES = 6,
};

struct fixture {
    unsigned char *shared; /* TENSORS of BYTES */
    unsigned char *still;  /* as they are at first */
    pid_t writer;
};

/* Every other element of the first few tensors. */
static void write_for_ever(unsigned char *shared, enum dtype dtype)
{
    struct random r = random_seeded(1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        uint64_t e = random_below(&r, ELEMENTS) & ~(uint64_t)1;
        bits_store(dtype, shared + random_below(&r, CHANGING) * BYTES, e, random_bits(&r));
    }
}

static void begin(struct fixture *f, enum dtype dtype, struct random *r)
{
    enum dtype from[TENSORS];
    uint64_t bits[TENSORS];
    for (int k = 0; k < TENSORS; k++)
        from[k] = dtype;
    for (uint64_t e = 0; e < ELEMENTS; e++) {
        values_fill(r, (enum values)(e / 32 % VALUES_COUNT), dtype, from, bits, TENSORS);
        for (int k = 0; k < TENSORS; k++)
            bits_store(dtype, f->still + k * BYTES, e, bits[k]);
    }
    memcpy(f->shared, f->still, TENSORS * BYTES);
    f->writer = fork();
    assert_true(f->writer >= 0);
    if (f->writer == 0)
        write_for_ever(f->shared, dtype);
    while (memcmp(f->shared, f->still, TENSORS * BYTES) == 0)
        sched_yield(); /* until it has begun */
}

static void end(struct fixture *f)
{
    kill(f->writer, SIGKILL);
    waitpid(f->writer, NULL, 0);
}

static bool fold(const struct fold_rule *rule, const unsigned char *memory, unsigned char *out)
{
    struct tensor tensors[TENSORS];
    struct terms terms = {.tensors = tensors, .count = TENSORS};
    for (int k = 0; k < TENSORS; k++)
        tensors[k] = (struct tensor){.data = memory + k * BYTES, .dtype = rule->dtype};
    return fold_read(rule, NULL, &terms, TENSORS, ELEMENTS, out, 0, fold_blocks(ELEMENTS));
}

/* Whatever was read there, the elements that nobody writes are right. */
static void fold_all(struct fixture *f, enum dtype dtype)
{
    static unsigned char right[BYTES];
    static unsigned char is[BYTES];
    for (int mode = 0; mode < 4; mode++) {
        struct fold_rule rule = {.dtype = dtype,
                                 .accumulation =
                                     mode % 2 ? ACCUMULATION_EXACT : ACCUMULATION_IN_ORDER,
                                 .reduction = mode / 2 ? REDUCTION_SUM : REDUCTION_MEAN};
        bool in_range = fold(&rule, f->still, right);
        for (int i = 0; i < TIMES; i++) {
            if (!fold(&rule, f->shared, is) || !in_range)
                continue; /* integers out of their range: the block is nobody's */
            for (uint64_t e = 1; e < ELEMENTS; e += 2)
                assert_int_equal(bits_load(dtype, is, e), bits_load(dtype, right, e));
        }
    }
}

static void memory_that_changes_harms_its_own_elements_only(void **state)
{
    (void)state;
    static const char *const names[KERNELS_MAX] = {"scalar", "avx2", "avx512"};
    struct random r = random_seeded(run_seed());
    struct fixture f = {.still = malloc(TENSORS * BYTES)};
    f.shared =
        mmap(NULL, TENSORS * BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(f.shared != MAP_FAILED && f.still != NULL);
    for (int dtype = DTYPE_F32; dtype <= DTYPE_I64; dtype++) {
        begin(&f, (enum dtype)dtype, &r);
        for (int k = 0; k < KERNELS_MAX; k++)
            if (fold_kernels_choose(names[k]) != NULL)
                fold_all(&f, (enum dtype)dtype);
        end(&f);
    }
    fold_kernels_choose(NULL);
    munmap(f.shared, TENSORS * BYTES);
    free(f.still);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_changes_harms_its_own_elements_only),
    };
    return cmocka_run_group_tests_name("fold: changing memory", tests, NULL, NULL);
}
