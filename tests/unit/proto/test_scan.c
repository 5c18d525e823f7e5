#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/header.h"

/* A request made by hand: id 300, then delete_job { job: name }. */
static size_t request(uint8_t *out, const char *name, size_t n)
{
    const uint8_t head[] = {0x08, 0xAC, 0x02, 6 << 3 | 2, (uint8_t)(n + 2), 0x0A, (uint8_t)n};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, name, n);
    return sizeof head + n;
}

static bool strings_ok(const char *name, size_t n)
{
    uint8_t bytes[64];
    return header_request_strings_ok(bytes, request(bytes, name, n));
}

static void names_are_utf8_without_nul(void **state)
{
    (void)state;
    assert_true(strings_ok("job", 3));
    assert_true(strings_ok("", 0));
    assert_true(strings_ok("gr\xc3\xbc\xc3\x9f", 6));
    assert_false(strings_ok("a\0b", 3));
    assert_false(strings_ok("\xff\xfe", 2));
    assert_false(strings_ok("\xc3", 1));             /* cut */
    assert_false(strings_ok("\xc0\x80", 2));         /* overlong */
    assert_false(strings_ok("\xed\xa0\x80", 3));     /* a surrogate */
    assert_false(strings_ok("\xf4\x90\x80\x80", 4)); /* beyond U+10FFFF */
}

static void names_of_nodes_are_looked_at_too(void **state)
{
    (void)state;
    /* create_job { spec { nodes { name: "?" } nodes { name: "x" } } } */
    uint8_t bytes[] = {3 << 3 | 2, 12,  0x0A,       10, 2 << 3 | 2, 3, 0x0A,
                       1,          'a', 2 << 3 | 2, 3,  0x0A,       1, 'x'};
    assert_true(header_request_strings_ok(bytes, sizeof bytes));
    bytes[8] = 0;
    assert_false(header_request_strings_ok(bytes, sizeof bytes));
    bytes[8] = 'a';
    bytes[13] = 0x80;
    assert_false(header_request_strings_ok(bytes, sizeof bytes));
}

static void the_id_is_found_wherever_it_stands(void **state)
{
    (void)state;
    uint8_t bytes[64];
    size_t n = request(bytes, "job", 3);
    assert_int_equal(header_request_id(bytes, n), 300);
    assert_int_equal(header_request_id(bytes + 3, n - 3), 0);
    memcpy(bytes + n, bytes, 3);
    bytes[n + 1] = 0xAD;
    assert_int_equal(header_request_id(bytes, n + 3), 301); /* the last one counts */
}

/* Whatever the bytes, no scan looks beyond them: they end where the allocation does, which the
 * sanitizers watch. */
static void cut_and_random_bytes_are_never_overrun(void **state)
{
    (void)state;
    uint8_t whole[64];
    size_t n = request(whole, "some-job", 8);
    uint64_t random = 1;
    for (size_t i = 0; i < 20000; i++) {
        size_t keep = i < n ? i : (random >> 40) % n;
        uint8_t *bytes = test_malloc(keep + 1);
        memcpy(bytes + 1, whole, keep);
        for (size_t k = 1; i >= n && k <= keep; k++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
            if ((random >> 60) == 0)
                bytes[k] = (uint8_t)(random >> 32);
        }
        (void)!header_request_strings_ok(bytes + 1, keep);
        header_request_id(bytes + 1, keep);
        test_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_utf8_without_nul),
        cmocka_unit_test(names_of_nodes_are_looked_at_too),
        cmocka_unit_test(the_id_is_found_wherever_it_stands),
        cmocka_unit_test(cut_and_random_bytes_are_never_overrun),
    };
    return cmocka_run_group_tests_name("proto: scan", tests, NULL, NULL);
}
