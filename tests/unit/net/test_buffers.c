/* The table of a connection's buffers, and the budget that all share. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mapping.h"
#include "net/buffers.h"

enum {
    BYTES = 4096
};

struct fixture {
    struct buffers buffers;
    struct buffer_budget budget;
    struct error error;
    int fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->budget.bytes_max = UINT64_C(1) << 40;
    f->fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(f->fd, BYTES), 0);
    assert_int_equal(fcntl(f->fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    buffers_free(&f->buffers, &f->budget);
    assert_int_equal(f->budget.bytes, 0);
    close(f->fd);
    free(f);
    return 0;
}

static enum code reserve(struct fixture *f, uint64_t number)
{
    return buffers_reserve(&f->buffers, &f->budget, number, BYTES, &f->error);
}

static void add(struct fixture *f, uint64_t number)
{
    struct mapping *mapping;
    assert_int_equal(reserve(f, number), CODE_OK);
    assert_int_equal(mapping_new(f->fd, BYTES, &mapping, &f->error), CODE_OK);
    buffers_add(&f->buffers, number, mapping);
}

static void each_is_found_by_its_number(void **state)
{
    struct fixture *f = *state;
    struct mapping *found[10];
    for (uint64_t i = 0; i < 10; i++)
        add(f, 1 + i * 7 % 10 * 1000);
    for (uint64_t i = 0; i < 10; i++) {
        found[i] = buffers_find(&f->buffers, 1 + i * 1000);
        assert_non_null(found[i]);
        for (uint64_t j = 0; j < i; j++)
            assert_ptr_not_equal(found[i], found[j]);
        assert_null(buffers_find(&f->buffers, 2 + i * 1000));
    }
    assert_true(buffers_drop(&f->buffers, &f->budget, 4001));
    assert_false(buffers_drop(&f->buffers, &f->budget, 4001));
    for (uint64_t i = 0; i < 10; i++)
        assert_ptr_equal(buffers_find(&f->buffers, 1 + i * 1000), i == 4 ? NULL : found[i]);
    assert_int_equal(f->budget.bytes, 9 * BYTES);
}

static void a_number_is_used_once(void **state)
{
    struct fixture *f = *state;
    add(f, UINT64_MAX);
    assert_int_equal(reserve(f, UINT64_MAX), CODE_INVALID_ARGUMENT);
    assert_int_equal(reserve(f, 0), CODE_INVALID_ARGUMENT);
    assert_int_equal(f->budget.bytes, BYTES);
}

static void both_limits_hold(void **state)
{
    struct fixture *f = *state;
    f->budget.bytes_max = 2 * BYTES + 1;
    add(f, 1);
    add(f, 2);
    assert_int_equal(reserve(f, 3), CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(buffers_reserve(&f->buffers, &f->budget, 3, UINT64_MAX, &f->error),
                     CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(buffers_reserve(&f->buffers, &f->budget, 3, 1, &f->error), CODE_OK);
    buffers_cancel(&f->budget, 1);
    f->budget.bytes_max = UINT64_MAX;
    for (uint64_t i = 3; i <= LIMIT_BUFFERS; i++)
        add(f, i);
    assert_int_equal(reserve(f, LIMIT_BUFFERS + 1), CODE_RESOURCE_EXHAUSTED);
    assert_true(buffers_drop(&f->buffers, &f->budget, 1));
    add(f, LIMIT_BUFFERS + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_is_found_by_its_number),
        TEST(a_number_is_used_once),
        TEST(both_limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
