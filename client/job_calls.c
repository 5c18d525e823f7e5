/* The calls about jobs: create, describe, delete. */
#include "client/call.h"
#include "client/job.h"
#include "client/report.h"
#include "client/spec.h"

struct job_call {
    struct request request;
    gf_job *job; /* owned until the caller takes it */
    bool created;
};

static struct job_call *call_of(struct request *request)
{
    return (struct job_call *)request;
}

static void free_call(struct request *request)
{
    gf_job_free(call_of(request)->job);
}

static gf_code no_body(uint64_t body_bytes, gf_error *error)
{
    if (body_bytes == 0)
        return GF_OK;
    return report(error, GF_CLIENT_PROTOCOL, "an answer with a body that does not belong there");
}

static gf_code accept_create(struct request *request, const Gradfold__V1__Response *response,
                             uint64_t body_bytes, gf_error *error)
{
    call_of(request)->created = response->create_job->created;
    gf_code code = no_body(body_bytes, error);
    return code != GF_OK ? code : job_new(response->create_job->job, &call_of(request)->job, error);
}

static gf_code accept_describe(struct request *request, const Gradfold__V1__Response *response,
                               uint64_t body_bytes, gf_error *error)
{
    gf_code code = no_body(body_bytes, error);
    if (code != GF_OK)
        return code;
    return job_new(response->describe_job->job, &call_of(request)->job, error);
}

static gf_code accept_delete(struct request *request, const Gradfold__V1__Response *response,
                             uint64_t body_bytes, gf_error *error)
{
    (void)request;
    (void)response;
    return no_body(body_bytes, error);
}

/* An earlier sending, whose answer was lost, may have deleted the job. */
static bool deleted_before(const struct request *request, gf_code code)
{
    return code == GF_NOT_FOUND && request->sendings > 1;
}

static const struct request_kind create_kind = {
    .what = "create job",
    .result = GRADFOLD__V1__RESPONSE__RESULT_CREATE_JOB,
    .accept = accept_create,
    .free = free_call,
};

static const struct request_kind describe_kind = {
    .what = "describe job",
    .result = GRADFOLD__V1__RESPONSE__RESULT_DESCRIBE_JOB,
    .accept = accept_describe,
    .free = free_call,
};

static const struct request_kind delete_kind = {
    .what = "delete job",
    .result = GRADFOLD__V1__RESPONSE__RESULT_DELETE_JOB,
    .accept = accept_delete,
    .excuse = deleted_before,
};

/* Runs the call and takes its results. */
static gf_code run(gf_client *client, const struct request_kind *kind,
                   Gradfold__V1__Request *message, uint32_t timeout_ms, bool *created, gf_job **job,
                   gf_error *error)
{
    struct request *request = NULL;
    struct gf_op *op = NULL;
    gf_code code =
        call_new(client, kind, sizeof(struct job_call), message, timeout_ms, &request, error);
    if (code != GF_OK)
        return code;
    code = call_run(client, request, &op, error);
    if (code == GF_OK && created != NULL)
        *created = call_of(request)->created;
    if (code == GF_OK && job != NULL) {
        *job = call_of(request)->job;
        call_of(request)->job = NULL;
    }
    gf_op_free(op);
    return code;
}

gf_code gf_job_create(gf_client *client, const gf_spec *spec, uint32_t timeout_ms, bool *created,
                      gf_job **job, gf_error *error)
{
    if (spec->trouble.code != GF_OK)
        return report_copy(error, &spec->trouble);
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__CreateJob op = GRADFOLD__V1__CREATE_JOB__INIT;
    op.spec = spec_message_new(spec);
    if (op.spec == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for %zu nodes", spec->n_nodes);
    message.op_case = GRADFOLD__V1__REQUEST__OP_CREATE_JOB;
    message.create_job = &op;
    gf_code code = run(client, &create_kind, &message, timeout_ms, created, job, error);
    spec_message_free(op.spec);
    return code;
}

gf_code gf_job_describe(gf_client *client, const char *name, uint32_t timeout_ms, gf_job **job,
                        gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__DescribeJob op = GRADFOLD__V1__DESCRIBE_JOB__INIT;
    op.job = (char *)(uintptr_t)name;
    message.op_case = GRADFOLD__V1__REQUEST__OP_DESCRIBE_JOB;
    message.describe_job = &op;
    return run(client, &describe_kind, &message, timeout_ms, NULL, job, error);
}

gf_code gf_job_delete(gf_client *client, const char *name, uint32_t timeout_ms, gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__DeleteJob op = GRADFOLD__V1__DELETE_JOB__INIT;
    op.job = (char *)(uintptr_t)name;
    message.op_case = GRADFOLD__V1__REQUEST__OP_DELETE_JOB;
    message.delete_job = &op;
    return run(client, &delete_kind, &message, timeout_ms, NULL, NULL, error);
}
