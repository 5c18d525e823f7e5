/* The calls, when all goes well or the caller is wrong. */
#include "fixture.h"

static void ping_tells_about_the_server(void **state)
{
    struct fixture *f = *state;
    gf_server_info info;
    assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, &info, &f->error));
    assert_int_equal(info.protocol, 1);
    assert_string_equal(info.version, "fake");
    assert_int_equal(info.max_header_bytes, 4 << 20);
    assert_int_equal(f->error.code, GF_OK);
    assert_string_equal(f->error.message, "");
}

static void pushed_tensors_come_back_summed(void **state)
{
    struct fixture *f = *state;
    for (uint64_t n = 0; n <= FAKE_ELEMENTS; n = n * 8 + 1) {
        gf_push_args push = push_of(f, n, n);
        gf_pull_args pull = pull_of(f, n);
        fake_clear_sums(f->server);
        gf_push_result pushed;
        gf_pull_result pulled;
        assert_ok(f, gf_push(f->client, &push, &pushed, &f->error));
        assert_int_equal(pushed.verdict, GF_ACCEPTED);
        assert_int_equal(pushed.round, 7);
        assert_ok(f, gf_pull(f->client, &pull, &pulled, &f->error));
        assert_int_equal(pulled.state, GF_ROUND_CLOSED);
        assert_int_equal(f->buffer.contributions, 3);
        assert_results(f, n, 1);
    }
}

static void many_tensors_are_scattered_and_gathered(void **state)
{
    struct fixture *f = *state;
    const uint64_t sizes[FAKE_NODES] = {1, 70000, 0, 3};
    gf_tensor tensors[FAKE_NODES];
    gf_gradient buffers[FAKE_NODES];
    for (size_t i = 0; i < FAKE_NODES; i++) {
        tensors[i] = (gf_tensor){i, GF_F32, &sizes[i], 1, f->data + 10 * i};
        size_t node = FAKE_NODES - 1 - i;
        buffers[i] = (gf_gradient){
            .node = node, .data = f->results + 100000 * node, .bytes = sizes[node] * sizeof(float)};
    }
    gf_push_args push = push_of(f, 0, 1);
    gf_pull_args pull = pull_of(f, 0);
    push.tensors = tensors;
    pull.gradients = buffers;
    push.n_tensors = pull.n_gradients = FAKE_NODES;
    assert_ok(f, gf_push_pull(f->client, &push, &pull, NULL, NULL, &f->error));
    for (size_t i = 0; i < FAKE_NODES; i++)
        assert_memory_equal(f->results + 100000 * i, f->data + 10 * i, sizes[i] * sizeof(float));
}

static void an_empty_push_can_be_final(void **state)
{
    struct fixture *f = *state;
    gf_push_args push = push_of(f, 0, 1);
    push.tensors = NULL;
    push.n_tensors = 0;
    push.final = true;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_true(fake_counters(f->server).final);
}

static void a_checksum_covers_all_tensors(void **state)
{
    struct fixture *f = *state;
    const uint64_t sizes[2] = {1000, 77};
    const gf_tensor tensors[2] = {{0, GF_F32, &sizes[0], 1, f->data},
                                  {1, GF_F32, &sizes[1], 1, f->data + 5}};
    gf_push_args push = push_of(f, 0, 1);
    push.tensors = tensors;
    push.n_tensors = 2;
    push.checksum = true;
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_true(fake_counters(f->server).checksum_right);
}

static void a_job_is_described(void **state)
{
    struct fixture *f = *state;
    gf_job *job;
    gf_node node;
    gf_round round;
    assert_ok(f, gf_job_describe(f->client, "digits", GF_DEFAULT_TIMEOUT, &job, &f->error));
    assert_string_equal(gf_job_name(job), "digits");
    assert_int_equal(gf_job_world_size(job), 5);
    assert_int_equal(gf_job_retain_rounds(job), 2);
    assert_false(gf_job_mean(job));
    assert_int_equal(gf_job_node_count(job), 1);
    assert_true(gf_job_node(job, 0, &node));
    assert_string_equal(node.name, "weight");
    assert_int_equal(node.dtype, GF_F64);
    assert_int_equal(node.ndim, 2);
    assert_int_equal(node.shape[1], 3);
    assert_true(node.requires_grad);
    assert_false(gf_job_node(job, 1, &node));
    assert_int_equal(gf_job_open_round(job), 7);
    assert_true(gf_job_round(job, 0, &round));
    assert_int_equal(round.n_final_workers, 2);
    assert_int_equal(round.final_workers[1], 4);
    assert_false(gf_job_round(job, 1, &round));
    gf_job_free(job);
}

static void jobs_are_listed_and_rounds_closed(void **state)
{
    struct fixture *f = *state;
    gf_job_names *names;
    gf_round_state round_state = GF_ROUND_OPEN;
    assert_ok(f, gf_job_list(f->client, GF_DEFAULT_TIMEOUT, &names, &f->error));
    assert_int_equal(gf_job_names_count(names), 2);
    assert_string_equal(gf_job_names_get(names, 1), "b");
    assert_null(gf_job_names_get(names, 2));
    gf_job_names_free(names);
    assert_ok(f, gf_round_close(f->client, "job", 7, GF_DEFAULT_TIMEOUT, &round_state, &f->error));
    assert_int_equal(round_state, GF_ROUND_CLOSING);
}

static void a_refusal_keeps_its_code_and_words(void **state)
{
    struct fixture *f = *state;
    gf_code code = gf_job_delete(f->client, "gone", GF_DEFAULT_TIMEOUT, &f->error);
    assert_int_equal(code, GF_NOT_FOUND);
    assert_int_equal(f->error.code, GF_NOT_FOUND);
    assert_string_equal(f->error.message, "no job 'gone'");
    assert_int_equal(gf_job_delete(f->client, "gone", GF_DEFAULT_TIMEOUT, NULL), GF_NOT_FOUND);
    assert_ok(f, gf_job_delete(f->client, "there", GF_DEFAULT_TIMEOUT, &f->error));
}

static void mistakes_in_a_spec_come_out_with_the_call(void **state)
{
    struct fixture *f = *state;
    gf_spec *spec = gf_spec_new("job", 1);
    assert_int_equal(gf_spec_add_node(spec, "a", GF_F32, NULL, 0), 0);
    gf_spec_expect(spec, 5, 1);
    gf_spec_add_node(spec, "b", GF_F32, NULL, 3);
    gf_code code = gf_job_create(f->client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &f->error);
    assert_int_equal(code, GF_INVALID_ARGUMENT);
    assert_string_equal(f->error.message, "spec: node 5: no such node");
    gf_spec_free(spec);
    assert_int_equal(fake_counters(f->server).requests, 0);
}

static void wrong_arguments_of_a_push_are_named(void **state)
{
    struct fixture *f = *state;
    const uint64_t huge[3] = {1ull << 40, 1ull << 40, 4};
    gf_push_args push = push_of(f, 3, 1);
    push.size = 0;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_INVALID_ARGUMENT);
    push = push_of(f, 3, 1);
    push.job = NULL;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_INVALID_ARGUMENT);
    push = push_of(f, 3, 1);
    f->tensor.data = NULL;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_INVALID_ARGUMENT);
    assert_string_equal(f->error.message, "push: node 0: no data");
    push = push_of(f, 3, 1);
    f->tensor.dtype = (gf_dtype)7;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_INVALID_ARGUMENT);
    push = push_of(f, 3, 1);
    f->tensor.shape = huge;
    f->tensor.ndim = 3;
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_INVALID_ARGUMENT);
    assert_int_equal(fake_counters(f->server).requests, 0);
}

static void a_push_beyond_the_servers_limit_is_not_sent(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.max_body_bytes = 400;
    fixture_reconnect(f, &faults);
    gf_push_args push = push_of(f, 101, 1);
    assert_int_equal(gf_push(f->client, &push, NULL, &f->error), GF_TOO_LARGE);
    push = push_of(f, 100, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    assert_int_equal(fake_counters(f->server).requests, 1);
}

static void a_buffer_of_another_size_or_dtype_is_left_alone(void **state)
{
    struct fixture *f = *state;
    gf_push_args push = push_of(f, 100, 1);
    assert_ok(f, gf_push(f->client, &push, NULL, &f->error));
    gf_pull_args pull = pull_of(f, 99);
    assert_int_equal(gf_pull(f->client, &pull, NULL, &f->error), GF_CLIENT_BUFFER);
    assert_string_equal(f->error.message,
                        "pull: node 0 is f32 [100], 400 bytes; the buffer has 396");
    pull = pull_of(f, 100);
    f->buffer.dtype = GF_I32;
    assert_int_equal(gf_pull(f->client, &pull, NULL, &f->error), GF_CLIENT_BUFFER);
    assert_true(f->results[1] == 0);
    pull = pull_of(f, 100);
    assert_ok(f, gf_pull(f->client, &pull, NULL, &f->error));
    assert_results(f, 100, 1);
    assert_int_equal(fake_counters(f->server).connections, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ping_tells_about_the_server),
        TEST(pushed_tensors_come_back_summed),
        TEST(many_tensors_are_scattered_and_gathered),
        TEST(an_empty_push_can_be_final),
        TEST(a_checksum_covers_all_tensors),
        TEST(a_job_is_described),
        TEST(jobs_are_listed_and_rounds_closed),
        TEST(a_refusal_keeps_its_code_and_words),
        TEST(mistakes_in_a_spec_come_out_with_the_call),
        TEST(wrong_arguments_of_a_push_are_named),
        TEST(a_push_beyond_the_servers_limit_is_not_sent),
        TEST(a_buffer_of_another_size_or_dtype_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
