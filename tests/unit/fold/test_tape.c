/* The order in which grad_decide decides. */

#include <string.h>

#include "cmocka_all.h"
#include "fold/tape.h"

static const uint64_t shape_3_4[] = {3, 4};
static const uint64_t shape_4_3[] = {4, 3};
static const struct node nodes[] = {
    {.name = "w", .shape = shape_3_4, .ndim = 2, .dtype = DTYPE_F32, .requires_grad = true},
    {.name = "frozen", .shape = shape_3_4, .ndim = 2, .dtype = DTYPE_F32},
    {.name = "scalar", .dtype = DTYPE_I64, .requires_grad = true},
};
static const struct tape tape = {nodes, 3};

static void expect(uint64_t node, int dtype, const uint64_t *shape, size_t ndim,
                   enum grad_decision decision, enum code code)
{
    struct error error;
    error_clear(&error);
    struct contribution c = {.node = node, .dtype = dtype, .shape = shape, .ndim = ndim};
    assert_int_equal(grad_decide(&tape, &c, &error), decision);
    assert_int_equal(error.code, code);
}

static void unknown_node_comes_before_all(void **state)
{
    (void)state;
    expect(3, DTYPE_F32, shape_3_4, 2, GRAD_ERROR, CODE_UNKNOWN_NODE);
    expect(UINT64_MAX, 99, shape_4_3, 2, GRAD_ERROR, CODE_UNKNOWN_NODE);
}

static void unknown_dtype_comes_before_frozen(void **state)
{
    (void)state;
    expect(1, 0, shape_3_4, 2, GRAD_ERROR, CODE_INVALID_ARGUMENT);
    expect(1, 7, shape_3_4, 2, GRAD_ERROR, CODE_INVALID_ARGUMENT);
    expect(0, -1, shape_4_3, 2, GRAD_ERROR, CODE_INVALID_ARGUMENT);
}

static void frozen_node_ignores_any_shape_and_dtype(void **state)
{
    (void)state;
    expect(1, DTYPE_F32, shape_3_4, 2, GRAD_IGNORE, CODE_OK);
    expect(1, DTYPE_I64, shape_4_3, 2, GRAD_IGNORE, CODE_OK);
    expect(1, DTYPE_F64, NULL, 0, GRAD_IGNORE, CODE_OK);
}

static void shape_comes_before_dtype(void **state)
{
    (void)state;
    expect(0, DTYPE_I32, shape_4_3, 2, GRAD_ERROR, CODE_SHAPE_MISMATCH);
    expect(0, DTYPE_F32, shape_3_4, 1, GRAD_ERROR, CODE_SHAPE_MISMATCH);
    expect(2, DTYPE_I64, shape_3_4, 1, GRAD_ERROR, CODE_SHAPE_MISMATCH);
    expect(0, DTYPE_I32, shape_3_4, 2, GRAD_ERROR, CODE_DTYPE_MISMATCH);
}

static void widening_dtypes_are_added(void **state)
{
    (void)state;
    expect(0, DTYPE_F32, shape_3_4, 2, GRAD_ADD, CODE_OK);
    expect(0, DTYPE_BF16, shape_3_4, 2, GRAD_ADD, CODE_OK);
    expect(0, DTYPE_F16, shape_3_4, 2, GRAD_ADD, CODE_OK);
    expect(0, DTYPE_F64, shape_3_4, 2, GRAD_ERROR, CODE_DTYPE_MISMATCH);
    expect(2, DTYPE_I32, NULL, 0, GRAD_ADD, CODE_OK);
    expect(2, DTYPE_F32, NULL, 0, GRAD_ERROR, CODE_DTYPE_MISMATCH);
}

static void message_names_node_and_both_shapes(void **state)
{
    (void)state;
    struct error error;
    struct contribution c = {.node = 0, .dtype = DTYPE_F32, .shape = shape_4_3, .ndim = 2};
    assert_int_equal(grad_decide(&tape, &c, &error), GRAD_ERROR);
    assert_string_equal(error.message, "node 0: shape [4,3], expected [3,4]");
    c.node = 17;
    assert_int_equal(grad_decide(&tape, &c, &error), GRAD_ERROR);
    assert_non_null(strstr(error.message, "node 17"));
}

static void an_error_need_not_be_wanted(void **state)
{
    (void)state;
    struct contribution c = {.node = 0, .dtype = DTYPE_F32, .shape = shape_4_3, .ndim = 2};
    assert_int_equal(grad_decide(&tape, &c, NULL), GRAD_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_node_comes_before_all),
        cmocka_unit_test(unknown_dtype_comes_before_frozen),
        cmocka_unit_test(frozen_node_ignores_any_shape_and_dtype),
        cmocka_unit_test(shape_comes_before_dtype),
        cmocka_unit_test(widening_dtypes_are_added),
        cmocka_unit_test(message_names_node_and_both_shapes),
        cmocka_unit_test(an_error_need_not_be_wanted),
    };
    return cmocka_run_group_tests_name("tape", tests, NULL, NULL);
}
