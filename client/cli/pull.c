/* gradfold pull: a round's sums, as NumPy's files.
 *
 * Each node's gradient is received right into the .npy file that is then written. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "nodes.h"
#include "npz.h"
#include "print.h"
#include "progress.h"
#include "session.h"
#include "text.h"

const struct option pull_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .kind = OPTION_TEXT,
     .required = true,
     .help = "FILE.npz, or FILE.npy for one node"},
    {.name = "node",
     .letter = 'n',
     .value = "NODE",
     .kind = OPTION_TEXT,
     .repeated = true,
     .help = "this node, by its name or id; may be repeated\n[default: all]"},
    {.name = "round",
     .letter = 'r',
     .value = "N",
     .kind = OPTION_NUMBER,
     .max = UINT64_MAX - 1,
     .help = "of this round\n[default: the newest closed one; while none is: the first]"},
    {.name = "no-wait", .kind = OPTION_FLAG, .help = "fail if the sums are not there yet"},
    {.name = "bf16",
     .kind = OPTION_FLAG,
     .help = "write bfloat16 as its bits, 16-bit unsigned integers, instead of as\n"
             "float32, which has the same values"},
    OPTION_SERVER,
    OPTION_TIMEOUT,
    OPTION_JSON,
    OPTION_QUIET,
    {.name = NULL},
};

struct pulling {
    const struct arguments *arguments;
    gf_client *client;
    gf_job *job;
    size_t n;
    gf_gradient *gradients;
    struct npz_member *members;
    char (*ids)[24]; /* what nodes without a name are called */
    gf_pull_result result;
};

/* -- Which nodes -- */

static enum exit_status set_node(struct pulling *p, uint64_t id)
{
    gf_node node;
    if (!gf_job_node(p->job, id, &node))
        return STATUS_FAILED;
    bool widen = node.dtype == GF_BF16 && !arguments_flag(p->arguments, "bf16");
    uint64_t bytes = gf_dtype_size(node.dtype);
    for (size_t d = 0; d < node.ndim; d++)
        bytes *= node.shape[d]; /* the server has checked that it fits */
    struct npz_member *member = &p->members[p->n];
    snprintf(p->ids[p->n], sizeof p->ids[p->n], "%" PRIu64, id);
    member->name = node.name[0] != '\0' ? node.name : p->ids[p->n];
    member->file = npy_file_new(widen ? "<f4" : npy_descr(node.dtype), node.shape, node.ndim,
                                widen ? 2 * bytes : bytes);
    if (member->file.bytes == NULL)
        return report_no_memory();
    /* What is to become twice as long is received into the second half. */
    p->gradients[p->n++] = (gf_gradient){.node = id,
                                         .dtype = node.dtype,
                                         .data = member->file.data + (widen ? bytes : 0),
                                         .bytes = bytes};
    return STATUS_DONE;
}

static enum exit_status set_named(struct pulling *p)
{
    struct nodes nodes;
    const char *label;
    size_t at = 0;
    uint64_t id = 0;
    enum exit_status status = STATUS_DONE;
    if (!nodes_init(&nodes, p->job))
        return report_no_memory();
    while (status == STATUS_DONE && (label = arguments_next(p->arguments, "node", &at)) != NULL) {
        if (nodes_find(&nodes, label, &id)) {
            status = set_node(p, id);
            continue;
        }
        complain("job %s has no node \"%s\"", gf_job_name(p->job), label);
        advise("`gradfold describe %s` shows the nodes", gf_job_name(p->job));
        status = STATUS_FAILED;
    }
    nodes_free(&nodes);
    return status;
}

static bool to_npz(const struct pulling *p)
{
    const char *path = arguments_text(p->arguments, "output");
    size_t n = strlen(path);
    return n < 4 || strcmp(path + n - 4, ".npy") != 0;
}

static enum exit_status choose_nodes(struct pulling *p)
{
    bool all = arguments_text(p->arguments, "node") == NULL;
    size_t room = all ? gf_job_node_count(p->job) : p->arguments->n_given;
    p->gradients = calloc(room + 1, sizeof *p->gradients);
    p->members = calloc(room + 1, sizeof *p->members);
    p->ids = calloc(room + 1, sizeof *p->ids);
    if (p->gradients == NULL || p->members == NULL || p->ids == NULL)
        return report_no_memory();
    enum exit_status status = all ? STATUS_DONE : set_named(p);
    for (uint64_t id = 0; all && status == STATUS_DONE && id < room; id++)
        status = set_node(p, id);
    if (status == STATUS_DONE && p->n != 1 && !to_npz(p)) {
        complain("an .npy holds one array, and %zu nodes are to be written", p->n);
        advise("write an .npz, or choose one with --node");
        return STATUS_USAGE;
    }
    return status;
}

/* -- The sums -- */

/* From the second half of the space to all of it, front to back, never ahead of what is read. */
static void widen(gf_gradient *gradient, char *to)
{
    const char *from = gradient->data;
    for (uint64_t i = 0; i < gradient->bytes / 2; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof half);
        uint32_t whole = (uint32_t)half << 16;
        memcpy(to + 4 * i, &whole, sizeof whole);
    }
}

static enum exit_status receive(struct pulling *p)
{
    const struct arguments *a = p->arguments;
    const char *job = a->operands[0];
    const gf_pull_args pull = {
        .size = sizeof pull,
        .job = job,
        .round =
            arguments_text(a, "round") == NULL ? GF_NEWEST_ROUND : arguments_number(a, "round"),
        .gradients = p->gradients,
        .n_gradients = p->n,
        .no_wait = arguments_flag(a, "no-wait"),
    };
    gf_error error;
    struct progress progress;
    progress_start(&progress, arguments_flag(a, "quiet"), "pulling the sums of job %s", job);
    gf_code code = gf_pull(p->client, &pull, &p->result, &error);
    progress_stop(&progress);
    for (size_t i = 0; code == GF_OK && i < p->n; i++) {
        if (p->gradients[i].data != p->members[i].file.data)
            widen(&p->gradients[i], p->members[i].file.data);
    }
    return session_check(code, &error, job, job);
}

/* -- The file -- */

/* Beside path, then in its place: who looks sees the old file or the new one. */
static enum exit_status write_npy(const char *path, const struct npy_file *npy)
{
    size_t room = strlen(path) + sizeof ".new";
    char *beside = malloc(room);
    if (beside == NULL)
        return report_no_memory();
    snprintf(beside, room, "%s.new", path);
    FILE *file = fopen(beside, "wb");
    bool written = file != NULL && fwrite(npy->bytes, 1, npy->size, file) == npy->size;
    if (file != NULL && fclose(file) != 0)
        written = false;
    if (!written || rename(beside, path) != 0) {
        complain("%s: %s", written ? path : beside, strerror(errno));
        if (file != NULL)
            remove(beside);
        written = false;
    }
    free(beside);
    return written ? STATUS_DONE : STATUS_FILE;
}

static enum exit_status show_json(const struct pulling *p, const char *path)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(
            nodes, json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)p->gradients[i].node, "name",
                             p->members[i].name, "dtype", gf_dtype_name(p->gradients[i].dtype),
                             "contributions", (json_int_t)p->gradients[i].contributions));
    return print_object(json_pack("{s:s, s:I, s:s, s:s, s:o}", "job", gf_job_name(p->job), "round",
                                  (json_int_t)p->result.round, "state", text_state(p->result.state),
                                  "file", path, "nodes", nodes));
}

static enum exit_status show(const struct pulling *p, const char *path)
{
    if (arguments_flag(p->arguments, "json"))
        return show_json(p, path);
    if (arguments_flag(p->arguments, "quiet"))
        return STATUS_DONE;
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (size_t i = 0; i < p->n; i++) {
        uint32_t n = p->gradients[i].contributions;
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    printf("%s: %zu node%s of round %" PRIu64 " (%s) of job %s, %" PRIu32, path, p->n,
           text_plural(p->n), p->result.round, text_state(p->result.state), gf_job_name(p->job),
           least);
    if (most > least)
        printf(" to %" PRIu32, most);
    printf(" contribution%s each\n", text_plural(most));
    return STATUS_DONE;
}

static enum exit_status pull(struct pulling *p)
{
    const char *path = arguments_text(p->arguments, "output");
    enum exit_status status = session_open(p->arguments, &p->client);
    if (status == STATUS_DONE)
        status = session_describe(p->client, p->arguments->operands[0], &p->job);
    if (status == STATUS_DONE)
        status = choose_nodes(p);
    if (status == STATUS_DONE)
        status = receive(p);
    if (status == STATUS_DONE)
        status =
            to_npz(p) ? npz_write(path, p->members, p->n) : write_npy(path, &p->members[0].file);
    return status == STATUS_DONE ? show(p, path) : status;
}

enum exit_status pull_run(const struct arguments *arguments)
{
    struct pulling p = {.arguments = arguments};
    enum exit_status status = pull(&p);
    for (size_t i = 0; p.members != NULL && i <= p.n; i++)
        free(p.members[i].file.bytes);
    free(p.gradients);
    free(p.members);
    free(p.ids);
    gf_job_free(p.job);
    gf_close(p.client);
    return status;
}
