/* The list of jobs. */
#include <stdlib.h>
#include <string.h>

#include "client/call.h"
#include "client/report.h"

struct gf_job_names {
    size_t n;
    char *text[];
};

struct list_call {
    struct request request;
    gf_job_names *names; /* owned until the caller takes it */
};

static struct list_call *call_of(struct request *request)
{
    return (struct list_call *)request;
}

static gf_job_names *names_new(const Gradfold__V1__ListJobsResult *result)
{
    gf_job_names *names = calloc(1, sizeof *names + result->n_jobs * sizeof(char *));
    if (names == NULL)
        return NULL;
    for (; names->n < result->n_jobs; names->n++) {
        names->text[names->n] = strdup(result->jobs[names->n]);
        if (names->text[names->n] == NULL) {
            gf_job_names_free(names);
            return NULL;
        }
    }
    return names;
}

static gf_code accept_list(struct request *request, const Gradfold__V1__Response *response,
                           uint64_t body_bytes, gf_error *error)
{
    if (body_bytes != 0)
        return report(error, GF_CLIENT_PROTOCOL, "a list of jobs with a body");
    call_of(request)->names = names_new(response->list_jobs);
    if (call_of(request)->names == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for %zu names",
                      response->list_jobs->n_jobs);
    return GF_OK;
}

static void free_call(struct request *request)
{
    gf_job_names_free(call_of(request)->names);
}

static const struct request_kind list_kind = {
    .what = "list jobs",
    .result = GRADFOLD__V1__RESPONSE__RESULT_LIST_JOBS,
    .accept = accept_list,
    .free = free_call,
};

gf_code gf_job_list(gf_client *client, uint32_t timeout_ms, gf_job_names **names, gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__ListJobs list = GRADFOLD__V1__LIST_JOBS__INIT;
    struct request *request = NULL;
    struct gf_op *op = NULL;
    message.op_case = GRADFOLD__V1__REQUEST__OP_LIST_JOBS;
    message.list_jobs = &list;
    gf_code code = call_new(client, &list_kind, sizeof(struct list_call), &message, timeout_ms,
                            &request, error);
    if (code != GF_OK)
        return code;
    code = call_run(client, request, &op, error);
    if (code == GF_OK) {
        *names = call_of(request)->names;
        call_of(request)->names = NULL;
    }
    gf_op_free(op);
    return code;
}

size_t gf_job_names_count(const gf_job_names *names)
{
    return names->n;
}

const char *gf_job_names_get(const gf_job_names *names, size_t index)
{
    return index < names->n ? names->text[index] : NULL;
}

void gf_job_names_free(gf_job_names *names)
{
    if (names == NULL)
        return;
    for (size_t i = 0; i < names->n; i++)
        free(names->text[i]);
    free(names);
}
