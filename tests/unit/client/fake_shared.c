#include "fake_shared.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mapping.h"

enum {
    BUFFERS = 64,
    VIEWS = 64
};

struct fake_shared {
    struct {
        uint64_t id;
        struct mapping *mapping;
    } buffers[BUFFERS];
    uint64_t views[VIEWS]; /* pulls that are looked at; 0: free */
    uint64_t n_views;
    uint64_t segment; /* the last one; 0: none */
    uint64_t segment_bytes;
    int segment_fd;
};

struct fake_shared *fake_shared_new(void)
{
    struct fake_shared *shared = calloc(1, sizeof *shared);
    shared->segment_fd = -1;
    return shared;
}

void fake_shared_free(struct fake_shared *shared)
{
    if (shared == NULL)
        return;
    for (size_t i = 0; i < BUFFERS; i++)
        mapping_unref(shared->buffers[i].mapping);
    if (shared->segment_fd >= 0)
        close(shared->segment_fd);
    free(shared);
}

static void count(struct fake_wire *wire, unsigned *counter)
{
    pthread_mutex_lock(&wire->server->lock);
    ++*counter;
    pthread_mutex_unlock(&wire->server->lock);
}

/* -- Buffers ---------------------------------------------------------------------------------- */

static size_t slot_of(const struct fake_shared *shared, uint64_t id)
{
    size_t i = 0;
    while (i < BUFFERS && shared->buffers[i].id != id)
        i++;
    return i;
}

/* The rules of proto/README.md; they are the client's to keep. */
static const char *add(struct fake_wire *wire, const Gradfold__V1__AddBuffer *request)
{
    struct fake_shared *shared = wire->shared;
    struct error error;
    if (shared == NULL || wire->n_fds != 1)
        return "no descriptor";
    size_t slot = slot_of(shared, 0);
    if (request->buffer == 0 || slot_of(shared, request->buffer) < BUFFERS || slot == BUFFERS)
        return "the number is in use";
    if (mapping_new(wire->fds[0], request->bytes, &shared->buffers[slot].mapping, &error) !=
        CODE_OK)
        return "the descriptor is no sealed memfd";
    shared->buffers[slot].id = request->buffer;
    return NULL;
}

void fake_on_add_buffer(struct fake_wire *wire, uint64_t id, const Gradfold__V1__AddBuffer *request,
                        const struct fake_faults *faults)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__AddBufferResult result = GRADFOLD__V1__ADD_BUFFER_RESULT__INIT;
    const char *trouble = faults->refuse_add > 0 ? "too much" : add(wire, request);
    while (wire->n_fds > 0)
        close(wire->fds[--wire->n_fds]);
    if (trouble != NULL) {
        fake_answer_code(wire, id, GRADFOLD__V1__CODE__CODE_RESOURCE_EXHAUSTED, trouble);
        return;
    }
    count(wire, &wire->server->counters.added);
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_ADD_BUFFER;
    response.add_buffer = &result;
    fake_answer(wire, id, &response, 0);
}

void fake_on_drop_buffer(struct fake_wire *wire, uint64_t id, const Gradfold__V1__DropBuffer *drop)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__DropBufferResult result = GRADFOLD__V1__DROP_BUFFER_RESULT__INIT;
    size_t slot = wire->shared != NULL ? slot_of(wire->shared, drop->buffer) : BUFFERS;
    if (slot == BUFFERS || drop->buffer == 0) {
        fake_answer_code(wire, id, GRADFOLD__V1__CODE__CODE_INVALID_ARGUMENT, "no such buffer");
        return;
    }
    mapping_unref(wire->shared->buffers[slot].mapping);
    wire->shared->buffers[slot].mapping = NULL;
    wire->shared->buffers[slot].id = 0;
    count(wire, &wire->server->counters.dropped);
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_DROP_BUFFER;
    response.drop_buffer = &result;
    fake_answer(wire, id, &response, 0);
}

bool fake_gather(struct fake_wire *wire, const Gradfold__V1__Push *push, void *body)
{
    uint8_t *at = body;
    for (size_t i = 0; i < push->n_contributions; i++) {
        const Gradfold__V1__Contribution *c = push->contributions[i];
        uint64_t bytes = (c->n_shape > 0 ? c->shape[0] : 1) * sizeof(float);
        size_t slot = wire->shared != NULL ? slot_of(wire->shared, c->buffer) : BUFFERS;
        if (slot == BUFFERS || !c->has_buffer ||
            !mapping_holds(wire->shared->buffers[slot].mapping, c->offset, bytes))
            return false;
        memcpy(at, wire->shared->buffers[slot].mapping->data + c->offset, bytes);
        at += bytes;
    }
    return true;
}

/* -- Views ------------------------------------------------------------------------------------ */

static int segment_new(uint64_t bytes, enum fake_lie lie)
{
    int fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (lie == LIE_SMALLER)
        bytes /= 2;
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        abort();
    if (lie != LIE_UNSEALED && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
        abort();
    return fd;
}

/* A segment that nobody looks at is used again, like a server's. */
static bool new_segment(struct fake_shared *shared, uint64_t bytes, enum fake_lie lie)
{
    if (shared->segment != 0 && shared->n_views == 0 && bytes <= shared->segment_bytes)
        return false;
    if (shared->segment_fd >= 0)
        close(shared->segment_fd);
    shared->segment_fd = segment_new(bytes, lie);
    shared->segment_bytes = bytes;
    shared->segment++;
    return true;
}

static void spoil(struct fake_wire *wire, Gradfold__V1__PullResult *result, enum fake_lie lie)
{
    Gradfold__V1__Gradient *last = result->gradients[result->n_gradients - 1];
    if (lie == LIE_UNKNOWN) {
        result->segment += 1000;
        result->has_segment_bytes = false;
    } else if (lie == LIE_BEYOND)
        last->offset += 4;
    else if (lie == LIE_FAR_BEYOND)
        last->offset = UINT64_MAX - 3;
    else if (lie == LIE_MISALIGNED)
        result->gradients[0]->offset += 1;
    else if (lie == LIE_NO_MEMFD)
        wire->give_fd = STDERR_FILENO;
    else if (lie == LIE_NO_DESCRIPTOR)
        wire->give_fd = -1;
}

void fake_show(struct fake_wire *wire, uint64_t id, Gradfold__V1__Response *response,
               const uint8_t *bytes, uint64_t n, enum fake_lie lie)
{
    struct fake_shared *shared = wire->shared;
    Gradfold__V1__PullResult *result = response->pull;
    result->has_segment_bytes = new_segment(shared, n, lie);
    result->segment_bytes = shared->segment_bytes;
    result->has_segment = true;
    result->segment = shared->segment;
    if (result->has_segment_bytes) {
        wire->give_fd = shared->segment_fd;
        count(wire, &wire->server->counters.segments);
    }
    if (pwrite(shared->segment_fd, bytes, n, 0) != (ssize_t)n && lie == LIE_NONE)
        abort();
    uint64_t offset = 0;
    for (size_t i = 0; i < result->n_gradients; i++) {
        /* Node 3 is nowhere: it is always zero. */
        result->gradients[i]->has_offset = result->gradients[i]->node != 3;
        result->gradients[i]->offset = offset;
        offset += result->gradients[i]->shape[0] * sizeof(float);
    }
    spoil(wire, result, lie);
    for (size_t i = 0; i < VIEWS; i++)
        if (shared->views[i] == 0) {
            shared->views[i] = id;
            break;
        }
    shared->n_views++;
    count(wire, &wire->server->counters.shown);
    if (fake_answer(wire, id, response, lie == LIE_BODY ? n : 0) && lie == LIE_BODY)
        fake_write(wire, bytes, n);
}

void fake_on_end_view(struct fake_wire *wire, uint64_t id, const Gradfold__V1__EndView *end)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__EndViewResult result = GRADFOLD__V1__END_VIEW_RESULT__INIT;
    size_t i = 0;
    while (wire->shared != NULL && i < VIEWS && wire->shared->views[i] != end->pull)
        i++;
    if (wire->shared == NULL || i == VIEWS || end->pull == 0) {
        count(wire, &wire->server->counters.wrong_ends);
        fake_answer_code(wire, id, GRADFOLD__V1__CODE__CODE_INVALID_ARGUMENT, "no such view");
        return;
    }
    wire->shared->views[i] = 0;
    wire->shared->n_views--;
    count(wire, &wire->server->counters.ended);
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_END_VIEW;
    response.end_view = &result;
    fake_answer(wire, id, &response, 0);
}
