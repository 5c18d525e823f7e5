#include "client/view.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "client/drive.h"
#include "client/flight.h"
#include "client/report.h"

enum {
    ALIGNMENT = 64,
    ZEROS_MIN = 64 * 1024
};

/* Pages that read as zero and take no memory. */
struct zeros {
    void *data;
    uint64_t bytes;
    atomic_uint refs; /* views are freed by any thread, also when there is no handle any more */
};

struct gf_view {
    struct request end; /* first, so that freeing it frees the view */
    gf_client *client;  /* NULL: memory of our own, or the handle was closed */
    struct list link;   /* client.views */
    bool owed;          /* the connection is still the one that it came over */
    struct mapping *segment;
    struct zeros *zeros;
    void *memory;
};

/* -- EndView ---------------------------------------------------------------------------------- */

static gf_code accept_end(struct request *request, const Gradfold__V1__Response *response,
                          uint64_t body_bytes, gf_error *error)
{
    (void)request;
    (void)response;
    return body_bytes == 0 ? GF_OK
                           : report(error, GF_CLIENT_PROTOCOL, "end view: an answer with a body");
}

static void end_ended(gf_client *client, struct request *request)
{
    (void)client;
    request_free(request);
}

static const struct request_kind end_kind = {
    .what = "end view",
    .result = GRADFOLD__V1__RESPONSE__RESULT_END_VIEW,
    .accept = accept_end,
    .ended = end_ended,
};

static gf_code make_end(gf_client *client, gf_view *view, uint64_t pull, gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__EndView end = GRADFOLD__V1__END_VIEW__INIT;
    end.has_pull = true;
    end.pull = pull;
    message.op_case = GRADFOLD__V1__REQUEST__OP_END_VIEW;
    message.end_view = &end;
    view->end.kind = &end_kind;
    flight_prepare(client, &view->end, GF_NO_TIMEOUT);
    return request_pack(&view->end, &message, error);
}

/* -- Zeros ------------------------------------------------------------------------------------ */

static void zeros_unref(struct zeros *zeros)
{
    if (zeros == NULL || atomic_fetch_sub_explicit(&zeros->refs, 1, memory_order_acq_rel) > 1)
        return;
    munmap(zeros->data, zeros->bytes);
    free(zeros);
}

static struct zeros *zeros_new(uint64_t bytes)
{
    struct zeros *zeros = malloc(sizeof *zeros);
    if (zeros == NULL)
        return NULL;
    zeros->bytes = bytes > ZEROS_MIN ? bytes : ZEROS_MIN;
    zeros->data =
        mmap(NULL, zeros->bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    atomic_init(&zeros->refs, 1);
    if (zeros->data != MAP_FAILED)
        return zeros;
    free(zeros);
    return NULL;
}

/* The client's, which are replaced when they are too small. */
static struct zeros *zeros_get(gf_client *client, uint64_t bytes)
{
    if (client->zeros == NULL || client->zeros->bytes < bytes) {
        struct zeros *larger = zeros_new(bytes);
        if (larger == NULL)
            return NULL;
        zeros_unref(client->zeros);
        client->zeros = larger;
    }
    return client->zeros;
}

const void *view_zeros(gf_client *client, gf_view *view, uint64_t bytes)
{
    if (view->zeros == NULL || view->zeros->bytes < bytes) {
        struct zeros *zeros = zeros_get(client, bytes);
        if (zeros == NULL)
            return NULL;
        atomic_fetch_add_explicit(&zeros->refs, 1, memory_order_relaxed);
        zeros_unref(view->zeros);
        view->zeros = zeros;
    }
    return view->zeros->data;
}

/* -- Views ------------------------------------------------------------------------------------ */

static gf_code show(gf_client *client, uint64_t pull, struct mapping *segment, gf_error *error)
{
    gf_view *view = calloc(1, sizeof *view);
    if (view == NULL)
        return report(error, GF_CLIENT_SYSTEM, "no memory for a view");
    gf_code code = make_end(client, view, pull, error);
    if (code != GF_OK) {
        request_free(&view->end);
        return report(error, GF_CLIENT_SYSTEM, "no memory for a view");
    }
    mapping_ref(segment);
    view->client = client;
    view->segment = segment;
    view->owed = true;
    list_append(&client->views, &view->link);
    client->connection.shown = view;
    return GF_OK;
}

gf_code view_received(gf_client *client, const Gradfold__V1__Response *response, gf_error *error)
{
    struct connection *connection = &client->connection;
    const Gradfold__V1__PullResult *result = response->pull;
    if (response->result_case != GRADFOLD__V1__RESPONSE__RESULT_PULL)
        return GF_OK;
    if (!connection->shared)
        return result->has_segment ? report(error, GF_CLIENT_PROTOCOL, "a segment without sharing")
                                   : GF_OK;
    segments_retire(&connection->segments, result);
    if (!result->has_segment)
        return GF_OK;
    struct mapping *segment;
    gf_code code = segments_find(&connection->segments, result, &segment, error);
    return code == GF_OK ? show(client, response->id, segment, error) : code;
}

/* Everything but its EndView. */
static void release(gf_view *view)
{
    mapping_unref(view->segment);
    zeros_unref(view->zeros);
    free(view->memory);
}

/* Under the lock, if there is a client. What was released already is freed, now or when its EndView
 * is answered. true: that is to be sent. */
static bool end(gf_client *client, gf_view *view)
{
    bool owed = view->owed;
    list_remove(&view->link);
    view->owed = false;
    if (owed)
        flight_add(client, &view->end);
    else
        end_ended(client, &view->end);
    return owed;
}

void view_dismiss(gf_client *client)
{
    gf_view *view = client->connection.shown;
    client->connection.shown = NULL;
    if (view == NULL)
        return;
    release(view);
    end(client, view);
}

void gf_view_free(gf_view *view)
{
    if (view == NULL)
        return;
    gf_client *client = view->client;
    release(view);
    if (client == NULL) {
        end(NULL, view);
        return;
    }
    pthread_mutex_lock(&client->lock);
    if (end(client, view))
        drive_nudge(client);
    pthread_mutex_unlock(&client->lock);
}

gf_view *view_of_memory(uint64_t bytes, uint8_t **data)
{
    gf_view *view = calloc(1, sizeof *view);
    void *memory = NULL;
    if (view == NULL || bytes > SIZE_MAX - ALIGNMENT ||
        posix_memalign(&memory, ALIGNMENT, bytes + (bytes == 0)) != 0) {
        free(view);
        return NULL;
    }
    view->end.kind = &end_kind;
    list_init(&view->link);
    view->memory = memory;
    *data = memory;
    return view;
}

const void *view_at(const gf_view *view, uint64_t offset, uint64_t bytes, size_t alignment)
{
    if (!mapping_holds(view->segment, offset, bytes) || offset % alignment != 0)
        return NULL;
    return view->segment->data + offset;
}

void views_disconnected(gf_client *client)
{
    list_each (link, &client->views)
        list_entry(link, gf_view, link)->owed = false;
}

void views_closed(gf_client *client)
{
    list_each (link, &client->views) {
        list_remove(link);
        list_entry(link, gf_view, link)->owed = false;
        list_entry(link, gf_view, link)->client = NULL;
    }
    zeros_unref(client->zeros);
    client->zeros = NULL;
}
