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

static enum code refuse_size(struct error *error)
{
    return error_set(error, CODE_RESOURCE_EXHAUSTED, "the request's header takes too much memory");
}

static enum code translate_create(struct arena *arena, const Gradfold__V1__CreateJob *message,
                                  struct request *request, struct error *error)
{
    static const Gradfold__V1__JobSpec absent = GRADFOLD__V1__JOB_SPEC__INIT;
    const Gradfold__V1__JobSpec *from = message->spec ? message->spec : &absent;
    struct node_spec *nodes = arena_alloc(arena, from->n_nodes * sizeof *nodes);
    if (!nodes)
        return refuse_size(error);
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
    return CODE_OK;
}

static struct contribution translate_contribution(const Gradfold__V1__Contribution *from)
{
    return (struct contribution){
        .node = from->has_node ? from->node : 0,
        .dtype = from->has_dtype ? (int)from->dtype : 0,
        .shape = from->shape,
        .ndim = from->n_shape,
    };
}

static struct tensor_place translate_place(const Gradfold__V1__Contribution *from,
                                           const struct buffers *buffers)
{
    return (struct tensor_place){
        .mapping = buffers ? buffers_find(buffers, from->buffer) : NULL,
        .buffer = from->buffer,
        .offset = from->has_offset ? from->offset : 0,
    };
}

static enum code translate_push(struct arena *arena, const Gradfold__V1__Push *from,
                                uint64_t body_bytes, const struct buffers *buffers,
                                struct request *request, struct error *error)
{
    size_t n = from->n_contributions;
    struct contribution *contributions = arena_alloc(arena, n * sizeof *contributions);
    bool elsewhere = contributions && n > 0 && from->contributions[0]->has_buffer;
    struct tensor_place *places = elsewhere ? arena_alloc(arena, n * sizeof *places) : NULL;
    if (!contributions || (elsewhere && !places))
        return refuse_size(error);
    for (size_t i = 0; i < n; i++) {
        const Gradfold__V1__Contribution *c = from->contributions[i];
        if (elsewhere != (c->has_buffer != 0))
            return error_set(error, CODE_INVALID_ARGUMENT,
                             "either all tensors of a push lie in buffers, or none");
        contributions[i] = translate_contribution(c);
        if (elsewhere)
            places[i] = translate_place(c, buffers);
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
        .places = places,
    };
    request->event.kind = EVENT_PUSH;
    request->event.offer = &request->push;
    return CODE_OK;
}

static void translate_pull(const Gradfold__V1__Pull *from, bool may_share, struct request *request)
{
    request->pull = (struct pull_offer){
        .job = text(from->job),
        .has_round = from->has_round,
        .round = from->has_round ? from->round : 0,
        .nodes = from->nodes,
        .n_nodes = from->n_nodes,
        .wait_ms = from->has_wait_ms ? from->wait_ms : 0,
        .view = may_share && from->has_view && from->view,
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
                            uint64_t body_bytes, const struct buffers *buffers,
                            struct request *request, struct error *error)
{
    memset(request, 0, sizeof *request);
    request->event.request_id = message->has_id ? message->id : 0;
    switch (message->op_case) {
    case GRADFOLD__V1__REQUEST__OP_CREATE_JOB:
        return translate_create(arena, message->create_job, request, error);
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
        return translate_push(arena, message->push, body_bytes, buffers, request, error);
    case GRADFOLD__V1__REQUEST__OP_PULL:
        translate_pull(message->pull, buffers != NULL, request);
        break;
    case GRADFOLD__V1__REQUEST__OP_CLOSE_ROUND:
        translate_close(message->close_round, request);
        break;
    default:
        return error_set(error, CODE_INVALID_ARGUMENT, "the request has no op this server knows");
    }
    return CODE_OK;
}
