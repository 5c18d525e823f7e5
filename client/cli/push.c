/* gradfold push: arrays from files, as one worker's push. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "arrays.h"
#include "commands.h"
#include "nodes.h"
#include "print.h"
#include "progress.h"
#include "session.h"
#include "text.h"

const struct option push_options[] = {
    {.name = "worker",
     .letter = 'w',
     .value = "N",
     .kind = OPTION_NUMBER,
     .max = UINT32_MAX,
     .required = true,
     .help = "as which worker, from 0"},
    {.name = "round",
     .letter = 'r',
     .value = "N",
     .kind = OPTION_NUMBER,
     .max = UINT64_MAX - 1,
     .help = "into this round; give it when you repeat a push\n[default: the open one]"},
    {.name = "sequence",
     .value = "N",
     .kind = OPTION_NUMBER,
     .max = UINT64_MAX,
     .fallback = "1",
     .help = "tells this worker's pushes of a round apart; the same one again is\n"
             "the same push again, and counts once"},
    {.name = "final",
     .letter = 'f',
     .kind = OPTION_FLAG,
     .help = "this is the worker's last push of the round"},
    {.name = "bf16",
     .kind = OPTION_FLAG,
     .help = "arrays of 16-bit unsigned integers are the bits of bfloat16"},
    {.name = "checksum",
     .kind = OPTION_FLAG,
     .help = "have the server compare a checksum of the tensors"},
    OPTION_SERVER,
    OPTION_TIMEOUT,
    OPTION_JSON,
    OPTION_QUIET,
    {.name = NULL},
};

/* Sets each tensor's node by its array's label. */
static enum exit_status find_nodes(const struct arrays *arrays, const gf_job *job,
                                   gf_tensor *tensors)
{
    struct nodes nodes;
    if (!nodes_init(&nodes, job))
        return report_no_memory();
    enum exit_status status = STATUS_DONE;
    for (size_t i = 0; status == STATUS_DONE && i < arrays->count; i++) {
        const struct array *array = &arrays->item[i];
        tensors[i] = (gf_tensor){.dtype = array->npy.dtype,
                                 .shape = array->npy.shape,
                                 .ndim = array->npy.ndim,
                                 .data = array->npy.data};
        if (!nodes_find(&nodes, array->label, &tensors[i].node)) {
            complain("%s: job %s has no node \"%s\"", array->path, gf_job_name(job), array->label);
            advise("`gradfold describe %s` shows the nodes", gf_job_name(job));
            status = STATUS_FAILED;
        }
    }
    nodes_free(&nodes);
    return status;
}

static uint64_t sum_bytes(const struct arrays *arrays)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < arrays->count; i++)
        bytes += arrays->item[i].npy.bytes;
    return bytes;
}

static enum exit_status show(const struct arguments *arguments, const struct arrays *arrays,
                             const gf_push_result *result)
{
    const char *verdict = result->verdict == GF_DUPLICATE ? "duplicate" : "accepted";
    uint64_t bytes = sum_bytes(arrays);
    if (arguments_flag(arguments, "json"))
        return print_object(json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I}", "job", arguments->operands[0], "verdict", verdict,
            "round", (json_int_t)result->round, "tensors", (json_int_t)arrays->count, "ignored",
            (json_int_t)result->ignored, "bytes", (json_int_t)bytes));
    if (arguments_flag(arguments, "quiet"))
        return STATUS_DONE;
    char size[TEXT_MAX];
    printf("%s: %zu tensor%s, %s, in round %" PRIu64 " of job %s\n",
           result->verdict == GF_DUPLICATE ? "duplicate (counted before)" : verdict, arrays->count,
           text_plural(arrays->count), text_bytes(bytes, size), result->round,
           arguments->operands[0]);
    if (result->ignored > 0)
        printf("%" PRIu32 " of them ignored: their nodes require no gradient\n", result->ignored);
    return STATUS_DONE;
}

static enum exit_status send_tensors(const struct arguments *arguments, gf_client *client,
                                     const struct arrays *arrays, const gf_tensor *tensors,
                                     uint64_t round)
{
    const char *job = arguments->operands[0];
    const gf_push_args push = {
        .size = sizeof push,
        .job = job,
        .round = round,
        .worker = (uint32_t)arguments_number(arguments, "worker"),
        .sequence = arguments_number(arguments, "sequence"),
        .final = arguments_flag(arguments, "final"),
        .checksum = arguments_flag(arguments, "checksum"),
        .tensors = tensors,
        .n_tensors = arrays->count,
    };
    char size[TEXT_MAX];
    struct progress progress;
    gf_error error;
    gf_push_result result;
    progress_start(&progress, arguments_flag(arguments, "quiet"), "pushing %s to job %s",
                   text_bytes(sum_bytes(arrays), size), job);
    gf_code code = gf_push(client, &push, &result, &error);
    progress_stop(&progress);
    enum exit_status status = session_check(code, &error, job, job);
    return status == STATUS_DONE ? show(arguments, arrays, &result) : status;
}

static enum exit_status push_arrays(const struct arguments *arguments, const struct arrays *arrays)
{
    gf_client *client = NULL;
    gf_job *job = NULL;
    gf_tensor *tensors = calloc(arrays->count + 1, sizeof *tensors);
    enum exit_status status = tensors == NULL ? report_no_memory() : STATUS_DONE;
    if (status == STATUS_DONE)
        status = session_open(arguments, &client);
    if (status == STATUS_DONE)
        status = session_describe(client, arguments->operands[0], &job);
    if (status == STATUS_DONE)
        status = find_nodes(arrays, job, tensors);
    if (status == STATUS_DONE) {
        uint64_t round = arguments_text(arguments, "round") != NULL
                             ? arguments_number(arguments, "round")
                             : gf_job_open_round(job);
        status = send_tensors(arguments, client, arrays, tensors, round);
    }
    gf_job_free(job);
    gf_close(client);
    free(tensors);
    return status;
}

enum exit_status push_run(const struct arguments *arguments)
{
    struct arrays arrays = {0};
    enum exit_status status = STATUS_DONE;
    if (arguments->n_operands == 1 && !arguments_flag(arguments, "final")) {
        complain("there is nothing to push");
        advise("name files, or say --final alone to end the worker's round");
        return STATUS_USAGE;
    }
    for (int i = 1; status == STATUS_DONE && i < arguments->n_operands; i++)
        status = arrays_read(&arrays, arguments->operands[i], arguments_flag(arguments, "bf16"));
    if (status == STATUS_DONE)
        status = push_arrays(arguments, &arrays);
    arrays_free(&arrays);
    return status;
}
