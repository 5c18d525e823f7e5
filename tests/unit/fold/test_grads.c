/* grad_add_all: what TorchLean proves of Tape.addGradAll, on an array of five slots. */

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "fold/grads.h"
#include "random.h"
#include "trial.h"

enum {
    NODES = 5,
    ELEMENTS = 2050,
    FROZEN = 1,
    EMPTY = 3
};

static const uint64_t shape_long[] = {2, 1025};
static const uint64_t shape_turned[] = {1025, 2};
static const uint64_t shape_empty[] = {0, 7};
static const uint64_t shape_pair[] = {2};
static const struct node nodes[NODES] = {
    {.shape = shape_long, .ndim = 2, .dtype = DTYPE_F32, .requires_grad = true, .elements = 2050},
    {.shape = shape_long, .ndim = 2, .dtype = DTYPE_F32, .elements = 2050},
    {.shape = shape_pair, .ndim = 1, .dtype = DTYPE_I32, .requires_grad = true, .elements = 2},
    {.shape = shape_empty, .ndim = 2, .dtype = DTYPE_F32, .requires_grad = true},
    {.shape = shape_long, .ndim = 2, .dtype = DTYPE_F32, .requires_grad = true, .elements = 2050},
};
static const struct tape tape = {nodes, NODES};

struct fixture {
    struct fold_budget budget;
    struct grads grads;
    struct random random;
    unsigned char before[NODES][ELEMENTS * 4];
    uint64_t contributions[NODES];
    float data[ELEMENTS];
};

static void fill(struct fixture *f)
{
    for (size_t i = 0; i < ELEMENTS; i++)
        f->data[i] = (float)random_from(&f->random, -1000000, 1000000) *
                     (random_one_in(&f->random, 3) ? 0x1p-90F : 0x1p+60F);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fold_budget_init(&f->budget, UINT64_MAX);
    f->random = random_seeded(run_seed());
    *state = f;
    return f == NULL || grads_init(&f->grads, &tape, ACCUMULATION_EXACT, REDUCTION_SUM, &f->budget,
                                   NULL) != CODE_OK;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    grads_free(&f->grads);
    int lost = f->budget.bytes_used != 0;
    free(f);
    return lost;
}

static enum code add(struct fixture *f, uint64_t node, int dtype, const uint64_t *shape,
                     size_t ndim)
{
    struct contribution c = {.node = node, .dtype = dtype, .shape = shape, .ndim = ndim};
    struct error error;
    error_clear(&error);
    enum code code = grad_add_all(&tape, &f->grads, &c, f->data, &error);
    assert_int_equal(error.code, code);
    return code;
}

static void read_slot(struct fixture *f, size_t id, void *out)
{
    assert_int_equal(grads_read(&tape, &f->grads, id, out, NULL), CODE_OK);
}

static void remember(struct fixture *f)
{
    for (size_t id = 0; id < NODES; id++) {
        read_slot(f, id, f->before[id]);
        f->contributions[id] = f->grads.slots[id].contributions;
    }
}

/* All slots but one (NODES: all) are what they were, and there are as many. */
static void assert_unchanged_but(struct fixture *f, size_t changed)
{
    unsigned char now[ELEMENTS * 4] = {0};
    assert_int_equal(f->grads.size, NODES);
    for (size_t id = 0; id < NODES; id++) {
        if (id == changed)
            continue;
        read_slot(f, id, now);
        assert_memory_equal(now, f->before[id], nodes[id].elements * 4);
        assert_int_equal(f->grads.slots[id].contributions, f->contributions[id]);
    }
}

static void all_slots_are_zero_at_first(void **state)
{
    struct fixture *f = *state;
    static const unsigned char zero[ELEMENTS * 4];
    remember(f);
    for (size_t id = 0; id < NODES; id++)
        assert_memory_equal(f->before[id], zero, nodes[id].elements * 4);
}

static void errors_come_in_order_and_change_nothing(void **state)
{
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(add(f, 0, DTYPE_F32, shape_long, 2), CODE_OK);
    remember(f);
    assert_int_equal(add(f, NODES, 99, shape_turned, 2), CODE_UNKNOWN_NODE);
    assert_int_equal(add(f, 0, 99, shape_turned, 2), CODE_INVALID_ARGUMENT);
    assert_int_equal(add(f, FROZEN, DTYPE_F32, shape_turned, 2), CODE_OK);
    assert_int_equal(add(f, 0, DTYPE_I32, shape_turned, 2), CODE_SHAPE_MISMATCH);
    assert_int_equal(add(f, 0, DTYPE_I32, shape_long, 2), CODE_DTYPE_MISMATCH);
    assert_unchanged_but(f, NODES);
}

static void broken_slot_is_found_after_all_other_errors(void **state)
{
    struct fixture *f = *state;
    remember(f);
    f->grads.size = 0;
    assert_int_equal(add(f, NODES, DTYPE_F32, shape_long, 2), CODE_UNKNOWN_NODE);
    assert_int_equal(add(f, FROZEN, DTYPE_F32, shape_long, 2), CODE_OK);
    assert_int_equal(add(f, 0, DTYPE_F32, shape_turned, 2), CODE_SHAPE_MISMATCH);
    assert_int_equal(add(f, 0, DTYPE_F32, shape_long, 2), CODE_INTERNAL);
    assert_int_equal(grads_read(&tape, &f->grads, 0, f->data, NULL), CODE_INTERNAL);
    f->grads.size = NODES;
    f->grads.slots[0].shape = shape_turned;
    assert_int_equal(add(f, 0, DTYPE_F32, shape_long, 2), CODE_INTERNAL);
    f->grads.slots[0].shape = shape_long;
    f->grads.slots[0].ndim = 1;
    assert_int_equal(add(f, 0, DTYPE_F32, shape_long, 2), CODE_INTERNAL);
    f->grads.slots[0].ndim = 2;
    struct accumulator *sum = f->grads.slots[0].sum;
    f->grads.slots[0].sum = NULL;
    assert_int_equal(add(f, 0, DTYPE_F32, shape_long, 2), CODE_INTERNAL);
    f->grads.slots[0].sum = sum;
    assert_unchanged_but(f, NODES);
}

/* pref ++ seed ++ suffix becomes pref ++ (seed + contrib) ++ suffix. */
static void only_the_slot_itself_changes(void **state)
{
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(add(f, 0, DTYPE_F32, shape_long, 2), CODE_OK);
    assert_int_equal(add(f, 4, DTYPE_F32, shape_long, 2), CODE_OK);
    for (uint64_t id = 0; id < NODES; id++) {
        remember(f);
        fill(f);
        int dtype = id == 2 ? DTYPE_I32 : DTYPE_F32;
        assert_int_equal(add(f, id, dtype, nodes[id].shape, nodes[id].ndim), CODE_OK);
        assert_unchanged_but(f, id);
        uint64_t expected = f->contributions[id] + (id != FROZEN);
        assert_int_equal(f->grads.slots[id].contributions, expected);
    }
}

static void adding_equals_reading_all_in_one_pass(void **state)
{
    struct fixture *f = *state;
    enum {
        TERMS = 7
    };
    static float data[TERMS][ELEMENTS];
    struct tensor tensors[TERMS];
    float one_pass[ELEMENTS];
    float added[ELEMENTS];
    for (int k = 0; k < TERMS; k++) {
        fill(f);
        memcpy(data[k], f->data, sizeof f->data);
        tensors[k] = (struct tensor){.data = data[k], .dtype = DTYPE_F32};
        assert_int_equal(add(f, 4, DTYPE_F32, shape_long, 2), CODE_OK);
    }
    struct fold_rule rule = {DTYPE_F32, ACCUMULATION_EXACT, REDUCTION_SUM};
    struct terms terms = {.tensors = tensors, .count = TERMS, .first = 0};
    assert_true(fold_read(&rule, NULL, &terms, TERMS, ELEMENTS, one_pass, 0, 3));
    read_slot(f, 4, added);
    assert_memory_equal(one_pass, added, sizeof added);
}

/* The sum of the second block needs tier 2, for which there is no memory: the first must not
 * change either. */
static void without_memory_nothing_changes(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ELEMENTS; i++)
        f->data[i] = 1.0F;
    assert_int_equal(add(f, 0, DTYPE_F32, shape_long, 2), CODE_OK);
    remember(f);
    uint64_t used = f->budget.bytes_used;
    for (size_t i = 1500; i < ELEMENTS; i++)
        f->data[i] = 0x1p-120F;
    f->data[1600] = 0x1p+100F;
    for (f->budget.bytes_max = used; f->budget.bytes_max < used + 60000;
         f->budget.bytes_max += 5000) {
        if (add(f, 0, DTYPE_F32, shape_long, 2) == CODE_OK)
            break;
        assert_unchanged_but(f, NODES);
    }
    assert_true(f->budget.bytes_max > used);
    assert_int_equal(f->grads.slots[0].contributions, 2);
    assert_unchanged_but(f, 0);
}

static enum code add_list(struct fixture *f, const struct contribution *list, size_t n,
                          size_t *ignored)
{
    const void *data[4] = {f->data, f->data, f->data, f->data};
    struct error error;
    error_clear(&error);
    enum code code = grads_add_list(&tape, &f->grads, list, data, n, ignored, &error);
    assert_int_equal(error.code, code);
    return code;
}

static void a_list_adds_to_the_slots_it_names_and_to_no_other(void **state)
{
    struct fixture *f = *state;
    static float once[ELEMENTS];
    static float thrice[ELEMENTS];
    size_t ignored;
    for (size_t i = 0; i < ELEMENTS; i++)
        f->data[i] = (float)i;
    assert_int_equal(add(f, 4, DTYPE_F32, shape_long, 2), CODE_OK);
    remember(f);
    const struct contribution list[] = {{0, DTYPE_F32, shape_long, 2},
                                        {FROZEN, DTYPE_F32, shape_turned, 2},
                                        {0, DTYPE_F32, shape_long, 2},
                                        {0, DTYPE_F32, shape_long, 2}};
    assert_int_equal(add_list(f, list, 4, &ignored), CODE_OK);
    assert_int_equal(ignored, 1);
    assert_int_equal(f->grads.slots[0].contributions, 3);
    assert_unchanged_but(f, 0);
    read_slot(f, 4, once);
    read_slot(f, 0, thrice);
    for (size_t i = 0; i < ELEMENTS; i++)
        assert_true(thrice[i] == 3 * once[i]);
    assert_int_equal(add_list(f, list, 0, &ignored), CODE_OK);
}

static void a_list_with_an_error_changes_nothing_and_says_the_first(void **state)
{
    struct fixture *f = *state;
    size_t ignored = 77;
    fill(f);
    remember(f);
    struct contribution list[] = {{0, DTYPE_F32, shape_long, 2},
                                  {4, DTYPE_F32, shape_long, 2},
                                  {4, DTYPE_F32, shape_turned, 2},
                                  {NODES, DTYPE_F32, shape_long, 2}};
    assert_int_equal(add_list(f, list, 4, &ignored), CODE_SHAPE_MISMATCH);
    assert_unchanged_but(f, NODES);
    f->grads.slots[4].ndim = 1; /* the slot of an earlier contribution is broken */
    assert_int_equal(add_list(f, list, 4, &ignored), CODE_INTERNAL);
    f->grads.slots[4].ndim = 2;
    list[2] = list[3];
    assert_int_equal(add_list(f, list, 4, &ignored), CODE_UNKNOWN_NODE);
    assert_unchanged_but(f, NODES);
    assert_int_equal(ignored, 77);
}

/* Memory for the first node's sum, and for a part of the second's: neither changes. */
static void a_list_without_memory_changes_nothing(void **state)
{
    struct fixture *f = *state;
    size_t ignored;
    const struct contribution list[] = {{0, DTYPE_F32, shape_long, 2},
                                        {0, DTYPE_F32, shape_long, 2},
                                        {4, DTYPE_F32, shape_long, 2},
                                        {4, DTYPE_F32, shape_long, 2}};
    fill(f);
    remember(f);
    uint64_t used = f->budget.bytes_used;
    unsigned refused = 0;
    f->budget.bytes_max = used;
    while (add_list(f, list, 4, &ignored) != CODE_OK) {
        assert_unchanged_but(f, NODES);
        f->budget.bytes_max += 20000;
        refused++;
        assert_true(refused < 100);
    }
    assert_true(refused > 1);
    assert_int_equal(f->grads.slots[0].contributions, 2);
    assert_int_equal(f->grads.slots[4].contributions, 2);
}

/* As the source's: also to itself and to later ones, which the reverse loop has passed. */
static void a_step_gives_to_any_node_of_the_tape(void **state)
{
    struct fixture *f = *state;
    const void *data[] = {f->data, f->data};
    struct contribution list[] = {{2, DTYPE_I32, shape_pair, 1}, {FROZEN, DTYPE_F32, NULL, 0}};
    size_t ignored = 77;
    struct error error;
    remember(f);
    assert_int_equal(grads_step(&tape, &f->grads, NODES, list, data, 2, &ignored, &error),
                     CODE_UNKNOWN_NODE);
    assert_non_null(strstr(error.message, "node 5"));
    assert_unchanged_but(f, NODES);
    for (size_t id = 0; id < NODES; id++)
        assert_int_equal(grads_step(&tape, &f->grads, id, list, data, 2, &ignored, &error),
                         CODE_OK);
    assert_int_equal(ignored, 1);
    assert_int_equal(f->grads.slots[2].contributions, NODES);
    assert_unchanged_but(f, 2);
    list[1].node = NODES;
    remember(f);
    assert_int_equal(grads_step(&tape, &f->grads, 3, list, data, 2, &ignored, &error),
                     CODE_UNKNOWN_NODE);
    assert_unchanged_but(f, NODES);
}

static void integer_out_of_range_is_said_when_read(void **state)
{
    struct fixture *f = *state;
    struct error error;
    int32_t out[2];
    const int32_t top[2] = {INT32_MAX, 0};
    memcpy(f->data, top, sizeof top);
    assert_int_equal(add(f, 2, DTYPE_I32, shape_pair, 1), CODE_OK);
    assert_int_equal(add(f, 2, DTYPE_I32, shape_pair, 1), CODE_OK);
    assert_int_equal(grads_read(&tape, &f->grads, 2, out, &error), CODE_OUT_OF_RANGE);
    assert_non_null(strstr(error.message, "node 2"));
    const int32_t back[2] = {-INT32_MAX, 0};
    memcpy(f->data, back, sizeof back);
    assert_int_equal(add(f, 2, DTYPE_I32, shape_pair, 1), CODE_OK);
    assert_int_equal(grads_read(&tape, &f->grads, 2, out, &error), CODE_OK);
    assert_int_equal(out[0], INT32_MAX);
    assert_int_equal(grads_read(&tape, &f->grads, NODES, out, &error), CODE_UNKNOWN_NODE);
}

static void init_without_memory_gives_all_back(void **state)
{
    struct fixture *f = *state;
    struct fold_budget budget;
    struct grads grads;
    for (uint64_t bytes = 0; bytes < 2 * 17000; bytes += 1000) {
        fold_budget_init(&budget, bytes);
        assert_int_equal(
            grads_init(&grads, &tape, ACCUMULATION_EXACT, REDUCTION_SUM, &budget, NULL),
            CODE_RESOURCE_EXHAUSTED);
        assert_int_equal(budget.bytes_used, 0);
    }
    (void)f;
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(all_slots_are_zero_at_first),
        WITH_FIXTURE(errors_come_in_order_and_change_nothing),
        WITH_FIXTURE(broken_slot_is_found_after_all_other_errors),
        WITH_FIXTURE(only_the_slot_itself_changes),
        WITH_FIXTURE(adding_equals_reading_all_in_one_pass),
        WITH_FIXTURE(without_memory_nothing_changes),
        WITH_FIXTURE(a_list_adds_to_the_slots_it_names_and_to_no_other),
        WITH_FIXTURE(a_list_with_an_error_changes_nothing_and_says_the_first),
        WITH_FIXTURE(a_list_without_memory_changes_nothing),
        WITH_FIXTURE(a_step_gives_to_any_node_of_the_tape),
        WITH_FIXTURE(integer_out_of_range_is_said_when_read),
        WITH_FIXTURE(init_without_memory_gives_all_back),
    };
    return cmocka_run_group_tests_name("grads", tests, NULL, NULL);
}
