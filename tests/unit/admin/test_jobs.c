#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/job_text.h"
#include "fixture.h"

static const uint64_t two_by_three[] = {2, 3};

static struct job_spec spec_of(const char *name, const struct node_spec *nodes, size_t n)
{
    return (struct job_spec){.name = name,
                             .nodes = nodes,
                             .n_nodes = n,
                             .world_size = 3,
                             .quorum = 2,
                             .grace_ms = 5000,
                             .reduction = REDUCTION_MEAN,
                             .accumulation = ACCUMULATION_EXACT,
                             .non_finite = NON_FINITE_REJECT,
                             .retain_rounds = 2};
}

static void create(struct fixture *f, const struct job_spec *spec)
{
    rig_create(&f->rig, 0, spec);
    if (rig_last(&f->rig)->error.code != CODE_OK)
        fail_msg("%s", rig_last(&f->rig)->error.message);
}

/* A job "digits" of a weight that learns and a frozen table. */
static void create_digits(struct fixture *f)
{
    const struct node_spec nodes[] = {
        {.name = "w", .dtype = DTYPE_F32, .shape = two_by_three, .ndim = 2, .requires_grad = true},
        {.name = "table", .dtype = DTYPE_I64, .ndim = 0, .requires_grad = false},
    };
    struct job_spec spec = spec_of("digits", nodes, 2);
    create(f, &spec);
}

static void push(struct fixture *f, uint32_t worker, uint64_t round, bool final)
{
    static const float ones[6] = {1, 1, 1, 1, 1, 1};
    const struct contribution c = {.node = 0, .dtype = DTYPE_F32, .shape = two_by_three, .ndim = 2};
    struct push_offer offer = {.job = "digits",
                               .has_round = true,
                               .round = round,
                               .worker = worker,
                               .sequence = 1,
                               .final = final,
                               .contributions = &c,
                               .n_contributions = 1,
                               .body_bytes = sizeof ones};
    rig_push(&f->rig, 0, &offer, ones);
    if (rig_last(&f->rig)->error.code != CODE_OK)
        fail_msg("%s", rig_last(&f->rig)->error.message);
}

/* The values at the path, which must be the numbers and nothing else. */
static void expect_numbers(json_t *array, size_t n, const json_int_t *numbers)
{
    assert_int_equal(json_array_size(array), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(json_integer_value(json_array_get(array, i)), numbers[i]);
}

static json_int_t number(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        fail_msg("%s is no number", key);
    return json_integer_value(value);
}

static void expect_text(json_t *object, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static void no_jobs_no_elements(void **state)
{
    struct fixture *f = *state;
    json_t *json = fixture_json(f, "/v1/jobs");
    assert_true(json_is_array(json_object_get(json, "jobs")));
    assert_int_equal(json_array_size(json_object_get(json, "jobs")), 0);
    json_decref(json);
}

static void the_list_holds_each_job_in_order_of_creation(void **state)
{
    struct fixture *f = *state;
    create_digits(f);
    struct job_spec other = spec_of("a.second", NULL, 0);
    create(f, &other);
    push(f, 1, 0, true);
    rig_advance(&f->rig, 1500);
    json_t *json = fixture_json(f, "/v1/jobs");
    json_t *jobs = json_object_get(json, "jobs");
    assert_int_equal(json_array_size(jobs), 2);
    json_t *digits = json_array_get(jobs, 0);
    expect_text(digits, "name", "digits");
    assert_int_equal(number(digits, "nodes"), 2);
    assert_int_equal(number(digits, "world_size"), 3);
    assert_int_equal(number(digits, "open_round"), 0);
    assert_int_equal(number(digits, "final_workers"), 1);
    assert_int_equal(number(digits, "age_ms"), 1500);
    assert_int_equal(number(digits, "open_round_age_ms"), 1500);
    expect_text(json_array_get(jobs, 1), "name", "a.second");
    json_decref(json);
}

static void a_job_shows_its_spec(void **state)
{
    struct fixture *f = *state;
    create_digits(f);
    json_t *json = fixture_json(f, "/v1/jobs/digits");
    expect_text(json, "name", "digits");
    assert_int_equal(number(json, "gradient_bytes"), 24);
    json_t *spec = json_object_get(json, "spec");
    assert_int_equal(number(spec, "world_size"), 3);
    assert_int_equal(number(spec, "quorum"), 2);
    assert_int_equal(number(spec, "grace_ms"), 5000);
    expect_text(spec, "reduction", "mean");
    expect_text(spec, "accumulation", "exact");
    expect_text(spec, "non_finite", "reject");
    assert_int_equal(number(spec, "retain_rounds"), 2);
    assert_int_equal(number(spec, "node_count"), 2);
    json_t *nodes = json_object_get(spec, "nodes");
    assert_int_equal(json_array_size(nodes), 2);
    json_t *w = json_array_get(nodes, 0);
    assert_int_equal(number(w, "id"), 0);
    expect_text(w, "name", "w");
    expect_text(w, "dtype", "f32");
    expect_numbers(json_object_get(w, "shape"), 2, (const json_int_t[]){2, 3});
    assert_true(json_is_true(json_object_get(w, "requires_grad")));
    assert_int_equal(number(w, "bytes"), 24);
    json_t *table = json_array_get(nodes, 1);
    expect_text(table, "dtype", "i64");
    assert_int_equal(json_array_size(json_object_get(table, "shape")), 0);
    assert_true(json_is_false(json_object_get(table, "requires_grad")));
    json_decref(json);
}

static void rounds_show_who_is_final_and_who_is_missing(void **state)
{
    struct fixture *f = *state;
    create_digits(f);
    push(f, 0, 0, true);
    push(f, 2, 0, true); /* the quorum: the grace begins */
    rig_advance(&f->rig, 1000);
    json_t *json = fixture_json(f, "/v1/jobs/digits?nodes=0");
    assert_null(json_object_get(json_object_get(json, "spec"), "nodes"));
    json_t *rounds = json_object_get(json, "rounds");
    assert_int_equal(json_array_size(rounds), 1);
    json_t *round = json_array_get(rounds, 0);
    assert_int_equal(number(round, "round"), 0);
    expect_text(round, "state", "open");
    assert_int_equal(number(round, "pushes"), 2);
    assert_int_equal(number(round, "bytes"), 48);
    assert_int_equal(number(round, "age_ms"), 1000);
    assert_int_equal(number(round, "grace_left_ms"), 4000);
    assert_null(json_object_get(round, "closed_age_ms"));
    assert_int_equal(number(round, "final"), 2);
    expect_numbers(json_object_get(round, "final_workers"), 2, (const json_int_t[]){0, 2});
    expect_numbers(json_object_get(round, "missing_workers"), 1, (const json_int_t[]){1});
    json_decref(json);
}

static void closed_rounds_stay_until_they_are_retired(void **state)
{
    struct fixture *f = *state;
    create_digits(f);
    for (uint64_t r = 0; r < 4; r++) {
        for (uint32_t w = 0; w < 3; w++)
            push(f, w, r, true);
        rig_advance(&f->rig, 10);
    }
    json_t *json = fixture_json(f, "/v1/jobs/digits");
    json_t *rounds = json_object_get(json, "rounds");
    assert_int_equal(json_array_size(rounds), 3); /* two retained, one open */
    for (size_t i = 0; i < 3; i++) {
        json_t *round = json_array_get(rounds, i);
        assert_int_equal(number(round, "round"), i + 2);
        expect_text(round, "state", i < 2 ? "closed" : "open");
    }
    json_t *round = json_array_get(rounds, 0);
    assert_int_equal(number(round, "closed_age_ms"), 20);
    assert_true(number(round, "result_bytes") >= 24);
    assert_int_equal(json_array_size(json_object_get(round, "missing_workers")), 0);
    json_decref(json);
}

/* The core lets only plain names in; what shows them does not rely on it. */
static void any_bytes_in_a_name_give_valid_json(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *shown;
    } cases[] = {
        {"", ""},
        {"layer\"1\\x", "layer\"1\\x"},
        {"line\nfeed\r\t\x01\x1f\x7f", "line\nfeed\r\t\x01\x1f\x7f"},
        {"</script>\xe2\x80\xa8", "</script>\xe2\x80\xa8"},
        {"h\xc3\xa9llo", "h\xc3\xa9llo"},
        {"\xff\xc3\x28", "\xef\xbf\xbd\xef\xbf\xbd("},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct node node = {.name = cases[i].name, .dtype = DTYPE_F64};
        struct text text = {0};
        job_text_node(&text, &node, i);
        assert_false(text.failed);
        json_t *json = json_loadb(text.bytes, text.length, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        expect_text(json, "name", cases[i].shown);
        assert_int_equal(number(json, "id"), i);
        json_decref(json);
        text_free(&text);
    }
}

/* -- A job of 100,000 nodes -- */

enum {
    MANY = 100000,
    LONG_NAME = 40
};

static void create_large(struct fixture *f)
{
    struct node_spec *nodes = test_calloc(MANY, sizeof *nodes);
    char *names = test_calloc(MANY, LONG_NAME);
    for (size_t i = 0; i < MANY; i++) {
        char *name = names + i * LONG_NAME;
        snprintf(name, LONG_NAME, "encoder.block%05zu.attention.key", i);
        nodes[i] = (struct node_spec){.name = name, .dtype = DTYPE_F32, .requires_grad = true};
    }
    struct job_spec spec = spec_of("large", nodes, MANY);
    create(f, &spec);
    test_free(nodes);
    test_free(names);
}

static void a_hundred_thousand_nodes(void **state)
{
    struct fixture *f = *state;
    create_large(f);
    json_t *json = fixture_json(f, "/v1/jobs/large");
    json_t *nodes = json_object_get(json_object_get(json, "spec"), "nodes");
    assert_int_equal(json_array_size(nodes), MANY);
    assert_int_equal(number(json_array_get(nodes, MANY - 1), "id"), MANY - 1);
    expect_text(json_array_get(nodes, 4711), "name", "encoder.block04711.attention.key");
    json_decref(json);
    struct answer a = fixture_ask(f, "GET /v1/jobs/large?nodes=0");
    assert_int_equal(a.status, 200);
    assert_true(a.body_length < 2000);
    answer_free(&a);
}

/* The client reads nothing while others are served, and the job goes; then it reads: all nodes are
 * there, since the description holds on to the job. */
static void a_job_deleted_while_it_is_being_described(void **state)
{
    struct fixture *f = *state;
    create_large(f);
    int fd = fixture_connect(f);
    fixture_send(f, fd, "GET /v1/jobs/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    fixture_run(f, 50);
    json_t *others = fixture_json(f, "/v1/jobs");
    assert_int_equal(json_array_size(json_object_get(others, "jobs")), 1);
    json_decref(others);
    rig_delete(&f->rig, 0, "large");
    assert_int_equal(rig_last(&f->rig)->error.code, CODE_OK);
    struct answer gone = fixture_ask(f, "GET /v1/jobs/large");
    assert_int_equal(gone.status, 404);
    answer_free(&gone);
    struct answer a;
    assert_true(fixture_receive(f, fd, 20000, &a));
    assert_int_equal(a.status, 200);
    json_t *json = json_loadb(a.body, a.body_length, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json, "spec"), "nodes")),
                     MANY);
    json_decref(json);
    answer_free(&a);
}

static void many_workers_and_rounds(void **state)
{
    struct fixture *f = *state;
    struct job_spec spec = spec_of("wide", NULL, 0);
    spec.world_size = LIMIT_WORLD_SIZE;
    spec.quorum = LIMIT_WORLD_SIZE;
    spec.retain_rounds = 8;
    create(f, &spec);
    for (uint64_t r = 0; r < 8; r++)
        rig_close(&f->rig, 0, "wide", r);
    json_t *json = fixture_json(f, "/v1/jobs/wide");
    json_t *rounds = json_object_get(json, "rounds");
    assert_int_equal(json_array_size(rounds), 9);
    json_t *missing = json_object_get(json_array_get(rounds, 8), "missing_workers");
    assert_int_equal(json_array_size(missing), LIMIT_WORLD_SIZE);
    json_decref(json);
}

int main(void)
{
#define JOBS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOBS_TEST(no_jobs_no_elements),
        JOBS_TEST(the_list_holds_each_job_in_order_of_creation),
        JOBS_TEST(a_job_shows_its_spec),
        JOBS_TEST(rounds_show_who_is_final_and_who_is_missing),
        JOBS_TEST(closed_rounds_stay_until_they_are_retired),
        cmocka_unit_test(any_bytes_in_a_name_give_valid_json),
        JOBS_TEST(a_hundred_thousand_nodes),
        JOBS_TEST(a_job_deleted_while_it_is_being_described),
        JOBS_TEST(many_workers_and_rounds),
    };
    return cmocka_run_group_tests_name("admin_jobs", tests, NULL, NULL);
}
