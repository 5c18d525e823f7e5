#include "admin/route.h"

#include <stdlib.h>
#include <string.h>

#include "admin/job_stream.h"
#include "admin/job_text.h"
#include "admin/metrics.h"
#include "core/limits.h"

#define TYPE_TEXT    "text/plain; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_JSON    "application/json"

struct asking {
    struct world *world;
    struct MHD_Connection *connection;
    const char *rest; /* of the path, behind the route's own part */
};

/* Queues the response and lets go of it. NULL: there was no memory for it. */
static enum MHD_Result respond(struct asking *a, unsigned status, const char *type,
                               struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(a->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* Gives the text away. */
static enum MHD_Result respond_text(struct asking *a, unsigned status, const char *type,
                                    struct text *text)
{
    struct MHD_Response *response = NULL;
    if (!text->failed)
        response =
            MHD_create_response_from_buffer(text->length, text->bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        text_free(text);
    return respond(a, status, type, response);
}

static enum MHD_Result respond_error(struct asking *a, unsigned status, const char *message)
{
    struct text text = {0};
    text_format(&text, "{\"error\":{\"status\":%u,\"message\":", status);
    text_json(&text, message);
    text_add(&text, "}}\n");
    return respond_text(a, status, TYPE_JSON, &text);
}

static enum MHD_Result respond_word(struct asking *a, unsigned status, const char *word)
{
    struct text text = {0};
    text_add(&text, word);
    return respond_text(a, status, TYPE_TEXT, &text);
}

/* -- The routes -- */

static enum MHD_Result get_healthz(struct asking *a)
{
    return respond_word(a, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result get_readyz(struct asking *a)
{
    switch (a->world->state) {
    case ADMIN_READY:
        return respond_word(a, MHD_HTTP_OK, "ready\n");
    case ADMIN_STARTING:
        return respond_word(a, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
    case ADMIN_STOPPING:
        break;
    }
    return respond_word(a, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n");
}

static enum MHD_Result get_metrics(struct asking *a)
{
    struct text text = {0};
    metrics_write(&text, a->world);
    return respond_text(a, MHD_HTTP_OK, TYPE_METRICS, &text);
}

static enum MHD_Result get_jobs(struct asking *a)
{
    struct admin_numbers numbers;
    struct text text = {0};
    const char *separator = "\n";
    text_add(&text, "{\"jobs\":[");
    world_lock(a->world);
    world_numbers(a->world, &numbers);
    list_each (link, core_jobs(a->world->config.core)) {
        text_add(&text, separator);
        job_text_summary(&text, list_entry(link, struct job, link), numbers.now_ms);
        separator = ",\n";
    }
    world_unlock(a->world);
    text_add(&text, "]}\n");
    return respond_text(a, MHD_HTTP_OK, TYPE_JSON, &text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes %XX. False: too long for a name, an escape is cut short, or a byte is 0. */
static bool decode_name(const char *from, char name[static LIMIT_NAME + 1])
{
    size_t n = 0;
    for (; *from != '\0'; from++) {
        char c = *from;
        if (c == '%') {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            from += 2;
        }
        if (n == LIMIT_NAME)
            return false;
        name[n++] = c;
    }
    name[n] = '\0';
    return true;
}

/* Referenced, or NULL. */
static struct job *find_job(const struct asking *a)
{
    char name[LIMIT_NAME + 1];
    if (!decode_name(a->rest, name))
        return NULL;
    world_lock(a->world);
    struct job *job = core_find_job(a->world->config.core, name);
    if (job != NULL)
        job_ref(job);
    world_unlock(a->world);
    return job;
}

static enum MHD_Result get_job(struct asking *a)
{
    const char *nodes = MHD_lookup_connection_value(a->connection, MHD_GET_ARGUMENT_KIND, "nodes");
    if (nodes != NULL && strcmp(nodes, "0") != 0 && strcmp(nodes, "1") != 0)
        return respond_error(a, MHD_HTTP_BAD_REQUEST, "nodes is 0 or 1");
    struct job *job = find_job(a);
    if (job == NULL)
        return respond_error(a, MHD_HTTP_NOT_FOUND, "no such job");
    bool all = nodes == NULL || nodes[0] == '1';
    return respond(a, MHD_HTTP_OK, TYPE_JSON, job_stream_response(a->world, job, all));
}

static const struct {
    const char *path;
    bool prefix; /* something must follow */
    enum MHD_Result (*get)(struct asking *a);
} routes[] = {
    {"/healthz", false, get_healthz}, {"/readyz", false, get_readyz},
    {"/metrics", false, get_metrics}, {"/v1/jobs", false, get_jobs},
    {"/v1/jobs/", true, get_job},
};

static bool matches(const char *url, size_t i)
{
    size_t n = strlen(routes[i].path);
    return strncmp(url, routes[i].path, n) == 0 && (url[n] != '\0') == routes[i].prefix;
}

bool route_reads(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

enum MHD_Result route(struct world *world, struct MHD_Connection *connection, const char *method,
                      const char *url)
{
    struct asking a = {.world = world, .connection = connection};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!matches(url, i))
            continue;
        if (!route_reads(method))
            return respond_error(&a, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
        a.rest = url + strlen(routes[i].path);
        return routes[i].get(&a);
    }
    return respond_error(&a, MHD_HTTP_NOT_FOUND,
                         "no such page; there are /healthz, /readyz, /metrics, /v1/jobs and "
                         "/v1/jobs/NAME");
}
