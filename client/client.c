/* The handle: made by gf_connect(), gone with gf_close(). */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/background.h"
#include "client/buffer.h"
#include "client/clock.h"
#include "client/drive.h"
#include "client/flight.h"
#include "client/report.h"
#include "client/view.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    CALL_TIMEOUT_MS = 60 * 1000
};

bool client_busy(const gf_client *client)
{
    return !list_empty(&client->queue) || !list_empty(&client->awaiting);
}

static char *copy(const char *text, bool *ok)
{
    if (text == NULL)
        return NULL;
    char *copied = strdup(text);
    if (copied == NULL)
        *ok = false;
    return copied;
}

static void release(gf_client *client)
{
    connection_free(client);
    if (client->wake_fd >= 0)
        close(client->wake_fd);
    pthread_cond_destroy(&client->background_wanted);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client->name);
    free(client->token);
    free(client);
}

static gf_client *client_new(const char *text, const struct address *address,
                             const gf_options *options)
{
    gf_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    bool ok = true;
    client->address = *address;
    client->no_shared_memory = options->no_shared_memory;
    snprintf(client->text, sizeof client->text, "%s", text);
    client->call_timeout_ms = options->call_timeout_ms;
    if (client->call_timeout_ms == 0)
        client->call_timeout_ms = CALL_TIMEOUT_MS;
    client->name = copy(options->name, &ok);
    client->token = copy(options->token, &ok);
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    pthread_cond_init(&client->background_wanted, NULL);
    list_init(&client->ops);
    list_init(&client->queue);
    list_init(&client->awaiting);
    list_init(&client->buffers);
    list_init(&client->views);
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ok = connection_init(client, options) && ok;
    if (ok && client->wake_fd >= 0)
        return client;
    release(client);
    return NULL;
}

static gf_code greet(gf_client *client, uint32_t timeout_ms, gf_error *error)
{
    gf_error reason;
    gf_code code = gf_ping(client, timeout_ms, NULL, &reason);
    if (code == GF_DEADLINE_EXCEEDED)
        return report(error, GF_CLIENT_UNREACHABLE, "%s", reason.message);
    return report_copy(error, &reason);
}

gf_code gf_connect(const char *address, const gf_options *options, gf_client **client,
                   gf_error *error)
{
    static const gf_options defaults = {.size = sizeof defaults};
    struct address parsed;
    gf_code code = address_parse(address, &parsed, error);
    if (code != GF_OK)
        return code;
    if (options == NULL)
        options = &defaults;
    if (options->size < sizeof *options)
        return report(error, GF_INVALID_ARGUMENT, "gf_options.size is %zu instead of %zu",
                      options->size, sizeof *options);
    gf_client *made = client_new(address, &parsed, options);
    if (made == NULL)
        return report(error, GF_CLIENT_SYSTEM, "no memory or descriptor for a handle");
    uint32_t timeout_ms = options->connect_timeout_ms;
    code = greet(made, timeout_ms != 0 ? timeout_ms : CONNECT_TIMEOUT_MS, error);
    if (code == GF_OK)
        *client = made;
    else
        gf_close(made); /* an answer may have brought a view, whose EndView is queued */
    return code;
}

void gf_close(gf_client *client)
{
    if (client == NULL)
        return;
    gf_error closed;
    report(&closed, GF_CLIENT_CANCELLED, "the handle was closed");
    background_stop(client);
    pthread_mutex_lock(&client->lock);
    ops_cancel_all(client);
    flight_fail_all(client, &closed); /* what belongs to the connection */
    buffers_closed(client);
    views_closed(client);
    pthread_mutex_unlock(&client->lock);
    release(client);
}
