/* gradfold jobs: their names. */
#include <jansson.h>
#include <stdio.h>

#include "commands.h"
#include "print.h"
#include "session.h"

const struct option jobs_options[] = {
    OPTION_SERVER,
    OPTION_TIMEOUT,
    OPTION_JSON,
    {.name = NULL},
};

static enum exit_status print_names(const gf_job_names *names, bool as_json)
{
    json_t *list = as_json ? json_array() : NULL;
    for (size_t i = 0; i < gf_job_names_count(names); i++) {
        if (as_json)
            json_array_append_new(list, json_string(gf_job_names_get(names, i)));
        else
            puts(gf_job_names_get(names, i));
    }
    return as_json ? print_object(list) : STATUS_DONE;
}

enum exit_status jobs_run(const struct arguments *arguments)
{
    gf_client *client = NULL;
    enum exit_status status = session_open(arguments, &client);
    if (status != STATUS_DONE)
        return status;
    gf_error error;
    gf_job_names *names = NULL;
    gf_code code = gf_job_list(client, GF_DEFAULT_TIMEOUT, &names, &error);
    status = session_check(code, &error, "list", NULL);
    if (status == STATUS_DONE)
        status = print_names(names, arguments_flag(arguments, "json"));
    gf_job_names_free(names);
    gf_close(client);
    return status;
}
