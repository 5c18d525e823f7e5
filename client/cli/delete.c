/* gradfold delete: jobs and all that the server has of them. */
#include <stdio.h>

#include "commands.h"
#include "session.h"

const struct option delete_options[] = {
    OPTION_SERVER,
    OPTION_TIMEOUT,
    OPTION_QUIET,
    {.name = NULL},
};

enum exit_status delete_run(const struct arguments *arguments)
{
    gf_client *client = NULL;
    enum exit_status status = session_open(arguments, &client);
    if (status != STATUS_DONE)
        return status;
    for (int i = 0; i < arguments->n_operands; i++) {
        const char *job = arguments->operands[i];
        gf_error error;
        gf_code code = gf_job_delete(client, job, GF_DEFAULT_TIMEOUT, &error);
        enum exit_status one = session_check(code, &error, job, NULL);
        if (one == STATUS_DONE && !arguments_flag(arguments, "quiet"))
            printf("job %s is deleted\n", job);
        if (status == STATUS_DONE)
            status = one;
    }
    gf_close(client);
    return status;
}
