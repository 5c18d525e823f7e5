#include "client/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/drive.h"
#include "client/flight.h"
#include "client/report.h"

struct gf_buffer {
    gf_client *client; /* NULL: the handle was closed */
    struct list link;  /* client.buffers */
    uint64_t id;
    int fd; /* -1: ordinary memory */
    uint8_t *data;
    uint64_t bytes;
    enum buffer_standing standing;
    struct request add; /* made with the buffer, so that they can always be sent */
    struct request drop;
    unsigned in_flight; /* of these two */
    bool freed;         /* by the caller: only they are left */
};

/* -- AddBuffer, DropBuffer -------------------------------------------------------------------- */

static void destroy(gf_buffer *buffer)
{
    request_release(&buffer->add);
    request_release(&buffer->drop);
    free(buffer);
}

static void request_ended(gf_buffer *buffer)
{
    if (--buffer->in_flight == 0 && buffer->freed)
        destroy(buffer);
}

static void add_ended(gf_client *client, struct request *request)
{
    gf_buffer *buffer = list_entry(request, gf_buffer, add);
    gf_code code = request->outcome.code;
    bool undecided = code == GF_UNAVAILABLE || code >= GF_CLIENT_UNREACHABLE;
    (void)client;
    buffer->standing = code == GF_OK ? BUFFER_KNOWN : undecided ? BUFFER_UNKNOWN : BUFFER_REFUSED;
    request_ended(buffer);
}

static void drop_ended(gf_client *client, struct request *request)
{
    (void)client;
    request_ended(list_entry(request, gf_buffer, drop));
}

static gf_code accept_empty(struct request *request, const Gradfold__V1__Response *response,
                            uint64_t body_bytes, gf_error *error)
{
    (void)response;
    return body_bytes == 0 ? GF_OK
                           : report(error, GF_CLIENT_PROTOCOL, "%s: an answer with a body",
                                    request->kind->what);
}

static const struct request_kind add_kind = {
    .what = "add buffer",
    .result = GRADFOLD__V1__RESPONSE__RESULT_ADD_BUFFER,
    .accept = accept_empty,
    .ended = add_ended,
};

static const struct request_kind drop_kind = {
    .what = "drop buffer",
    .result = GRADFOLD__V1__RESPONSE__RESULT_DROP_BUFFER,
    .accept = accept_empty,
    .ended = drop_ended,
};

static gf_code make_add(gf_client *client, gf_buffer *buffer, gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__AddBuffer add = GRADFOLD__V1__ADD_BUFFER__INIT;
    add.has_buffer = add.has_bytes = true;
    add.buffer = buffer->id;
    add.bytes = buffer->bytes;
    message.op_case = GRADFOLD__V1__REQUEST__OP_ADD_BUFFER;
    message.add_buffer = &add;
    buffer->add.passes = &buffer->fd;
    flight_prepare(client, &buffer->add, GF_NO_TIMEOUT);
    return request_pack(&buffer->add, &message, error);
}

static gf_code make_drop(gf_client *client, gf_buffer *buffer, gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__DropBuffer drop = GRADFOLD__V1__DROP_BUFFER__INIT;
    drop.has_buffer = true;
    drop.buffer = buffer->id;
    message.op_case = GRADFOLD__V1__REQUEST__OP_DROP_BUFFER;
    message.drop_buffer = &drop;
    flight_prepare(client, &buffer->drop, GF_NO_TIMEOUT);
    return request_pack(&buffer->drop, &message, error);
}

enum buffer_standing buffer_introduce(gf_buffer *buffer, struct request *request)
{
    if (buffer->fd < 0)
        return BUFFER_REFUSED;
    if (buffer->standing == BUFFER_UNKNOWN) {
        buffer->standing = BUFFER_ADDING;
        buffer->in_flight++;
        flight_add_before(&buffer->add, request);
    }
    return buffer->standing;
}

/* -- Memory ----------------------------------------------------------------------------------- */

/* A memfd that can neither shrink nor grow; -1: there is none to be had. */
static int memory_fd(uint64_t bytes)
{
    int fd = memfd_create("gradfold", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -1;
}

static gf_code map(gf_buffer *buffer, gf_error *error)
{
    buffer->fd = memory_fd(buffer->bytes);
    int flags = buffer->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void *data = mmap(NULL, buffer->bytes, PROT_READ | PROT_WRITE, flags, buffer->fd, 0);
    if (data == MAP_FAILED) {
        int failure = errno;
        if (buffer->fd >= 0)
            close(buffer->fd);
        return report(error, GF_CLIENT_NO_MEMORY, "a buffer of %" PRIu64 " bytes: %s",
                      buffer->bytes, strerror(failure));
    }
    buffer->data = data;
    return GF_OK;
}

static void unmap(uint8_t *data, uint64_t bytes, int fd)
{
    munmap(data, bytes);
    if (fd >= 0)
        close(fd);
}

gf_code gf_buffer_new(gf_client *client, uint64_t bytes, gf_buffer **buffer, gf_error *error)
{
    if (bytes == 0 || bytes > INT64_MAX)
        return report(error, GF_INVALID_ARGUMENT, "a buffer of %" PRIu64 " bytes", bytes);
    gf_buffer *made = calloc(1, sizeof *made);
    if (made == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a buffer");
    made->client = client;
    made->add.kind = &add_kind;
    made->drop.kind = &drop_kind;
    made->bytes = bytes;
    made->id = atomic_fetch_add(&client->last_buffer, 1) + 1;
    gf_code code = make_add(client, made, error);
    if (code == GF_OK)
        code = make_drop(client, made, error);
    if (code == GF_OK)
        code = map(made, error);
    if (code != GF_OK) {
        destroy(made);
        return code;
    }
    pthread_mutex_lock(&client->lock);
    list_append(&client->buffers, &made->link);
    atomic_fetch_add(&client->n_buffers, 1);
    pthread_mutex_unlock(&client->lock);
    *buffer = made;
    return report_ok(error);
}

/* What the server knows of it ends. true: the buffer is to be destroyed now. */
static bool withdraw(gf_client *client, gf_buffer *buffer)
{
    drive_settle(client); /* the descriptor may be on its way */
    list_remove(&buffer->link);
    atomic_fetch_sub(&client->n_buffers, 1);
    if (buffer->standing == BUFFER_ADDING && buffer->add.state == REQUEST_QUEUED) {
        gf_error given_up;
        report(&given_up, GF_CLIENT_CANCELLED, "given up");
        flight_finish(client, &buffer->add, &given_up);
    }
    buffer->freed = true;
    if (buffer->standing == BUFFER_UNKNOWN || buffer->standing == BUFFER_REFUSED)
        return buffer->in_flight == 0; /* only those that are known are dropped */
    buffer->in_flight++;
    flight_add(client, &buffer->drop);
    drive_nudge(client);
    return false;
}

void gf_buffer_free(gf_buffer *buffer)
{
    if (buffer == NULL)
        return;
    gf_client *client = buffer->client;
    uint8_t *data = buffer->data;
    uint64_t bytes = buffer->bytes;
    int fd = buffer->fd;
    bool last = true;
    if (client != NULL) {
        pthread_mutex_lock(&client->lock);
        last = withdraw(client, buffer);
        pthread_mutex_unlock(&client->lock);
    }
    if (last)
        destroy(buffer);
    unmap(data, bytes, fd);
}

void *gf_buffer_data(const gf_buffer *buffer)
{
    return buffer->data;
}

uint64_t gf_buffer_bytes(const gf_buffer *buffer)
{
    return buffer->bytes;
}

/* -- Finding them ----------------------------------------------------------------------------- */

static bool holds(const gf_buffer *buffer, const void *data, uint64_t bytes, uint64_t *offset)
{
    uintptr_t begin = (uintptr_t)buffer->data;
    uintptr_t at = (uintptr_t)data;
    if (at < begin || at - begin > buffer->bytes || bytes > buffer->bytes - (at - begin))
        return false;
    *offset = at - begin;
    return true;
}

gf_buffer *buffer_of(gf_client *client, gf_buffer *hint, const void *data, uint64_t bytes,
                     uint64_t *offset)
{
    if (hint != NULL && holds(hint, data, bytes, offset))
        return hint;
    /* Tensors tend to follow the order of their buffers. */
    struct list *from = hint != NULL ? &hint->link : &client->buffers;
    for (struct list *link = from->next; link != from; link = link->next)
        if (link != &client->buffers &&
            holds(list_entry(link, gf_buffer, link), data, bytes, offset))
            return list_entry(link, gf_buffer, link);
    return NULL;
}

uint64_t buffer_id(const gf_buffer *buffer)
{
    return buffer->id;
}

enum buffer_standing buffer_standing(const gf_buffer *buffer)
{
    return buffer->standing;
}

void buffers_disconnected(gf_client *client)
{
    list_each (link, &client->buffers) {
        gf_buffer *buffer = list_entry(link, gf_buffer, link);
        if (buffer->standing != BUFFER_ADDING) /* that request ends by itself */
            buffer->standing = BUFFER_UNKNOWN;
    }
}

void buffers_closed(gf_client *client)
{
    list_each (link, &client->buffers) {
        list_remove(link);
        list_entry(link, gf_buffer, link)->client = NULL;
    }
}
