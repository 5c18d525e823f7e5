/* What a network and a server can do to a client: every push still counts once, or fails with a
 * reason. */
#include "fixture.h"

static void retry_after_lost_reply_counts_once(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.lose_replies = 3;
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, 1000, 1);
    gf_push_result result;
    assert_ok(f, gf_push(f->client, &push, &result, &f->error));
    assert_int_equal(result.verdict, GF_DUPLICATE);
    struct fake_counters counters = fake_counters(f->server);
    assert_int_equal(counters.applied, 1);
    assert_int_equal(counters.duplicates, 3);
    gf_pull_args pull = pull_of(f, 1000);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, 1000, 1);
}

enum {
    SMALL = 50
};

/* Bytes of a greeting, a push and a pull, both ways, found by cutting later and later until nothing
 * is cut. */
static uint64_t cut_until_nothing_happens(struct fixture *f, bool requests)
{
    for (uint64_t at = 0;; at++) {
        struct fake_faults faults = fake_no_faults();
        faults.connections = 1;
        *(requests ? &faults.cut_read : &faults.cut_write) = at;
        unsigned before = fake_counters(f->server).connections;
        fake_clear_sums(f->server);
        memset(f->results, 0, SMALL * sizeof(float));
        fixture_reconnect(f, &faults);
        gf_push_args push = push_of(f, SMALL, at + (requests ? 0 : 100000));
        gf_pull_args pull = pull_of(f, SMALL);
        assert_ok(f, gf_push_pull(f->client, &push, &pull, NULL, NULL, &f->error));
        assert_results(f, SMALL, 1);
        if (fake_counters(f->server).connections == before + 1)
            return at;
    }
}

static void a_connection_cut_at_every_byte_of_the_requests_is_survived(void **state)
{
    struct fixture *f = *state;
    uint64_t bytes = cut_until_nothing_happens(f, true);
    assert_in_range(bytes, 3 * 16 + SMALL * 4, 3 * 100 + SMALL * 4);
    assert_int_equal(fake_counters(f->server).applied, bytes + 1);
}

static void a_connection_cut_at_every_byte_of_the_replies_is_survived(void **state)
{
    struct fixture *f = *state;
    uint64_t bytes = cut_until_nothing_happens(f, false);
    assert_in_range(bytes, 3 * 16 + SMALL * 4, 3 * 100 + SMALL * 4);
    assert_int_equal(fake_counters(f->server).applied, bytes + 1);
}

static void large_transfers_survive_a_cut_in_the_middle(void **state)
{
    struct fixture *f = *state;
    for (int requests = 0; requests < 2; requests++) {
        struct fake_faults faults = fake_no_faults();
        faults.connections = 2;
        *(requests ? &faults.cut_read : &faults.cut_write) = 2500 * 1000;
        fake_clear_sums(f->server);
        fixture_reconnect(f, &faults);
        gf_push_args push = push_of(f, FAKE_ELEMENTS, (uint64_t)requests);
        gf_pull_args pull = pull_of(f, FAKE_ELEMENTS);
        assert_ok(f, gf_push_pull(f->client, &push, &pull, NULL, NULL, &f->error));
        assert_results(f, FAKE_ELEMENTS, 1);
    }
    assert_int_equal(fake_counters(f->server).applied, 2);
}

static void a_server_that_is_stopping_is_asked_again(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.unavailable = 5;
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, 10, 1);
    gf_push_result result;
    assert_ok(f, gf_push(f->client, &push, &result, &f->error));
    assert_int_equal(result.verdict, GF_ACCEPTED);
    assert_int_equal(fake_counters(f->server).requests, 6);
}

static void order_survives_a_server_that_is_stopping(void **state)
{
    struct fixture *f = *state;
    enum {
        N = 20
    };
    struct fake_faults faults = fake_no_faults();
    gf_op *ops[N];
    faults.unavailable = 15;
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, 10, 0);
    for (push.sequence = 0; push.sequence < N; push.sequence++)
        assert_ok(f, gf_push_submit(f->client, &push, &ops[push.sequence], &f->error));
    for (int i = 0; i < N; i++) {
        assert_ok(f, gf_op_wait(ops[i], &f->error));
        gf_op_free(ops[i]);
    }
    assert_int_equal(fake_counters(f->server).applied, N);
}

static void a_restarted_server_is_found_again(void **state)
{
    struct fixture *f = *state;
    gf_push_args push = push_of(f, 10, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    fake_pause(f->server);
    push.timeout_ms = 100;
    push.sequence = 2;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    fake_restart(f->server);
    push.timeout_ms = GF_DEFAULT_TIMEOUT;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).applied, 2);
}

static void a_refusal_that_overtakes_the_body_leaves_the_connection_usable(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.refuse_early = 1;
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, FAKE_ELEMENTS, 1);
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_NOT_FOUND);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).connections, 1);
}

static void a_refusal_that_overtakes_the_body_is_final_even_if_the_body_is_cut(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.refuse_early = 1;
    faults.connections = 1;
    faults.cut_read = 3 * 1000 * 1000;
    fixture_reconnect(f, &faults);
    gf_push_args push = push_of(f, FAKE_ELEMENTS, 1);
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_NOT_FOUND);
    assert_int_equal(fake_counters(f->server).applied, 0);
}

static void a_refused_push_takes_its_pull_along(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.refuse_early = 1;
    faults.mute = true;
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, 10, 1);
    gf_pull_args pull = pull_of(f, 10);
    int64_t begun = now_ms();
    gf_code code = gf_push_pull(f->client, &push, &pull, NULL, NULL, &f->error);
    assert_int_equal(code, GF_NOT_FOUND);
    assert_true(now_ms() - begun < 10000); /* not until the pull's deadline */
    assert_string_equal(f->error.message, "no such job");
}

/* The last bytes of the push leave with those of its pull, when the refusal is here already. */
static void a_refusal_that_overtakes_the_body_takes_its_pull_along(void **state)
{
    struct fixture *f = *state;
    gf_push_args push = push_of(f, FAKE_ELEMENTS, 1);
    gf_pull_args pull = pull_of(f, FAKE_ELEMENTS);
    for (int i = 0; i < 20; i++) {
        struct fake_faults faults = fake_no_faults();
        faults.refuse_early = 1;
        fake_set(f->server, &faults);
        gf_code code = gf_push_pull(f->client, &push, &pull, NULL, NULL, &f->error);
        assert_int_equal(code, GF_NOT_FOUND);
        assert_ok(f, gf_ping(f->client, 0, NULL, &f->error));
    }
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).applied, 1);
}

static void delete_sent_twice_is_a_success(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.connections = 1;
    faults.cut_write = 95; /* after two greetings, within the first answer */
    fixture_reconnect(f, &faults);
    gf_code code;
    unsigned requests = fake_counters(f->server).requests;
    code = gf_job_delete(f->client, "gone", GF_DEFAULT_TIMEOUT, &f->error);
    assert_int_equal(fake_counters(f->server).requests, requests + 2);
    assert_int_equal(code, GF_OK);
}

/* -- Answers that follow no rule -------------------------------------------------------------- */

static size_t frame(uint8_t *bytes, Gradfold__V1__Response *response, uint64_t body)
{
    size_t n = gradfold__v1__response__get_packed_size(response);
    frame_prefix_encode(bytes, (uint32_t)n, body);
    return FRAME_PREFIX_BYTES + gradfold__v1__response__pack(response, bytes + FRAME_PREFIX_BYTES);
}

/* Sends a pull, which the server answers with these bytes. The next call must work. */
static void assert_nonsense(struct fixture *f, const uint8_t *bytes, size_t n)
{
    struct fake_faults faults = fake_no_faults();
    faults.nonsense = bytes;
    faults.n_nonsense = n;
    fake_set(f->server, &faults);
    gf_pull_args pull = pull_of(f, 10);
    assert_int_equal(gf_pull(f->client, &pull, NULL, &f->error), GF_CLIENT_PROTOCOL);
    assert_true(strlen(f->error.message) > 0);
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
}

static void answers_that_are_no_frames_are_errors(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[64] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_nonsense(f, bytes, 28);
    frame_prefix_encode(bytes, 1u << 31, 0);
    assert_nonsense(f, bytes, 16);
    frame_prefix_encode(bytes, 4, UINT64_MAX);
    assert_nonsense(f, bytes, 20);
    frame_prefix_encode(bytes, 8, 0);
    memset(bytes + 16, 0xff, 8);
    assert_nonsense(f, bytes, 24);
}

struct answer {
    Gradfold__V1__Response response;
    Gradfold__V1__Status status;
    Gradfold__V1__PullResult pull;
    Gradfold__V1__Gradient gradient;
    Gradfold__V1__Gradient *list[1];
    uint64_t shape[2];
};

/* The right answer to the next request of f, for spoiling. Ids: the greeting had 2, if there was
 * one ping. */
static void right_answer(struct answer *answer, uint64_t id)
{
    gradfold__v1__response__init(&answer->response);
    gradfold__v1__status__init(&answer->status);
    gradfold__v1__pull_result__init(&answer->pull);
    gradfold__v1__gradient__init(&answer->gradient);
    answer->list[0] = &answer->gradient;
    answer->shape[0] = 10;
    answer->shape[1] = UINT64_MAX;
    answer->gradient.has_dtype = answer->gradient.has_node = true;
    answer->gradient.dtype = GRADFOLD__V1__DTYPE__DTYPE_F32;
    answer->gradient.shape = answer->shape;
    answer->gradient.n_shape = 1;
    answer->pull.gradients = answer->list;
    answer->pull.n_gradients = 1;
    answer->status.has_code = true;
    answer->response.has_id = true;
    answer->response.id = id;
    answer->response.status = &answer->status;
    answer->response.result_case = GRADFOLD__V1__RESPONSE__RESULT_PULL;
    answer->response.pull = &answer->pull;
}

/* A fresh handle sends the ping with id 1, greets with id 2, and pulls with id 3. */
static void assert_answer_is_nonsense(struct fixture *f, struct answer *answer, uint64_t body)
{
    struct fake_faults faults = fake_no_faults();
    uint8_t bytes[512];
    fixture_reconnect(f, &faults);
    answer->response.id = answer->response.id == 0 ? 0 : 3;
    assert_nonsense(f, bytes, frame(bytes, &answer->response, body));
}

static void answers_to_something_else_are_errors(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    right_answer(&answer, 3);
    answer.response.status = NULL;
    assert_answer_is_nonsense(f, &answer, 0);
    right_answer(&answer, 3);
    answer.status.code = (Gradfold__V1__Code)GF_CLIENT_CANCELLED; /* the library's own */
    assert_answer_is_nonsense(f, &answer, 0);
    right_answer(&answer, 3);
    answer.response.result_case = GRADFOLD__V1__RESPONSE__RESULT__NOT_SET;
    assert_answer_is_nonsense(f, &answer, 0);
    right_answer(&answer, 3);
    answer.gradient.node = 1;
    assert_answer_is_nonsense(f, &answer, 40);
    right_answer(&answer, 3);
    answer.pull.n_gradients = 0;
    assert_answer_is_nonsense(f, &answer, 0);
    right_answer(&answer, 3);
    assert_answer_is_nonsense(f, &answer, 41);
    right_answer(&answer, 3);
    answer.gradient.n_shape = 2;
    assert_answer_is_nonsense(f, &answer, 40);
    right_answer(&answer, 3);
    answer.gradient.dtype = (Gradfold__V1__DType)99;
    assert_answer_is_nonsense(f, &answer, 40);
}

static void answers_to_nobody_are_skipped(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    static uint8_t bytes[512]; /* the server's thread may still be sending at the end */
    right_answer(&answer, 12345);
    size_t n = frame(bytes, &answer.response, 7);
    n += 7; /* its body */
    right_answer(&answer, 3);
    n += frame(bytes + n, &answer.response, 40);
    memcpy(bytes + n, f->data, 40);
    struct fake_faults faults = fake_no_faults();
    fixture_reconnect(f, &faults);
    faults.nonsense = bytes;
    faults.n_nonsense = n + 40;
    fake_set(f->server, &faults);
    gf_pull_args pull = pull_of(f, 10);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, 10, 1);
}

static void a_stream_that_the_server_gave_up_fails_with_its_reason(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    uint8_t bytes[512];
    right_answer(&answer, 0);
    answer.status.code = GRADFOLD__V1__CODE__CODE_MALFORMED;
    answer.status.message = (char[]){"a frame begins with nonsense"};
    answer.response.result_case = GRADFOLD__V1__RESPONSE__RESULT__NOT_SET;
    struct fake_faults faults = fake_no_faults();
    faults.nonsense = bytes;
    faults.n_nonsense = frame(bytes, &answer.response, 0);
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, 10, 1);
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_MALFORMED);
    assert_string_equal(f->error.message, "a frame begins with nonsense");
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(retry_after_lost_reply_counts_once),
        TEST(a_connection_cut_at_every_byte_of_the_requests_is_survived),
        TEST(a_connection_cut_at_every_byte_of_the_replies_is_survived),
        TEST(large_transfers_survive_a_cut_in_the_middle),
        TEST(a_server_that_is_stopping_is_asked_again),
        TEST(order_survives_a_server_that_is_stopping),
        TEST(a_restarted_server_is_found_again),
        TEST(a_refusal_that_overtakes_the_body_leaves_the_connection_usable),
        TEST(a_refusal_that_overtakes_the_body_is_final_even_if_the_body_is_cut),
        TEST(a_refused_push_takes_its_pull_along),
        TEST(a_refusal_that_overtakes_the_body_takes_its_pull_along),
        TEST(delete_sent_twice_is_a_success),
        TEST(answers_that_are_no_frames_are_errors),
        TEST(answers_to_something_else_are_errors),
        TEST(answers_to_nobody_are_skipped),
        TEST(a_stream_that_the_server_gave_up_fails_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
