/* Pushes whose tensors lie in shared memory, by the default way: they are copied. */
#include <math.h>
#include <xxhash.h>

#include "shared.h"

static const uint64_t four[] = {4};
static const uint64_t three[] = {3};

static int setup_job(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

/* Offers and, when it is granted, copies; the last reply. */
static struct rig_reply *push(struct fixture *f, const struct push_offer *offer)
{
    rig_forget(&f->rig);
    rig_offer(&f->rig, (int)offer->worker, offer);
    if (f->rig.peers[offer->worker].intake.state == INTAKE_GRANTED)
        rig_copy(&f->rig, (int)offer->worker);
    return rig_last(&f->rig);
}

static void tensors_are_taken_from_where_they_lie(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 3);
    assert_code(push(f, offer_shared(&s, 0, 1, false)), CODE_OK);
    assert_int_equal(rig_last(&f->rig)->verdict, VERDICT_ACCEPTED);
    s.values[0] = 77; /* the memory is the worker's again */
    shared_fill(&s, 4);
    assert_code(push(f, offer_shared(&s, 1, 1, true)), CODE_OK);
    push_final(f, 0);
    assert_float_equal(sum_w(pull_round(f, 0)), 7, 0);
    assert_int_equal(shared_held(&s), 0);
}

static void what_lies_beyond_its_buffer_is_refused(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 1);
    struct tensor_place place = {.mapping = &s.mapping, .buffer = 9};
    const struct {
        uint64_t offset;
        enum code code;
    } cases[] = {
        {sizeof s.values - 16, CODE_OK},          {sizeof s.values - 15, CODE_INVALID_ARGUMENT},
        {sizeof s.values, CODE_INVALID_ARGUMENT}, {UINT64_MAX, CODE_INVALID_ARGUMENT},
        {UINT64_MAX - 15, CODE_INVALID_ARGUMENT}, {1, CODE_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct push_offer *offer = offer_shared(&s, 0, i, false);
        place.offset = cases[i].offset;
        offer->places = &place;
        assert_code(push(f, offer), cases[i].code);
        assert_int_equal(shared_held(&s), 0);
    }
    struct push_offer *offer = offer_shared(&s, 0, 100, false);
    place.offset = 250;
    offer->places = &place;
    assert_string_equal(
        push(f, offer)->error.message,
        "push from worker 0: node 0: 16 bytes at 250 reach beyond buffer 9, which has 256");
}

static void an_unknown_buffer_is_refused(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 1);
    struct tensor_place nowhere = {.buffer = 5};
    struct push_offer *offer = offer_shared(&s, 0, 1, false);
    offer->places = &nowhere;
    assert_code(push(f, offer), CODE_INVALID_ARGUMENT);
    assert_string_equal(rig_last(&f->rig)->error.message,
                        "push from worker 0: node 0: there is no buffer 5");
}

static void a_body_beside_places_is_refused(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 1);
    struct push_offer *offer = offer_shared(&s, 0, 1, false);
    offer->body_bytes = 16;
    assert_code(push(f, offer), CODE_MALFORMED);
    assert_int_equal(shared_held(&s), 0);
}

static void contributions_are_decided_before_their_places(void **state)
{
    struct fixture *f = *state;
    struct contribution c[] = {{W, DTYPE_F32, four, 1}, {17, DTYPE_F32, four, 1}};
    struct tensor_place nowhere[2] = {{.buffer = 5}, {.buffer = 5}};
    struct push_offer offer = {
        .job = "job", .contributions = c, .n_contributions = 2, .places = nowhere};
    assert_code(push(f, &offer), CODE_UNKNOWN_NODE);
    c[1] = (struct contribution){FROZEN, 99, four, 1};
    assert_code(push(f, &offer), CODE_INVALID_ARGUMENT);
    c[1] = (struct contribution){W, DTYPE_F32, three, 1};
    assert_code(push(f, &offer), CODE_SHAPE_MISMATCH);
}

/* A frozen tensor between two others, from two buffers, in odd places. */
static void offer_mixed(struct shared *a, struct shared *b, struct push_offer *offer)
{
    static const struct contribution c[] = {
        {W, DTYPE_F32, four, 1}, {FROZEN, DTYPE_F32, three, 1}, {W, DTYPE_F32, four, 1}};
    static struct tensor_place places[3];
    places[0] = (struct tensor_place){&a->mapping, 1, 5};
    places[1] = (struct tensor_place){&b->mapping, 2, 0};
    places[2] = (struct tensor_place){&a->mapping, 1, 128};
    const float values[4] = {1, 2, 3, 4};
    memcpy((char *)a->values + 5, values, sizeof values);
    *offer = (struct push_offer){
        .job = "job", .sequence = 8, .contributions = c, .n_contributions = 3, .places = places};
}

static void the_checksum_is_over_all_tensors_in_order(void **state)
{
    struct fixture *f = *state;
    struct shared a;
    struct shared b;
    struct push_offer offer;
    shared_init(&a, 10);
    shared_init(&b, NAN); /* nobody looks at what is ignored, but for the checksum */
    offer_mixed(&a, &b, &offer);
    unsigned char body[16 + 12 + 16];
    memcpy(body, (char *)a.values + 5, 16);
    memcpy(body + 16, b.values, 12);
    memcpy(body + 28, (char *)a.values + 128, 16);
    offer.has_checksum = true;
    offer.checksum = XXH3_64bits(body, sizeof body) + 1;
    assert_code(push(f, &offer), CODE_CHECKSUM_MISMATCH);
    offer.checksum--;
    assert_code(push(f, &offer), CODE_OK);
    assert_int_equal(rig_last(&f->rig)->ignored, 1);
    rig_close(&f->rig, 0, "job", 0);
    struct rig_reply *r = pull_round(f, 0);
    const float *sums = (const float *)(const void *)r->sums;
    for (int i = 0; i < 4; i++)
        assert_float_equal(sums[i], 11 + (float)i, 0);
    assert_int_equal(r->contributions[W], 2);
    assert_int_equal(shared_held(&a) + shared_held(&b), 0);
}

static void a_retry_may_take_the_other_way(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 2);
    push_w(f, 0, 1, 2, false);
    assert_int_equal(push(f, offer_shared(&s, 0, 1, false))->verdict, VERDICT_DUPLICATE);
    assert_code(push(f, offer_shared(&s, 0, 1, true)), CODE_CONFLICT); /* but final */
    assert_int_equal(push(f, offer_shared(&s, 0, 2, false))->verdict, VERDICT_ACCEPTED);
    assert_int_equal(push_w(f, 0, 2, 2, false)->verdict, VERDICT_DUPLICATE);
    struct push_offer *offer = offer_shared(&s, 0, 2, false);
    offer->has_checksum = true;
    assert_code(push(f, offer), CODE_CONFLICT);
    struct contribution unknown = {W, 99, four, 1};
    offer = offer_shared(&s, 0, 2, false);
    offer->contributions = &unknown;
    assert_code(push(f, offer), CODE_CONFLICT);
}

static void a_non_finite_value_is_found_where_it_is(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 2);
    s.values[2] = INFINITY;
    assert_code(push(f, offer_shared(&s, 0, 1, false)), CODE_NON_FINITE);
    assert_string_equal(rig_last(&f->rig)->error.message,
                        "push from worker 0: node 0: element 2 is NaN or infinite");
    assert_int_equal(shared_held(&s), 0);
}

/* The copy goes on on its thread, and hears of it later. */
static void the_job_may_be_deleted_while_a_push_is_copied(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 2);
    rig_offer(&f->rig, 1, offer_shared(&s, 1, 1, false));
    assert_int_equal(f->rig.peers[1].intake.state, INTAKE_GRANTED);
    struct event delete = {
        .kind = EVENT_DELETE_JOB, .peer = &f->rig.peers[0], .request_id = 5, .job = "job"};
    struct update update;
    core_step(f->rig.core, &delete, &update);
    assert_int_equal(f->rig.peers[1].intake.state, INTAKE_REFUSED);
    assert_int_equal(shared_held(&s), 1);
    while (body_copy(&f->rig.peers[1].intake))
        ;
    rig_step(&f->rig, (struct event){.kind = EVENT_BODY_COMPLETE, .peer = &f->rig.peers[1]});
    assert_int_equal(f->rig.peers[1].intake.state, INTAKE_NONE);
    assert_int_equal(shared_held(&s), 0);
}

static void a_lost_peer_gives_the_memory_back(void **state)
{
    struct fixture *f = *state;
    struct shared s;
    shared_init(&s, 2);
    rig_offer(&f->rig, 1, offer_shared(&s, 1, 1, false));
    assert_int_equal(shared_held(&s), 1);
    rig_lose(&f->rig, 1);
    assert_int_equal(shared_held(&s), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_job, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tensors_are_taken_from_where_they_lie),
        TEST(what_lies_beyond_its_buffer_is_refused),
        TEST(an_unknown_buffer_is_refused),
        TEST(a_body_beside_places_is_refused),
        TEST(contributions_are_decided_before_their_places),
        TEST(the_checksum_is_over_all_tensors_in_order),
        TEST(a_retry_may_take_the_other_way),
        TEST(a_non_finite_value_is_found_where_it_is),
        TEST(the_job_may_be_deleted_while_a_push_is_copied),
        TEST(a_lost_peer_gives_the_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
