/* A worker: pushes eight times a round, all at once, pulls, goes on. It may be killed anywhere; the
 * one that takes its place begins the round again, under the same keys. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "board.h"
#include "gradfold/gradfold.h"

enum {
    PUSH_MS = 20000,
    TRIES = 5
};

struct worker {
    struct board *board;
    unsigned number;
    gf_client *client;
    float vectors[BOARD_PUSHES][BOARD_ELEMENTS];
    gf_tensor tensors[BOARD_PUSHES][BOARD_NODES_MAX];
    float sum[BOARD_ELEMENTS];
};

static const uint64_t shape[] = {BOARD_ELEMENTS};

static void surprise(struct worker *w, unsigned round, unsigned push, const char *what,
                     const gf_error *error)
{
    atomic_fetch_add(&w->board->surprises, 1);
    fprintf(stderr, "worker %u, round %u, push %u: %s: %s: %s\n", w->number, round, push, what,
            gf_code_name(error->code), error->message);
}

static void make_tensors(struct worker *w)
{
    for (unsigned p = 0; p < BOARD_PUSHES; p++) {
        w->vectors[p][w->number * BOARD_PUSHES + p] = 1;
        for (unsigned i = 0; i < w->board->nodes; i++)
            w->tensors[p][i] = (gf_tensor){
                .node = i, .dtype = GF_F32, .shape = shape, .ndim = 1, .data = w->vectors[p]};
    }
}

static gf_op *submit(struct worker *w, unsigned round, unsigned p)
{
    gf_error error;
    gf_op *op = NULL;
    const gf_push_args args = {.size = sizeof args,
                               .job = w->board->job,
                               .round = round,
                               .worker = w->number,
                               .sequence = p,
                               .final = p == BOARD_PUSHES - 1,
                               .checksum = p % 2 == 0,
                               .tensors = w->tensors[p],
                               .n_tensors = w->board->nodes,
                               .timeout_ms = PUSH_MS};
    atomic_uchar *fate = &w->board->fates[round][w->number][p];
    if (atomic_load(fate) == FATE_NONE)
        atomic_store(fate, FATE_UNKNOWN);
    if (gf_push_submit(w->client, &args, &op, &error) != GF_OK)
        surprise(w, round, p, "submit", &error);
    return op;
}

/* true: there is a verdict. */
static bool settle(struct worker *w, unsigned round, unsigned p, gf_op *op)
{
    gf_error error;
    gf_push_result result;
    atomic_uchar *fate = &w->board->fates[round][w->number][p];
    gf_code code = gf_op_wait(op, &error);
    bool before = atomic_load(fate) == FATE_ACCEPTED;
    if (code == GF_OK) {
        if (gf_op_push_result(op, &result) && result.verdict == GF_DUPLICATE)
            atomic_fetch_add(&w->board->duplicates, 1);
        if (atomic_load(fate) == FATE_REFUSED)
            surprise(w, round, p, "refused before, now accepted", &error);
        atomic_store(fate, FATE_ACCEPTED);
    } else if (code == GF_STALE_ROUND) {
        if (before)
            surprise(w, round, p, "accepted before, now refused", &error);
        else
            atomic_store(fate, FATE_REFUSED);
    } else if (code != GF_DEADLINE_EXCEEDED) {
        surprise(w, round, p, "push", &error);
    }
    return code != GF_DEADLINE_EXCEEDED;
}

static bool push_round(struct worker *w, unsigned round)
{
    gf_op *ops[BOARD_PUSHES];
    bool all = true;
    for (unsigned p = 0; p < BOARD_PUSHES; p++)
        ops[p] = submit(w, round, p);
    for (unsigned p = 0; p < BOARD_PUSHES; p++) {
        all = ops[p] != NULL && settle(w, round, p, ops[p]) && all;
        gf_op_free(ops[p]);
    }
    return all;
}

static bool pull_round(struct worker *w, unsigned round)
{
    gf_error error;
    gf_gradient buffer = {
        .node = round % w->board->nodes, .dtype = GF_F32, .data = w->sum, .bytes = sizeof w->sum};
    const gf_pull_args args = {.size = sizeof args,
                               .job = w->board->job,
                               .round = round,
                               .gradients = &buffer,
                               .n_gradients = 1,
                               .timeout_ms = PUSH_MS};
    gf_code code = gf_pull(w->client, &args, NULL, &error);
    if (code != GF_OK && code != GF_DEADLINE_EXCEEDED)
        surprise(w, round, 0, "pull", &error);
    return code == GF_OK;
}

static bool do_round(struct worker *w, unsigned round)
{
    for (int i = 0; i < TRIES; i++)
        if (push_round(w, round) && pull_round(w, round))
            return true;
    fprintf(stderr, "worker %u gives round %u up\n", w->number, round);
    return false;
}

int worker_main(struct board *board, unsigned number)
{
    static struct worker w;
    gf_error error;
    const gf_options options = {.size = sizeof options,
                                .connect_timeout_ms = PUSH_MS,
                                .retry_min_ms = 1,
                                .retry_max_ms = 50};
    w.board = board;
    w.number = number;
    make_tensors(&w);
    if (gf_connect(board->address, &options, &w.client, &error) != GF_OK) {
        fprintf(stderr, "worker %u: %s\n", number, error.message);
        return EXIT_FAILURE;
    }
    atomic_uint *cursor = &board->cursor[number];
    while (atomic_load(cursor) < atomic_load(&board->rounds)) {
        unsigned round = atomic_load(cursor);
        if (round >= atomic_load(&board->audited) + BOARD_AHEAD) {
            poll(NULL, 0, 1);
            continue;
        }
        if (!do_round(&w, round))
            return EXIT_FAILURE;
        atomic_store(cursor, round + 1);
    }
    gf_close(w.client);
    return EXIT_SUCCESS;
}
