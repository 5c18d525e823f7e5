/* What peers do to a server, what a server does to its clients, and the admin interface. */
#include <string.h>
#include <sys/socket.h>

#include "plan.h"
#include "scenario.h"

static const struct model small = {.name = "job", .n_nodes = 3, .elements = 16, .world = 2};
static const struct model large = {.name = "job", .n_nodes = 1, .elements = 1 << 16, .world = 2};

static void small_created(struct rig *rig)
{
    rig_connect(rig, 0, NULL);
    rig_create(rig, 0, &small);
}

static void large_created(struct rig *rig)
{
    rig_connect(rig, 0, NULL);
    rig_create(rig, 0, &large);
}

static void with_admin(struct rig *rig)
{
    rig->options.has_admin = true;
}

static void with_two_connections(struct rig *rig)
{
    rig->options.max_connections = 2;
}

/* -- Connections come and go -- */

static void reconnect(struct rig *rig)
{
    rig_push(rig, 0, 0, 0, 1, false);
    shutdown(plan_client_socket(), SHUT_RDWR);
    rig_push(rig, 0, 0, 0, 2, true);
    shutdown(plan_client_socket(), SHUT_RDWR);
    rig_push(rig, 0, 0, 1, 1, true);
    shutdown(plan_client_socket(), SHUT_RDWR);
    rig_pull(rig, 0, 0, 0, 3);
}

static void reconnect_waiting(struct rig *rig)
{
    gf_op *op = NULL;
    gf_pull_args args = rig_pull_args(rig, 0, 0, 0, 1);
    if (!rig->strict)
        args.timeout_ms = rig->forever ? 30 : 400;
    rig_check(rig, "submit", gf_pull_submit(rig->client[0], &args, &op, &rig->error), GF_OK);
    rig_wait(rig, 1, 0);
    shutdown(plan_client_socket(), SHUT_RDWR);
    rig_push(rig, 0, 0, 0, 1, true);
    rig_push(rig, 0, 0, 1, 1, true);
    if (op != NULL) {
        gf_code code = gf_op_wait(op, &rig->error);
        if (code != GF_DEADLINE_EXCEEDED || rig->strict)
            rig_check(rig, "waiting pull", code, GF_OK);
    }
    gf_op_free(op);
}

static void four_clients(struct rig *rig)
{
    for (int i = 1; i < RIG_CLIENTS; i++)
        rig_connect(rig, i, NULL);
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_push(rig, i, 0, (uint32_t)i % 2, 1 + (uint64_t)i / 2, i >= 2);
    for (int i = 0; i < RIG_CLIENTS; i++) {
        gf_close(rig->client[i]);
        rig->client[i] = NULL;
    }
}

/* One is too many: it is told so, until another one leaves. */
static void too_many(struct rig *rig)
{
    uint32_t timeout_ms = rig->timeout_ms;
    rig_connect(rig, 1, NULL);
    rig->timeout_ms = 20;
    const gf_options options = {.size = sizeof options, .connect_timeout_ms = 20};
    gf_client *client = NULL;
    gf_code code = gf_connect(rig->address.text, &options, &client, &rig->error);
    if (rig->strict && code == GF_OK)
        rig_fail(rig, "a third connection of two");
    gf_close(client);
    gf_close(rig->client[1]);
    rig->client[1] = NULL;
    rig->timeout_ms = timeout_ms;
    rig_connect(rig, 1, NULL);
}

static void nonsense(struct rig *rig)
{
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    static const unsigned char half[] = {'G', 'F', 'D', '1', 100, 0, 0, 0, 0,
                                         0,   0,   0,   0,   0,   0, 0, 1};
    static const unsigned char garbage[] = {'G', 'F', 'D', '1', 4, 0, 0,    0,    0,    0,
                                            0,   0,   0,   0,   0, 0, 0xff, 0xff, 0xff, 0xff};
    static const unsigned char huge[] = {'G',  'F',  'D',  '1',  0xff, 0xff, 0xff, 0xff,
                                         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    rig_send_raw(rig, http, sizeof http - 1);
    rig_send_raw(rig, half, sizeof half);
    rig_send_raw(rig, garbage, sizeof garbage);
    rig_send_raw(rig, huge, sizeof huge);
}

/* -- Admin: the test's own socket, so that only the server's side fails -- */

static void get(struct rig *rig, const char *path, int expected)
{
    int status = rig_get(rig, path);
    if (status == expected)
        return;
    if (rig->strict || (status != 0 && status != 500 && status != 503))
        rig_fail(rig, "GET %s: status %d", path, status);
}

static void get_metrics(struct rig *rig)
{
    get(rig, "/metrics", 200);
}

static void get_jobs(struct rig *rig)
{
    get(rig, "/v1/jobs", 200);
    get(rig, "/v1/jobs/job", 200);
}

static void get_health(struct rig *rig)
{
    get(rig, "/healthz", 200);
    get(rig, "/readyz", 200);
    get(rig, "/nowhere", 404);
}

/* -- Stopping -- */

static void stop_idle(struct rig *rig)
{
    rig_stop(rig);
}

static void stop_with_pulls(struct rig *rig)
{
    gf_op *ops[3] = {NULL};
    rig_push(rig, 0, 0, 0, 1, false);
    for (int i = 0; i < 3; i++) {
        gf_pull_args args = rig_pull_args(rig, 0, 0, 0, 1);
        args.timeout_ms = 50;
        rig_check(rig, "submit", gf_pull_submit(rig->client[0], &args, &ops[i], &rig->error),
                  GF_OK);
    }
    rig_wait(rig, 3, 0);
    rig_stop(rig);
    for (int i = 0; i < 3; i++) {
        gf_code code = ops[i] != NULL ? gf_op_wait(ops[i], &rig->error) : GF_DEADLINE_EXCEEDED;
        if (code != GF_CLIENT_NO_MEMORY || rig->strict)
            rig_check(rig, "pull of a stopped server", code, GF_DEADLINE_EXCEEDED);
        gf_op_free(ops[i]);
    }
}

/* A body is on its way and a fold is wanted while the server stops. */
static void stop_busy(struct rig *rig)
{
    gf_op *ops[2] = {NULL};
    rig_push(rig, 0, 0, 0, 1, true);
    for (uint32_t i = 0; i < 2; i++) {
        gf_push_args args = rig_push_args(rig, rig_entry(rig, 0, 1, 1 + i, i == 1, 0, 1));
        args.timeout_ms = 50;
        rig_check(rig, "submit", gf_push_submit(rig->client[0], &args, &ops[i], &rig->error),
                  GF_OK);
    }
    rig_stop(rig);
    for (int i = 0; i < 2; i++) {
        gf_code code = ops[i] != NULL ? gf_op_wait(ops[i], &rig->error) : GF_OK;
        if (code != GF_DEADLINE_EXCEEDED)
            rig_check(rig, "push to a stopping server", code, GF_OK);
        gf_op_free(ops[i]);
    }
}

const struct scenario peer_scenarios[] = {
    {"reconnect", NULL, small_created, reconnect, false},
    {"reconnect-waiting", NULL, small_created, reconnect_waiting, false},
    {"four-clients", NULL, small_created, four_clients, false},
    {"too-many-connections", with_two_connections, small_created, too_many, false},
    {"nonsense", NULL, small_created, nonsense, false},
    {"admin-metrics", with_admin, small_created, get_metrics, false},
    {"admin-jobs", with_admin, small_created, get_jobs, false},
    {"admin-health", with_admin, small_created, get_health, false},
    {"stop-idle", NULL, small_created, stop_idle, false},
    {"stop-admin", with_admin, small_created, stop_idle, false},
    {"stop-with-pulls", NULL, small_created, stop_with_pulls, false},
    {"stop-busy", NULL, large_created, stop_busy, false},
};
const size_t n_peer_scenarios = sizeof peer_scenarios / sizeof *peer_scenarios;
