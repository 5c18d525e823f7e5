#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options/value.h"

static void counts(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(value_count("0", &n) && n == 0);
    assert_true(value_count("18446744073709551615", &n) && n == UINT64_MAX);
    assert_true(value_count("0042", &n) && n == 42);
    static const char *const nonsense[] = {"",
                                           " 1",
                                           "1 ",
                                           "-1",
                                           "+1",
                                           "0x10",
                                           "1e3",
                                           "1.",
                                           "1K",
                                           "one",
                                           "18446744073709551616",
                                           "18446744073709551620",
                                           "36893488147419103232"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        if (value_count(nonsense[i], &n))
            fail_msg("\"%s\"", nonsense[i]);
        assert_int_equal(n, 42);
    }
}

static void bytes_take_suffixes_of_1024(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(value_bytes("5", &n) && n == 5);
    assert_true(value_bytes("1K", &n) && n == 1024);
    assert_true(value_bytes("3KiB", &n) && n == 3072);
    assert_true(value_bytes("2M", &n) && n == UINT64_C(2) << 20);
    assert_true(value_bytes("2MiB", &n) && n == UINT64_C(2) << 20);
    assert_true(value_bytes("4G", &n) && n == UINT64_C(4) << 30);
    assert_true(value_bytes("4GiB", &n) && n == UINT64_C(4) << 30);
    assert_true(value_bytes("1T", &n) && n == UINT64_C(1) << 40);
    assert_true(value_bytes("16777215TiB", &n) && n == UINT64_C(16777215) << 40);
    static const char *const nonsense[] = {"K",   "1k",    "1KB", "1 K",     "1.5G",       "-1K",
                                           "1KK", "1KiB ", "1B",  "1GiBfoo", "16777216TiB"};
    n = 42;
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        if (value_bytes(nonsense[i], &n))
            fail_msg("\"%s\"", nonsense[i]);
        assert_int_equal(n, 42);
    }
}

static void durations_need_their_unit(void **state)
{
    (void)state;
    uint64_t ms = 7;
    assert_true(value_duration("250ms", &ms) && ms == 250);
    assert_true(value_duration("60s", &ms) && ms == 60000);
    assert_true(value_duration("5m", &ms) && ms == 300000);
    assert_true(value_duration("2h", &ms) && ms == 7200000);
    assert_false(value_duration("60", &ms));
    assert_false(value_duration("60 s", &ms));
    assert_false(value_duration("1d", &ms));
    assert_false(value_duration("s", &ms));
    assert_false(value_duration("18446744073709551615s", &ms));
}

static void switches_and_words(void **state)
{
    (void)state;
    bool on = false;
    static const char *const yes[] = {"on", "true", "yes", "1"};
    static const char *const no[] = {"off", "false", "no", "0"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(value_switch(yes[i], &on) && on);
        assert_true(value_switch(no[i], &on) && !on);
    }
    assert_false(value_switch("", &on));
    assert_false(value_switch("ON", &on));
    assert_false(value_switch("2", &on));
    static const char *const words[] = {"text", "json", NULL};
    assert_int_equal(value_word("json", words), 1);
    assert_int_equal(value_word("jso", words), -1);
    assert_int_equal(value_word("", words), -1);
}

static void modes_are_octal(void **state)
{
    (void)state;
    unsigned mode = 1;
    assert_true(value_mode("0", &mode) && mode == 0);
    assert_true(value_mode("660", &mode) && mode == 0660);
    assert_true(value_mode("0777", &mode) && mode == 0777);
    static const char *const nonsense[] = {"", "8", "1000", "07777", "0x7", "-1", "660 ", "u=rw"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
        if (value_mode(nonsense[i], &mode))
            fail_msg("\"%s\"", nonsense[i]);
    assert_int_equal(mode, 0777);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(bytes_take_suffixes_of_1024),
        cmocka_unit_test(durations_need_their_unit),
        cmocka_unit_test(switches_and_words),
        cmocka_unit_test(modes_are_octal),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
