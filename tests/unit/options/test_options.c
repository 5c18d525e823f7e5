#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "fixture.h"

static void defaults_suit_one_machine_and_nobody_else(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(READ(&f, NULL), OPTIONS_RUN);
    const struct server_options *o = &f.options;
    assert_int_equal(o->n_listen, 1);
    assert_string_equal(o->listen[0].text, "127.0.0.1:7433");
    assert_true(o->has_admin);
    assert_string_equal(o->admin.text, "127.0.0.1:7434");
    assert_string_equal(o->port_file, "");
    assert_false(o->insecure);
    assert_int_equal(o->staging_bytes, UINT64_C(2) << 30);
    assert_int_equal(o->result_bytes, UINT64_C(2) << 30);
    assert_int_equal(o->accumulator_bytes, UINT64_C(2) << 30);
    assert_int_equal(o->threads, 6);
    assert_int_equal(o->io_threads, 4);
    assert_null(o->kernels);
    assert_int_equal(o->log_level, LOG_LEVEL_INFO);
    assert_int_equal(o->log_format, LOG_FORMAT_TEXT);
    assert_string_equal(f.text, "");
}

/* The layer sees nothing of the core, so the figures that both know are compared here. */
static void defaults_and_bounds_are_those_of_the_core(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(READ(&f, NULL), OPTIONS_RUN);
    assert_int_equal(f.options.max_body_bytes, DEFAULT_MAX_BODY_BYTES);
    assert_int_equal(f.options.max_connections, DEFAULT_MAX_CONNECTIONS);
    assert_int_equal(f.options.idle_ms, DEFAULT_IDLE_MS);
    assert_int_equal(READ(&f, "--staging-bytes=1MiB"), OPTIONS_RUN);
    assert_int_equal(f.options.staging_bytes, MIN_STAGING_BYTES);
    assert_int_equal(READ(&f, "--staging-bytes=1048575"), OPTIONS_REFUSED);
    assert_int_equal(READ(&f, "--idle-timeout=24h"), OPTIONS_RUN);
    assert_int_equal(f.options.idle_ms, LIMIT_TIME_MS);
}

static void odd_machines_get_usable_defaults(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.machine = (struct machine){.memory_bytes = 1000, .cpus = 0};
    assert_int_equal(READ(&f, NULL), OPTIONS_RUN);
    assert_true(f.options.staging_bytes >= MIN_STAGING_BYTES);
    assert_int_equal(f.options.threads, 1);
    assert_int_equal(f.options.io_threads, 1);
    f.machine = (struct machine){.memory_bytes = UINT64_MAX, .cpus = 100000};
    assert_int_equal(READ(&f, NULL), OPTIONS_RUN);
    assert_int_equal(f.options.threads, 1024);
    assert_int_equal(f.options.io_threads, 4);
    machine_look(&f.machine);
    assert_true(f.machine.memory_bytes >= UINT64_C(16) << 20 && f.machine.cpus >= 1);
}

static void every_option_can_be_given(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(READ(&f, "--listen", "10.0.0.1:1", "--listen=[::1]:0", "--admin",
                          "localhost:0", "--unix", "/run/g", "--unix-mode", "0700", "--port-file",
                          "ports", "--insecure", "--staging-bytes", "64MiB", "--shared-bytes=63M",
                          "--result-bytes=65M", "--accumulator-bytes", "66M", "--max-body-bytes",
                          "1G", "--max-connections", "7", "--idle-timeout", "1500ms", "--threads",
                          "3", "--io-threads", "4", "--kernels", "avx2", "--log-level", "debug",
                          "--log-format", "json"),
                     OPTIONS_RUN);
    const struct server_options *o = &f.options;
    assert_int_equal(o->n_listen, 2);
    assert_string_equal(o->listen[0].text, "10.0.0.1:1");
    assert_string_equal(o->listen[1].text, "[::1]:0");
    assert_string_equal(o->admin.text, "127.0.0.1:0");
    assert_string_equal(o->unix_path, "/run/g");
    assert_int_equal(o->unix_mode, 0700);
    assert_string_equal(o->port_file, "ports");
    assert_true(o->insecure);
    assert_int_equal(o->shared_bytes, 63 << 20);
    assert_int_equal(o->staging_bytes, 64 << 20);
    assert_int_equal(o->result_bytes, 65 << 20);
    assert_int_equal(o->accumulator_bytes, 66 << 20);
    assert_int_equal(o->max_body_bytes, 1 << 30);
    assert_int_equal(o->max_connections, 7);
    assert_int_equal(o->idle_ms, 1500);
    assert_int_equal(o->threads, 3);
    assert_int_equal(o->io_threads, 4);
    assert_string_equal(o->kernels, "avx2");
    assert_int_equal(o->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(o->log_format, LOG_FORMAT_JSON);
}

static void every_variable_stands_in_for_its_option(void **state)
{
    (void)state;
    static const char *const variables[] = {"GRADFOLDD_LISTEN=10.0.0.1:1,[::1]:0",
                                            "GRADFOLDD_ADMIN=off",
                                            "GRADFOLDD_UNIX=g",
                                            "GRADFOLDD_UNIX_MODE=606",
                                            "GRADFOLDD_SHARED_BYTES=1T",
                                            "GRADFOLDD_PORT_FILE=ports",
                                            "GRADFOLDD_INSECURE=1",
                                            "GRADFOLDD_STAGING_BYTES=64MiB",
                                            "GRADFOLDD_RESULT_BYTES=65M",
                                            "GRADFOLDD_ACCUMULATOR_BYTES=66M",
                                            "GRADFOLDD_MAX_BODY_BYTES=1G",
                                            "GRADFOLDD_MAX_CONNECTIONS=7",
                                            "GRADFOLDD_IDLE_TIMEOUT=1m",
                                            "GRADFOLDD_THREADS=3",
                                            "GRADFOLDD_IO_THREADS=64",
                                            "GRADFOLDD_KERNELS=scalar",
                                            "GRADFOLDD_LOG_LEVEL=error",
                                            "GRADFOLDD_LOG_FORMAT=json",
                                            "GRADFOLDD_HELP=1",
                                            "GRADFOLDD_PORT=tcp://10.0.0.9:7433",
                                            NULL};
    struct fixture f;
    fixture_init(&f);
    f.variables = variables;
    assert_int_equal(READ(&f, NULL), OPTIONS_RUN);
    const struct server_options *o = &f.options;
    assert_int_equal(o->n_listen, 2);
    assert_string_equal(o->listen[1].text, "[::1]:0");
    assert_false(o->has_admin);
    assert_string_equal(o->unix_path, "g");
    assert_int_equal(o->unix_mode, 0606);
    assert_int_equal(o->shared_bytes, UINT64_C(1) << 40);
    assert_string_equal(o->port_file, "ports");
    assert_true(o->insecure);
    assert_int_equal(o->staging_bytes + o->result_bytes + o->accumulator_bytes, 195 << 20);
    assert_int_equal(o->max_body_bytes, 1 << 30);
    assert_int_equal(o->max_connections, 7);
    assert_int_equal(o->idle_ms, 60000);
    assert_int_equal(o->threads, 3);
    assert_int_equal(o->io_threads, 64);
    assert_string_equal(o->kernels, "scalar");
    assert_int_equal(o->log_level, LOG_LEVEL_ERROR);
    assert_int_equal(o->log_format, LOG_FORMAT_JSON);
}

static void the_command_line_wins(void **state)
{
    (void)state;
    static const char *const variables[] = {"GRADFOLDD_LISTEN=0.0.0.0:1,0.0.0.0:2",
                                            "GRADFOLDD_THREADS=nonsense", "GRADFOLDD_INSECURE=on",
                                            "GRADFOLDD_LOG_LEVEL=debug", NULL};
    struct fixture f;
    fixture_init(&f);
    f.variables = variables;
    assert_int_equal(READ(&f, "--listen", "127.0.0.1:9", "--threads=2", "--insecure=off"),
                     OPTIONS_RUN);
    assert_int_equal(f.options.n_listen, 1);
    assert_string_equal(f.options.listen[0].text, "127.0.0.1:9");
    assert_int_equal(f.options.threads, 2);
    assert_false(f.options.insecure);
    assert_int_equal(f.options.log_level, LOG_LEVEL_DEBUG);
}

static void the_last_of_several_wins_but_listeners_add_up(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(READ(&f, "--threads=2", "--threads=5", "--kernels=avx2", "--kernels=auto",
                          "--admin=off", "--admin=localhost:5", "--listen=localhost:0,[::1]:0",
                          "--listen=localhost:0"),
                     OPTIONS_RUN);
    assert_int_equal(f.options.threads, 5);
    assert_null(f.options.kernels);
    assert_true(f.options.has_admin);
    assert_int_equal(f.options.n_listen, 3);
}

static void sixteen_listeners_are_enough(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    static const char four[] = "127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0";
    char list[4 * sizeof four];
    snprintf(list, sizeof list, "%s,%s,%s,%s", four, four, four, four);
    assert_int_equal(READ(&f, "--listen", list), OPTIONS_RUN);
    assert_int_equal(f.options.n_listen, 16);
    assert_int_equal(READ(&f, "--listen", list, "--listen", "[::1]:0"), OPTIONS_REFUSED);
    assert_non_null(strstr(f.text, "at most 16"));
}

static void help_and_version_are_printed_whatever_the_environment(void **state)
{
    (void)state;
    static const char *const variables[] = {"GRADFOLDD_THREADS=nonsense", NULL};
    struct fixture f;
    fixture_init(&f);
    f.variables = variables;
    f.options.threads = 99;
    assert_int_equal(READ(&f, "--help", "--bogus"), OPTIONS_PRINT);
    assert_non_null(strstr(f.text, "Usage: gradfoldd"));
    assert_int_equal(READ(&f, "-h"), OPTIONS_PRINT);
    assert_int_equal(READ(&f, "--threads", "2", "--version"), OPTIONS_PRINT);
    assert_int_equal(strncmp(f.text, "gradfoldd ", 10), 0);
    assert_int_equal(f.options.threads, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_suit_one_machine_and_nobody_else),
        cmocka_unit_test(defaults_and_bounds_are_those_of_the_core),
        cmocka_unit_test(odd_machines_get_usable_defaults),
        cmocka_unit_test(every_option_can_be_given),
        cmocka_unit_test(every_variable_stands_in_for_its_option),
        cmocka_unit_test(the_command_line_wins),
        cmocka_unit_test(the_last_of_several_wins_but_listeners_add_up),
        cmocka_unit_test(sixteen_listeners_are_enough),
        cmocka_unit_test(help_and_version_are_printed_whatever_the_environment),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
