/* gradfold close: a round ends with what it has. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "session.h"
#include "text.h"

const struct option close_options[] = {
    {.name = "round",
     .letter = 'r',
     .value = "N",
     .kind = OPTION_NUMBER,
     .max = UINT64_MAX - 1,
     .help = "this round\n[default: the open one]"},
    OPTION_SERVER,
    OPTION_TIMEOUT,
    OPTION_QUIET,
    {.name = NULL},
};

static enum exit_status choose_round(const struct arguments *arguments, gf_client *client,
                                     const char *name, uint64_t *round)
{
    *round = arguments_number(arguments, "round");
    if (arguments_text(arguments, "round") != NULL)
        return STATUS_DONE;
    gf_job *job = NULL;
    enum exit_status status = session_describe(client, name, &job);
    if (status == STATUS_DONE)
        *round = gf_job_open_round(job);
    gf_job_free(job);
    return status;
}

enum exit_status close_run(const struct arguments *arguments)
{
    const char *name = arguments->operands[0];
    gf_client *client = NULL;
    uint64_t round = 0;
    enum exit_status status = session_open(arguments, &client);
    if (status == STATUS_DONE)
        status = choose_round(arguments, client, name, &round);
    if (status == STATUS_DONE) {
        gf_error error;
        gf_round_state state = GF_ROUND_OPEN;
        gf_code code = gf_round_close(client, name, round, GF_DEFAULT_TIMEOUT, &state, &error);
        status = session_check(code, &error, name, name);
        if (status == STATUS_DONE && !arguments_flag(arguments, "quiet"))
            printf("round %" PRIu64 " of job %s is %s\n", round, name, text_state(state));
    }
    gf_close(client);
    return status;
}
