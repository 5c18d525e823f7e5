#include "gathering.h"

struct shared memory[2];

int setup_gathering(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    rig_free(&f->rig);
    struct core_config config = rig_config();
    config.share_bytes_min = 16;
    shared_init(&memory[0], 1);
    shared_init(&memory[1], 2);
    if (!rig_init(&f->rig, &config))
        return -1;
    rig_create(&f->rig, 0, &f->spec);
    rig_forget(&f->rig);
    return 0;
}

int teardown_gathering(void **state)
{
    teardown(state);
    return shared_held(&memory[0]) + shared_held(&memory[1]) == 0 ? 0 : -1;
}

void offer_final(struct fixture *f, uint32_t worker, uint64_t sequence)
{
    rig_offer(&f->rig, (int)worker, offer_shared(&memory[worker], worker, sequence, true));
}

enum intake_state intake(const struct fixture *f, int p)
{
    return f->rig.peers[p].intake.state;
}

struct core_stats stats(const struct fixture *f)
{
    struct core_stats s;
    core_stats(f->rig.core, &s);
    return s;
}

struct rig_reply *reply_of(struct fixture *f, int p)
{
    for (size_t i = f->rig.n_replies; i > 0; i--)
        if (f->rig.replies[i - 1].peer == &f->rig.peers[p])
            return &f->rig.replies[i - 1];
    fail();
    return NULL;
}

float sum_of(struct fixture *f, uint64_t round)
{
    struct rig_reply *r = pull_round(f, round);
    assert_code(r, CODE_OK);
    return sum_w(r);
}
