/* Shared memory: the way to the Unix socket, and buffers, against a fake server. */
#include "shared_fixture.h"

/* -- The way to the Unix socket --------------------------------------------------------------- */

static void a_client_changes_over_to_the_unix_socket(void **state)
{
    struct fixture *f = *state;
    assert_false(shares(f));
    fake_share(f->server);
    connect_with(f, f->server->address, false);
    assert_true(shares(f));
    assert_int_equal(fake_counters(f->server).unix_connections, 1);
    assert_int_equal(fake_counters(f->server).connections, 2);
    gf_push_args push = push_of(f, N, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    fake_pause(f->server);
    fake_restart(f->server);
    assert_true(shares(f));
    assert_int_equal(fake_counters(f->server).unix_connections, 2);
}

static void a_unix_address_needs_no_tcp(void **state)
{
    struct fixture *f = *state;
    assert_true(shares(f));
    assert_int_equal(fake_counters(f->server).connections, 1); /* of the set-up */
    fake_pause(f->server);
    assert_int_equal(gf_ping(f->client, 50, NULL, &f->error), GF_DEADLINE_EXCEEDED);
    assert_non_null(strstr(f->error.message, f->server->unix_address));
    fake_restart(f->server);
    assert_true(shares(f));
}

static void whoever_wants_no_shared_memory_has_none(void **state)
{
    struct fixture *f = *state;
    connect_with(f, f->server->address, true);
    assert_false(shares(f));
    assert_int_equal(fake_counters(f->server).unix_connections, 1); /* of the set-up */
    connect_with(f, f->server->unix_address, true);
    assert_false(shares(f));
    gf_buffer *buffer = buffer_with_data(f, N, 0);
    gf_push_args push = push_from(f, buffer, N, 0, 1);
    gf_pull_args pull = view_of(f, N);
    gf_pull_result result;
    assert_ok(f, gf_push_pull(f->client, &push, &pull, NULL, &result, &f->error));
    assert_shows(f, N, 1);
    gf_view_free(result.view);
    gf_buffer_free(buffer);
    assert_int_equal(fake_counters(f->server).added, 0);
    assert_int_equal(fake_counters(f->server).shown, 0);
}

static void tcp_goes_on_when_the_unix_socket_is_nothing_for_us(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    gf_push_args push = push_of(f, N, 0);
    for (int i = 0; i < 3; i++) {
        faults.other_instance = i == 0;
        faults.mute_unix = i == 1;
        fake_set(f->server, &faults);
        if (i == 2)
            unlink(f->server->path);
        connect_with(f, f->server->address, false);
        assert_false(shares(f));
        push.sequence++;
        assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    }
    assert_int_equal(fake_counters(f->server).applied, 3);
    assert_int_equal(fake_counters(f->server).connections, 4);
}

/* -- Buffers ---------------------------------------------------------------------------------- */

static void tensors_in_buffers_are_not_sent(void **state)
{
    struct fixture *f = *state;
    const uint64_t shift = 4097; /* any alignment */
    gf_buffer *buffer = buffer_with_data(f, N, shift);
    assert_int_equal(gf_buffer_bytes(buffer), BYTES + shift);
    assert_int_equal((uintptr_t)gf_buffer_data(buffer) % 4096, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        gf_push_args push = push_from(f, buffer, N, shift, i);
        push.checksum = true;
        assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
        assert_true(fake_counters(f->server).checksum_right);
    }
    gf_pull_args pull = pull_of(f, N);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, N, 3);
    assert_int_equal(fake_counters(f->server).placed, 3);
    assert_int_equal(fake_counters(f->server).added, 1);
    gf_buffer_free(buffer);
    AWAIT(f, dropped, 1);
}

/* What a tensor in a buffer, one elsewhere, an empty one or a second buffer make of a push. */
static void all_tensors_of_a_push_lie_in_buffers_or_all_are_sent(void **state)
{
    struct fixture *f = *state;
    gf_buffer *a = buffer_with_data(f, N, 0);
    gf_buffer *b = buffer_with_data(f, N, 0);
    const uint64_t n = N;
    const uint64_t none = 0;
    gf_tensor tensors[] = {{0, GF_F32, &n, 1, gf_buffer_data(a)},
                           {1, GF_F32, &none, 1, NULL},
                           {2, GF_F32, &n, 1, f->data}};
    gf_push_args push = push_of(f, N, 1);
    push.tensors = tensors;
    push.n_tensors = 3;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).placed, 0);
    tensors[2].data = gf_buffer_data(b);
    push.sequence = 2;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).placed, 1);
    assert_int_equal(fake_counters(f->server).added, 2);
    tensors[2].data = (char *)gf_buffer_data(b) + 4; /* its end is beyond the buffer's */
    const uint64_t less = N - 1;
    tensors[2].shape = &less;
    push.sequence = 3;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).placed, 2);
    gf_buffer_free(a);
    gf_buffer_free(b);
}

static void a_refused_buffer_is_no_refused_push(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.refuse_add = 1;
    fake_set(f->server, &faults);
    gf_buffer *buffer = buffer_with_data(f, N, 0);
    gf_op *ops[5];
    for (uint64_t i = 0; i < 5; i++) {
        gf_push_args push = push_from(f, buffer, N, 0, i);
        push.final = i == 4;
        assert_ok(f, gf_push_submit(f->client, &push, &ops[i], &f->error));
    }
    for (int i = 0; i < 5; i++) {
        assert_ok(f, gf_op_wait(ops[i], &f->error));
        gf_op_free(ops[i]);
    }
    assert_int_equal(fake_counters(f->server).placed, 0);
    assert_int_equal(fake_counters(f->server).applied, 5);
    assert_true(fake_counters(f->server).in_order);
    gf_buffer_free(buffer);
}

static void a_push_may_change_its_way_under_its_key(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    gf_buffer *buffer = buffer_with_data(f, N, 0);
    for (uint64_t i = 0; i < 4; i++) {
        faults.lose_replies = 1; /* and the next connection is another one */
        faults.refuse_add = i % 2 == 0;
        fake_set(f->server, &faults);
        gf_push_args push = push_from(f, buffer, N, 0, i);
        gf_push_result result;
        assert_ok(f, gf_push(f->client, &push, &result, &f->error));
        assert_int_equal(result.verdict, GF_DUPLICATE);
    }
    gf_pull_args pull = pull_of(f, N);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, N, 4);
    gf_buffer_free(buffer);
}

static void buffers_outlive_their_handle(void **state)
{
    struct fixture *f = *state;
    unsigned before = open_descriptors();
    gf_buffer *used = buffer_with_data(f, N, 0);
    gf_buffer *unused = buffer_with_data(f, N, 0);
    gf_push_args push = push_from(f, used, N, 0, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    gf_close(f->client);
    f->client = NULL;
    assert_memory_equal(gf_buffer_data(used), f->data, BYTES);
    gf_buffer_free(used);
    gf_buffer_free(unused);
    gf_buffer_free(NULL);
    connect_with(f, f->server->unix_address, false);
    assert_no_more_descriptors_than(before);
}

static void a_buffer_has_bytes(void **state)
{
    struct fixture *f = *state;
    gf_buffer *buffer = NULL;
    gf_code code = gf_buffer_new(f->client, 0, &buffer, &f->error);
    assert_int_equal(code, GF_INVALID_ARGUMENT);
    code = gf_buffer_new(f->client, UINT64_MAX, &buffer, &f->error);
    assert_int_equal(code, GF_INVALID_ARGUMENT);
    code = gf_buffer_new(f->client, INT64_MAX, &buffer, &f->error);
    assert_int_equal(code, GF_CLIENT_NO_MEMORY);
    assert_null(buffer);
}

/* -- Threads ---------------------------------------------------------------------------------- */

enum {
    THREADS = 4,
    ROUNDS = 50
};

struct worker {
    struct fixture *f;
    uint32_t number;
    gf_code code;
};

static gf_code one_round(gf_client *client, uint32_t worker, uint64_t sequence, const float *data)
{
    const uint64_t n = N;
    gf_buffer *buffer;
    gf_pull_result result;
    gf_code code = gf_buffer_new(client, BYTES, &buffer, NULL);
    if (code != GF_OK)
        return code;
    memcpy(gf_buffer_data(buffer), data, BYTES);
    const gf_tensor tensor = {0, GF_F32, &n, 1, gf_buffer_data(buffer)};
    gf_gradient gradient = {.bytes = BYTES};
    gf_push_args push = {.size = sizeof push,
                         .job = "job",
                         .round = 7,
                         .worker = worker,
                         .sequence = sequence,
                         .tensors = &tensor,
                         .n_tensors = 1};
    gf_pull_args pull = {.size = sizeof pull,
                         .job = "job",
                         .round = 7,
                         .gradients = &gradient,
                         .n_gradients = 1,
                         .view = true};
    code = gf_push_pull(client, &push, &pull, NULL, &result, NULL);
    gf_buffer_free(buffer);
    if (code != GF_OK)
        return code;
    const float *shown = gradient.data;
    for (int i = 0; i < N && code == GF_OK; i++)
        if (shown[i] != shown[1] * data[i]) /* data[1] is 1: so many pushes are in it */
            code = GF_INTERNAL;
    gf_view_free(result.view);
    return code;
}

static void *work(void *data)
{
    struct worker *worker = data;
    for (uint64_t i = 0; i < ROUNDS && worker->code == GF_OK; i++)
        worker->code = one_round(worker->f->client, worker->number, i, worker->f->data);
    return NULL;
}

static void threads_share_buffers_and_views_of_a_handle(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.f = f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].code, GF_OK);
    }
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
    struct fake_counters counters = fake_counters(f->server);
    assert_int_equal(counters.placed, THREADS * ROUNDS);
    assert_int_equal(counters.ended, THREADS * ROUNDS);
    assert_int_equal(counters.dropped, THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_changes_over_to_the_unix_socket),
        SHARED(a_unix_address_needs_no_tcp),
        SHARED(whoever_wants_no_shared_memory_has_none),
        SHARED(tcp_goes_on_when_the_unix_socket_is_nothing_for_us),
        SHARED(tensors_in_buffers_are_not_sent),
        SHARED(all_tensors_of_a_push_lie_in_buffers_or_all_are_sent),
        SHARED(a_refused_buffer_is_no_refused_push),
        SHARED(a_push_may_change_its_way_under_its_key),
        SHARED(buffers_outlive_their_handle),
        SHARED(a_buffer_has_bytes),
        SHARED(threads_share_buffers_and_views_of_a_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
