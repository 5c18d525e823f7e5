#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "options/address.h"

static void expect(const char *text, const char *shown, bool loopback)
{
    struct address a;
    assert_true(address_parse(text, &a));
    assert_string_equal(a.text, shown);
    assert_int_equal(address_is_loopback(&a), loopback);
}

static void ipv4_and_ipv6_and_localhost_are_read(void **state)
{
    (void)state;
    expect("127.0.0.1:7433", "127.0.0.1:7433", true);
    expect("localhost:0", "127.0.0.1:0", true);
    expect("[::1]:7433", "[::1]:7433", true);
    expect("0.0.0.0:65535", "0.0.0.0:65535", false);
    expect("[::]:1", "[::]:1", false);
    expect("[2001:DB8:0::7]:80", "[2001:db8::7]:80", false);
    expect("192.168.1.2:00080", "192.168.1.2:80", false);
}

static void loopback_is_what_only_this_machine_reaches(void **state)
{
    (void)state;
    expect("127.255.255.254:1", "127.255.255.254:1", true);
    expect("128.0.0.1:1", "128.0.0.1:1", false);
    expect("126.0.0.1:1", "126.0.0.1:1", false);
    expect("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true);
    expect("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1", false);
    expect("[::2]:1", "[::2]:1", false);
}

static void the_socket_address_is_what_bind_wants(void **state)
{
    (void)state;
    struct address a;
    assert_true(address_parse("10.1.2.3:258", &a));
    assert_int_equal(a.any.sa_family, AF_INET);
    assert_int_equal(a.length, sizeof a.v4);
    assert_int_equal(ntohl(a.v4.sin_addr.s_addr), 0x0A010203);
    assert_int_equal(ntohs(a.v4.sin_port), 258);
    assert_true(address_parse("[::1]:258", &a));
    assert_int_equal(a.any.sa_family, AF_INET6);
    assert_int_equal(a.length, sizeof a.v6);
    assert_int_equal(address_port(&a), 258);
    a.v6.sin6_port = htons(4711); /* as getsockname brings it */
    address_name(&a);
    assert_string_equal(a.text, "[::1]:4711");
}

static void nonsense_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const nonsense[] = {
        "",
        ":",
        ":7433",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:0x1",
        "127.0.0.1:1a",
        "127.0.0.1:123456",
        "127.0.0.1:99999999999999999999",
        "127.1:1",
        "127.0.0.256:1",
        "::1:7433",
        "[::1]",
        "[::1]:",
        "[::1:7433",
        "::1]:7433",
        "[127.0.0.1]:1",
        "[]:1",
        "[localhost]:1",
        "Localhost:1",
        "example.org:80",
        "*:80",
        "[fe80::1%lo]:1",
        "tcp://127.0.0.1:1",
        "[::ffff:127.0.0.1]]:1",
        "1111111111111111111111111111111111111111111111111111111111111"
        "11111111111111111111:1",
    };
    struct address before;
    memset(&before, 0x5A, sizeof before);
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        struct address a = before;
        if (address_parse(nonsense[i], &a))
            fail_msg("\"%s\" was read as %s", nonsense[i], a.text);
        assert_memory_equal(&a, &before, sizeof a);
    }
}

static void equal_means_family_address_and_port(void **state)
{
    (void)state;
    struct address a;
    struct address b;
    assert_true(address_parse("localhost:1", &a) && address_parse("127.0.0.1:1", &b));
    assert_true(address_equal(&a, &b));
    assert_true(address_parse("127.0.0.1:2", &b));
    assert_false(address_equal(&a, &b));
    assert_true(address_parse("[::1]:1", &b));
    assert_false(address_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_and_ipv6_and_localhost_are_read),
        cmocka_unit_test(loopback_is_what_only_this_machine_reaches),
        cmocka_unit_test(the_socket_address_is_what_bind_wants),
        cmocka_unit_test(nonsense_is_refused_and_changes_nothing),
        cmocka_unit_test(equal_means_family_address_and_port),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
