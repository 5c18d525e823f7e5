/* IN_ORDER against one exact addition after the other, each rounded to the node's dtype by the
 * oracle. */

#include "cmocka_all.h"
#include "trial.h"

#define IN_ORDER(d, D)                                                     \
    static void in_order_##d##_rounds_each_step(void **state)              \
    {                                                                      \
        (void)state;                                                       \
        assert_true(trials_run(DTYPE_##D, ACCUMULATION_IN_ORDER, 700000)); \
    }

IN_ORDER(f32, F32)
IN_ORDER(f64, F64)
IN_ORDER(f16, F16)
IN_ORDER(bf16, BF16)
IN_ORDER(i32, I32)
IN_ORDER(i64, I64)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_f32_rounds_each_step),
        cmocka_unit_test(in_order_f64_rounds_each_step),
        cmocka_unit_test(in_order_f16_rounds_each_step),
        cmocka_unit_test(in_order_bf16_rounds_each_step),
        cmocka_unit_test(in_order_i32_rounds_each_step),
        cmocka_unit_test(in_order_i64_rounds_each_step),
    };
    return cmocka_run_group_tests_name("fold in order", tests, NULL, NULL);
}
