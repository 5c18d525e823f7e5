#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* The value of the sample whose line starts with this name and labels. */
static double sample(const char *text, const char *name)
{
    char start[160];
    snprintf(start, sizeof start, "\n%s ", name);
    const char *at = strstr(text, start);
    if (at == NULL)
        fail_msg("no sample %s", name);
    return at == NULL ? 0 : strtod(at + strlen(start), NULL);
}

static void create(struct fixture *f, const char *name)
{
    const struct node_spec node = {.name = "w", .dtype = DTYPE_I32, .requires_grad = true};
    struct job_spec spec = {.name = name,
                            .nodes = &node,
                            .n_nodes = 1,
                            .world_size = 2,
                            .reduction = REDUCTION_SUM,
                            .accumulation = ACCUMULATION_EXACT,
                            .non_finite = NON_FINITE_REJECT,
                            .retain_rounds = 2};
    rig_create(&f->rig, 0, &spec);
    assert_int_equal(rig_last(&f->rig)->error.code, CODE_OK);
}

static void push(struct fixture *f, const char *job, uint32_t worker)
{
    static const int32_t one = 1;
    const struct contribution c = {.node = 0, .dtype = DTYPE_I32};
    struct push_offer offer = {.job = job,
                               .worker = worker,
                               .sequence = 1,
                               .has_round = true,
                               .final = true,
                               .contributions = &c,
                               .n_contributions = 1,
                               .body_bytes = sizeof one};
    rig_push(&f->rig, 0, &offer, &one);
}

static void the_numbers_of_core_and_net_are_there(void **state)
{
    struct fixture *f = *state;
    create(f, "j");
    push(f, "j", 0);
    push(f, "j", 0); /* again */
    push(f, "nobody", 0);
    f->numbers = (struct admin_numbers){.connections = 4,
                                        .connections_max = 10000,
                                        .connections_accepted = 77,
                                        .connections_refused = 5,
                                        .connections_timed_out = 6,
                                        .requests_received = 1234,
                                        .frames_malformed = 8,
                                        .bytes_received = UINT64_MAX,
                                        .bytes_sent = 9};
    rig_advance(&f->rig, 3999);
    admin_set_state(f->admin, ADMIN_READY);
    struct answer a = fixture_ask(f, "GET /metrics");
    assert_int_equal(a.status, 200);
    assert_non_null(strcasestr(a.bytes, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    const char *t = a.body;
    assert_true(sample(t, "gradfoldd_build_info{version=\"1.2.3\",kernels=\"scalar\"}") == 1);
    assert_true(sample(t, "gradfoldd_ready") == 1);
    assert_true(sample(t, "gradfoldd_jobs") == 1);
    assert_true(sample(t, "gradfoldd_pushes_accepted_total") == 1);
    assert_true(sample(t, "gradfoldd_pushes_duplicate_total") == 1);
    assert_true(sample(t, "gradfoldd_accepted_bytes_total") == 4);
    assert_true(sample(t, "gradfoldd_replies_total{code=\"NOT_FOUND\"}") == 1);
    assert_true(sample(t, "gradfoldd_replies_total{code=\"OK\"}") == 3);
    assert_true(sample(t, "gradfoldd_connections") == 4);
    assert_true(sample(t, "gradfoldd_connections_limit") == 10000);
    assert_true(sample(t, "gradfoldd_connections_accepted_total") == 77);
    assert_true(sample(t, "gradfoldd_connections_refused_total") == 5);
    assert_true(sample(t, "gradfoldd_connections_timed_out_total") == 6);
    assert_true(sample(t, "gradfoldd_requests_received_total") == 1234);
    assert_true(sample(t, "gradfoldd_frames_malformed_total") == 8);
    assert_non_null(strstr(t, "\ngradfoldd_received_bytes_total 18446744073709551615\n"));
    assert_true(sample(t, "gradfoldd_sent_bytes_total") == 9);
    assert_true(sample(t, "gradfoldd_job_workers{job=\"j\"}") == 2);
    assert_true(sample(t, "gradfoldd_job_final_workers{job=\"j\"}") == 1);
    assert_true(sample(t, "gradfoldd_job_open_round{job=\"j\"}") == 0);
    assert_true(sample(t, "gradfoldd_job_open_round_age_seconds{job=\"j\"}") == 3);
    assert_true(sample(t, "gradfoldd_http_requests_total") == 1);
    assert_true(sample(t, "gradfoldd_http_connections") == 1);
    answer_free(&a);
}

/* Every figure of the core stands under its own name. */
static void each_budget_shows_its_own_figures(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true; /* staging stays in use */
    create(f, "j");
    push(f, "j", 0);
    push(f, "j", 1);
    struct core_stats stats;
    core_stats(f->rig.core, &stats);
    assert_true(stats.staging_used > 0 && stats.results_used > 0 && stats.folds_running > 0);
    struct answer a = fixture_ask(f, "GET /metrics");
    const struct {
        const char *name;
        uint64_t value;
    } cases[] = {
        {"gradfoldd_staging_used_bytes", stats.staging_used},
        {"gradfoldd_staging_kept_bytes", stats.staging_kept},
        {"gradfoldd_staging_limit_bytes", stats.staging_max},
        {"gradfoldd_results_used_bytes", stats.results_used},
        {"gradfoldd_results_limit_bytes", stats.results_max},
        {"gradfoldd_accumulators_used_bytes", stats.accumulators_used},
        {"gradfoldd_accumulators_limit_bytes", stats.accumulators_max},
        {"gradfoldd_folds_running", stats.folds_running},
        {"gradfoldd_folds_total", stats.folds},
        {"gradfoldd_folds_early_total", stats.folds_early},
        {"gradfoldd_folded_bytes_total", stats.folded_bytes},
        {"gradfoldd_rounds_closed_total", stats.rounds_closed},
        {"gradfoldd_pushes_discarded_total", stats.pushes_discarded},
        {"gradfoldd_contributions_accepted_total", stats.contributions_accepted},
        {"gradfoldd_contributions_ignored_total", stats.contributions_ignored},
        {"gradfoldd_trials_total", stats.trials},
        {"gradfoldd_rounds_in_place_total", stats.rounds_in_place},
        {"gradfoldd_results_spare_bytes", stats.results_spare},
        {"gradfoldd_views", stats.views},
        {"gradfoldd_lent_bytes", stats.lent_bytes},
        {"gradfoldd_pushes_gathering", stats.pushes_gathering},
        {"gradfoldd_pushes_waiting", stats.pushes_waiting},
        {"gradfoldd_pulls_waiting", stats.pulls_waiting},
        {"gradfoldd_bodies_receiving", stats.bodies_receiving},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal((uint64_t)sample(a.body, cases[i].name), cases[i].value);
    answer_free(&a);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
}

static void the_process_is_there(void **state)
{
    struct fixture *f = *state;
    struct answer a = fixture_ask(f, "GET /metrics");
    assert_true(sample(a.body, "process_resident_memory_bytes") > 1 << 20);
    assert_true(sample(a.body, "process_virtual_memory_bytes") > 1 << 20);
    double fds = sample(a.body, "process_open_fds");
    assert_true(fds > 3 && fds < 200);
    assert_true(sample(a.body, "process_max_fds") >= fds);
    double now = (double)time(NULL);
    double started = sample(a.body, "process_start_time_seconds");
    assert_true(started > now - 600 && started < now + 2);
    assert_true(sample(a.body, "process_cpu_seconds_total") >= 0);
    answer_free(&a);
    int extra = dup(0);
    a = fixture_ask(f, "GET /metrics");
    assert_true(sample(a.body, "process_open_fds") == fds + 1);
    answer_free(&a);
    close(extra);
}

/* Each family: HELP, TYPE, then its samples; no family twice, no sample twice, suffixes as
 * Prometheus wants them. */
static void the_format_is_kept(void **state)
{
    struct fixture *f = *state;
    create(f, "a");
    create(f, "b");
    struct answer a = fixture_ask(f, "GET /metrics");
    char family[128] = "";
    unsigned families = 0;
    assert_int_equal(a.body[a.body_length - 1], '\n');
    for (const char *line = a.body; *line != '\0'; line = strchr(line, '\n') + 1) {
        int n = (int)strcspn(line, "\n");
        char name[128] = "";
        char type[16] = "";
        char again[200];
        if (sscanf(line, "# HELP %127s", name) == 1) {
            snprintf(again, sizeof again, "\n# HELP %s ", name);
            const char *first = strstr(a.body, again);
            assert_null(first == NULL ? NULL : strstr(first + 1, again));
            snprintf(family, sizeof family, "%s", name);
            families++;
        } else if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
            assert_string_equal(name, family);
            size_t length = strlen(name);
            bool total = length > 6 && strcmp(name + length - 6, "_total") == 0;
            assert_int_equal(total, strcmp(type, "counter") == 0);
        } else {
            snprintf(name, sizeof name, "%.*s", (int)strcspn(line, "{ "), line);
            assert_string_equal(name, family);
            snprintf(again, sizeof again, "\n%.*s ", (int)strcspn(line, " "), line);
            const char *first = strstr(a.body, again);
            assert_null(first == NULL ? NULL : strstr(first + 1, again));
            assert_true(n > (int)strcspn(line, " ") + 1);
        }
    }
    assert_true(families > 40);
    answer_free(&a);
}

static void the_manual_names_every_metric(void **state)
{
    struct fixture *f = *state;
    static char manual[65536];
    FILE *file = fopen(MANUAL, "re");
    assert_non_null(file);
    manual[fread(manual, 1, sizeof manual - 1, file)] = '\0';
    fclose(file);
    struct answer a = fixture_ask(f, "GET /metrics");
    for (const char *at = a.body; (at = strstr(at, "# TYPE gradfoldd_")) != NULL; at++) {
        char name[128] = "";
        assert_int_equal(sscanf(at, "# TYPE %127s", name), 1);
        if (strncmp(name, "gradfoldd_results_", 18) == 0 ||
            strncmp(name, "gradfoldd_accumulators_", 23) == 0)
            continue; /* named together */
        if (strstr(manual, name) == NULL)
            fail_msg("the manual lacks %s", name);
    }
    answer_free(&a);
}

/* The exit code of `promtool check metrics` for this text; -1 when it is not installed. */
static int promtool(const char *text, size_t n)
{
    FILE *input = tmpfile();
    assert_non_null(input);
    assert_int_equal(fwrite(text, 1, n, input), n);
    rewind(input);
    char *argv[] = {(char[]){"promtool"}, (char[]){"check"}, (char[]){"metrics"}, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
    pid_t pid = 0;
    int status = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    fclose(input);
    if (status != 0)
        return -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void promtool_has_no_complaint(void **state)
{
    struct fixture *f = *state;
    create(f, "run-7");
    struct answer a = fixture_ask(f, "GET /metrics");
    int code = promtool(a.body, a.body_length);
    if (code >= 0)
        assert_int_not_equal(promtool("gradfoldd_bad_total x\n", 22), 0);
    answer_free(&a);
    if (code < 0) {
        print_message("promtool is not installed: not checked\n");
        skip();
    }
    assert_int_equal(code, 0);
}

int main(void)
{
#define METRICS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        METRICS_TEST(the_numbers_of_core_and_net_are_there),
        METRICS_TEST(each_budget_shows_its_own_figures),
        METRICS_TEST(the_process_is_there),
        METRICS_TEST(the_format_is_kept),
        METRICS_TEST(the_manual_names_every_metric),
        METRICS_TEST(promtool_has_no_complaint),
    };
    return cmocka_run_group_tests_name("admin_metrics", tests, NULL, NULL);
}
