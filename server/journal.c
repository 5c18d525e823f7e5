/* What is worth a line in the log: one for each job that comes or goes, each round that closes, and
 * each refusal. */
#include "core/job.h"
#include "core/round.h"
#include "root.h"

static const char *request_name(enum request_kind kind)
{
    switch (kind) {
    case REQUEST_HELLO:
        return "hello";
    case REQUEST_CREATE_JOB:
        return "create_job";
    case REQUEST_DESCRIBE_JOB:
        return "describe_job";
    case REQUEST_LIST_JOBS:
        return "list_jobs";
    case REQUEST_DELETE_JOB:
        return "delete_job";
    case REQUEST_PUSH:
        return "push";
    case REQUEST_PULL:
        return "pull";
    case REQUEST_CLOSE_ROUND:
        return "close_round";
    }
    return "?";
}

/* The job that the event at hand is about; NULL when the reply is not an answer to that event. */
static const char *job_name(const struct server *s, const struct reply *reply)
{
    const struct event *event = s->current;
    if (!event || event->peer != reply->peer || event->request_id != reply->request_id)
        return NULL;
    switch (event->kind) {
    case EVENT_CREATE_JOB:
        return event->spec->name;
    case EVENT_DESCRIBE_JOB:
    case EVENT_DELETE_JOB:
        return event->job;
    case EVENT_PUSH:
        return event->offer->job;
    case EVENT_PULL:
        return event->ask->job;
    case EVENT_CLOSE_ROUND:
        return event->close->job;
    default:
        return NULL;
    }
}

void journal_start(const struct server *s)
{
    struct address address;
    for (unsigned i = 0; server_address(s, i, &address); i++)
        log_info(s->log, LOG_GROUP_NET, "listening", LOG_TEXT("address", address.text));
    if (s->unix_path[0])
        log_info(s->log, LOG_GROUP_NET, "listening", LOG_TEXT("unix", s->unix_path));
    if (server_admin_address(s, &address))
        log_info(s->log, LOG_GROUP_ADMIN, "listening", LOG_TEXT("address", address.text));
    log_info(s->log, LOG_GROUP_SERVER, "started", LOG_TEXT("version", GRADFOLD_VERSION),
             LOG_TEXT("kernels", s->kernels), LOG_UINT("threads", s->options->threads),
             LOG_UINT("io_threads", s->n_loops),
             LOG_UINT("staging_bytes", s->options->staging_bytes),
             LOG_UINT("max_connections", s->options->max_connections));
}

/* A pull that waited in vain is business as usual for who polls. */
static enum log_level refusal_level(enum code code)
{
    if (code == CODE_INTERNAL)
        return LOG_LEVEL_ERROR;
    return code == CODE_DEADLINE_EXCEEDED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static void journal_refusal(const struct server *s, const struct reply *reply)
{
    enum log_level level = refusal_level(reply->error.code);
    if (!log_wants(s->log, level))
        return;
    log_write(s->log, level, LOG_GROUP_CORE, "refused",
              (const struct log_field[]){LOG_TEXT("request", request_name(reply->request)),
                                         LOG_TEXT("code", code_name((int)reply->error.code)),
                                         LOG_TEXT("reason", reply->error.message),
                                         LOG_TEXT("job", job_name(s, reply)),
                                         LOG_TEXT("peer", net_peer_name(reply->peer)),
                                         LOG_UINT("id", reply->request_id), LOG_NONE});
}

void journal_reply(const struct server *s, const struct reply *reply)
{
    if (!s->log)
        return;
    if (reply->error.code != CODE_OK)
        journal_refusal(s, reply);
    else if (reply->request == REQUEST_CREATE_JOB && reply->created)
        log_info(s->log, LOG_GROUP_CORE, "job created", LOG_TEXT("job", reply->job->name),
                 LOG_UINT("nodes", reply->job->tape.size),
                 LOG_UINT("world_size", reply->job->world_size),
                 LOG_UINT("gradient_bytes", reply->job->grads_bytes));
    else if (reply->request == REQUEST_DELETE_JOB)
        log_info(s->log, LOG_GROUP_CORE, "job deleted", LOG_TEXT("job", job_name(s, reply)));
}

void journal_round(const struct server *s, const struct round *round)
{
    log_info(s->log, LOG_GROUP_CORE, "round closed", LOG_TEXT("job", round->job->name),
             LOG_UINT("round", round->number), LOG_UINT("final_workers", round->n_final),
             LOG_UINT("pushes", round->pushes), LOG_UINT("bytes", round->bytes),
             LOG_UINT("ms", round->closed_ms - round->opened_ms));
}

void journal_note(void *loop, const struct net_note *note)
{
    static const char *const messages[] = {
        [NET_REFUSED] = "refused",
        [NET_REJECTED] = "connection rejected",
        [NET_STALLED] = "connection stalled",
        [NET_ACCEPT_PAUSED] = "accepting paused",
    };
    const struct server *s = ((const struct io_loop *)loop)->server;
    enum log_level level = note->kind == NET_REFUSED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
    if (s->log)
        log_write(s->log, level, LOG_GROUP_NET, messages[note->kind],
                  (const struct log_field[]){LOG_TEXT("code", code_name((int)note->error->code)),
                                             LOG_TEXT("reason", note->error->message),
                                             LOG_TEXT("peer", note->peer),
                                             LOG_UINT("id", note->request_id), LOG_NONE});
}
