#include "net/request.h"

#include <string.h>

enum {
    DEFAULT_RETAIN_ROUNDS = 2
};

static const char *text(const char *string)
{
    return string ? string : "";
}

static void translate_node(const Gradfold__V1__Node *from, struct node_spec *to)
{
    *to = (struct node_spec){
        .name = text(from->name),
        .dtype = from->has_dtype ? (int)from->dtype : 0,
        .shape = from->shape,
        .ndim = from->n_shape,
        .requires_grad = !from->has_requires_grad || from->requires_grad,
        .expected = from->has_expected ? from->expected : 0,
    };
}

static bool translate_create(struct arena *arena, const Gradfold__V1__CreateJob *message,
                             struct request *request)
{
    static const Gradfold__V1__JobSpec absent = GRADFOLD__V1__JOB_SPEC__INIT;
    const Gradfold__V1__JobSpec *from = message->spec ? message->spec : &absent;
    struct node_spec *nodes = arena_alloc(arena, from->n_nodes * sizeof *nodes);
    if (!nodes)
        return false;
    for (size_t i = 0; i < from->n_nodes; i++)
        translate_node(from->nodes[i], &nodes[i]);
    request->spec = (struct job_spec){
        .name = text(from->name),
        .nodes = nodes,
        .n_nodes = from->n_nodes,
        .world_size = from->has_world_size ? from->world_size : 0,
        .quorum = from->has_quorum ? from->quorum : 0,
        .grace_ms = from->has_grace_ms ? from->grace_ms : 0,
        .reduction = from->has_reduction ? (int)from->reduction : REDUCTION_SUM,
        .accumulation = from->has_accumulation ? (int)from->accumulation : ACCUMULATION_EXACT,
        .non_finite = from->has_non_finite ? (int)from->non_finite : NON_FINITE_REJECT,
        .retain_rounds = from->has_retain_rounds ? from->retain_rounds : DEFAULT_RETAIN_ROUNDS,
    };
    request->event.kind = EVENT_CREATE_JOB;
    request->event.spec = &request->spec;
    return true;
}

static bool translate_push(struct arena *arena, const Gradfold__V1__Push *from, uint64_t body_bytes,
                           struct request *request)
{
    struct contribution *contributions =
        arena_alloc(arena, from->n_contributions * sizeof *contributions);
    if (!contributions)
        return false;
    for (size_t i = 0; i < from->n_contributions; i++) {
        const Gradfold__V1__Contribution *c = from->contributions[i];
        contributions[i] = (struct contribution){
            .node = c->has_node ? c->node : 0,
            .dtype = c->has_dtype ? (int)c->dtype : 0,
            .shape = c->shape,
            .ndim = c->n_shape,
        };
    }
    request->push = (struct push_offer){
        .job = text(from->job),
        .has_round = from->has_round,
        .round = from->has_round ? from->round : 0,
        .worker = from->has_worker ? from->worker : 0,
        .sequence = from->has_sequence ? from->sequence : 0,
        .final = from->has_final && from->final,
        .has_checksum = from->has_body_checksum,
        .checksum = from->has_body_checksum ? from->body_checksum : 0,
        .contributions = contributions,
        .n_contributions = from->n_contributions,
        .body_bytes = body_bytes,
    };
    request->event.kind = EVENT_PUSH;
    request->event.offer = &request->push;
    return true;
}

static void translate_pull(const Gradfold__V1__Pull *from, struct request *request)
{
    request->pull = (struct pull_offer){
        .job = text(from->job),
        .has_round = from->has_round,
        .round = from->has_round ? from->round : 0,
        .nodes = from->nodes,
        .n_nodes = from->n_nodes,
        .wait_ms = from->has_wait_ms ? from->wait_ms : 0,
    };
    request->event.kind = EVENT_PULL;
    request->event.ask = &request->pull;
}

static void translate_close(const Gradfold__V1__CloseRound *from, struct request *request)
{
    request->close = (struct close_offer){
        .job = text(from->job),
        .has_round = from->has_round,
        .round = from->has_round ? from->round : 0,
    };
    request->event.kind = EVENT_CLOSE_ROUND;
    request->event.close = &request->close;
}

static void translate_name(enum event_kind kind, const char *job, struct request *request)
{
    request->event.kind = kind;
    request->event.job = text(job);
}

enum code request_translate(struct arena *arena, const Gradfold__V1__Request *message,
                            uint64_t body_bytes, struct request *request, struct error *error)
{
    bool memory = true;
    memset(request, 0, sizeof *request);
    request->event.request_id = message->has_id ? message->id : 0;
    switch (message->op_case) {
    case GRADFOLD__V1__REQUEST__OP_CREATE_JOB:
        memory = translate_create(arena, message->create_job, request);
        break;
    case GRADFOLD__V1__REQUEST__OP_DESCRIBE_JOB:
        translate_name(EVENT_DESCRIBE_JOB, message->describe_job->job, request);
        break;
    case GRADFOLD__V1__REQUEST__OP_LIST_JOBS:
        request->event.kind = EVENT_LIST_JOBS;
        break;
    case GRADFOLD__V1__REQUEST__OP_DELETE_JOB:
        translate_name(EVENT_DELETE_JOB, message->delete_job->job, request);
        break;
    case GRADFOLD__V1__REQUEST__OP_PUSH:
        memory = translate_push(arena, message->push, body_bytes, request);
        break;
    case GRADFOLD__V1__REQUEST__OP_PULL:
        translate_pull(message->pull, request);
        break;
    case GRADFOLD__V1__REQUEST__OP_CLOSE_ROUND:
        translate_close(message->close_round, request);
        break;
    default:
        return error_set(error, CODE_INVALID_ARGUMENT, "the request has no op this server knows");
    }
    if (!memory)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "the request's header takes too much memory");
    return CODE_OK;
}
