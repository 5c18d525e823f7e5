/* Shared memory: views, against a fake server that may be hostile. */
#include "shared_fixture.h"

/* -- Views ------------------------------------------------------------------------------------ */

static void push_once(struct fixture *f)
{
    gf_push_args push = push_of(f, N, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
}

static void a_view_shows_the_servers_memory(void **state)
{
    struct fixture *f = *state;
    gf_pull_args pull = view_of(f, N);
    gf_pull_result result = {0};
    push_once(f);
    for (unsigned i = 1; i <= 3; i++) {
        assert_ok(f, gf_pull(f->client, &pull, &result, &f->error));
        assert_non_null(result.view);
        assert_shows(f, N, 1);
        assert_int_equal(f->buffer.contributions, 3);
        gf_view_free(result.view);
        AWAIT(f, ended, i); /* although nobody drives */
    }
    assert_int_equal(fake_counters(f->server).segments, 1);
    gf_view_free(NULL);
}

static void views_are_looked_at_side_by_side(void **state)
{
    struct fixture *f = *state;
    gf_pull_args pull = view_of(f, N);
    gf_pull_result first;
    gf_pull_result second;
    push_once(f);
    assert_ok(f, gf_pull(f->client, &pull, &first, &f->error));
    const float *old = f->buffer.data;
    gf_push_args push = push_of(f, N, 2);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_ok(f, gf_pull(f->client, &pull, &second, &f->error));
    assert_shows(f, N, 2);
    assert_memory_equal(old, f->data, BYTES);
    gf_view_free(first.view);
    assert_shows(f, N, 2);
    gf_view_free(second.view);
    AWAIT(f, ended, 2);
    assert_int_equal(fake_counters(f->server).wrong_ends, 0);
}

static void a_view_survives_its_connection_and_its_handle(void **state)
{
    struct fixture *f = *state;
    gf_pull_args pull = view_of(f, N);
    gf_pull_result lost;
    gf_pull_result closed;
    push_once(f);
    assert_ok(f, gf_pull(f->client, &pull, &lost, &f->error));
    const float *old = f->buffer.data;
    fake_pause(f->server);
    fake_restart(f->server);
    assert_ok(f, gf_pull(f->client, &pull, &closed, &f->error));
    assert_memory_equal(old, f->data, BYTES);
    gf_view_free(lost.view); /* nobody is owed anything */
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
    gf_close(f->client);
    f->client = NULL;
    assert_shows(f, N, 1);
    gf_view_free(closed.view);
    assert_int_equal(fake_counters(f->server).ended, 0);
    assert_int_equal(fake_counters(f->server).wrong_ends, 0);
}

static void an_answer_with_a_body_is_a_view_as_well(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.no_segments = true;
    faults.connections = 1;
    faults.cut_write = 2000; /* in the body of the first answer */
    fake_set(f->server, &faults);
    connect_with(f, f->server->unix_address, false);
    gf_pull_args pull = view_of(f, N);
    gf_gradient gradients[2] = {f->buffer, f->buffer};
    pull.gradients = gradients;
    pull.n_gradients = 2;
    gf_pull_result result;
    push_once(f);
    assert_ok(f, gf_pull(f->client, &pull, &result, &f->error));
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(gradients[i].data, f->data, BYTES);
        assert_int_equal((uintptr_t)gradients[i].data % 64, 0);
    }
    gf_close(f->client);
    f->client = NULL;
    assert_memory_equal(gradients[1].data, f->data, BYTES);
    gf_view_free(result.view);
    assert_int_equal(fake_counters(f->server).shown, 0);
}

static void what_is_all_zero_is_shown_though_it_is_nowhere(void **state)
{
    struct fixture *f = *state;
    enum {
        MANY = 1 << 18
    };
    static const float zeros[MANY];
    const uint64_t sizes[] = {N, MANY};
    const gf_tensor tensors[] = {{0, GF_F32, &sizes[0], 1, f->data},
                                 {3, GF_F32, &sizes[1], 1, zeros}};
    gf_push_args push = push_of(f, N, 1);
    push.tensors = tensors;
    push.n_tensors = 2;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    gf_gradient gradients[] = {{.node = 3, .bytes = sizeof zeros}, {.node = 0, .bytes = BYTES}};
    gf_pull_args pull = view_of(f, N);
    pull.gradients = gradients;
    pull.n_gradients = 2;
    gf_pull_result result;
    assert_ok(f, gf_pull(f->client, &pull, &result, &f->error));
    assert_memory_equal(gradients[0].data, zeros, sizeof zeros);
    assert_memory_equal(gradients[1].data, f->data, BYTES);
    gf_view_free(result.view);
}

static void a_view_needs_a_result_to_hold_it(void **state)
{
    struct fixture *f = *state;
    gf_pull_args pull = view_of(f, N);
    assert_int_equal(gf_pull(f->client, &pull, NULL, &f->error), GF_INVALID_ARGUMENT);
}

static void a_view_is_given_to_who_asks_first(void **state)
{
    struct fixture *f = *state;
    gf_pull_args pull = view_of(f, N);
    gf_pull_result result;
    gf_op *op;
    push_once(f);
    assert_ok(f, gf_pull_submit(f->client, &pull, &op, &f->error));
    assert_ok(f, gf_op_wait(op, &f->error));
    assert_true(gf_op_pull_result(op, &result));
    gf_view *view = result.view;
    assert_non_null(view);
    assert_true(gf_op_pull_result(op, &result));
    assert_null(result.view);
    gf_op_free(op);
    assert_shows(f, N, 1);
    gf_view_free(view);
    assert_ok(f, gf_pull_submit(f->client, &pull, &op, &f->error));
    assert_ok(f, gf_op_wait(op, &f->error));
    gf_op_free(op); /* with the view that nobody asked for */
    AWAIT(f, ended, 2);
}

static void views_that_nobody_waits_for_any_more_are_ended(void **state)
{
    struct fixture *f = *state;
    gf_pull_args pull = view_of(f, N);
    push_once(f);
    for (int i = 0; i < 200; i++) {
        gf_op *op;
        assert_ok(f, gf_pull_submit(f->client, &pull, &op, &f->error));
        if (i % 3 == 1)
            assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
        gf_op_free(op);
    }
    f->buffer.bytes = BYTES - 4; /* answered, but not to our liking */
    gf_pull_result result;
    assert_int_equal(gf_pull(f->client, &pull, &result, &f->error), GF_CLIENT_BUFFER);
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
    struct fake_counters counters = fake_counters(f->server);
    assert_true(counters.shown > 0);
    assert_int_equal(counters.shown, counters.ended);
    assert_int_equal(counters.wrong_ends, 0);
}

/* -- A hostile server ------------------------------------------------------------------------- */

static void segments_that_follow_no_rule_are_errors(void **state)
{
    struct fixture *f = *state;
    gf_pull_result result;
    push_once(f);
    for (int lie = LIE_SMALLER; lie < LIE_DESCRIPTORS; lie++) {
        struct fake_faults faults = fake_no_faults();
        unsigned before = open_descriptors();
        gf_pull_args pull = lie == LIE_NOT_ASKED ? pull_of(f, N) : view_of(f, N);
        faults.lie = (enum fake_lie)lie;
        fake_set(f->server, &faults);
        gf_code code = gf_pull(f->client, &pull, &result, &f->error);
        if (code != GF_CLIENT_PROTOCOL)
            fail_msg("lie %d: %s %s", lie, gf_code_name(code), f->error.message);
        faults.lie = LIE_NONE;
        fake_set(f->server, &faults);
        assert_true(shares(f));
        assert_no_more_descriptors_than(before);
    }
    gf_pull_args pull = view_of(f, N);
    assert_ok(f, gf_pull(f->client, &pull, &result, &f->error));
    assert_shows(f, N, 1);
    gf_view_free(result.view);
}

static void descriptors_that_nobody_asked_for_are_closed(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    push_once(f);
    unsigned before = open_descriptors();
    faults.lie = LIE_DESCRIPTORS;
    fake_set(f->server, &faults);
    for (uint64_t i = 2; i < 30; i++) {
        gf_push_args push = push_of(f, N, i);
        assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    }
    assert_no_more_descriptors_than(before);
    faults.lie = LIE_NONE;
    fake_set(f->server, &faults);
    gf_pull_args pull = view_of(f, N);
    gf_pull_result result;
    assert_ok(f, gf_pull(f->client, &pull, &result, &f->error));
    assert_shows(f, N, 29);
    gf_view_free(result.view);
}

/* -- A network that cuts ---------------------------------------------------------------------- */

static uint64_t cut_until_nothing_happens(struct fixture *f, bool requests)
{
    for (uint64_t at = 0;; at++) {
        struct fake_faults faults = fake_no_faults();
        faults.connections = 1;
        *(requests ? &faults.cut_read : &faults.cut_write) = at;
        fake_clear_sums(f->server);
        fake_set(f->server, &faults);
        unsigned before = fake_counters(f->server).unix_connections;
        connect_with(f, f->server->unix_address, false);
        gf_buffer *buffer = buffer_with_data(f, N, 0);
        gf_push_args push = push_from(f, buffer, N, 0, at + (requests ? 0 : 100000));
        gf_pull_args pull = view_of(f, N);
        gf_pull_result result;
        assert_ok(f, gf_push_pull(f->client, &push, &pull, NULL, &result, &f->error));
        assert_shows(f, N, 1);
        gf_view_free(result.view);
        gf_buffer_free(buffer);
        assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
        if (fake_counters(f->server).unix_connections == before + 1)
            return at;
    }
}

static void a_connection_cut_at_every_byte_is_survived(void **state)
{
    struct fixture *f = *state;
    unsigned descriptors = open_descriptors();
    uint64_t requests = cut_until_nothing_happens(f, true);
    uint64_t replies = cut_until_nothing_happens(f, false);
    struct fake_counters counters = fake_counters(f->server);
    assert_int_equal(counters.applied, requests + replies + 2);
    assert_int_equal(counters.placed, counters.applied);
    assert_int_equal(counters.wrong_ends, 0);
    connect_with(f, f->server->unix_address, false);
    assert_no_more_descriptors_than(descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARED(a_view_shows_the_servers_memory),
        SHARED(views_are_looked_at_side_by_side),
        SHARED(a_view_survives_its_connection_and_its_handle),
        SHARED(an_answer_with_a_body_is_a_view_as_well),
        SHARED(what_is_all_zero_is_shown_though_it_is_nowhere),
        SHARED(a_view_needs_a_result_to_hold_it),
        SHARED(a_view_is_given_to_who_asks_first),
        SHARED(views_that_nobody_waits_for_any_more_are_ended),
        SHARED(segments_that_follow_no_rule_are_errors),
        SHARED(descriptors_that_nobody_asked_for_are_closed),
        SHARED(a_connection_cut_at_every_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
