/* Parts that need no network: addresses, pauses, positions in scattered memory, codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "client/address.h"
#include "client/backoff.h"
#include "client/clock.h"
#include "client/flight.h"
#include "client/request.h"

static void assert_address(const char *text, const char *host, const char *port)
{
    struct address address;
    gf_error error;
    assert_int_equal(address_parse(text, &address, &error), GF_OK);
    assert_string_equal(address.host, host);
    assert_string_equal(address.port, port);
}

static void addresses_of_all_kinds_are_understood(void **state)
{
    (void)state;
    assert_address("localhost:7433", "localhost", "7433");
    assert_address("127.0.0.1:1", "127.0.0.1", "1");
    assert_address("[::1]:65535", "::1", "65535");
    assert_address("[fe80::1%eth0]:7433", "fe80::1%eth0", "7433");
}

static void a_unix_socket_is_a_path(void **state)
{
    (void)state;
    struct address address;
    gf_error error;
    char text[200] = "unix:/run/gradfold.sock";
    assert_int_equal(address_parse(text, &address, &error), GF_OK);
    assert_string_equal(address.path, "/run/gradfold.sock");
    assert_int_equal(address_parse("unix:7433", &address, &error), GF_OK); /* a host's name */
    assert_string_equal(address.host, "unix");
    assert_string_equal(address.path, "");
    memset(text + 6, 'x', 106);
    text[6 + 106] = '\0';
    assert_int_equal(address_parse(text, &address, &error), GF_OK);
    text[6 + 106] = 'x';
    assert_int_equal(address_parse(text, &address, &error), GF_INVALID_ARGUMENT);
}

static void nonsense_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "host",    ":7433",   "host:",       "host:0", "host:65536",
        "host:7433x", "unix:",   "unix:x",  "::1:7",       "[::1]",  "[::1:7433",
        "[]:7433",    "host:-1", "host: 1", "host:000080",
    };
    struct address address;
    gf_error error;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (address_parse(texts[i], &address, &error) != GF_INVALID_ARGUMENT)
            fail_msg("'%s' was taken", texts[i]);
    assert_int_equal(address_parse(NULL, &address, &error), GF_INVALID_ARGUMENT);
}

static void pauses_double_up_to_the_limit_and_vary(void **state)
{
    (void)state;
    struct backoff backoff;
    backoff_init(&backoff, 20, 1000, 7);
    uint32_t whole = 20;
    for (int i = 0; i < 100; i++) {
        uint32_t ms = backoff_next_ms(&backoff);
        assert_in_range(ms, whole / 2, whole);
        whole = whole * 2 < 1000 ? whole * 2 : 1000;
    }
    backoff_reset(&backoff);
    assert_in_range(backoff_next_ms(&backoff), 10, 20);
}

static void two_clients_do_not_pause_in_step(void **state)
{
    (void)state;
    struct backoff a;
    struct backoff b;
    int equal = 0;
    backoff_init(&a, 1000, 1000, 1);
    backoff_init(&b, 1000, 1000, 2);
    for (int i = 0; i < 100; i++)
        equal += backoff_next_ms(&a) == backoff_next_ms(&b);
    assert_true(equal < 10);
}

/* Walks over pieces in steps of `step` bytes, at most two vectors at a time, and joins what it
 * meets. */
static void walk(const struct piece *pieces, size_t n, uint64_t step, char *joined)
{
    struct cursor cursor = {0};
    struct iovec vector[2];
    int used;
    size_t length = 0;
    while ((used = pieces_vector(pieces, n, cursor, vector, 2, step)) > 0) {
        for (int i = 0; i < used; i++) {
            memcpy(joined + length, vector[i].iov_base, vector[i].iov_len);
            length += vector[i].iov_len;
        }
        assert_true(vector_bytes(vector, used) <= step);
        pieces_advance(pieces, n, &cursor, vector_bytes(vector, used));
    }
    joined[length] = '\0';
    assert_int_equal(cursor.piece, n);
}

static void scattered_memory_is_walked_in_any_steps(void **state)
{
    (void)state;
    char a[] = "abc";
    char b[] = "d";
    char c[] = "efghij";
    const struct piece pieces[] = {{NULL, 0}, {a, 3}, {NULL, 0}, {b, 1}, {c, 6}, {NULL, 0}};
    for (uint64_t step = 1; step <= 12; step++) {
        char joined[16];
        walk(pieces, 6, step, joined);
        assert_string_equal(joined, "abcdefghij");
    }
}

static void what_is_sent_again_keeps_its_place_among_what_was_never_sent(void **state)
{
    (void)state;
    enum {
        N = 4
    };
    gf_client client = {0};
    struct request requests[N] = {0};
    list_init(&client.queue);
    list_init(&client.awaiting);
    for (int i = 0; i < N; i++)
        requests[i].deadline_ms = NEVER;
    flight_add(&client, &requests[0]);
    flight_add(&client, &requests[1]);
    flight_sent(&client, &requests[0]);
    flight_sent(&client, &requests[1]);
    flight_add(&client, &requests[2]);
    flight_add(&client, &requests[3]);
    flight_requeue(&client, &requests[1]);
    flight_requeue(&client, &requests[0]);
    int i = 0;
    list_each (link, &client.queue)
        assert_ptr_equal(list_entry(link, struct request, link), &requests[i++]);
    assert_int_equal(i, N);
}

static void a_second_answer_to_what_is_half_sent_is_for_nobody(void **state)
{
    (void)state;
    gf_client client = {0};
    struct request request = {.id = 5, .deadline_ms = NEVER};
    list_init(&client.queue);
    list_init(&client.awaiting);
    flight_add(&client, &request);
    assert_null(flight_find(&client, 5));
    request.state = REQUEST_SENDING;
    assert_ptr_equal(flight_find(&client, 5), &request);
    request.answered = true;
    assert_null(flight_find(&client, 5));
}

static void codes_have_names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(gf_code_name(GF_OK), "OK");
    assert_string_equal(gf_code_name(GF_INTERNAL), "INTERNAL");
    assert_string_equal(gf_code_name(GF_CLIENT_UNREACHABLE), "CLIENT_UNREACHABLE");
    assert_string_equal(gf_code_name(GF_CLIENT_SYSTEM), "CLIENT_SYSTEM");
    assert_string_equal(gf_code_name((gf_code)99), "UNKNOWN");
    assert_string_equal(gf_code_name((gf_code)106), "UNKNOWN");
    assert_string_equal(gf_code_name((gf_code)-1), "UNKNOWN");
    assert_true(gf_code_retryable(GF_UNAVAILABLE));
    assert_false(gf_code_retryable(GF_CONFLICT));
    for (int i = 0; i <= 20; i++)
        assert_true(strlen(gf_code_text((gf_code)i)) > 5);
}

static void dtypes_have_sizes_and_names(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 4, 8, 2, 2, 4, 8, 0};
    for (int i = 0; i < 8; i++)
        assert_int_equal(gf_dtype_size((gf_dtype)i), sizes[i]);
    assert_string_equal(gf_dtype_name(GF_BF16), "bf16");
    assert_string_equal(gf_dtype_name((gf_dtype)9), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_all_kinds_are_understood),
        cmocka_unit_test(a_unix_socket_is_a_path),
        cmocka_unit_test(nonsense_addresses_are_refused),
        cmocka_unit_test(pauses_double_up_to_the_limit_and_vary),
        cmocka_unit_test(two_clients_do_not_pause_in_step),
        cmocka_unit_test(scattered_memory_is_walked_in_any_steps),
        cmocka_unit_test(what_is_sent_again_keeps_its_place_among_what_was_never_sent),
        cmocka_unit_test(a_second_answer_to_what_is_half_sent_is_for_nobody),
        cmocka_unit_test(codes_have_names_and_texts),
        cmocka_unit_test(dtypes_have_sizes_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
