/* Starting, connecting, and all that is said about jobs. */
#include <stdio.h>

#include "plan.h"
#include "scenario.h"

static const struct model small = {.name = "job", .n_nodes = 3, .elements = 16, .world = 2};
static const struct model many = {
    .name = "job", .n_nodes = 600, .elements = 16, .world = 1, .named = true};

static void connected(struct rig *rig)
{
    rig_connect(rig, 0, NULL);
}

static void created(struct rig *rig)
{
    rig_connect(rig, 0, NULL);
    rig_create(rig, 0, &small);
}

/* -- Starting -- */

static void with_admin(struct rig *rig)
{
    rig->options.has_admin = true;
}

static void with_two_listeners(struct rig *rig)
{
    rig->options.n_listen = 2;
    rig->options.listen[1] = rig->options.listen[0];
}

static void with_port_file(struct rig *rig)
{
    with_admin(rig);
    snprintf(rig->options.port_file, sizeof rig->options.port_file, "/dev/shm/gradfold-sweep-%d",
             (int)uv_os_getpid());
}

static void start(struct rig *rig)
{
    rig_serve(rig);
    if (rig->options.port_file[0] != '\0')
        remove(rig->options.port_file);
}

/* -- Connecting -- */

static void connect_by_number(struct rig *rig)
{
    rig_connect(rig, 0, NULL);
}

static void connect_by_name(struct rig *rig)
{
    rig_connect(rig, 0, "localhost");
}

static void ping(struct rig *rig)
{
    gf_server_info info;
    if (rig->client[0] != NULL)
        rig_check(rig, "ping", gf_ping(rig->client[0], rig->timeout_ms, &info, &rig->error), GF_OK);
}

/* -- Jobs -- */

static void create(struct rig *rig)
{
    rig_create(rig, 0, &small);
}

static void create_many_nodes(struct rig *rig)
{
    rig_create(rig, 0, &many);
}

static void create_again(struct rig *rig)
{
    gf_spec *spec = gf_spec_new("job", 2);
    rig_create(rig, 0, &small);
    gf_code code = GF_OK;
    if (spec != NULL)
        code = gf_job_create(rig->client[0], spec, rig->timeout_ms, NULL, NULL, &rig->error);
    if (code != GF_OK || rig->strict) /* OK: the first one was refused */
        rig_check(rig, "create another", code, GF_ALREADY_EXISTS);
    gf_spec_free(spec);
}

static void describe(struct rig *rig)
{
    gf_job *job;
    gf_code code = gf_job_describe(rig->client[0], "job", rig->timeout_ms, &job, &rig->error);
    rig_check(rig, "describe", code, GF_OK);
    if (code != GF_OK)
        return;
    if (gf_job_node_count(job) != rig->model.n_nodes || gf_job_open_round(job) != 0)
        rig_fail(rig, "the description is wrong");
    gf_job_free(job);
}

static void many_created(struct rig *rig)
{
    rig_connect(rig, 0, NULL);
    rig_create(rig, 0, &many);
}

static void twenty_created(struct rig *rig)
{
    static char names[20][16];
    struct model model = small;
    rig_connect(rig, 0, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "job-%d", i);
        model.name = names[i];
        rig_create(rig, 0, &model);
    }
}

static void list(struct rig *rig)
{
    gf_job_names *names;
    gf_code code = gf_job_list(rig->client[0], rig->timeout_ms, &names, &rig->error);
    rig_check(rig, "list", code, GF_OK);
    if (code != GF_OK)
        return;
    if (gf_job_names_count(names) != 20)
        rig_fail(rig, "%zu names instead of 20", gf_job_names_count(names));
    gf_job_names_free(names);
}

/* With pushes in it and a pull that waits, which must be told. */
static void delete (struct rig *rig)
{
    gf_op *op = NULL;
    rig->deleted = true;
    rig_push(rig, 0, 0, 0, 1, false);
    gf_pull_args args = rig_pull_args(rig, 0, 0, 0, 3);
    gf_code code = gf_pull_submit(rig->client[0], &args, &op, &rig->error);
    rig_check(rig, "submit", code, GF_OK);
    if (code == GF_OK)
        rig_wait(rig, 1, 0);
    code = gf_job_delete(rig->client[0], "job", rig->timeout_ms, &rig->error);
    rig_check(rig, "delete", code, GF_OK);
    if (op != NULL && code == GF_OK)
        rig_check(rig, "the pull", gf_op_wait(op, &rig->error), GF_NOT_FOUND);
    gf_op_free(op);
}

const struct scenario job_scenarios[] = {
    {"start", NULL, NULL, start, true},
    {"start-admin", with_admin, NULL, start, true},
    {"start-two-listeners", with_two_listeners, NULL, start, true},
    {"start-port-file", with_port_file, NULL, start, true},
    {"connect", NULL, NULL, connect_by_number, false},
    {"connect-by-name", rig_listen_on_localhost, NULL, connect_by_name, false},
    {"ping", NULL, connected, ping, false},
    {"create", NULL, connected, create, false},
    {"create-many-nodes", NULL, connected, create_many_nodes, false},
    {"create-again", NULL, connected, create_again, false},
    {"describe", NULL, created, describe, false},
    {"describe-many-nodes", NULL, many_created, describe, false},
    {"list", NULL, twenty_created, list, false},
    {"delete", NULL, created, delete, false},
};
const size_t n_job_scenarios = sizeof job_scenarios / sizeof *job_scenarios;
