#include "stories.h"

static void worker_dies_after_its_header(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    struct actor *w2 = stage_actor(s, "worker 2");
    s->spec.world_size = 3;
    stage_create(s, w0);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_push(s, w1, (struct line){.worker = 1, .sequence = 1, .final = true, .value = 2});
    stage_header(s, w2, (struct line){.worker = 2, .sequence = 1, .final = true, .value = 4});
    stage_body(s, w2, 50);
    stage_wait(s, 30);
    stage_cut(s, w2);
    stage_tell(s, "Nothing of it was applied. It is started again and sends the same push.");
    stage_pull(s, w0, 0, W, 1000);
    stage_wait(s, 200);
    stage_push(s, w2, (struct line){.worker = 2, .sequence = 1, .final = true, .value = 4});
}

static void quorum_grace_late_final(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    struct actor *w2 = stage_actor(s, "worker 2");
    s->spec.world_size = 3;
    s->spec.quorum = 2;
    s->spec.grace_ms = 100;
    stage_create(s, w0);
    stage_push(s, w2, (struct line){.worker = 2, .sequence = 1, .value = 100});
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_wait(s, 20);
    stage_push(s, w1, (struct line){.worker = 1, .sequence = 1, .final = true, .value = 2});
    stage_tell(s, "Two are final: the quorum. The grace of 100 ms begins.");
    stage_pull(s, w0, 0, W, 5000);
    stage_wait(s, 110);
    stage_tell(s, "Worker 2 was accepted but never final: it is in no node of the round.");
    stage_push(s, w2, (struct line){.worker = 2, .sequence = 2, .final = true, .value = 200});
    stage_tell(s, "It goes on with the next round. A retry of what was discarded is a duplicate.");
    stage_push(s, w2, (struct line){.worker = 2, .sequence = 1, .value = 100});
    stage_push(s, w2, (struct line){.round = 1, .worker = 2, .sequence = 1, .value = 100});
}

static void reply_lost_retried_under_the_same_key(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    stage_create(s, w0);
    s->slow_disk = true;
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_cut(s, w0);
    stage_tell(s, "The push is accepted, and nobody is there to be told.");
    stage_wait(s, 5);
    stage_disk(s);
    stage_wait(s, 40);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_tell(s, "It counts once.");
    stage_push(s, w1, (struct line){.worker = 1, .sequence = 1, .final = true, .value = 2});
    stage_pull(s, w0, 0, W, 0);
}

static void round_closes_under_a_body(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    stage_create(s, w0);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .value = 1});
    stage_header(s, w1, (struct line){.worker = 1, .sequence = 1, .final = true, .value = 2});
    stage_body(s, w1, 75);
    stage_wait(s, 10);
    stage_close_round(s, w0, 0);
    stage_tell(s, "Closing waits for no body. What comes too late is told so.");
    stage_wait(s, 10);
    stage_body(s, w1, 100);
    stage_pull(s, w0, 0, W, 0);
}

static void staging_full_folded_early(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    stage_create(s, w0);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .node = BIG, .value = 1});
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 2, .node = BIG, .value = 2});
    s->slow_pool = true;
    stage_header(s, w1, (struct line){.worker = 1, .sequence = 1, .node = BIG, .value = 4});
    stage_tell(s, "Worker 1 waits: its connection is not read until there is staging.");
    stage_wait(s, 25);
    stage_pool(s);
    stage_body(s, w1, 100);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 3, .final = true, .node = NONE});
    stage_push(s, w1, (struct line){.worker = 1, .sequence = 2, .final = true, .node = NONE});
    stage_pull(s, w1, 0, BIG, 0);
}

static void job_deleted_under_waiting_pulls(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    struct actor *boss = stage_actor(s, "operator");
    stage_create(s, w0);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_pull(s, w0, 0, W, 60000);
    stage_pull(s, w1, 0, NONE, 60000);
    stage_header(s, w1, (struct line){.worker = 1, .sequence = 1, .value = 2});
    stage_wait(s, 100);
    stage_delete(s, boss);
    stage_tell(s, "A new job of that name knows nothing of the old one.");
    stage_create(s, boss);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
}

static void expected_node_pulled_before_the_close(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    s->nodes[W].expected = 2;
    stage_create(s, w0);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .node = W, .value = 1});
    stage_pull(s, w0, 0, W, 1000);
    stage_pull(s, w0, 0, B, 50);
    stage_wait(s, 10);
    stage_push(s, w1, (struct line){.worker = 1, .sequence = 1, .node = W, .value = 2});
    stage_tell(s, "w has both its contributions: it is there while the round is open. b is not.");
    stage_wait(s, 50);
    stage_push(s, w1, (struct line){.worker = 1, .sequence = 2, .node = W, .value = 4});
}

static void two_connections_one_key(struct stage *s)
{
    struct actor *a = stage_actor(s, "connection a");
    struct actor *b = stage_actor(s, "connection b");
    const struct line line = {.worker = 0, .sequence = 7, .final = true, .node = B, .value = 5};
    s->spec.world_size = 1;
    stage_create(s, a);
    stage_header(s, a, line);
    stage_body(s, a, 50);
    stage_header(s, b, line);
    stage_tell(s, "Both were admitted: the key is new until a body is complete.");
    stage_body(s, b, 100);
    stage_body(s, a, 100);
    stage_pull(s, a, 0, B, 0);
}

static void slow_disk(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *again = stage_actor(s, "its retry");
    s->spec.world_size = 1;
    stage_create(s, w0);
    s->slow_disk = true;
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_pull(s, w0, 0, W, 1000);
    stage_wait(s, 50);
    stage_push(s, again, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_tell(s, "Nobody is told that it is accepted before it is durable.");
    stage_wait(s, 50);
    stage_disk(s);
    stage_push(s, again, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
}

static void slow_fold(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    s->spec.world_size = 1;
    stage_create(s, w0);
    s->slow_pool = true;
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .final = true, .value = 1});
    stage_tell(s, "Round 0 is being folded; round 1 is open already.");
    stage_push(s, w0,
               (struct line){.round = 1, .worker = 0, .sequence = 1, .final = true, .value = 2});
    stage_pull(s, w0, 1, W, 1000);
    stage_pull(s, w0, 0, W, 1000);
    stage_wait(s, 70);
    stage_pool(s);
}

static void wrong_shape_for_a_frozen_node(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct line line = {.worker = 0, .sequence = 1, .node = FROZEN, .wrong_shape = true};
    s->spec.world_size = 1;
    stage_create(s, w0);
    stage_push(s, w0, line);
    stage_tell(s, "A frozen node takes anything and nothing comes of it; another node does not.");
    line.sequence = 2;
    line.node = W;
    stage_push(s, w0, line);
}

static void server_stops(struct stage *s)
{
    struct actor *w0 = stage_actor(s, "worker 0");
    struct actor *w1 = stage_actor(s, "worker 1");
    stage_create(s, w0);
    s->slow_disk = true;
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 1, .value = 1});
    stage_header(s, w1, (struct line){.worker = 1, .sequence = 1, .value = 2});
    stage_body(s, w1, 50);
    stage_pull(s, w1, 0, NONE, 60000);
    stage_stop(s);
    stage_tell(s, "What was accepted stays accepted, and its worker still hears of it.");
    stage_disk(s);
    stage_push(s, w0, (struct line){.worker = 0, .sequence = 2, .value = 1});
}

const struct story stories[] = {
    {"worker-dies-after-its-header", "Worker 2 dies after its header",
     worker_dies_after_its_header},
    {"quorum-grace-late-final", "Quorum, grace, late final", quorum_grace_late_final},
    {"reply-lost", "The reply is lost, the push retried under the same key",
     reply_lost_retried_under_the_same_key},
    {"round-closes-under-a-body", "A round closes under a body", round_closes_under_a_body},
    {"staging-full", "Staging is full and folded early", staging_full_folded_early},
    {"job-deleted", "A job is deleted under waiting pulls", job_deleted_under_waiting_pulls},
    {"expected-node", "An expected node is pulled before the close",
     expected_node_pulled_before_the_close},
    {"two-connections-one-key", "Two connections, one key", two_connections_one_key},
    {"slow-disk", "The disk is slow", slow_disk},
    {"slow-fold", "The fold is slow, and the next round is full already", slow_fold},
    {"frozen-node", "A wrong shape for a frozen node", wrong_shape_for_a_frozen_node},
    {"server-stops", "The server stops", server_stops},
};
const size_t n_stories = sizeof stories / sizeof *stories;
