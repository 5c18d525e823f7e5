#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "options/table.h"

/* The words are refused in one line that holds what it is about, and nothing is set. */
static void refused(const char *const *words, const char *about)
{
    struct fixture f;
    fixture_init(&f);
    f.options.threads = 99;
    if (fixture_read(&f, words) != OPTIONS_REFUSED)
        fail_msg("%s %s was taken", words[0], words[0] == NULL || !words[1] ? "" : words[1]);
    if (strstr(f.text, about) == NULL)
        fail_msg("\"%s\" does not hold \"%s\"", f.text, about);
    assert_null(strchr(f.text, '\n'));
    assert_int_equal(f.options.threads, 99);
}

#define REFUSED(about, ...) refused((const char *const[]){__VA_ARGS__, NULL}, about)

static void unknown_words(void **state)
{
    (void)state;
    REFUSED("unknown option \"--bogus\"", "--bogus");
    REFUSED("unknown option \"--bogus=1\"", "--bogus=1");
    REFUSED("unknown option \"--thread\"", "--thread", "2"); /* no abbreviations */
    REFUSED("unknown option \"--Threads=2\"", "--Threads=2");
    REFUSED("unknown option \"-l\"", "-l", "127.0.0.1:1");
    REFUSED("unknown option \"--\"", "--");
    REFUSED("unknown option \"--=\"", "--=");
    REFUSED("unexpected argument \"serve\"", "serve");
    REFUSED("unexpected argument \"\"", "");
    REFUSED("unexpected argument \"-\"", "-");
    REFUSED("unexpected argument \"7\"", "--threads", "2", "7");
    REFUSED("unknown option \"--a\\nb\\x1b\"", "--a\nb\x1b");
}

static void missing_and_superfluous_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option *option = &options_table[i];
        char word[64];
        snprintf(word, sizeof word, "--%s", option->name);
        if (option->value != NULL) {
            REFUSED("value is missing", word);
            REFUSED(word, word, "--insecure"); /* an option is no value */
        }
        snprintf(word, sizeof word, "--%s=", option->name);
        REFUSED(option->apply == NULL ? "takes no value" : "expected", word);
    }
    REFUSED("--help takes no value", "--help=threads");
    REFUSED("--insecure: \"maybe\": expected on or off", "--insecure=maybe");
    REFUSED("unexpected argument \"on\"", "--insecure", "on");
}

static void numbers_out_of_range_or_no_numbers(void **state)
{
    (void)state;
    REFUSED("--threads: \"0\": expected a whole number from 1 to 1024", "--threads", "0");
    REFUSED("1024", "--threads", "1025");
    REFUSED("from 1 to 64", "--io-threads", "0");
    REFUSED("from 1 to 64", "--io-threads", "65");
    REFUSED("\"-1\"", "--threads", "-1");
    REFUSED("\"2 \"", "--threads", "2 ");
    REFUSED("\"2x\"", "--threads=2x");
    REFUSED("\"99999999999999999999\"", "--threads", "99999999999999999999");
    REFUSED("1000000", "--max-connections", "1000001");
    REFUSED("from 1MiB", "--staging-bytes", "1023K");
    REFUSED("from 1MiB", "--result-bytes", "0");
    REFUSED("1024TiB", "--accumulator-bytes", "1025TiB");
    REFUSED("18446744073709551616", "--max-body-bytes", "18446744073709551616");
    REFUSED("\"17179869184G\"", "--max-body-bytes", "17179869184G"); /* 2^64 */
    REFUSED("from 1 to", "--max-body-bytes", "0");
    REFUSED("\"60\": expected a time", "--idle-timeout", "60");
    REFUSED("100ms", "--idle-timeout", "99ms");
    REFUSED("24h", "--idle-timeout", "25h");
}

static void words_that_are_none(void **state)
{
    (void)state;
    REFUSED("--kernels: \"sse\": expected auto, scalar, avx2 or avx512", "--kernels", "sse");
    REFUSED("error, warn, info or debug", "--log-level", "trace");
    REFUSED("\"INFO\"", "--log-level", "INFO");
    REFUSED("text or json", "--log-format", "xml");
    REFUSED("--admin: \"on\": expected off, or ADDR:PORT", "--admin", "on");
    char path[1100];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    REFUSED("1 to 1023 bytes", "--port-file", path);
    path[108] = '\0';
    REFUSED("1 to 107 bytes", "--unix", path);
    REFUSED("1 to 107 bytes", "--unix", "");
    REFUSED("1 to 107 bytes", "--unix", "two\nlines");
    REFUSED("an octal mode from 0 to 777", "--unix-mode", "1000");
    REFUSED("an octal mode from 0 to 777", "--unix-mode", "680");
}

static void addresses_that_are_none(void **state)
{
    (void)state;
    REFUSED("--listen: \"gpu7:7433\": expected ADDR:PORT", "--listen", "gpu7:7433");
    REFUSED("\"::1:7433\"", "--listen", "::1:7433");
    REFUSED("\"127.0.0.1:1,\"", "--listen", "127.0.0.1:1,");
    REFUSED("\",127.0.0.1:1\"", "--listen", ",127.0.0.1:1");
    REFUSED("\"127.0.0.1:65536\"", "--admin", "127.0.0.1:65536");
}

static void beyond_loopback_needs_insecure(void **state)
{
    (void)state;
    REFUSED("--listen: \"0.0.0.0:7433\" can be reached from other machines", "--listen",
            "0.0.0.0:7433");
    REFUSED("--insecure", "--listen", "127.0.0.1:1", "--listen", "[::]:2");
    REFUSED("--admin: \"192.168.0.1:7434\" can be reached", "--admin", "192.168.0.1:7434");
    REFUSED("--insecure", "--insecure=off", "--listen", "0.0.0.0:0");
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(READ(&f, "--listen=0.0.0.0:7433", "--admin=[::]:7434", "--insecure"),
                     OPTIONS_RUN);
}

static void the_same_address_twice(void **state)
{
    (void)state;
    REFUSED("\"127.0.0.1:5\" is to be listened on twice", "--listen=127.0.0.1:5",
            "--listen=localhost:5");
    REFUSED("twice", "--listen=127.0.0.1:7434");
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(READ(&f, "--listen=[::1]:0,[::1]:0", "--admin=[::1]:0"), OPTIONS_RUN);
}

static void variables_are_named_in_the_message(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        const char *about;
    } cases[] = {
        {"GRADFOLDD_THREADS=lots", "GRADFOLDD_THREADS: \"lots\": expected a whole number"},
        {"GRADFOLDD_THREADS=", "GRADFOLDD_THREADS: \"\": expected"},
        {"GRADFOLDD_LISTEN=", "GRADFOLDD_LISTEN: \"\": expected ADDR:PORT"},
        {"GRADFOLDD_LISTEN=127.0.0.1:1;[::1]:1", "GRADFOLDD_LISTEN"},
        {"GRADFOLDD_LISTEN=0.0.0.0:1", "GRADFOLDD_LISTEN: \"0.0.0.0:1\" can be reached"},
        {"GRADFOLDD_ADMIN=1.2.3.4:1", "GRADFOLDD_ADMIN: \"1.2.3.4:1\" can be reached"},
        {"GRADFOLDD_INSECURE=2", "GRADFOLDD_INSECURE: \"2\": expected on or off"},
        {"GRADFOLDD_PORT_FILE=", "GRADFOLDD_PORT_FILE: \"\": expected a path"},
        {"GRADFOLDD_LOG_FORMAT=j\nson", "GRADFOLDD_LOG_FORMAT: \"j\\nson\": expected text or json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const variables[] = {cases[i].variable, NULL};
        struct fixture f;
        fixture_init(&f);
        f.variables = variables;
        assert_int_equal(READ(&f, NULL), OPTIONS_REFUSED);
        if (strstr(f.text, cases[i].about) == NULL)
            fail_msg("\"%s\" does not hold \"%s\"", f.text, cases[i].about);
    }
}

/* Words put together at random: none crashes, and each refusal is one printable line. */
static void random_words_are_refused_in_one_line(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "--",         "-",    "listen", "threads",  "=", "[",
        "::1",        "]",    ":",      "7433",     ",", "K",
        "\n",         "\xff", "help",   "insecure", "",  "99999999999999999999",
        "127.0.0.1:", "off",  "ms",     "admin"};
    uint32_t seed = 4711;
    for (int round = 0; round < 20000; round++) {
        char words[3][128] = {"", "", ""};
        for (int i = 0; i < 12; i++) {
            seed = seed * 1664525u + 1013904223u;
            const char *part = parts[(seed >> 16) % (sizeof parts / sizeof *parts)];
            size_t used = strlen(words[i / 4]);
            snprintf(words[i / 4] + used, sizeof words[0] - used, "%s", part);
        }
        struct fixture f;
        fixture_init(&f);
        if (READ(&f, words[0], words[1], words[2]) != OPTIONS_REFUSED)
            continue;
        for (const char *c = f.text; *c != '\0'; c++)
            assert_true(*c >= ' ' && *c <= '~');
        assert_true(strlen(f.text) < 600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_words),
        cmocka_unit_test(missing_and_superfluous_values),
        cmocka_unit_test(numbers_out_of_range_or_no_numbers),
        cmocka_unit_test(words_that_are_none),
        cmocka_unit_test(addresses_that_are_none),
        cmocka_unit_test(beyond_loopback_needs_insecure),
        cmocka_unit_test(the_same_address_twice),
        cmocka_unit_test(variables_are_named_in_the_message),
        cmocka_unit_test(random_words_are_refused_in_one_line),
    };
    return cmocka_run_group_tests_name("options_refused", tests, NULL, NULL);
}
