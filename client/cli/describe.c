/* gradfold describe: what a job is, and how its rounds stand. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "print.h"
#include "session.h"
#include "spec_file.h"
#include "text.h"

const struct option describe_options[] = {
    {.name = "spec",
     .kind = OPTION_FLAG,
     .help = "print the spec alone, as JSON that gradfold create takes"},
    OPTION_SERVER,
    OPTION_TIMEOUT,
    OPTION_JSON,
    {.name = NULL},
};

/* -- JSON -- */

static json_t *round_json(const gf_round *round)
{
    json_t *final = json_array();
    for (size_t i = 0; i < round->n_final_workers; i++)
        json_array_append_new(final, json_integer(round->final_workers[i]));
    return json_pack("{s:I, s:s, s:o, s:I, s:I, s:I}", "round", (json_int_t)round->round, "state",
                     text_state(round->state), "final_workers", final, "pushes",
                     (json_int_t)round->pushes, "bytes", (json_int_t)round->bytes, "age_ms",
                     (json_int_t)round->age_ms);
}

static json_t *job_json(const gf_job *job)
{
    json_t *rounds = json_array();
    for (size_t i = 0; i < gf_job_round_count(job); i++) {
        gf_round round;
        gf_job_round(job, i, &round);
        json_array_append_new(rounds, round_json(&round));
    }
    return json_pack("{s:o, s:o}", "spec", spec_file_json(job), "rounds", rounds);
}

/* -- Tables -- */

static void print_rules(const gf_job *job)
{
    char grace[TEXT_MAX];
    printf("job %s: %" PRIu32 " worker%s, %s, %s, non-finite values %s, %" PRIu32
           " closed round%s retained\n",
           gf_job_name(job), gf_job_world_size(job), text_plural(gf_job_world_size(job)),
           gf_job_mean(job) ? "mean" : "sum",
           gf_job_in_order(job) ? "in order of arrival" : "exact",
           gf_job_propagates_non_finite(job) ? "propagated" : "refused", gf_job_retain_rounds(job),
           text_plural(gf_job_retain_rounds(job)));
    if (gf_job_quorum(job) < gf_job_world_size(job))
        printf("a round closes when %" PRIu32 " of them have been final for %s\n",
               gf_job_quorum(job), text_ms(gf_job_grace_ms(job), grace));
}

/* The widest of a column, and at least its heading. */
static int name_width(const gf_job *job)
{
    size_t width = strlen("name");
    gf_node node;
    for (uint64_t id = 0; gf_job_node(job, id, &node); id++)
        width = strlen(node.name) > width ? strlen(node.name) : width;
    return (int)width;
}

static void print_nodes(const gf_job *job)
{
    int width = name_width(job);
    gf_node node;
    printf("\n%6s  %-*s  %-5s  %-13s  %s\n", "node", width, "name", "dtype", "complete", "shape");
    for (uint64_t id = 0; gf_job_node(job, id, &node); id++) {
        char shape[TEXT_SHAPE_MAX];
        char complete[TEXT_MAX] = "at the close";
        if (!node.requires_grad)
            snprintf(complete, sizeof complete, "frozen");
        else if (node.expected > 0)
            snprintf(complete, sizeof complete, "with %" PRIu32, node.expected);
        printf("%6" PRIu64 "  %-*s  %-5s  %-13s  %s\n", id, width, node.name,
               gf_dtype_name(node.dtype), complete, text_shape(node.shape, node.ndim, shape));
    }
}

static void print_rounds(const gf_job *job)
{
    printf("\n%8s  %-8s  %11s  %8s  %10s  %s\n", "round", "state", "final", "pushes", "bytes",
           "age");
    for (size_t i = 0; i < gf_job_round_count(job); i++) {
        gf_round round;
        char bytes[TEXT_MAX];
        char age[TEXT_MAX];
        char final[TEXT_MAX];
        gf_job_round(job, i, &round);
        snprintf(final, sizeof final, "%zu/%" PRIu32, round.n_final_workers,
                 gf_job_world_size(job));
        printf("%8" PRIu64 "  %-8s  %11s  %8" PRIu64 "  %10s  %s\n", round.round,
               text_state(round.state), final, round.pushes, text_bytes(round.bytes, bytes),
               text_ms(round.age_ms, age));
    }
}

static enum exit_status show(const struct arguments *arguments, const gf_job *job)
{
    if (arguments_flag(arguments, "spec"))
        return print_document(spec_file_json(job));
    if (arguments_flag(arguments, "json"))
        return print_object(job_json(job));
    print_rules(job);
    print_nodes(job);
    print_rounds(job);
    return STATUS_DONE;
}

enum exit_status describe_run(const struct arguments *arguments)
{
    gf_client *client = NULL;
    gf_job *job = NULL;
    enum exit_status status = session_open(arguments, &client);
    if (status == STATUS_DONE)
        status = session_describe(client, arguments->operands[0], &job);
    if (status == STATUS_DONE)
        status = show(arguments, job);
    gf_job_free(job);
    gf_close(client);
    return status;
}
