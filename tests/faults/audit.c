/* When the faults are over: is what was promised true, does everything work again, is all given
 * back? */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "plan.h"
#include "rig.h"

static bool must_be(struct rig *rig, const char *what, gf_code code)
{
    if (code != GF_OK)
        rig_fail(rig, "afterwards: %s: %s: %s", what, gf_code_name(code), rig->error.message);
    return code == GF_OK;
}

/* -- The ledger -- */

static double value_at(gf_dtype dtype, const void *data, size_t i)
{
    switch (dtype) {
    case GF_F64:
        return ((const double *)data)[i];
    case GF_I64:
        return (double)((const int64_t *)data)[i];
    default:
        return ((const float *)data)[i];
    }
}

/* Has push `mark` a tensor for the node in this round, that is not ignored? */
static bool is_for(const struct rig *rig, size_t mark, uint64_t node, uint64_t round)
{
    const struct entry *e = &rig->entries[mark];
    return mark < rig->n_entries && e->round == round && node >= e->first &&
           node < e->first + e->n && !(rig->model.first_frozen && node == 0);
}

static void audit_mark(struct rig *rig, const gf_gradient *buffer, size_t mark, uint64_t round)
{
    static const char *const names[] = {"unknown", "accepted", "refused"};
    enum fate fate = rig->entries[mark].fate;
    double value = value_at(rig->model.dtype, buffer->data, mark);
    if (rig->model.mean)
        value *= buffer->contributions;
    bool there = is_for(rig, mark, buffer->node, round);
    bool may_be_0 = !there || fate != FATE_ACCEPTED || rig->may_discard;
    bool may_be_1 = there && fate != FATE_REFUSED;
    if (!(may_be_0 && value == 0) && !(may_be_1 && value > 0.999 && value < 1.001))
        rig_fail(rig, "round %d, node %d: push %d (%s) reads %g", (int)round, (int)buffer->node,
                 (int)mark, there ? names[fate] : "not for it", value);
}

static void audit_buffer(struct rig *rig, const gf_gradient *buffer, uint64_t round)
{
    for (size_t mark = 0; mark < RIG_PUSHES; mark++)
        audit_mark(rig, buffer, mark, round);
    for (size_t i = RIG_PUSHES; i < rig->model.elements; i++)
        if (value_at(rig->model.dtype, buffer->data, i) != 0)
            rig_fail(rig, "round %d, node %d: element %d is not 0", (int)round, (int)buffer->node,
                     (int)i);
}

static bool any_accepted(const struct rig *rig, uint64_t round)
{
    for (size_t i = 0; i < rig->n_entries; i++)
        if (rig->entries[i].round == round && rig->entries[i].fate == FATE_ACCEPTED)
            return true;
    return false;
}

static void audit_round(struct rig *rig, uint64_t round, uint64_t open)
{
    if (round > open) {
        if (any_accepted(rig, round))
            rig_fail(rig, "round %d has not begun but accepted a push", (int)round);
        return;
    }
    if (round == open && !must_be(rig, "close the round",
                                  gf_round_close(rig->client[0], rig->model.name, round,
                                                 RIG_PATIENCE_MS, NULL, &rig->error)))
        return;
    gf_pull_args args = rig_pull_args(rig, 0, round, 0, rig->model.n_nodes);
    args.timeout_ms = RIG_PATIENCE_MS;
    gf_code code = gf_pull(rig->client[0], &args, NULL, &rig->error);
    if (code == GF_NOT_FOUND && open >= round + rig->model.retain)
        return; /* retired */
    if (must_be(rig, "pull for the audit", code))
        for (size_t i = 0; i < rig->model.n_nodes; i++)
            audit_buffer(rig, &args.gradients[i], round);
}

static void audit_ledger(struct rig *rig)
{
    gf_job *job;
    if (rig->model.name == NULL || rig->model.n_nodes == 0)
        return;
    gf_code code =
        gf_job_describe(rig->client[0], rig->model.name, RIG_PATIENCE_MS, &job, &rig->error);
    if (code == GF_NOT_FOUND) {
        for (uint64_t round = 0; !rig->deleted && round < RIG_PUSHES; round++)
            if (any_accepted(rig, round))
                rig_fail(rig, "there is no job, but a push was accepted");
        return;
    }
    if (!must_be(rig, "describe the job", code))
        return;
    uint64_t open = gf_job_open_round(job);
    gf_job_free(job);
    for (uint64_t round = 0; round < RIG_PUSHES; round++) {
        bool used = false;
        for (size_t i = 0; i < rig->n_entries; i++)
            used = used || rig->entries[i].round == round;
        if (used)
            audit_round(rig, round, open);
    }
}

/* -- A follow-up round, right to the bit -- */

static bool follow_up_push(struct rig *rig, uint32_t worker, const float *values)
{
    const uint64_t shape[] = {4};
    const gf_tensor tensor = {
        .node = 0, .dtype = GF_F32, .shape = shape, .ndim = 1, .data = values};
    const gf_push_args args = {.size = sizeof args,
                               .job = "follow-up",
                               .worker = worker,
                               .sequence = 1,
                               .final = true,
                               .checksum = true,
                               .tensors = &tensor,
                               .n_tensors = 1,
                               .timeout_ms = RIG_PATIENCE_MS};
    return must_be(rig, "push", gf_push(rig->client[0], &args, NULL, &rig->error));
}

static void follow_up(struct rig *rig)
{
    static const float values[3][4] = {
        {1e8f, 1e-8f, 3.25f, -0.1f}, {1.5f, 1e20f, 0.1f, 0.3f}, {-1e8f, -1e20f, -3.25f, 0.1f}};
    static const float sums[4] = {1.5f, 1e-8f, 0.1f, 0.3f};
    float sum[4] = {0};
    gf_spec *spec = gf_spec_new("follow-up", 3);
    gf_spec_add_node(spec, NULL, GF_F32, (uint64_t[]){4}, 1);
    bool ok =
        must_be(rig, "create",
                gf_job_create(rig->client[0], spec, RIG_PATIENCE_MS, NULL, NULL, &rig->error));
    gf_spec_free(spec);
    for (uint32_t worker = 0; worker < 3 && ok; worker++)
        ok = follow_up_push(rig, worker, values[worker]);
    gf_gradient buffer = {.node = 0, .dtype = GF_F32, .data = sum, .bytes = sizeof sum};
    const gf_pull_args args = {.size = sizeof args,
                               .job = "follow-up",
                               .gradients = &buffer,
                               .n_gradients = 1,
                               .timeout_ms = RIG_PATIENCE_MS};
    if (ok && must_be(rig, "pull", gf_pull(rig->client[0], &args, NULL, &rig->error)) &&
        (memcmp(sum, sums, sizeof sum) != 0 || buffer.contributions != 3))
        rig_fail(rig, "afterwards: the sums are %a %a %a %a", (double)sum[0], (double)sum[1],
                 (double)sum[2], (double)sum[3]);
}

/* -- Nothing is left -- */

static void delete_all(struct rig *rig)
{
    gf_job_names *names;
    if (!must_be(rig, "list", gf_job_list(rig->client[0], RIG_PATIENCE_MS, &names, &rig->error)))
        return;
    for (size_t i = 0; i < gf_job_names_count(names); i++)
        must_be(rig, "delete",
                gf_job_delete(rig->client[0], gf_job_names_get(names, i), RIG_PATIENCE_MS,
                              &rig->error));
    gf_job_names_free(names);
}

static bool all_is_back(const struct rig *rig)
{
    const struct core_stats *s = &rig->stats;
    return s->jobs == 0 && s->staging_used == 0 && s->results_used == 0 &&
           s->accumulators_used == 0 && s->pushes_waiting == 0 && s->pulls_waiting == 0 &&
           s->bodies_receiving == 0 && s->folds_running == 0 &&
           rig->net_stats.connections_open == 0;
}

static void wait_for_all(struct rig *rig)
{
    uint64_t deadline = uv_hrtime() + (uint64_t)RIG_PATIENCE_MS * 1000000;
    const struct core_stats *s = &rig->stats;
    do {
        rig_look(rig);
        if (all_is_back(rig))
            return;
    } while (uv_hrtime() < deadline);
    rig_fail(rig,
             "not given back: jobs %d, staging %d, results %d, accumulators %d, waiting pushes %d, "
             "pulls %d, bodies %d, folds %d, connections %d",
             (int)s->jobs, (int)s->staging_used, (int)s->results_used, (int)s->accumulators_used,
             (int)s->pushes_waiting, (int)s->pulls_waiting, (int)s->bodies_receiving,
             (int)s->folds_running, (int)rig->net_stats.connections_open);
}

void rig_audit(struct rig *rig)
{
    if (!rig->serving)
        return;
    enum plan_side side = plan_enter(SIDE_TEST);
    rig->strict = true;
    rig->forever = false;
    rig->timeout_ms = RIG_PATIENCE_MS;
    if (rig->client[0] != NULL || rig_connect(rig, 0, NULL) == GF_OK) {
        audit_ledger(rig);
        follow_up(rig);
        delete_all(rig);
        for (int i = 0; i < RIG_CLIENTS; i++) {
            gf_close(rig->client[i]);
            rig->client[i] = NULL;
        }
        wait_for_all(rig);
    }
    plan_enter(side);
}

/* -- Other peers -- */

static int bare_socket(const struct address *address, int patience_ms)
{
    struct timeval patience = {.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, &address->any, address->length) == 0)
        return fd;
    close(fd);
    return -1;
}

/* All that comes until the end of the stream: how much, or -1 when it does not end in time. The
 * beginning is kept in text. */
static long drain(int fd, char *text, size_t room)
{
    char dropped[4096];
    long total = 0;
    for (;;) {
        size_t at = (size_t)total < room - 1 ? (size_t)total : room - 1;
        ssize_t n = at < room - 1 ? recv(fd, text + at, room - 1 - at, 0)
                                  : recv(fd, dropped, sizeof dropped, 0);
        if (n == 0)
            return total;
        if (n < 0)
            return -1;
        total += n;
        if (at < room - 1)
            text[at + (size_t)n] = '\0';
    }
}

int rig_get(struct rig *rig, const char *path)
{
    char text[64] = "";
    char request[256];
    int status = 0;
    enum plan_side side = plan_enter(SIDE_TEST);
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: sweep\r\nConnection: close\r\n\r\n", path);
    int fd = bare_socket(&rig->admin, rig->forever ? 60 : RIG_PATIENCE_MS);
    if (fd >= 0) {
        bool sent = send(fd, request, (size_t)n, MSG_NOSIGNAL) == n;
        if (sent && drain(fd, text, sizeof text) > 0)
            sscanf(text, "HTTP/1.1 %d", &status);
        close(fd);
    }
    plan_enter(side);
    return status;
}

void rig_send_raw(struct rig *rig, const void *bytes, size_t n)
{
    char text[64];
    enum plan_side side = plan_enter(SIDE_TEST);
    int fd = bare_socket(&rig->address, rig->forever ? 60 : RIG_PATIENCE_MS);
    if (fd >= 0) {
        bool sent = send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
        shutdown(fd, SHUT_WR);
        if (drain(fd, text, sizeof text) < 0 && sent && rig->strict)
            rig_fail(rig, "the server does not hang up");
        close(fd);
    }
    plan_enter(side);
}
