#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void objects_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena arena;
    unsigned char *objects[200];
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 200; i++) {
        objects[i] = arena_alloc(&arena, i);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(objects[i][k], i);
    arena_free(&arena);
    assert_int_equal(arena.used, 0);
}

static void the_limit_holds_and_what_fits_is_given(void **state)
{
    (void)state;
    struct arena arena;
    size_t given = 0;
    arena_init(&arena, 100000);
    while (arena_alloc(&arena, 1000) != NULL)
        given++;
    assert_in_range(given, 90, 100);
    assert_true(arena.used <= 100000);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    arena_free(&arena);
    arena_init(&arena, 0);
    assert_null(arena_alloc(&arena, 1));
    arena_free(&arena);
}

static void a_reset_arena_allocates_nothing_new_in_a_steady_state(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    void *first = arena_alloc(&arena, 100);
    size_t used = arena.used;
    for (int i = 0; i < 1000; i++) {
        arena_reset(&arena);
        assert_ptr_equal(arena_alloc(&arena, 100), first);
    }
    assert_int_equal(arena.used, used);
    arena_free(&arena);
}

static void a_large_object_is_not_kept(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    assert_non_null(arena_alloc(&arena, 32 << 20));
    arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_aligned_and_apart),
        cmocka_unit_test(the_limit_holds_and_what_fits_is_given),
        cmocka_unit_test(a_reset_arena_allocates_nothing_new_in_a_steady_state),
        cmocka_unit_test(a_large_object_is_not_kept),
    };
    return cmocka_run_group_tests_name("base: arena", tests, NULL, NULL);
}
