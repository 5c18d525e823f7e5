#include "rig.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"
#include "root.h"

enum {
    LARGE_ELEMENTS = 1 << 18, /* of one vector */
    RESULT_BYTES = 4 << 20,
};

/* Made once, before anything is counted; a run has no memory of its own. */
static float vectors[RIG_PUSHES][LARGE_ELEMENTS];
static double wide[RIG_PUSHES][RIG_PUSHES];
static int64_t longs[RIG_PUSHES][RIG_PUSHES];
static uint16_t halves[RIG_PUSHES][RIG_PUSHES];
static gf_tensor tensors[RIG_PUSHES][RIG_NODES];
static gf_buffer buffers[2][RIG_NODES];
static unsigned char results[2][RESULT_BYTES];

static void make_vectors(void)
{
    for (int i = 0; i < RIG_PUSHES; i++) {
        vectors[i][i] = 1;
        wide[i][i] = 1;
        longs[i][i] = 1;
        halves[i][i] = 0x3c00; /* 1 in binary16 */
    }
}

static void read_options(struct server_options *options)
{
    static char text[OPTIONS_TEXT_MAX];
    char *argv[] = {"gradfoldd", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"};
    struct options_source source = {
        .argc = sizeof argv / sizeof *argv, .argv = argv, .environment = options_getenv};
    machine_look(&source.machine);
    must(options_read(&source, options, text) == OPTIONS_RUN);
    options->has_admin = false;
    options->threads = 2;
    options->max_connections = 32;
    options->staging_bytes = options->result_bytes = options->accumulator_bytes = 64 << 20;
}

/* 127.x.y.z, of this process alone: a port that a stopped server gave back is soon that of another
 * one, whom a client that is still trying must not meet. */
static uint32_t own_address(void)
{
    uint32_t pid = (uint32_t)getpid();
    return 0x7f000000 | ((1 + pid / 62500 % 250) << 16) | ((1 + pid / 250 % 250) << 8) |
           (1 + pid % 250);
}

void rig_listen_on_localhost(struct rig *rig)
{
    rig->options.listen[0].v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

void rig_init(struct rig *rig)
{
    static struct server_options options;
    if (options.threads == 0) {
        read_options(&options);
        make_vectors();
    }
    memset(rig, 0, sizeof *rig);
    rig->options = options;
    rig->options.listen[0].v4.sin_addr.s_addr = htonl(own_address());
    rig->options.admin.v4.sin_addr.s_addr = htonl(own_address());
    rig->timeout_ms = RIG_PATIENCE_MS;
}

void rig_fail(struct rig *rig, const char *format, ...)
{
    va_list arguments;
    if (rig->failure[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(rig->failure, sizeof rig->failure, format, arguments);
    va_end(arguments);
}

/* -- The server -- */

static void on_stopped(void *ctx)
{
    struct rig *rig = ctx;
    rig->server = NULL;
    uv_close((uv_handle_t *)&rig->call, NULL);
}

static void on_call(uv_async_t *call)
{
    struct rig *rig = call->data;
    void (*function)(struct rig *) = rig->function;
    if (function == NULL)
        return;
    rig->function = NULL;
    enum plan_side side = plan_enter(SIDE_TEST);
    function(rig);
    plan_enter(side);
    uv_sem_post(&rig->called);
}

static void *run(void *data)
{
    struct rig *rig = data;
    plan_enter(SIDE_SERVER);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    return NULL;
}

static bool start_server(struct rig *rig)
{
    struct error error;
    plan_enter(SIDE_SERVER);
    rig->server = server_new(&rig->loop, &rig->options, "test", NULL, on_stopped, rig);
    if (rig->server == NULL)
        return false;
    enum code code = server_start(rig->server, &error);
    bool named = code == CODE_OK && server_address(rig->server, 0, &rig->address) &&
                 (!rig->options.has_admin || server_admin_address(rig->server, &rig->admin));
    if (code != CODE_OK && (error.code != code || error.message[0] == '\0'))
        rig_fail(rig, "server_start: %d without a message", (int)code);
    return named;
}

bool rig_serve(struct rig *rig)
{
    enum plan_side side = plan_enter(SIDE_TEST);
    must(uv_loop_init(&rig->loop) == 0 && uv_sem_init(&rig->called, 0) == 0);
    must(uv_async_init(&rig->loop, &rig->call, on_call) == 0);
    rig->call.data = rig;
    rig->serving = start_server(rig);
    plan_enter(SIDE_TEST);
    if (rig->strict && !rig->serving)
        rig_fail(rig, "the server does not start");
    rig->made = rig->server != NULL;
    if (!rig->made)
        uv_close((uv_handle_t *)&rig->call, NULL);
    rig->running = true;
    must(pthread_create(&rig->thread, NULL, run, rig) == 0);
    plan_enter(side);
    return rig->serving;
}

void rig_call(struct rig *rig, void (*function)(struct rig *rig))
{
    enum plan_side side = plan_enter(SIDE_TEST);
    rig->function = function;
    uv_async_send(&rig->call);
    uv_sem_wait(&rig->called);
    plan_enter(side);
}

static void ask_to_stop(struct rig *rig)
{
    plan_enter(SIDE_SERVER);
    server_stop(rig->server);
}

void rig_stop(struct rig *rig)
{
    if (rig->made && !rig->asked)
        rig_call(rig, ask_to_stop);
    rig->asked = true;
    rig->serving = false;
}

static void look(struct rig *rig)
{
    core_stats(rig->server->core, &rig->stats);
    rig->net_stats = *net_stats(rig->server->net);
}

void rig_look(struct rig *rig)
{
    rig_call(rig, look);
}

void rig_wait(struct rig *rig, uint64_t pulls, uint64_t pushes)
{
    uint64_t patience_ms = rig->forever ? 20 : rig->strict ? RIG_PATIENCE_MS : 200;
    uint64_t deadline = uv_hrtime() + patience_ms * 1000000;
    do {
        rig_look(rig);
        if (rig->stats.pulls_waiting >= pulls && rig->stats.pushes_waiting >= pushes)
            return;
    } while (uv_hrtime() < deadline);
    if (rig->strict)
        rig_fail(rig, "no %d pulls and %d pushes that wait", (int)pulls, (int)pushes);
}

void rig_end(struct rig *rig)
{
    enum plan_side side = plan_enter(SIDE_TEST);
    for (int i = 0; i < RIG_CLIENTS; i++)
        gf_close(rig->client[i]);
    if (rig->running) {
        rig_stop(rig);
        pthread_join(rig->thread, NULL);
        if (uv_loop_close(&rig->loop) != 0)
            rig_fail(rig, "the loop still has handles");
        uv_sem_destroy(&rig->called);
    }
    plan_enter(side);
}

/* -- Verdicts -- */

static bool is_clear(const struct rig *rig, gf_code code)
{
    switch (code) {
    case GF_OK:
    case GF_NOT_FOUND: /* what was to be there could not be made */
    case GF_FUTURE_ROUND:
    case GF_STALE_ROUND:
    case GF_RESOURCE_EXHAUSTED:
    case GF_UNAVAILABLE:
    case GF_CLIENT_NO_MEMORY:
    case GF_CLIENT_SYSTEM:
        return true;
    case GF_DEADLINE_EXCEEDED:
    case GF_CLIENT_UNREACHABLE:
        return rig->forever;
    default:
        return false;
    }
}

void rig_check(struct rig *rig, const char *what, gf_code code, gf_code expected)
{
    if (code == expected)
        return;
    if (rig->strict || !is_clear(rig, code))
        rig_fail(rig, "%s: %s instead of %s: %s", what, gf_code_name(code), gf_code_name(expected),
                 rig->error.message);
    else if (code != GF_OK && rig->error.message[0] == '\0')
        rig_fail(rig, "%s: %s without a message", what, gf_code_name(code));
}

/* -- Clients -- */

gf_code rig_connect(struct rig *rig, int i, const char *host)
{
    char text[300];
    const char *port = strrchr(rig->address.text, ':');
    const gf_options options = {.size = sizeof options,
                                .connect_timeout_ms = rig->timeout_ms,
                                .call_timeout_ms = rig->timeout_ms,
                                .retry_min_ms = 1,
                                .retry_max_ms = 8,
                                .name = "sweep",
                                .token = "none"};
    snprintf(text, sizeof text, "%s%s", host != NULL ? host : "",
             host != NULL ? port : rig->address.text);
    gf_code code = gf_connect(text, &options, &rig->client[i], &rig->error);
    rig_check(rig, "connect", code, GF_OK);
    return code;
}

static gf_spec *make_spec(const struct model *model)
{
    char name[32];
    gf_spec *spec = gf_spec_new(model->name, model->world);
    if (spec == NULL)
        return NULL;
    for (size_t i = 0; i < model->n_nodes; i++) {
        snprintf(name, sizeof name, "node.%zu", i);
        uint64_t id =
            gf_spec_add_node(spec, model->named ? name : NULL, model->dtype, &model->elements, 1);
        if (model->expected > 0)
            gf_spec_expect(spec, id, model->expected);
    }
    if (model->first_frozen)
        gf_spec_freeze_node(spec, 0);
    gf_spec_set_quorum(spec, model->quorum, model->grace_ms);
    if (model->mean)
        gf_spec_set_mean(spec);
    if (model->in_order)
        gf_spec_set_in_order(spec);
    if (model->retain > 0)
        gf_spec_set_retain_rounds(spec, model->retain);
    return spec;
}

gf_code rig_create(struct rig *rig, int i, const struct model *model)
{
    rig->model = *model;
    if (rig->model.dtype == 0)
        rig->model.dtype = GF_F32;
    must(model->n_nodes <= RIG_NODES && model->elements >= RIG_PUSHES &&
         model->elements <= LARGE_ELEMENTS);
    if (rig->client[i] == NULL)
        return GF_CLIENT_CANCELLED;
    gf_spec *spec = make_spec(&rig->model);
    gf_code code = GF_CLIENT_NO_MEMORY;
    snprintf(rig->error.message, sizeof rig->error.message, "no spec");
    if (spec != NULL)
        code = gf_job_create(rig->client[i], spec, rig->timeout_ms, NULL, NULL, &rig->error);
    gf_spec_free(spec);
    rig_check(rig, "create", code, GF_OK);
    return code;
}

static const void *vector_of(gf_dtype dtype, size_t mark)
{
    switch (dtype) {
    case GF_F64:
        return wide[mark];
    case GF_I64:
        return longs[mark];
    case GF_F16:
        return halves[mark];
    default:
        return vectors[mark];
    }
}

struct entry *rig_entry(struct rig *rig, uint64_t round, uint32_t worker, uint64_t sequence,
                        bool final, size_t first, size_t n)
{
    must(rig->n_entries < RIG_PUSHES && first + n <= rig->model.n_nodes);
    size_t mark = rig->n_entries++;
    struct entry *entry = &rig->entries[mark];
    *entry = (struct entry){.round = round,
                            .worker = worker,
                            .sequence = sequence,
                            .final = final,
                            .first = first,
                            .n = n,
                            .shape = {rig->model.elements},
                            .tensors = tensors[mark]};
    for (size_t i = 0; i < n; i++)
        entry->tensors[i] = (gf_tensor){.node = first + i,
                                        .dtype = rig->model.dtype,
                                        .shape = entry->shape,
                                        .ndim = 1,
                                        .data = vector_of(rig->model.dtype, mark)};
    return entry;
}

gf_push_args rig_push_args(struct rig *rig, const struct entry *entry)
{
    struct entry *e = &rig->entries[entry - rig->entries];
    if (e->dtype != 0)
        for (size_t i = 0; i < e->n; i++) {
            e->tensors[i].dtype = e->dtype;
            e->tensors[i].data = vector_of(e->dtype, (size_t)(e - rig->entries));
        }
    return (gf_push_args){.size = sizeof(gf_push_args),
                          .job = rig->model.name,
                          .round = e->round,
                          .worker = e->worker,
                          .sequence = e->sequence,
                          .final = e->final,
                          .tensors = e->tensors,
                          .n_tensors = e->n,
                          .timeout_ms = rig->timeout_ms};
}

void rig_settle(struct rig *rig, struct entry *entry, gf_code code)
{
    (void)rig;
    bool unknown =
        code >= GF_CLIENT_UNREACHABLE || code == GF_DEADLINE_EXCEEDED || code == GF_UNAVAILABLE;
    entry->fate = code == GF_OK ? FATE_ACCEPTED : unknown ? FATE_UNKNOWN : FATE_REFUSED;
}

gf_code rig_push(struct rig *rig, int i, uint64_t round, uint32_t worker, uint64_t sequence,
                 bool final)
{
    if (rig->client[i] == NULL)
        return GF_CLIENT_CANCELLED;
    struct entry *entry = rig_entry(rig, round, worker, sequence, final, 0, rig->model.n_nodes);
    gf_push_args args = rig_push_args(rig, entry);
    gf_code code = gf_push(rig->client[i], &args, NULL, &rig->error);
    rig_check(rig, "push", code, GF_OK);
    rig_settle(rig, entry, code);
    return code;
}

gf_pull_args rig_pull_args(struct rig *rig, int which, uint64_t round, size_t first, size_t n)
{
    uint64_t bytes = rig->model.elements * gf_dtype_size(rig->model.dtype);
    must(n * bytes <= RESULT_BYTES);
    for (size_t i = 0; i < n; i++)
        buffers[which][i] = (gf_buffer){.node = first + i,
                                        .dtype = rig->model.dtype,
                                        .data = results[which] + i * bytes,
                                        .bytes = bytes};
    return (gf_pull_args){.size = sizeof(gf_pull_args),
                          .job = rig->model.name,
                          .round = round,
                          .buffers = buffers[which],
                          .n_buffers = n,
                          .timeout_ms = rig->timeout_ms};
}

gf_code rig_pull(struct rig *rig, int i, uint64_t round, size_t first, size_t n)
{
    if (rig->client[i] == NULL)
        return GF_CLIENT_CANCELLED;
    gf_pull_args args = rig_pull_args(rig, 0, round, first, n);
    /* What an earlier call lost, this one waits for in vain. */
    if (!rig->strict)
        args.timeout_ms = rig->forever ? 20 : 400;
    gf_code code = gf_pull(rig->client[i], &args, NULL, &rig->error);
    if (code != GF_DEADLINE_EXCEEDED || rig->strict)
        rig_check(rig, "pull", code, GF_OK);
    return code;
}
