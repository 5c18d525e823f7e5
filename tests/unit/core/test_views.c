/* Results that clients look at where they are. The result budget of these tests is what their jobs
 * reserve, and not a byte more. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "fixture.h"

enum {
    BIG = 20 * 1024, /* elements of node w: 80 KiB, enough for a segment */
    ROUNDS_KEPT = 2,
};

static const uint64_t big[] = {BIG};
static const struct contribution big_w = {.node = W, .dtype = DTYPE_F32, .shape = big, .ndim = 1};

static int setup_jobs(void **state, unsigned jobs, bool segments)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    rig_free(&f->rig);
    struct core_config config = rig_config();
    config.segments = segments;
    config.result_bytes = jobs * (ROUNDS_KEPT + 1) * pool_cost(sizeof(float) * (BIG + 2));
    f->nodes[W].shape = big;
    f->spec.world_size = 1;
    f->spec.retain_rounds = ROUNDS_KEPT;
    if (!rig_init(&f->rig, &config))
        return -1;
    f->rig.hold_views = true;
    for (unsigned i = 0; i < jobs; i++) {
        f->spec.name = i == 0 ? "job" : "other";
        rig_create(&f->rig, 0, &f->spec);
        if (rig_last(&f->rig)->error.code != CODE_OK)
            return -1;
    }
    return 0;
}

static int setup_job(void **state)
{
    return setup_jobs(state, 1, true);
}

static int setup_two(void **state)
{
    return setup_jobs(state, 2, true);
}

static int setup_without_segments(void **state)
{
    return setup_jobs(state, 1, false);
}

/* A round of the job in which w gets v everywhere. */
static void play_round(struct fixture *f, const char *job, uint64_t round, float v)
{
    static float body[BIG];
    for (size_t i = 0; i < BIG; i++)
        body[i] = v;
    struct push_offer offer = {.job = job,
                               .has_round = true,
                               .round = round,
                               .final = true,
                               .contributions = &big_w,
                               .n_contributions = 1,
                               .body_bytes = sizeof body};
    uint64_t closed = f->rig.rounds_closed;
    rig_forget(&f->rig);
    rig_push(&f->rig, 1, &offer, body);
    rig_advance(&f->rig, 10);
    assert_code(&f->rig.replies[0], CODE_OK);
    assert_int_equal(f->rig.rounds_closed, closed + 1);
}

/* The view of a round, which is held; NULL: it was answered with a body. */
static struct pull *look(struct fixture *f, const char *job, uint64_t round)
{
    struct pull_offer ask = {.job = job, .has_round = true, .round = round, .view = true};
    size_t n = f->rig.n_viewed;
    rig_forget(&f->rig);
    rig_pull(&f->rig, 2, &ask);
    assert_code(rig_last(&f->rig), CODE_OK);
    return f->rig.n_viewed == n ? NULL : f->rig.viewed[n];
}

/* Does the view show v everywhere? By way of the segment, as a client would. */
static void assert_shows(const struct pull *view, float v)
{
    const struct segment *segment = pull_segment(view);
    struct gradient g;
    pull_gradient(view, W, &g);
    assert_true(g.offset + g.node->bytes <= segment->bytes);
    const float *values = (const float *)(const void *)(segment->data + g.offset);
    for (size_t i = 0; i < BIG; i++)
        assert_float_equal(values[i], v, 0);
}

static struct core_stats stats(const struct fixture *f)
{
    struct core_stats s;
    core_stats(f->rig.core, &s);
    return s;
}

static void a_view_shows_the_sums(void **state)
{
    struct fixture *f = *state;
    play_round(f, "job", 0, 5);
    const struct pull *view = look(f, "job", 0);
    assert_non_null(view);
    assert_shows(view, 5);
    struct gradient g;
    pull_gradient(view, FROZEN, &g);
    assert_null(g.data);
    assert_int_equal(g.contributions, 0);
    assert_true(core_segment_exists(f->rig.core, pull_segment(view)->id));
    assert_false(core_segment_exists(f->rig.core, pull_segment(view)->id + 1));
    assert_int_equal(stats(f).views, 1);
    rig_end_view(&f->rig, 0, EVENT_SENT);
    assert_int_equal(stats(f).views + stats(f).lent_bytes, 0);
}

static void a_body_is_sent_where_none_was_asked_for_or_can_be_had(void **state)
{
    struct fixture *f = *state;
    play_round(f, "job", 0, 5);
    struct pull_offer ask = {.job = "job", .has_round = true};
    rig_pull(&f->rig, 2, &ask);
    assert_int_equal(f->rig.n_viewed, 0);
    f->spec.name = "small";
    f->nodes[W].shape = (const uint64_t[]){4};
    rig_delete(&f->rig, 0, "job");
    rig_create(&f->rig, 0, &f->spec);
    struct push_offer offer = *offer_w(0, 0, true);
    offer.job = "small";
    rig_push(&f->rig, 0, &offer, (const float[]){1, 2, 3, 4});
    assert_null(look(f, "small", 0)); /* too little to be shared */
    assert_float_equal(sum_w(rig_last(&f->rig)), 1, 0);
    rig_close(&f->rig, 0, "small", 1);
    assert_null(look(f, "small", 1)); /* nothing to look at */
}

static void without_a_unix_socket_there_are_no_segments(void **state)
{
    struct fixture *f = *state;
    play_round(f, "job", 0, 5);
    assert_null(look(f, "job", 0));
}

static void later_rounds_lie_in_the_same_few_segments(void **state)
{
    struct fixture *f = *state;
    uint64_t largest = 0;
    for (uint64_t round = 0; round < 20; round++) {
        play_round(f, "job", round, (float)round);
        const struct pull *view = look(f, "job", round);
        assert_non_null(view);
        assert_shows(view, (float)round);
        uint64_t id = pull_segment(view)->id;
        largest = id > largest ? id : largest;
        rig_end_view(&f->rig, 0, EVENT_SENT);
    }
    assert_int_equal(largest, ROUNDS_KEPT + 1);
}

static void what_a_view_shows_stays_until_it_is_ended(void **state)
{
    struct fixture *f = *state;
    for (uint64_t round = 0; round < 8; round++) {
        play_round(f, "job", round, (float)round);
        if (round < 2)
            assert_non_null(look(f, "job", round));
    }
    assert_shows(f->rig.viewed[0], 0);
    assert_shows(f->rig.viewed[1], 1);
    rig_end_view(&f->rig, 0, EVENT_SENT);
    assert_int_equal(stats(f).views, 1);
    assert_true(stats(f).results_used <= stats(f).results_max);
}

/* Two jobs, and one worker that looks at every round of the first and never ends a view. */
static void views_that_are_held_stall_nobody(void **state)
{
    struct fixture *f = *state;
    size_t bodies = 0;
    for (uint64_t round = 0; round < 20; round++) {
        play_round(f, "job", round, (float)round);
        bodies += look(f, "job", round) == NULL;
        play_round(f, "other", round, 1);
        assert_true(stats(f).lent_bytes <= stats(f).results_max);
    }
    assert_int_equal(f->rig.n_viewed, 2 * (ROUNDS_KEPT + 1)); /* as much as the budget */
    assert_int_equal(bodies, 20 - f->rig.n_viewed);
    for (size_t i = 0; i < f->rig.n_viewed; i++)
        assert_shows(f->rig.viewed[i], (float)i);
    while (f->rig.n_viewed > 0)
        rig_end_view(&f->rig, 0, EVENT_SENT);
    play_round(f, "job", 20, 20);
    assert_shows(look(f, "job", 20), 20);
}

static void a_segment_that_comes_back_after_its_round_is_used_again(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    for (uint64_t round = 0; round < 20; round++) {
        play_round(f, "job", round, (float)round);
        assert_non_null(look(f, "job", round));
        last = pull_segment(f->rig.viewed[f->rig.n_viewed - 1])->id;
        if (round >= ROUNDS_KEPT) { /* one round after it was retired */
            assert_shows(f->rig.viewed[0], (float)(round - ROUNDS_KEPT));
            rig_step(&f->rig, (struct event){.kind = EVENT_SENT, .pull = f->rig.viewed[0]});
            memmove(f->rig.viewed, f->rig.viewed + 1, --f->rig.n_viewed * sizeof *f->rig.viewed);
        }
    }
    assert_true(last <= ROUNDS_KEPT + 3);
    assert_true(stats(f).results_used <= stats(f).results_max);
}

static void a_lost_view_is_never_written_again(void **state)
{
    struct fixture *f = *state;
    play_round(f, "job", 0, 7);
    const struct pull *view = look(f, "job", 0);
    const struct segment *segment = pull_segment(view);
    uint64_t id = segment->id;
    uint64_t bytes = segment->bytes;
    struct gradient g;
    pull_gradient(view, W, &g);
    const unsigned char *theirs = mmap(NULL, bytes, PROT_READ, MAP_SHARED, segment->fd, 0);
    rig_end_view(&f->rig, 0, EVENT_VIEW_LOST);
    assert_true(core_segment_exists(f->rig.core, id)); /* the round is still there */
    for (uint64_t round = 1; round < 10; round++) {
        play_round(f, "job", round, (float)round);
        view = look(f, "job", round);
        assert_true(pull_segment(view)->id != id);
        rig_end_view(&f->rig, 0, EVENT_SENT);
    }
    const float *value = (const float *)(const void *)(theirs + g.offset);
    assert_float_equal(*value, 7, 0);
    munmap((void *)(uintptr_t)theirs, bytes);
    assert_false(core_segment_exists(f->rig.core, id));
    assert_int_equal(stats(f).lent_bytes, 0);
}

static void others_may_look_at_what_one_has_lost(void **state)
{
    struct fixture *f = *state;
    play_round(f, "job", 0, 7);
    assert_non_null(look(f, "job", 0));
    assert_non_null(look(f, "job", 0));
    rig_end_view(&f->rig, 0, EVENT_VIEW_LOST);
    assert_shows(f->rig.viewed[0], 7);
    assert_non_null(look(f, "job", 0));
    for (uint64_t round = 1; round < 6; round++)
        play_round(f, "job", round, 1);
    assert_shows(f->rig.viewed[0], 7);
    assert_shows(f->rig.viewed[1], 7);
}

static void a_view_outlives_its_job(void **state)
{
    struct fixture *f = *state;
    play_round(f, "job", 0, 7);
    const struct pull *view = look(f, "job", 0);
    rig_delete(&f->rig, 0, "job");
    assert_int_equal(stats(f).results_used, 0);
    rig_create(&f->rig, 0, &f->spec); /* takes its place, and all the budget */
    assert_code(rig_last(&f->rig), CODE_OK);
    for (uint64_t round = 0; round < 5; round++)
        play_round(f, "job", round, 1);
    assert_shows(view, 7);
}

static struct rlimit descriptors;

static int setup_without_descriptors(void **state)
{
    if (setup_job(state) != 0 || getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        return -1;
    struct rlimit none = {.rlim_cur = 0, .rlim_max = descriptors.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &none);
}

static int teardown_descriptors(void **state)
{
    return setrlimit(RLIMIT_NOFILE, &descriptors) | teardown(state);
}

/* Clients may hold all that there are. */
static void without_a_descriptor_rounds_close_all_the_same(void **state)
{
    struct fixture *f = *state;
    play_round(f, "job", 0, 5);
    assert_null(look(f, "job", 0));
    assert_int_equal(rig_last(&f->rig)->contributions[W], 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
    play_round(f, "job", 1, 6);
    assert_shows(look(f, "job", 1), 6);
}

int main(void)
{
#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_view_shows_the_sums, setup_job),
        TEST(a_body_is_sent_where_none_was_asked_for_or_can_be_had, setup_job),
        TEST(without_a_unix_socket_there_are_no_segments, setup_without_segments),
        TEST(later_rounds_lie_in_the_same_few_segments, setup_job),
        TEST(what_a_view_shows_stays_until_it_is_ended, setup_job),
        TEST(views_that_are_held_stall_nobody, setup_two),
        TEST(a_segment_that_comes_back_after_its_round_is_used_again, setup_job),
        TEST(a_lost_view_is_never_written_again, setup_job),
        TEST(others_may_look_at_what_one_has_lost, setup_job),
        TEST(a_view_outlives_its_job, setup_job),
        cmocka_unit_test_setup_teardown(without_a_descriptor_rounds_close_all_the_same,
                                        setup_without_descriptors, teardown_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
