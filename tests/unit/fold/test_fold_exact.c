/* EXACT against the oracle: random sets, in random orders and batchings, over random ranges, with
 * an accumulator or without, with too little memory, by every instruction set. */

#include "cmocka_all.h"
#include "trial.h"

#define EXACT(d, D, checks)                                                       \
    static void exact_##d##_is_the_correctly_rounded_sum_of_the_set(void **state) \
    {                                                                             \
        (void)state;                                                              \
        assert_true(trials_run(DTYPE_##D, ACCUMULATION_EXACT, checks));           \
    }

EXACT(f32, F32, 4500000)
EXACT(f64, F64, 2500000)
EXACT(f16, F16, 1500000)
EXACT(bf16, BF16, 1500000)
EXACT(i32, I32, 600000)
EXACT(i64, I64, 600000)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_f32_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_f64_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_f16_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_bf16_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_i32_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_i64_is_the_correctly_rounded_sum_of_the_set),
    };
    return cmocka_run_group_tests_name("fold exact", tests, NULL, NULL);
}
