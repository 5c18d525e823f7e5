#include "fixture.h"

static struct rig_reply *create(struct fixture *f)
{
    rig_forget(&f->rig);
    rig_create(&f->rig, 0, &f->spec);
    return rig_last(&f->rig);
}

static void creating_twice_is_the_same_job(void **state)
{
    struct fixture *f = *state;
    assert_true(create(f)->created);
    f->spec.quorum = 2; /* the default, said aloud */
    struct rig_reply *r = create(f);
    assert_code(r, CODE_OK);
    assert_false(r->created);
}

static void another_spec_is_refused_and_the_first_difference_named(void **state)
{
    struct fixture *f = *state;
    const uint64_t other[] = {2, 2};
    create(f);
    f->spec.grace_ms = 7;
    struct rig_reply *r = create(f);
    assert_code(r, CODE_ALREADY_EXISTS);
    assert_non_null(strstr(r->error.message, "grace_ms is 0, not 7"));
    f->spec.grace_ms = 0;
    f->nodes[W].shape = other;
    f->nodes[W].ndim = 2;
    r = create(f);
    assert_code(r, CODE_ALREADY_EXISTS);
    assert_non_null(strstr(r->error.message, "node 0: shape is [4], not [2,2]"));
}

static void expect_refusal(struct fixture *f, enum code code, const char *part)
{
    struct rig_reply *r = create(f);
    assert_code(r, code);
    if (strstr(r->error.message, part) == NULL)
        fail_msg("'%s' does not say '%s'", r->error.message, part);
}

static void each_rule_of_a_spec_is_checked(void **state)
{
    struct fixture *f = *state;
    const struct job_spec good = f->spec;
    const uint64_t overflow[] = {UINT64_C(1) << 63, 2};
    const uint64_t huge[] = {UINT64_C(1) << 40};

    f->spec.name = "";
    expect_refusal(f, CODE_INVALID_ARGUMENT, "1 to 255 characters");
    f->spec.name = "a/b";
    expect_refusal(f, CODE_INVALID_ARGUMENT, "byte 1");
    f->spec = good;
    f->spec.world_size = 0;
    expect_refusal(f, CODE_INVALID_ARGUMENT, "world_size");
    f->spec.world_size = 2;
    f->spec.quorum = 3;
    expect_refusal(f, CODE_INVALID_ARGUMENT, "quorum 3");
    f->spec = good;
    f->spec.retain_rounds = 0;
    expect_refusal(f, CODE_INVALID_ARGUMENT, "retain_rounds");
    f->spec = good;
    f->spec.reduction = 9;
    expect_refusal(f, CODE_INVALID_ARGUMENT, "reduction 9");
    f->spec = good;
    f->nodes[B].name = "w";
    expect_refusal(f, CODE_INVALID_ARGUMENT, "nodes 0 and 1");
    f->nodes[B].name = "a b";
    expect_refusal(f, CODE_INVALID_ARGUMENT, "node 1: a name is made of");
    f->nodes[B].name = "b";
    f->nodes[B].dtype = 0;
    expect_refusal(f, CODE_INVALID_ARGUMENT, "node 1: dtype 0");
    f->nodes[B].dtype = DTYPE_I32;
    f->nodes[B].shape = overflow;
    f->nodes[B].ndim = 2;
    expect_refusal(f, CODE_INVALID_ARGUMENT, "overflows");
    f->nodes[B].shape = huge;
    f->nodes[B].ndim = 1;
    expect_refusal(f, CODE_RESOURCE_EXHAUSTED, "--result-bytes");
    f->nodes[B].ndim = 0;
    f->nodes[B].expected = 1;
    f->spec.quorum = 1;
    expect_refusal(f, CODE_INVALID_ARGUMENT, "expected needs quorum");
    f->nodes[B].requires_grad = false; /* on a frozen node it means nothing */
    assert_code(create(f), CODE_OK);
}

static void nodes_without_a_name_need_not_be_unique(void **state)
{
    struct fixture *f = *state;
    f->nodes[W].name = f->nodes[B].name = f->nodes[FROZEN].name = "";
    assert_code(create(f), CODE_OK);
}

static void results_are_reserved_so_that_jobs_do_not_starve_each_other(void **state)
{
    struct fixture *f = *state;
    const uint64_t shape[] = {60000};
    f->nodes[W].shape = shape; /* 240 kB; three rounds of it fit 1 MiB once */
    assert_code(create(f), CODE_OK);
    f->spec.name = "second";
    expect_refusal(f, CODE_RESOURCE_EXHAUSTED, "are left");
    rig_delete(&f->rig, 0, "job");
    assert_code(create(f), CODE_OK);
}

static void deleting_answers_everybody_who_waits_for_the_job(void **state)
{
    struct fixture *f = *state;
    struct pull_offer ask = {.job = "job", .has_round = true, .wait_ms = 1000};
    create(f);
    rig_pull(&f->rig, 1, &ask);
    rig_offer(&f->rig, 2, offer_w(0, 1, false));
    rig_forget(&f->rig);
    rig_delete(&f->rig, 0, "job");
    assert_int_equal(f->rig.n_replies, 3);
    assert_code(&f->rig.replies[0], CODE_NOT_FOUND);
    assert_code(&f->rig.replies[1], CODE_NOT_FOUND);
    assert_code(&f->rig.replies[2], CODE_OK);
    assert_int_equal(f->rig.peers[2].intake.state, INTAKE_NONE);
    rig_forget(&f->rig);
    rig_delete(&f->rig, 0, "job");
    assert_code(rig_last(&f->rig), CODE_NOT_FOUND);
}

static void a_job_may_go_while_it_is_folded_and_persisted(void **state)
{
    struct fixture *f = *state;
    create(f);
    f->rig.hold_folds = true;
    push_w(f, 0, 0, 1, true);
    push_w(f, 1, 0, 1, true); /* round 0 is being folded now */
    f->rig.hold_persist = true;
    push_w(f, 0, 0, 1, false);
    rig_delete(&f->rig, 3, "job");
    rig_run_persists(&f->rig);
    rig_run_folds(&f->rig);
    assert_true(core_idle(f->rig.core));
    assert_true(create(f)->created);
}

static void a_stopping_server_says_so_to_everybody(void **state)
{
    struct fixture *f = *state;
    struct pull_offer ask = {.job = "job", .has_round = true, .wait_ms = 1000};
    create(f);
    rig_pull(&f->rig, 1, &ask);
    rig_offer(&f->rig, 2, offer_w(0, 1, false));
    rig_forget(&f->rig);
    rig_step(&f->rig, (struct event){.kind = EVENT_STOP});
    assert_int_equal(f->rig.n_replies, 2);
    assert_code(&f->rig.replies[0], CODE_UNAVAILABLE);
    assert_code(&f->rig.replies[1], CODE_UNAVAILABLE);
    assert_code(create(f), CODE_UNAVAILABLE);
    assert_code(push_w(f, 0, 0, 1, false), CODE_UNAVAILABLE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(creating_twice_is_the_same_job),
        TEST(another_spec_is_refused_and_the_first_difference_named),
        TEST(each_rule_of_a_spec_is_checked),
        TEST(nodes_without_a_name_need_not_be_unique),
        TEST(results_are_reserved_so_that_jobs_do_not_starve_each_other),
        TEST(deleting_answers_everybody_who_waits_for_the_job),
        TEST(a_job_may_go_while_it_is_folded_and_persisted),
        TEST(a_stopping_server_says_so_to_everybody),
    };
    return cmocka_run_group_tests_name("core: jobs", tests, NULL, NULL);
}
