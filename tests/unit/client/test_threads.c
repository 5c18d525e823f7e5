/* Several threads, and many operations, on one handle. */
#include "fixture.h"

enum {
    THREADS = 4,
    ROUNDS = 60,
    SIZE = 5000
};

struct job {
    struct fixture *f;
    uint32_t worker;
    bool asynchronous;
    gf_code code;
};

static gf_code one_round(struct job *job, const gf_push_args *push, const gf_pull_args *pull)
{
    gf_op *op;
    if (!job->asynchronous)
        return gf_push_pull(job->f->client, push, pull, NULL, NULL, NULL);
    gf_code code = gf_push_pull_submit(job->f->client, push, pull, &op, NULL);
    if (code != GF_OK)
        return code;
    code = gf_op_wait(op, NULL);
    gf_op_free(op);
    return code;
}

static void *worker(void *data)
{
    struct job *job = data;
    const uint64_t shape[1] = {SIZE};
    float *results = malloc(SIZE * sizeof(float));
    gf_tensor tensor = {0, GF_F32, shape, 1, job->f->data};
    gf_gradient buffer = {.data = results, .bytes = SIZE * sizeof(float)};
    gf_push_args push = {.size = sizeof push,
                         .job = "job",
                         .round = 7,
                         .worker = job->worker,
                         .tensors = &tensor,
                         .n_tensors = 1};
    gf_pull_args pull = {
        .size = sizeof pull, .job = "job", .round = 7, .gradients = &buffer, .n_gradients = 1};
    for (; push.sequence < ROUNDS && job->code == GF_OK; push.sequence++)
        job->code = one_round(job, &push, &pull);
    free(results);
    return NULL;
}

static void run_threads(struct fixture *f, bool asynchronous)
{
    pthread_t threads[THREADS];
    struct job jobs[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.f = f, .worker = i, .asynchronous = asynchronous && i % 2 == 0};
        assert_int_equal(pthread_create(&threads[i], NULL, worker, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].code, GF_OK);
    }
    struct fake_counters counters = fake_counters(f->server);
    assert_int_equal(counters.applied, THREADS * ROUNDS);
    gf_pull_args pull = pull_of(f, SIZE);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, SIZE, THREADS * ROUNDS);
}

static void threads_share_a_handle(void **state)
{
    run_threads(*state, false);
}

static void blocking_and_asynchronous_threads_share_a_handle(void **state)
{
    run_threads(*state, true);
}

static void threads_share_a_connection_that_is_lost_again_and_again(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.connections = 8;
    faults.cut_read = 150 * 1000;
    fixture_reconnect(f, &faults);
    run_threads(f, true);
    assert_true(fake_counters(f->server).connections > 8);
}

static void ten_thousand_pushes_are_pipelined_in_order(void **state)
{
    struct fixture *f = *state;
    enum {
        N = 10000
    };
    gf_op **ops = calloc(N, sizeof(gf_op *));
    gf_push_args push = push_of(f, 1, 0);
    for (; push.sequence < N; push.sequence++)
        assert_ok(f, gf_push_submit(f->client, &push, &ops[push.sequence], &f->error));
    for (size_t i = 0; i < N; i++) {
        assert_ok(f, gf_op_wait(ops[i], &f->error));
        gf_op_free(ops[i]);
    }
    free(ops);
    struct fake_counters counters = fake_counters(f->server);
    assert_int_equal(counters.applied, N);
    assert_true(counters.in_order);
}

static void any_of_many_is_waited_for_until_none_is_left(void **state)
{
    struct fixture *f = *state;
    enum {
        N = 40
    };
    struct fake_faults faults = fake_no_faults();
    faults.backwards = true;
    fake_set(f->server, &faults);
    gf_op *ops[N];
    bool seen[N] = {false};
    bool first_was_second = false;
    gf_push_args push = push_of(f, 10, 0);
    for (; push.sequence < N; push.sequence++)
        assert_ok(f, gf_push_submit(f->client, &push, &ops[push.sequence], &f->error));
    for (int i = 0; i < N; i++) {
        size_t index = N;
        assert_ok(f, gf_op_wait_any(ops, N, &index, &f->error));
        assert_true(index < N && !seen[index]);
        first_was_second = first_was_second || (index % 2 == 1 && !seen[index - 1]);
        seen[index] = true;
        assert_true(gf_op_test(ops[index]));
        assert_ok(f, gf_op_wait(ops[index], &f->error));
        gf_op_free(ops[index]);
        ops[index] = NULL;
    }
    (void)first_was_second; /* depends on who is quicker */
    size_t index;
    assert_int_equal(gf_op_wait_any(ops, N, &index, &f->error), GF_INVALID_ARGUMENT);
}

static void an_operation_goes_on_while_nobody_waits(void **state)
{
    struct fixture *f = *state;
    gf_op *op;
    gf_push_args push = push_of(f, FAKE_ELEMENTS, 1);
    assert_ok(f, gf_push_submit(f->client, &push, &op, &f->error));
    const struct timespec a_moment = {.tv_nsec = 1000 * 1000};
    int64_t end = now_ms() + 10000;
    while (!gf_op_test(op) && now_ms() < end)
        nanosleep(&a_moment, NULL);
    assert_true(gf_op_test(op));
    gf_push_result result;
    assert_true(gf_op_push_result(op, &result));
    assert_int_equal(result.verdict, GF_ACCEPTED);
    gf_pull_result pulled;
    assert_false(gf_op_pull_result(op, &pulled));
    gf_op_free(op);
}

static void arguments_of_a_submitted_push_can_go_out_of_scope(void **state)
{
    struct fixture *f = *state;
    gf_op *op;
    {
        char job[] = "job";
        uint64_t shape[1] = {SIZE};
        gf_tensor tensor = {0, GF_F32, shape, 1, f->data};
        gf_push_args push = {
            .size = sizeof push, .job = job, .round = 7, .tensors = &tensor, .n_tensors = 1};
        assert_ok(f, gf_push_submit(f->client, &push, &op, &f->error));
        memset(job, 'x', 3);
        shape[0] = 1;
        tensor.data = NULL;
    }
    assert_ok(f, gf_op_wait(op, &f->error));
    gf_op_free(op);
    gf_pull_args pull = pull_of(f, SIZE);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, SIZE, 1);
}

/* Keeps somebody driving: a pull that is never answered. */
static void *wait_in_vain(void *data)
{
    struct fixture *f = data;
    float results[1];
    gf_gradient buffer = {.data = results, .bytes = sizeof results, .node = 1};
    gf_pull_args pull = {.size = sizeof pull,
                         .job = "job",
                         .gradients = &buffer,
                         .n_gradients = 1,
                         .no_wait = true,
                         .timeout_ms = 1500};
    gf_pull(f->client, &pull, NULL, NULL);
    return NULL;
}

static void memory_is_free_when_an_operation_is_given_up_while_another_thread_drives(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    gf_push_args push = push_of(f, FAKE_ELEMENTS / 4, 1);
    pthread_t thread;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    faults.mute_node = 1;
    fake_set(f->server, &faults);
    assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, f), 0);
    int64_t end = now_ms() + 1000;
    for (long pause = 0; now_ms() < end; pause = (pause + 37000) % 1000000) {
        gf_op *op;
        size_t bytes = FAKE_ELEMENTS / 4 * sizeof(float);
        float *mine = malloc(bytes);
        gf_pull_args pull = pull_of(f, FAKE_ELEMENTS / 4);
        f->buffer.data = mine;
        assert_ok(f, gf_pull_submit(f->client, &pull, &op, &f->error));
        nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
        gf_op_free(op);
        memset(mine, 0, bytes); /* whoever still writes to it is seen by the sanitizer */
        free(mine);
    }
    pthread_join(thread, NULL);
}

/* A mute server leaves a pull waiting; first nobody else drives, then a thread that waits. */
static void waiting_for_a_while_gives_nothing_up(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.mute = true;
    fake_set(f->server, &faults);
    gf_op *ops[2] = {NULL};
    size_t index = 9;
    pthread_t thread;
    gf_pull_args pull = pull_of(f, 10);
    gf_push_args push = push_of(f, 10, 1);
    assert_ok(f, gf_pull_submit(f->client, &pull, &ops[1], &f->error));
    assert_int_equal(gf_op_wait_any_for(ops, 2, 0, &index, &f->error), GF_DEADLINE_EXCEEDED);
    assert_int_equal(gf_op_wait_any_for(ops, 2, 30, &index, &f->error), GF_DEADLINE_EXCEEDED);
    assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, f), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(gf_op_wait_any_for(ops, 2, 10, &index, &f->error), GF_DEADLINE_EXCEEDED);
    assert_int_equal(index, 9);
    assert_false(gf_op_test(ops[1]));
    assert_ok(f, gf_push_submit(f->client, &push, &ops[0], &f->error));
    assert_ok(f, gf_op_wait_any_for(ops, 2, 30000, &index, &f->error));
    assert_int_equal(index, 0);
    assert_ok(f, gf_op_wait(ops[0], &f->error));
    gf_op_free(ops[0]);
    gf_op_free(ops[1]);
    pthread_join(thread, NULL);
}

static void a_closed_handle_cancels_what_is_in_flight(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.mute = true;
    fake_set(f->server, &faults);
    gf_op *pull_op;
    gf_op *push_op;
    gf_push_args push = push_of(f, 10, 1);
    gf_pull_args pull = pull_of(f, 10);
    assert_ok(f, gf_push_submit(f->client, &push, &push_op, &f->error));
    assert_ok(f, gf_pull_submit(f->client, &pull, &pull_op, &f->error));
    assert_ok(f, gf_op_wait(push_op, &f->error));
    gf_close(f->client);
    f->client = NULL;
    assert_true(gf_op_test(pull_op));
    assert_int_equal(gf_op_wait(pull_op, &f->error), GF_CLIENT_CANCELLED);
    assert_int_equal(gf_op_wait(push_op, &f->error), GF_OK);
    size_t index = 9;
    assert_ok(f, gf_op_wait_any((gf_op *[]){NULL, pull_op}, 2, &index, &f->error));
    assert_int_equal(index, 1);
    gf_op_free(pull_op);
    gf_op_free(push_op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_share_a_handle),
        TEST(blocking_and_asynchronous_threads_share_a_handle),
        TEST(threads_share_a_connection_that_is_lost_again_and_again),
        TEST(ten_thousand_pushes_are_pipelined_in_order),
        TEST(any_of_many_is_waited_for_until_none_is_left),
        TEST(an_operation_goes_on_while_nobody_waits),
        TEST(arguments_of_a_submitted_push_can_go_out_of_scope),
        TEST(memory_is_free_when_an_operation_is_given_up_while_another_thread_drives),
        TEST(waiting_for_a_while_gives_nothing_up),
        TEST(a_closed_handle_cancels_what_is_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
