#include "core/keys.h"
#include "fixture.h"

static void keys_are_found_again_among_many(void **state)
{
    (void)state;
    struct keys keys = {0};
    for (uint32_t w = 0; w < 30; w++) {
        for (uint64_t s = 0; s < 300; s++) {
            assert_true(keys_reserve(&keys, 1));
            keys_insert(&keys, w, s << 32)->ignored = w * 1000 + (uint32_t)s;
        }
    }
    assert_int_equal(keys.count, 9000);
    for (uint32_t w = 0; w < 30; w++)
        for (uint64_t s = 0; s < 300; s++)
            assert_int_equal(keys_find(&keys, w, s << 32)->ignored, w * 1000 + s);
    assert_null(keys_find(&keys, 30, 0));
    assert_null(keys_find(&keys, 0, 1));
    keys_free(&keys);
}

static void what_cannot_be_reserved_changes_nothing(void **state)
{
    (void)state;
    struct keys keys = {.hint = 1000};
    assert_false(keys_reserve(&keys, UINT32_MAX));
    assert_true(keys_reserve(&keys, 1));
    keys_insert(&keys, 1, 2)->ignored = 3;
    assert_false(keys_reserve(&keys, UINT32_MAX));
    assert_int_equal(keys.count, 1);
    assert_int_equal(keys_find(&keys, 1, 2)->ignored, 3);
    assert_null(keys_find(&keys, 2, 1));
    keys_free(&keys);
}

static int setup_job(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

static void retry_after_lost_reply_counts_once(void **state)
{
    struct fixture *f = *state;
    struct rig_reply *r = push_w(f, 0, 5, 1, false);
    assert_int_equal(r->verdict, VERDICT_ACCEPTED);
    r = push_w(f, 0, 5, 1, false);
    assert_code(r, CODE_OK);
    assert_int_equal(r->verdict, VERDICT_DUPLICATE);
    assert_int_equal(r->round, 0);
    push_final(f, 0);
    push_final(f, 1);
    assert_float_equal(sum_w(pull_round(f, 0)), 1, 0);
}

static void retry_is_recognised_until_its_round_is_retired(void **state)
{
    struct fixture *f = *state;
    struct push_offer again;
    push_w(f, 0, 5, 1, false);
    for (uint64_t round = 0; round < 3; round++) {
        again = *offer_w(0, 5, false);
        again.has_round = true;
        again.round = 0;
        rig_forget(&f->rig);
        rig_push(&f->rig, 0, &again, NULL);
        assert_int_equal(rig_last(&f->rig)->verdict, VERDICT_DUPLICATE);
        rig_close(&f->rig, 0, "job", round);
    }
    rig_forget(&f->rig);
    rig_push(&f->rig, 0, &again, NULL);
    assert_code(rig_last(&f->rig), CODE_STALE_ROUND);
}

static struct rig_reply *again(struct fixture *f, const struct push_offer *offer)
{
    rig_forget(&f->rig);
    rig_push(&f->rig, 0, offer, NULL);
    return rig_last(&f->rig);
}

static void the_same_key_for_another_push_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 5, 1, false);
    struct push_offer o = *offer_w(0, 5, true);
    assert_code(again(f, &o), CODE_CONFLICT);
    o = *offer_w(0, 5, false);
    o.has_checksum = true;
    assert_code(again(f, &o), CODE_CONFLICT);
    o = *offer_empty(0, 5, false);
    assert_code(again(f, &o), CODE_CONFLICT);
    struct contribution c = *offer_w(0, 5, false)->contributions;
    c.node = 99;
    o = *offer_w(0, 5, false);
    o.contributions = &c;
    assert_code(again(f, &o), CODE_CONFLICT);
}

static void two_half_sent_pushes_of_one_key_count_once(void **state)
{
    struct fixture *f = *state;
    const float body[4] = {1, 1, 1, 1};
    rig_offer(&f->rig, 0, offer_w(0, 5, false));
    rig_offer(&f->rig, 1, offer_w(0, 5, false));
    rig_body(&f->rig, 1, body);
    assert_int_equal(rig_last(&f->rig)->verdict, VERDICT_ACCEPTED);
    rig_body(&f->rig, 0, body);
    assert_int_equal(rig_last(&f->rig)->verdict, VERDICT_DUPLICATE);
    push_final(f, 0);
    push_final(f, 1);
    assert_float_equal(sum_w(pull_round(f, 0)), 1, 0);
}

static void no_verdict_leaves_before_the_push_is_persisted(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_persist = true;
    rig_forget(&f->rig);
    const float body[4] = {1, 1, 1, 1};
    rig_push(&f->rig, 0, offer_w(0, 5, false), body);
    assert_int_equal(f->rig.n_replies, 0);
    rig_push(&f->rig, 1, offer_w(0, 5, false), body);
    assert_code(rig_last(&f->rig), CODE_UNAVAILABLE);
    rig_close(&f->rig, 2, "job", 0);
    assert_int_equal(f->rig.rounds_closed, 0); /* it waits for what it accepted */
    rig_lose(&f->rig, 0);
    rig_run_persists(&f->rig);
    f->rig.hold_persist = false;
    rig_advance(&f->rig, 0);
    assert_float_equal(sum_w(pull_round(f, 0)), 1, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_job, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_again_among_many),
        cmocka_unit_test(what_cannot_be_reserved_changes_nothing),
        TEST(retry_after_lost_reply_counts_once),
        TEST(retry_is_recognised_until_its_round_is_retired),
        TEST(the_same_key_for_another_push_is_a_conflict),
        TEST(two_half_sent_pushes_of_one_key_count_once),
        TEST(no_verdict_leaves_before_the_push_is_persisted),
    };
    return cmocka_run_group_tests_name("core: keys", tests, NULL, NULL);
}
