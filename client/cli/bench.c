/* The plan of a bench: for each size a job, warm-up rounds, counted rounds, a line. */
#include "bench.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_crew.h"
#include "bench_figures.h"
#include "bench_server.h"
#include "commands.h"
#include "interrupt.h"
#include "print.h"
#include "progress.h"
#include "session.h"
#include "text.h"
#include "value.h"

static const char *const transports[] = {"tcp", "unix", "shm", NULL};
static const char *const dtypes[] = {"f32", "f64", "f16", "bf16", "i32", "i64", NULL};

const struct option bench_options[] = {
    {.name = "workers",
     .letter = 'w',
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = BENCH_WORKERS_MAX,
     .fallback = "2",
     .help = "so many worker processes"},
    {.name = "bytes",
     .letter = 'b',
     .value = "LIST",
     .kind = OPTION_TEXT,
     .help = "sizes of a worker's gradient, separated by commas, such as 4KiB,64MiB\n"
             "[default: 1KiB,16KiB,256KiB,4MiB,64MiB]"},
    {.name = "elements",
     .letter = 'e',
     .value = "LIST",
     .kind = OPTION_TEXT,
     .help = "the same, as numbers of elements"},
    {.name = "dtype",
     .letter = 'd',
     .value = "TYPE",
     .kind = OPTION_WORD,
     .words = dtypes,
     .fallback = "f32",
     .help = "of the elements: f32, f64, f16, bf16, i32 or i64"},
    {.name = "nodes",
     .letter = 'n',
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 262144,
     .fallback = "1",
     .help = "so many tensors that a gradient is made of"},
    {.name = "rounds",
     .letter = 'r',
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .help = "so many rounds are counted for each size\n"
             "[default: 256MiB of gradient, but 10 to 1000]"},
    {.name = "warm-up",
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .fallback = "2",
     .help = "so many rounds before them are not counted; their sums are verified"},
    {.name = "transport",
     .value = "NAME",
     .kind = OPTION_WORD,
     .words = transports,
     .fallback = "tcp",
     .help = "how gradients travel: tcp; unix, a Unix socket; or shm, memory that is\n"
             "shared with a server on the same host"},
    {.name = "server",
     .letter = 's',
     .value = "ADDRESS",
     .kind = OPTION_TEXT,
     .variable = "GRADFOLD_SERVER",
     .help = "the server: HOST:PORT, [IPV6]:PORT or unix:PATH\n"
             "[default: starts one, the gradfoldd beside gradfold or in PATH]"},
    OPTION_TIMEOUT,
    OPTION_JSON,
    OPTION_QUIET,
    {.name = NULL},
};

uint64_t bench_node_elements(const struct bench *bench, uint64_t bytes, uint64_t node)
{
    uint64_t elements = bytes / gf_dtype_size(bench->dtype);
    uint64_t rest = elements % bench->nodes; /* one more for each of the first */
    return elements / bench->nodes + (node < rest ? 1 : 0);
}

/* -- Options -- */

static enum exit_status refuse_list(const char *option, const char *list, const char *why)
{
    complain("--%s: \"%s\": %s", option, list, why);
    advise("gradfold help bench");
    return STATUS_USAGE;
}

/* Reads sizes or, with the size of an element, numbers of elements. */
static enum exit_status read_list(struct bench *bench, const char *option, const char *list,
                                  bool elements)
{
    uint64_t size = gf_dtype_size(bench->dtype);
    const char *at = list;
    while (bench->n_bytes < BENCH_SIZES_MAX) {
        char one[32];
        uint64_t value = 0;
        size_t n = strcspn(at, ",");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        bool valid = elements ? value_count(one, &value) : value_bytes(one, &value);
        if (!valid || n >= sizeof one || value > (UINT64_C(1) << 50))
            return refuse_list(option, list, "expected numbers separated by commas");
        value *= elements ? size : 1;
        if (value % size != 0)
            return refuse_list(option, list, "a size is no multiple of an element's");
        if (value / size < bench->nodes)
            return refuse_list(option, list, "a size has less than an element a node (--nodes)");
        bench->bytes[bench->n_bytes++] = value;
        if (at[n] == '\0')
            return STATUS_DONE;
        at += n + 1;
    }
    return refuse_list(option, list, "more than 64 sizes");
}

static enum exit_status read_sizes(struct bench *bench, const struct arguments *arguments)
{
    const char *bytes = arguments_text(arguments, "bytes");
    const char *elements = arguments_text(arguments, "elements");
    if (bytes == NULL && elements == NULL)
        bytes = "1KiB,16KiB,256KiB,4MiB,64MiB";
    enum exit_status status = STATUS_DONE;
    if (bytes != NULL)
        status = read_list(bench, "bytes", bytes, false);
    if (elements != NULL && status == STATUS_DONE)
        status = read_list(bench, "elements", elements, true);
    return status;
}

static enum exit_status read_server(struct bench *bench, const struct arguments *arguments)
{
    const char *address = arguments_text(arguments, "server");
    bool over_unix = address != NULL && strncmp(address, "unix:", 5) == 0;
    if (address == NULL)
        return STATUS_DONE;
    if (strlen(address) >= sizeof bench->address) {
        complain("--server: the address is too long");
        return STATUS_USAGE;
    }
    if ((bench->transport == BENCH_TCP && over_unix) ||
        (bench->transport == BENCH_UNIX && !over_unix)) {
        complain("--transport %s does not go with --server %s", transports[bench->transport],
                 address);
        advise("unix:PATH is for --transport unix, HOST:PORT for tcp");
        return STATUS_USAGE;
    }
    snprintf(bench->address, sizeof bench->address, "%s", address);
    return STATUS_DONE;
}

static enum exit_status read_options(struct bench *bench, const struct arguments *arguments)
{
    *bench = (struct bench){
        .transport = (enum bench_transport)arguments_number(arguments, "transport"),
        .dtype = (gf_dtype)(arguments_number(arguments, "dtype") + 1), /* as in gf_dtype */
        .workers = (uint32_t)arguments_number(arguments, "workers"),
        .nodes = arguments_number(arguments, "nodes"),
        .rounds = arguments_number(arguments, "rounds"),
        .warm_up = arguments_number(arguments, "warm-up"),
        .timeout_ms = (uint32_t)arguments_number(arguments, "timeout"),
    };
    enum exit_status status = read_sizes(bench, arguments);
    return status == STATUS_DONE ? read_server(bench, arguments) : status;
}

/* -- One size -- */

enum {
    FAREWELL_MS = 500 /* to tidy up on a server that may be the reason for the failure */
};

struct run {
    const struct bench *bench;
    gf_client *client; /* ours, for the jobs */
    struct bench_crew crew;
    struct progress progress;
    json_t *results; /* NULL: a table */
    uint64_t bytes;
    uint64_t rounds;
    char job[64];
};

static uint64_t rounds_for(const struct bench *bench, uint64_t bytes)
{
    uint64_t rounds = bytes == 0 ? 1000 : (UINT64_C(256) << 20) / bytes;
    if (bench->rounds > 0)
        return bench->rounds;
    return rounds < 10 ? 10 : rounds > 1000 ? 1000 : rounds;
}

static enum exit_status create_job(struct run *run)
{
    const struct bench *bench = run->bench;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(run->job, sizeof run->job, "bench-%jd-%jd.%09ld", (intmax_t)getpid(),
             (intmax_t)now.tv_sec, now.tv_nsec);
    gf_spec *spec = gf_spec_new(run->job, bench->workers);
    if (spec == NULL)
        return report_no_memory();
    for (uint64_t i = 0; i < bench->nodes; i++) {
        uint64_t elements = bench_node_elements(bench, run->bytes, i);
        gf_spec_add_node(spec, NULL, bench->dtype, &elements, 1);
    }
    gf_error error;
    gf_code code = gf_job_create(run->client, spec, GF_DEFAULT_TIMEOUT, NULL, NULL, &error);
    gf_spec_free(spec);
    return session_check(code, &error, "create the job", NULL);
}

/* One iteration takes two rounds of the job: push and then pull; both at once. */
static enum exit_status iterate(struct run *run, uint64_t i, struct bench_times *times)
{
    bool warm_up = i < run->bench->warm_up;
    struct bench_order order = {.task = TASK_OP, .verify = warm_up};
    enum exit_status status = STATUS_DONE;
    for (enum bench_op op = 0; status == STATUS_DONE && op < BENCH_OPS; op++) {
        order.op = op;
        order.round = 2 * i + (op == BENCH_ROUND ? 1 : 0);
        status = bench_crew_do(&run->crew, &order);
        if (status == STATUS_DONE && !warm_up)
            bench_times_add(times, op, &run->crew);
    }
    return status;
}

static enum exit_status measure(struct run *run, struct bench_times *times)
{
    struct bench_order order = {.task = TASK_PREPARE, .bytes = run->bytes};
    char size[TEXT_MAX];
    memcpy(order.job, run->job, sizeof order.job);
    enum exit_status status = bench_crew_do(&run->crew, &order);
    uint64_t all = run->bench->warm_up + run->rounds;
    for (uint64_t i = 0; status == STATUS_DONE && i < all; i++) {
        progress_say(&run->progress, "%s: round %" PRIu64 " of %" PRIu64,
                     text_bytes(run->bytes, size), i + 1, all);
        status = iterate(run, i, times);
    }
    return status;
}

static void show(struct run *run, struct bench_times *times)
{
    if (run->results == NULL)
        bench_print(times, run->bench, run->bytes);
    else
        json_array_append_new(run->results, bench_json(times, run->bench, run->bytes));
}

static enum exit_status run_size(struct run *run, uint64_t bytes, bool quiet)
{
    struct bench_times times;
    run->bytes = bytes;
    run->rounds = rounds_for(run->bench, bytes);
    if (!bench_times_init(&times, run->rounds, run->bench->workers)) {
        bench_times_free(&times);
        return report_no_memory();
    }
    enum exit_status status = create_job(run);
    if (status == STATUS_DONE) {
        progress_start(&run->progress, quiet, "preparing");
        status = measure(run, &times);
        progress_stop(&run->progress);
        gf_job_delete(run->client, run->job,
                      status == STATUS_DONE ? GF_DEFAULT_TIMEOUT : FAREWELL_MS, NULL);
    }
    if (status == STATUS_DONE)
        show(run, &times);
    bench_times_free(&times);
    return status;
}

/* -- All -- */

static enum exit_status open_client(struct run *run, gf_server_info *info)
{
    gf_error error;
    enum exit_status status =
        session_open_at(run->bench->address, run->bench->timeout_ms, &run->client);
    if (status == STATUS_DONE) {
        gf_code code = gf_ping(run->client, GF_DEFAULT_TIMEOUT, info, &error);
        status = session_check(code, &error, run->bench->address, NULL);
    }
    if (status == STATUS_DONE && run->bench->transport == BENCH_SHM && !info->shared_memory) {
        complain("%s: shares no memory with us", run->bench->address);
        advise("is it on this host, and serves it a Unix socket, gradfoldd --unix PATH?");
        return STATUS_FAILED;
    }
    return status;
}

static enum exit_status print_all(const struct run *run, const gf_server_info *info)
{
    const struct bench *bench = run->bench;
    return print_object(json_pack("{s:s, s:s, s:I, s:s, s:s, s:O}", "server", bench->address,
                                  "version", info->version, "workers", (json_int_t)bench->workers,
                                  "dtype", gf_dtype_name(bench->dtype), "transport",
                                  transports[bench->transport], "results", run->results));
}

static enum exit_status run_all(struct run *run, const struct arguments *arguments)
{
    const struct bench *bench = run->bench;
    gf_server_info info;
    enum exit_status status = open_client(run, &info);
    if (status == STATUS_DONE && run->results == NULL) {
        printf("%" PRIu32 " worker%s, %s, %s, gradfoldd %s at %s\n", bench->workers,
               text_plural(bench->workers), gf_dtype_name(bench->dtype),
               transports[bench->transport], info.version, bench->address);
        bench_print_head();
    }
    for (size_t i = 0; status == STATUS_DONE && i < bench->n_bytes && !ferror(stdout); i++)
        status = run_size(run, bench->bytes[i], arguments_flag(arguments, "quiet"));
    if (status == STATUS_DONE && run->results != NULL)
        status = print_all(run, &info);
    gf_close(run->client);
    return status;
}

enum exit_status bench_run(const struct arguments *arguments)
{
    struct bench bench;
    struct bench_server server;
    bench_server_init(&server);
    enum exit_status status = read_options(&bench, arguments);
    if (status != STATUS_DONE)
        return status;
    interrupt_catch();
    signal(SIGPIPE, SIG_IGN); /* `gradfold bench | head` must end the server, too */
    struct run run = {.bench = &bench};
    if (arguments_flag(arguments, "json"))
        run.results = json_array();
    if (bench.address[0] == '\0')
        status = bench_server_start(&server, &bench);
    if (status == STATUS_DONE)
        status =
            bench_crew_start(&run.crew, &bench, server.ended); /* before there is a gf_client */
    if (status == STATUS_DONE)
        status = run_all(&run, arguments);
    bool interrupted = interrupt_came(); /* then whatever failed did so for that reason */
    bench_crew_stop(&run.crew);
    bench_server_stop(&server);
    json_decref(run.results);
    return interrupted ? STATUS_INTERRUPTED : status;
}
