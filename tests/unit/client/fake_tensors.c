/* Pushes and pulls of the fake server. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "fake_answers.h"
#include "fake_shared.h"

static uint64_t body_of(const Gradfold__V1__Push *push)
{
    uint64_t elements = 0;
    for (size_t i = 0; i < push->n_contributions; i++)
        elements += push->contributions[i]->n_shape > 0 ? push->contributions[i]->shape[0] : 1;
    return elements * sizeof(float);
}

static bool known(const struct fake_server *server, uint64_t key)
{
    for (unsigned i = server->n_keys; i-- > 0;)
        if (server->keys[i] == key)
            return true;
    return false;
}

static void add(struct fake_server *server, const Gradfold__V1__Push *push, const float *body)
{
    for (size_t i = 0; i < push->n_contributions; i++) {
        const Gradfold__V1__Contribution *entry = push->contributions[i];
        uint64_t n = entry->n_shape > 0 ? entry->shape[0] : 1;
        for (uint64_t k = 0; k < n; k++)
            server->sums[entry->node][k] += body[k];
        server->elements[entry->node] = n;
        body += n;
    }
}

/* Under the lock. */
static void apply(struct fake_server *server, const Gradfold__V1__Push *push, const float *body,
                  uint64_t bytes)
{
    struct fake_counters *counters = &server->counters;
    uint64_t key = push->round << 48 | (uint64_t)push->worker << 32 | push->sequence;
    counters->checksum_right =
        push->has_body_checksum && push->body_checksum == XXH3_64bits(body, bytes);
    if (known(server, key)) {
        counters->duplicates++;
        return;
    }
    server->keys[server->n_keys++ % FAKE_KEYS] = key;
    add(server, push, body);
    counters->applied++;
    counters->final = push->final;
    counters->in_order = counters->in_order && push->sequence >= counters->last_sequence;
    counters->last_sequence = (uint32_t)push->sequence;
}

void fake_on_push(struct fake_wire *wire, uint64_t id, const Gradfold__V1__Push *push,
                  const struct fake_faults *faults)
{
    struct fake_server *server = wire->server;
    uint64_t bytes = body_of(push);
    if (faults->refuse_early > 0) {
        fake_answer_code(wire, id, GRADFOLD__V1__CODE__CODE_NOT_FOUND, "no such job");
        fake_read(wire, NULL, bytes);
        return;
    }
    float *body = malloc(bytes + 1);
    bool placed = push->n_contributions > 0 && push->contributions[0]->has_buffer;
    if (placed && !fake_gather(wire, push, body)) {
        fake_answer_code(wire, id, GRADFOLD__V1__CODE__CODE_INVALID_ARGUMENT, "no such buffer");
        free(body);
        return;
    }
    if (!placed && !fake_read(wire, body, bytes)) {
        free(body);
        return;
    }
    pthread_mutex_lock(&server->lock);
    unsigned duplicates = server->counters.duplicates;
    apply(server, push, body, bytes);
    bool duplicate = server->counters.duplicates > duplicates;
    server->counters.placed += placed && !duplicate;
    pthread_mutex_unlock(&server->lock);
    free(body);
    if (faults->lose_replies > 0) {
        wire->gone = true;
        return;
    }
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__PushResult result = GRADFOLD__V1__PUSH_RESULT__INIT;
    result.has_verdict = result.has_round = true;
    result.verdict = duplicate ? GRADFOLD__V1__VERDICT__VERDICT_DUPLICATE
                               : GRADFOLD__V1__VERDICT__VERDICT_ACCEPTED;
    result.round = push->round;
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_PUSH;
    response.push = &result;
    if (wire->shared != NULL && faults->lie == LIE_DESCRIPTORS)
        wire->give_fd = STDERR_FILENO;
    fake_answer(wire, id, &response, 0);
}

/* What the pull asks for, as it is now. */
static void sums_copy(struct fake_server *server, const Gradfold__V1__Pull *pull, uint8_t *at)
{
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < pull->n_nodes; i++) {
        uint64_t bytes = server->elements[pull->nodes[i]] * sizeof(float);
        memcpy(at, server->sums[pull->nodes[i]], bytes);
        at += bytes;
    }
    pthread_mutex_unlock(&server->lock);
}

void fake_on_pull(struct fake_wire *wire, uint64_t id, const Gradfold__V1__Pull *pull,
                  const struct fake_faults *faults)
{
    struct fake_server *server = wire->server;
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__PullResult result = GRADFOLD__V1__PULL_RESULT__INIT;
    Gradfold__V1__Gradient gradients[FAKE_NODES];
    Gradfold__V1__Gradient *list[FAKE_NODES];
    uint64_t body = 0;
    for (size_t i = 0; i < pull->n_nodes && i < FAKE_NODES; i++) {
        gradfold__v1__gradient__init(&gradients[i]);
        gradients[i].has_node = gradients[i].has_dtype = gradients[i].has_contributions = true;
        gradients[i].node = pull->nodes[i];
        gradients[i].dtype = GRADFOLD__V1__DTYPE__DTYPE_F32;
        gradients[i].shape = &server->elements[pull->nodes[i]];
        gradients[i].n_shape = 1;
        gradients[i].contributions = 3;
        list[i] = &gradients[i];
        body += server->elements[pull->nodes[i]] * sizeof(float);
    }
    result.has_round = result.has_state = true;
    result.round = pull->round;
    result.state = GRADFOLD__V1__ROUND_STATE__ROUND_STATE_CLOSED;
    result.gradients = list;
    result.n_gradients = pull->n_nodes;
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_PULL;
    response.pull = &result;
    uint8_t *copy = malloc(body + 1);
    sums_copy(server, pull, copy);
    bool view = (pull->view || faults->lie == LIE_NOT_ASKED) && !faults->no_segments;
    if (wire->shared != NULL && view)
        fake_show(wire, id, &response, copy, body, faults->lie);
    else if (fake_answer(wire, id, &response, body))
        fake_write(wire, copy, body);
    free(copy);
}
