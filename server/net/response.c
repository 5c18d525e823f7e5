#include "net/response.h"

#include "base/checked.h"
#include "core/pull.h"
#include "net/response_job.h"
#include "net/socket.h"
#include "net/views.h"

/* -- Results: each returns false when the arena is exhausted -- */

static bool result_create(struct arena *arena, const struct reply *reply,
                          Gradfold__V1__Response *to)
{
    Gradfold__V1__CreateJobResult *r = arena_alloc(arena, sizeof *r);
    if (!r)
        return false;
    gradfold__v1__create_job_result__init(r);
    r->job = response_job(arena, reply->job, false, reply->now_ms);
    r->has_created = true;
    r->created = reply->created;
    to->result_case = GRADFOLD__V1__RESPONSE__RESULT_CREATE_JOB;
    to->create_job = r;
    return r->job;
}

static bool result_describe(struct arena *arena, const struct reply *reply,
                            Gradfold__V1__Response *to)
{
    Gradfold__V1__DescribeJobResult *r = arena_alloc(arena, sizeof *r);
    if (!r)
        return false;
    gradfold__v1__describe_job_result__init(r);
    r->job = response_job(arena, reply->job, true, reply->now_ms);
    to->result_case = GRADFOLD__V1__RESPONSE__RESULT_DESCRIBE_JOB;
    to->describe_job = r;
    return r->job;
}

static bool result_list(struct arena *arena, const struct core *core, Gradfold__V1__Response *to)
{
    Gradfold__V1__ListJobsResult *r = arena_alloc(arena, sizeof *r);
    size_t n = 0;
    list_each (link, core_jobs(core))
        n++;
    char **names = arena_alloc(arena, n * sizeof *names);
    if (!r || !names)
        return false;
    gradfold__v1__list_jobs_result__init(r);
    r->jobs = names;
    list_each (link, core_jobs(core))
        names[r->n_jobs++] = list_entry(link, struct job, link)->name;
    to->result_case = GRADFOLD__V1__RESPONSE__RESULT_LIST_JOBS;
    to->list_jobs = r;
    return true;
}

static bool result_delete(struct arena *arena, Gradfold__V1__Response *to)
{
    Gradfold__V1__DeleteJobResult *r = arena_alloc(arena, sizeof *r);
    if (!r)
        return false;
    gradfold__v1__delete_job_result__init(r);
    to->result_case = GRADFOLD__V1__RESPONSE__RESULT_DELETE_JOB;
    to->delete_job = r;
    return true;
}

static bool result_push(struct arena *arena, const struct reply *reply, Gradfold__V1__Response *to)
{
    Gradfold__V1__PushResult *r = arena_alloc(arena, sizeof *r);
    if (!r)
        return false;
    gradfold__v1__push_result__init(r);
    r->has_verdict = true;
    r->verdict = (Gradfold__V1__Verdict)reply->verdict;
    r->has_round = true;
    r->round = reply->round;
    r->has_ignored = true;
    r->ignored = reply->ignored;
    to->result_case = GRADFOLD__V1__RESPONSE__RESULT_PUSH;
    to->push = r;
    return true;
}

static bool result_close(struct arena *arena, const struct reply *reply, Gradfold__V1__Response *to)
{
    Gradfold__V1__CloseRoundResult *r = arena_alloc(arena, sizeof *r);
    if (!r)
        return false;
    gradfold__v1__close_round_result__init(r);
    r->round = response_round(arena, reply->round_status, reply->now_ms);
    to->result_case = GRADFOLD__V1__RESPONSE__RESULT_CLOSE_ROUND;
    to->close_round = r;
    return r->round;
}

static void describe_gradient(const struct gradient *from, Gradfold__V1__Gradient *to)
{
    gradfold__v1__gradient__init(to);
    to->has_node = true;
    to->node = from->id;
    to->has_dtype = true;
    to->dtype = (Gradfold__V1__DType)from->node->dtype;
    to->n_shape = from->node->ndim;
    to->shape = unconst_shape(from->node->shape);
    to->has_contributions = true;
    to->contributions = from->contributions;
}

static void describe_showing(const struct showing *showing, Gradfold__V1__PullResult *to)
{
    to->has_segment = true;
    to->segment = showing->segment->id;
    to->has_segment_bytes = showing->fd != SOCKET_NO_FD;
    to->segment_bytes = showing->segment->bytes;
    to->n_retired = showing->n_retired;
    to->retired = unconst_shape(showing->retired);
}

static bool result_pull(struct arena *arena, const struct pull *pull, const struct showing *showing,
                        Gradfold__V1__Response *to, uint64_t *body_bytes)
{
    Gradfold__V1__PullResult *r = arena_alloc(arena, sizeof *r);
    Gradfold__V1__Gradient *gradients = arena_alloc(arena, pull->n_nodes * sizeof *gradients);
    Gradfold__V1__Gradient **list = arena_alloc(arena, pull->n_nodes * sizeof(void *));
    if (!r || !gradients || !list)
        return false;
    gradfold__v1__pull_result__init(r);
    for (size_t i = 0; i < pull->n_nodes; i++) {
        struct gradient gradient;
        pull_gradient(pull, i, &gradient);
        describe_gradient(&gradient, &gradients[i]);
        list[i] = &gradients[i];
        if (showing) {
            gradients[i].has_offset = gradient.data != NULL;
            gradients[i].offset = gradient.offset;
        } else if (!checked_add(*body_bytes, gradient.node->bytes, body_bytes))
            return false;
    }
    if (showing)
        describe_showing(showing, r);
    r->has_round = true;
    r->round = pull->number;
    r->has_state = true;
    r->state = (Gradfold__V1__RoundState)pull->state;
    r->n_gradients = pull->n_nodes;
    r->gradients = list;
    to->result_case = GRADFOLD__V1__RESPONSE__RESULT_PULL;
    to->pull = r;
    return true;
}

static bool result(struct arena *arena, const struct core *core, const struct reply *reply,
                   const struct showing *showing, Gradfold__V1__Response *to, uint64_t *body_bytes)
{
    switch (reply->request) {
    case REQUEST_CREATE_JOB:
        return result_create(arena, reply, to);
    case REQUEST_DESCRIBE_JOB:
        return result_describe(arena, reply, to);
    case REQUEST_LIST_JOBS:
        return result_list(arena, core, to);
    case REQUEST_DELETE_JOB:
        return result_delete(arena, to);
    case REQUEST_PUSH:
        return result_push(arena, reply, to);
    case REQUEST_PULL:
        return result_pull(arena, reply->pull, showing, to, body_bytes);
    case REQUEST_CLOSE_ROUND:
        return result_close(arena, reply, to);
    case REQUEST_HELLO:
        break;
    }
    return true;
}

/* -- Responses -- */

static void begin(Gradfold__V1__Response *response, Gradfold__V1__Status *status, uint64_t id,
                  enum code code, const char *message)
{
    gradfold__v1__response__init(response);
    gradfold__v1__status__init(status);
    response->has_id = true;
    response->id = id;
    response->status = status;
    status->has_code = true;
    status->code = (Gradfold__V1__Code)code;
    status->message = message[0] ? unconst_text(message) : NULL;
}

enum code response_build(struct arena *arena, const struct core *core, const struct reply *reply,
                         const struct showing *showing, Gradfold__V1__Response *response,
                         uint64_t *body_bytes, struct error *error)
{
    Gradfold__V1__Status *status = arena_alloc(arena, sizeof *status);
    *body_bytes = 0;
    if (status) {
        begin(response, status, reply->request_id, reply->error.code, reply->error.message);
        if (reply->error.code != CODE_OK ||
            result(arena, core, reply, showing, response, body_bytes))
            return CODE_OK;
    }
    return error_set(error, CODE_RESOURCE_EXHAUSTED, "the answer is too large");
}

void response_refuse(struct short_response *parts, uint64_t request_id, const struct error *error)
{
    begin(&parts->response, &parts->status, request_id, error->code, error->message);
}

void response_hello(struct short_response *parts, uint64_t request_id,
                    const struct net_config *config)
{
    begin(&parts->response, &parts->status, request_id, CODE_OK, "");
    gradfold__v1__hello_result__init(&parts->hello);
    parts->hello.has_protocol = true;
    parts->hello.protocol = 1;
    parts->hello.server_version = unconst_text(config->version);
    parts->hello.has_max_header_bytes = true;
    parts->hello.max_header_bytes = LIMIT_HEADER_BYTES;
    parts->hello.has_max_body_bytes = true;
    parts->hello.max_body_bytes = config->max_body_bytes;
    parts->hello.unix_path = config->unix_path ? unconst_text(config->unix_path) : NULL;
    parts->hello.has_instance = true;
    parts->hello.instance = config->instance;
    parts->response.result_case = GRADFOLD__V1__RESPONSE__RESULT_HELLO;
    parts->response.hello = &parts->hello;
}

void response_shared(struct short_response *parts, uint64_t request_id,
                     Gradfold__V1__Response__ResultCase which)
{
    begin(&parts->response, &parts->status, request_id, CODE_OK, "");
    parts->response.result_case = which;
    switch (which) {
    case GRADFOLD__V1__RESPONSE__RESULT_ADD_BUFFER:
        gradfold__v1__add_buffer_result__init(&parts->add_buffer);
        parts->response.add_buffer = &parts->add_buffer;
        break;
    case GRADFOLD__V1__RESPONSE__RESULT_DROP_BUFFER:
        gradfold__v1__drop_buffer_result__init(&parts->drop_buffer);
        parts->response.drop_buffer = &parts->drop_buffer;
        break;
    default:
        must(which == GRADFOLD__V1__RESPONSE__RESULT_END_VIEW);
        gradfold__v1__end_view_result__init(&parts->end_view);
        parts->response.end_view = &parts->end_view;
        break;
    }
}
