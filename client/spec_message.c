/* A spec as the wire's message. It borrows names and shapes. */
#include <stdlib.h>

#include "client/spec.h"

struct built {
    Gradfold__V1__JobSpec message;
    Gradfold__V1__Node *nodes;
    Gradfold__V1__Node **list;
};

static void fill_node(Gradfold__V1__Node *message, const struct spec_node *node)
{
    gradfold__v1__node__init(message);
    message->name = node->name;
    message->has_dtype = true;
    message->dtype = (Gradfold__V1__DType)node->dtype;
    message->n_shape = node->ndim;
    message->shape = node->shape;
    message->has_requires_grad = true;
    message->requires_grad = !node->frozen;
    message->has_expected = true;
    message->expected = node->expected;
}

static void fill_rules(Gradfold__V1__JobSpec *message, const gf_spec *spec)
{
    message->name = spec->name;
    message->has_world_size = message->has_quorum = message->has_grace_ms = true;
    message->world_size = spec->world_size;
    message->quorum = spec->quorum;
    message->grace_ms = spec->grace_ms;
    message->has_reduction = spec->mean;
    message->reduction = GRADFOLD__V1__REDUCTION__REDUCTION_MEAN;
    message->has_accumulation = spec->in_order;
    message->accumulation = GRADFOLD__V1__ACCUMULATION__ACCUMULATION_IN_ORDER;
    message->has_non_finite = spec->propagate;
    message->non_finite = GRADFOLD__V1__NON_FINITE__NON_FINITE_PROPAGATE;
    message->has_retain_rounds = spec->has_retain_rounds;
    message->retain_rounds = spec->retain_rounds;
}

Gradfold__V1__JobSpec *spec_message_new(const gf_spec *spec)
{
    struct built *built = calloc(1, sizeof *built);
    if (built == NULL)
        return NULL;
    built->nodes = calloc(spec->n_nodes + 1, sizeof *built->nodes);
    built->list = calloc(spec->n_nodes + 1, sizeof(void *));
    if (built->nodes == NULL || built->list == NULL) {
        spec_message_free(&built->message);
        return NULL;
    }
    gradfold__v1__job_spec__init(&built->message);
    fill_rules(&built->message, spec);
    for (size_t i = 0; i < spec->n_nodes; i++) {
        fill_node(&built->nodes[i], &spec->nodes[i]);
        built->list[i] = &built->nodes[i];
    }
    built->message.nodes = built->list;
    built->message.n_nodes = spec->n_nodes;
    return &built->message;
}

void spec_message_free(Gradfold__V1__JobSpec *message)
{
    struct built *built = (struct built *)(void *)message;
    free(built->nodes);
    free(built->list);
    free(built);
}
