/* Deadlines: every call ends in time, and the caller's memory is its own again. */
#include "fixture.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 150,
    LATE_MS = 3000
}; /* late: a loaded machine, not a hang */

static void assert_in_time(int64_t begun_ms, int64_t timeout_ms)
{
    assert_in_range(now_ms() - begun_ms, timeout_ms - 1, timeout_ms + LATE_MS);
}

static void a_push_half_on_the_wire_ends_and_others_go_on(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.connections = 1;
    faults.stall_read = 300 * 1000;
    fixture_reconnect(f, &faults);
    gf_push_args big = push_of(f, FAKE_ELEMENTS, 1);
    gf_op *stuck;
    gf_op *behind;
    big.timeout_ms = PATIENCE_MS;
    int64_t begun = now_ms();
    assert_ok(f, gf_push_submit(f->client, &big, &stuck, &f->error));
    gf_push_args small = push_of(f, 10, 2);
    assert_ok(f, gf_push_submit(f->client, &small, &behind, &f->error));
    assert_int_equal(gf_op_wait(stuck, &f->error), GF_DEADLINE_EXCEEDED);
    assert_in_time(begun, PATIENCE_MS);
    assert_ok(f, gf_op_wait(behind, &f->error));
    gf_op_free(stuck);
    gf_op_free(behind);
    assert_int_equal(fake_counters(f->server).applied, 1);
    assert_int_equal(fake_counters(f->server).last_sequence, 2);
}

static void memory_is_free_after_a_deadline_in_mid_send(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.connections = 1;
    faults.stall_read = 300 * 1000;
    fixture_reconnect(f, &faults);
    float *mine = malloc(FAKE_ELEMENTS * sizeof(float));
    memset(mine, 0, FAKE_ELEMENTS * sizeof(float));
    gf_push_args push = push_of(f, FAKE_ELEMENTS, 1);
    f->tensor.data = mine;
    push.timeout_ms = PATIENCE_MS;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    if (strstr(f->error.message, "half sent") == NULL)
        fail_msg("%s", f->error.message);
    free(mine); /* whoever reads it now is seen by the sanitizer */
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).applied, 0);
}

static void memory_is_free_after_a_deadline_in_mid_receive(void **state)
{
    struct fixture *f = *state;
    gf_push_args push = push_of(f, FAKE_ELEMENTS, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    struct fake_faults faults = fake_no_faults();
    faults.connections = 1;
    faults.stall_write = 300 * 1000;
    fixture_reconnect(f, &faults);
    float *mine = malloc(FAKE_ELEMENTS * sizeof(float));
    gf_pull_args pull = pull_of(f, FAKE_ELEMENTS);
    f->buffer.data = mine;
    pull.timeout_ms = PATIENCE_MS;
    int64_t begun = now_ms();
    assert_int_equal(gf_pull(f->client, &pull, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    assert_in_time(begun, PATIENCE_MS);
    free(mine);
    gf_code code = gf_ping(f->client, PATIENCE_MS, NULL, &f->error); /* behind what is stalled */
    assert_int_equal(code, GF_DEADLINE_EXCEEDED);
}

static void the_rest_of_a_given_up_pull_is_dropped(void **state)
{
    struct fixture *f = *state;
    gf_push_args push = push_of(f, FAKE_ELEMENTS, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    unsigned connections = fake_counters(f->server).connections;
    for (int i = 0; i < 20; i++) {
        gf_op *op;
        float *mine = malloc(FAKE_ELEMENTS * sizeof(float));
        gf_pull_args pull = pull_of(f, FAKE_ELEMENTS);
        f->buffer.data = mine;
        assert_ok(f, gf_pull_submit(f->client, &pull, &op, &f->error));
        if (i % 2 == 1)
            assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
        gf_op_free(op); /* at any point of its way */
        free(mine);
    }
    gf_pull_args pull = pull_of(f, FAKE_ELEMENTS);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, FAKE_ELEMENTS, 1);
    assert_true(fake_counters(f->server).connections <= connections + 20);
}

static void an_answer_that_does_not_come_ends_in_time(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.mute = true;
    fake_set(f->server, &faults);
    gf_pull_args pull = pull_of(f, 10);
    pull.timeout_ms = PATIENCE_MS;
    int64_t begun = now_ms();
    assert_int_equal(gf_pull(f->client, &pull, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    assert_in_time(begun, PATIENCE_MS);
    assert_string_equal(f->error.message + strlen(f->error.message) - 2, "ms");
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).connections, 1);
}

static void a_server_that_stays_unavailable_ends_in_time(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.unavailable = 1000 * 1000;
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, 10, 1);
    push.timeout_ms = PATIENCE_MS;
    int64_t begun = now_ms();
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    assert_in_time(begun, PATIENCE_MS);
    assert_non_null(strstr(f->error.message, "UNAVAILABLE: stopping"));
    assert_in_range(fake_counters(f->server).requests, 3, 60); /* with pauses, not in a loop */
}

static void a_server_that_hangs_up_on_everything_is_not_hammered(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.lose_replies = 1000 * 1000;
    fake_set(f->server, &faults);
    gf_push_args push = push_of(f, 10, 1);
    push.timeout_ms = PATIENCE_MS;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    assert_non_null(strstr(f->error.message, "the server closed the connection"));
    assert_in_range(fake_counters(f->server).connections, 3, 60);
    assert_int_equal(fake_counters(f->server).applied, 1);
}

static void deadlines_end_operations_that_nobody_waits_for(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.mute = true;
    fake_set(f->server, &faults);
    gf_op *op;
    gf_pull_args pull = pull_of(f, 10);
    pull.timeout_ms = PATIENCE_MS;
    int64_t begun = now_ms();
    assert_ok(f, gf_pull_submit(f->client, &pull, &op, &f->error));
    /* Somebody waits for other things, drives meanwhile, and goes away. */
    pull.timeout_ms = PATIENCE_MS / 3;
    assert_int_equal(gf_pull(f->client, &pull, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    const struct timespec a_moment = {.tv_nsec = 1000 * 1000};
    while (!gf_op_test(op) && now_ms() < begun + LATE_MS)
        nanosleep(&a_moment, NULL);
    assert_true(gf_op_test(op));
    assert_in_time(begun, PATIENCE_MS);
    assert_int_equal(gf_op_wait(op, &f->error), GF_DEADLINE_EXCEEDED);
    assert_int_equal(gf_op_wait(op, &f->error), GF_DEADLINE_EXCEEDED);
    gf_pull_result result;
    assert_false(gf_op_pull_result(op, &result));
    gf_op_free(op);
}

static void until_complete(gf_op *op)
{
    const struct timespec a_moment = {.tv_nsec = 1000 * 1000};
    int64_t begun = now_ms();
    while (!gf_op_test(op) && now_ms() < begun + PATIENCE_MS + LATE_MS)
        nanosleep(&a_moment, NULL);
    assert_true(gf_op_test(op));
}

/* The background thread sleeps until the first one's deadline, which never comes. */
static void so_do_those_of_small_pushes_behind_others(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.connections = 1;
    faults.stall_read = 64; /* behind the greeting */
    fixture_reconnect(f, &faults);
    gf_op *first;
    gf_op *behind;
    gf_push_args push = push_of(f, 10, 1);
    push.timeout_ms = GF_NO_TIMEOUT;
    assert_ok(f, gf_push_submit(f->client, &push, &first, &f->error));
    const struct timespec a_while = {.tv_nsec = 50 * 1000 * 1000};
    nanosleep(&a_while, NULL);
    push.sequence = 2;
    push.timeout_ms = PATIENCE_MS;
    assert_ok(f, gf_push_submit(f->client, &push, &behind, &f->error));
    until_complete(behind);
    assert_int_equal(gf_op_wait(behind, &f->error), GF_DEADLINE_EXCEEDED);
    assert_false(gf_op_test(first));
    gf_op_free(behind);
    gf_op_free(first);
}

static void operations_that_are_only_looked_at_go_on(void **state)
{
    struct fixture *f = *state;
    int64_t begun = now_ms();
    for (uint64_t sequence = 0; sequence < 100; sequence++) {
        gf_op *op;
        size_t index;
        gf_push_args push = push_of(f, 10, sequence);
        gf_code code = GF_DEADLINE_EXCEEDED;
        assert_ok(f, gf_push_submit(f->client, &push, &op, &f->error));
        while (code == GF_DEADLINE_EXCEEDED && now_ms() < begun + LATE_MS)
            code = gf_op_wait_any_for(&op, 1, 0, &index, &f->error);
        assert_int_equal(code, GF_OK);
        assert_ok(f, gf_op_wait(op, &f->error));
        gf_op_free(op);
    }
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Whoever submits without a pause and does not wait keeps the background thread away. */
static void answers_are_heard_before_their_deadline(void **state)
{
    struct fixture *f = *state;
    enum {
        N = 6000,
        PACE_US = 60
    };
    gf_op **ops = calloc(N, sizeof(gf_op *));
    gf_push_args push = push_of(f, 1, 0);
    push.timeout_ms = PATIENCE_MS; /* they take longer together */
    for (; push.sequence < N; push.sequence++) {
        int64_t begun = now_us();
        assert_ok(f, gf_push_submit(f->client, &push, &ops[push.sequence], &f->error));
        while (now_us() < begun + PACE_US)
            continue;
    }
    for (size_t i = 0; i < N; i++) {
        assert_ok(f, gf_op_wait(ops[i], &f->error));
        gf_op_free(ops[i]);
    }
    free(ops);
}

static atomic_bool linger;  /* the next message that is sent takes a while … */
static atomic_bool lingers; /* … and this is it */

__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *message,
                                                       int flags)
{
    const struct timespec a_while = {.tv_nsec = 100 * 1000 * 1000};
    ssize_t n = syscall(SYS_sendmsg, fd, message, flags);
    if (atomic_exchange(&linger, false)) {
        atomic_store(&lingers, true);
        nanosleep(&a_while, NULL);
    }
    return n;
}

/* Closing waits for nobody, also if the background thread is just sending its last. */
static void closing_does_not_wait_for_an_answer(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.mute = true;
    fake_set(f->server, &faults);
    gf_op *op;
    gf_pull_args pull = pull_of(f, 10);
    pull.timeout_ms = 2 * LATE_MS;
    int64_t begun = now_ms();
    atomic_store(&linger, true);
    assert_ok(f, gf_pull_submit(f->client, &pull, &op, &f->error));
    const struct timespec a_moment = {.tv_nsec = 1000 * 1000};
    while (!atomic_load(&lingers) && now_ms() < begun + LATE_MS)
        nanosleep(&a_moment, NULL);
    assert_true(atomic_load(&lingers));
    gf_close(f->client);
    f->client = NULL;
    assert_in_time(begun, 1);
    assert_int_equal(gf_op_wait(op, &f->error), GF_CLIENT_CANCELLED);
    gf_op_free(op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_push_half_on_the_wire_ends_and_others_go_on),
        TEST(memory_is_free_after_a_deadline_in_mid_send),
        TEST(memory_is_free_after_a_deadline_in_mid_receive),
        TEST(the_rest_of_a_given_up_pull_is_dropped),
        TEST(an_answer_that_does_not_come_ends_in_time),
        TEST(a_server_that_stays_unavailable_ends_in_time),
        TEST(a_server_that_hangs_up_on_everything_is_not_hammered),
        TEST(deadlines_end_operations_that_nobody_waits_for),
        TEST(so_do_those_of_small_pushes_behind_others),
        TEST(operations_that_are_only_looked_at_go_on),
        TEST(answers_are_heard_before_their_deadline),
        TEST(closing_does_not_wait_for_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
