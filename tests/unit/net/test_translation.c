/* Requests become events, replies become responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/request.h"
#include "net/response.h"

enum {
    ARENA_BYTES = 1 << 20
};

struct fixture {
    struct arena arena;
    struct core *core;
    struct peer peer;
    struct update update;
    Gradfold__V1__Request message;
    struct request request;
    Gradfold__V1__Response response;
    uint64_t body_bytes;
    struct error error;
};

static int setup(void **state)
{
    static struct fixture f;
    struct core_config config = {.staging_bytes = 1 << 22,
                                 .result_bytes = 1 << 22,
                                 .accumulator_bytes = 1 << 22,
                                 .max_body_bytes = 1 << 20,
                                 .fold_tasks = 1};
    memset(&f, 0, sizeof f);
    arena_init(&f.arena, ARENA_BYTES);
    f.core = core_new(&config);
    peer_init(&f.peer);
    f.message = (Gradfold__V1__Request)GRADFOLD__V1__REQUEST__INIT;
    f.message.has_id = true;
    f.message.id = 7;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    core_free(f->core);
    arena_free(&f->arena);
    return 0;
}

static enum code translate(struct fixture *f, uint64_t body_bytes)
{
    return request_translate(&f->arena, &f->message, body_bytes, NULL, &f->request, &f->error);
}

/* The reply that the core gives to the request. */
static const struct reply *ask(struct fixture *f)
{
    assert_int_equal(translate(f, 0), CODE_OK);
    f->request.event.peer = &f->peer;
    core_step(f->core, &f->request.event, &f->update);
    assert_false(list_empty(&f->update.actions));
    struct action *action = list_entry(f->update.actions.next, struct action, link);
    assert_int_equal(action->kind, ACTION_REPLY);
    return action->reply;
}

static void build(struct fixture *f, const struct reply *reply)
{
    assert_int_equal(
        response_build(&f->arena, f->core, reply, NULL, &f->response, &f->body_bytes, &f->error),
        CODE_OK);
    assert_int_equal(f->response.id, 7);
}

/* -- Requests -- */

static void absent_fields_of_a_spec_get_the_defaults_of_the_wire(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Node node = GRADFOLD__V1__NODE__INIT;
    Gradfold__V1__Node *nodes[] = {&node};
    Gradfold__V1__JobSpec spec = GRADFOLD__V1__JOB_SPEC__INIT;
    Gradfold__V1__CreateJob create = GRADFOLD__V1__CREATE_JOB__INIT;
    spec.nodes = nodes;
    spec.n_nodes = 1;
    create.spec = &spec;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_CREATE_JOB;
    f->message.create_job = &create;
    assert_int_equal(translate(f, 0), CODE_OK);
    const struct job_spec *to = f->request.event.spec;
    assert_int_equal(f->request.event.kind, EVENT_CREATE_JOB);
    assert_int_equal(f->request.event.request_id, 7);
    assert_string_equal(to->name, "");
    assert_int_equal(to->reduction, REDUCTION_SUM);
    assert_int_equal(to->accumulation, ACCUMULATION_EXACT);
    assert_int_equal(to->non_finite, NON_FINITE_REJECT);
    assert_int_equal(to->retain_rounds, 2);
    assert_int_equal(to->world_size, 0);
    assert_int_equal(to->n_nodes, 1);
    assert_string_equal(to->nodes[0].name, "");
    assert_int_equal(to->nodes[0].dtype, 0);
    assert_true(to->nodes[0].requires_grad);
}

static void enums_go_through_as_they_are(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__JobSpec spec = GRADFOLD__V1__JOB_SPEC__INIT;
    Gradfold__V1__CreateJob create = GRADFOLD__V1__CREATE_JOB__INIT;
    spec.has_reduction = spec.has_retain_rounds = true;
    spec.reduction = (Gradfold__V1__Reduction)99;
    spec.retain_rounds = 0;
    create.spec = &spec;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_CREATE_JOB;
    f->message.create_job = &create;
    assert_int_equal(translate(f, 0), CODE_OK);
    assert_int_equal(f->request.spec.reduction, 99);
    assert_int_equal(f->request.spec.retain_rounds, 0);
}

static void a_create_job_without_a_spec_is_an_empty_one(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__CreateJob create = GRADFOLD__V1__CREATE_JOB__INIT;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_CREATE_JOB;
    f->message.create_job = &create;
    assert_int_equal(ask(f)->error.code, CODE_INVALID_ARGUMENT);
}

static void a_push_keeps_presence_and_order(void **state)
{
    struct fixture *f = *state;
    uint64_t shape[] = {3, 4};
    Gradfold__V1__Contribution one = GRADFOLD__V1__CONTRIBUTION__INIT, two = one;
    Gradfold__V1__Contribution *list[] = {&one, &two};
    Gradfold__V1__Push push = GRADFOLD__V1__PUSH__INIT;
    one.has_node = one.has_dtype = true;
    one.node = UINT64_MAX;
    one.dtype = (Gradfold__V1__DType)-5;
    one.n_shape = 2;
    one.shape = shape;
    push.n_contributions = 2;
    push.contributions = list;
    push.has_body_checksum = true;
    push.body_checksum = 0;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    f->message.push = &push;
    assert_int_equal(translate(f, 123), CODE_OK);
    const struct push_offer *to = f->request.event.offer;
    assert_false(to->has_round);
    assert_true(to->has_checksum);
    assert_int_equal(to->body_bytes, 123);
    assert_int_equal(to->n_contributions, 2);
    assert_true(to->contributions[0].node == UINT64_MAX);
    assert_int_equal(to->contributions[0].dtype, -5);
    assert_int_equal(to->contributions[0].ndim, 2);
    assert_int_equal(to->contributions[1].node, 0);
    assert_int_equal(to->contributions[1].dtype, 0);
}

static void a_request_without_an_op_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(translate(f, 0), CODE_INVALID_ARGUMENT);
}

static void an_exhausted_arena_refuses_the_request(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Push push = GRADFOLD__V1__PUSH__INIT;
    push.n_contributions = ARENA_BYTES;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    f->message.push = &push;
    assert_int_equal(translate(f, 0), CODE_RESOURCE_EXHAUSTED);
}

/* -- Replies -- */

static void create_small_job(struct fixture *f)
{
    static uint64_t shape[] = {2, 3};
    static Gradfold__V1__Node node = GRADFOLD__V1__NODE__INIT;
    static Gradfold__V1__Node *nodes[] = {&node};
    static Gradfold__V1__JobSpec spec = GRADFOLD__V1__JOB_SPEC__INIT;
    static Gradfold__V1__CreateJob create = GRADFOLD__V1__CREATE_JOB__INIT;
    static char name[] = "small", node_name[] = "w";
    node.name = node_name;
    node.has_dtype = true;
    node.dtype = GRADFOLD__V1__DTYPE__DTYPE_BF16;
    node.shape = shape;
    node.n_shape = 2;
    spec.name = name;
    spec.nodes = nodes;
    spec.n_nodes = 1;
    spec.has_world_size = true;
    spec.world_size = 4;
    create.spec = &spec;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_CREATE_JOB;
    f->message.create_job = &create;
    build(f, ask(f));
}

static void a_created_job_is_echoed_with_defaults_and_without_nodes(void **state)
{
    struct fixture *f = *state;
    create_small_job(f);
    assert_int_equal(f->response.status->code, CODE_OK);
    assert_null(f->response.status->message);
    assert_int_equal(f->response.result_case, GRADFOLD__V1__RESPONSE__RESULT_CREATE_JOB);
    assert_true(f->response.create_job->created);
    const Gradfold__V1__JobStatus *job = f->response.create_job->job;
    assert_string_equal(job->spec->name, "small");
    assert_int_equal(job->spec->n_nodes, 0);
    assert_int_equal(job->spec->quorum, 4);
    assert_int_equal(job->spec->retain_rounds, 2);
    assert_int_equal(job->n_rounds, 1);
    assert_int_equal(job->rounds[0]->state, GRADFOLD__V1__ROUND_STATE__ROUND_STATE_OPEN);
    assert_int_equal(job->rounds[0]->n_final_workers, 0);
}

static void a_described_job_has_its_nodes(void **state)
{
    struct fixture *f = *state;
    char name[] = "small";
    Gradfold__V1__DescribeJob describe = GRADFOLD__V1__DESCRIBE_JOB__INIT;
    create_small_job(f);
    describe.job = name;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_DESCRIBE_JOB;
    f->message.describe_job = &describe;
    build(f, ask(f));
    const Gradfold__V1__JobSpec *spec = f->response.describe_job->job->spec;
    assert_int_equal(spec->n_nodes, 1);
    assert_string_equal(spec->nodes[0]->name, "w");
    assert_int_equal(spec->nodes[0]->dtype, GRADFOLD__V1__DTYPE__DTYPE_BF16);
    assert_int_equal(spec->nodes[0]->n_shape, 2);
    assert_int_equal(spec->nodes[0]->shape[1], 3);
    assert_true(spec->nodes[0]->has_expected);
}

static void jobs_are_listed_by_name(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__ListJobs list = GRADFOLD__V1__LIST_JOBS__INIT;
    create_small_job(f);
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_LIST_JOBS;
    f->message.list_jobs = &list;
    build(f, ask(f));
    assert_int_equal(f->response.list_jobs->n_jobs, 1);
    assert_string_equal(f->response.list_jobs->jobs[0], "small");
}

static void a_closed_round_has_its_status(void **state)
{
    struct fixture *f = *state;
    char name[] = "small";
    Gradfold__V1__CloseRound close = GRADFOLD__V1__CLOSE_ROUND__INIT;
    create_small_job(f);
    close.job = name;
    close.has_round = true;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_CLOSE_ROUND;
    f->message.close_round = &close;
    build(f, ask(f));
    assert_int_equal(f->response.result_case, GRADFOLD__V1__RESPONSE__RESULT_CLOSE_ROUND);
    assert_int_equal(f->response.close_round->round->round, 0);
    assert_true(f->response.close_round->round->has_age_ms);
}

static void an_error_has_a_status_and_no_result(void **state)
{
    struct fixture *f = *state;
    char name[] = "none";
    Gradfold__V1__DeleteJob delete = GRADFOLD__V1__DELETE_JOB__INIT;
    delete.job = name;
    f->message.op_case = GRADFOLD__V1__REQUEST__OP_DELETE_JOB;
    f->message.delete_job = &delete;
    build(f, ask(f));
    assert_int_equal(f->response.status->code, CODE_NOT_FOUND);
    assert_non_null(strstr(f->response.status->message, "none"));
    assert_int_equal(f->response.result_case, GRADFOLD__V1__RESPONSE__RESULT__NOT_SET);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(absent_fields_of_a_spec_get_the_defaults_of_the_wire),
        TEST(enums_go_through_as_they_are),
        TEST(a_create_job_without_a_spec_is_an_empty_one),
        TEST(a_push_keeps_presence_and_order),
        TEST(a_request_without_an_op_is_refused),
        TEST(an_exhausted_arena_refuses_the_request),
        TEST(a_created_job_is_echoed_with_defaults_and_without_nodes),
        TEST(a_described_job_has_its_nodes),
        TEST(jobs_are_listed_by_name),
        TEST(a_closed_round_has_its_status),
        TEST(an_error_has_a_status_and_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
