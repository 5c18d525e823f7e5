#include "admin/metrics.h"

#include <stddef.h>

#include "admin/process.h"
#include "core/round.h"

/* One number of a struct, as a metric without labels. */
struct metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset; /* of a uint64_t */
};

#define COUNTER(of, member, name, help)                                          \
    {                                                                            \
        "gradfoldd_" name "_total", "counter", help, offsetof(struct of, member) \
    }
#define GAUGE(of, member, name, help)                                 \
    {                                                                 \
        "gradfoldd_" name, "gauge", help, offsetof(struct of, member) \
    }

static const struct metric core_metrics[] = {
    GAUGE(core_stats, jobs, "jobs", "Jobs that exist."),
    COUNTER(core_stats, pushes_accepted, "pushes_accepted", "Pushes accepted."),
    COUNTER(core_stats, pushes_duplicate, "pushes_duplicate",
            "Repeated pushes, not applied again."),
    COUNTER(core_stats, pushes_discarded, "pushes_discarded",
            "Accepted pushes dropped at close because their worker was not final."),
    COUNTER(core_stats, contributions_accepted, "contributions_accepted",
            "Tensors of accepted pushes that are summed."),
    COUNTER(core_stats, contributions_ignored, "contributions_ignored",
            "Tensors of accepted pushes for frozen nodes."),
    COUNTER(core_stats, accepted_bytes, "accepted_bytes", "Bodies of accepted pushes."),
    COUNTER(core_stats, rounds_closed, "rounds_closed", "Rounds closed."),
    COUNTER(core_stats, folds, "folds", "Folds finished."),
    COUNTER(core_stats, folds_early, "folds_early", "Folds made early to free staging memory."),
    COUNTER(core_stats, folded_bytes, "folded_bytes", "Tensor bytes folded."),
    COUNTER(core_stats, trials, "trials", "Folds begun where tensors lie in shared memory."),
    COUNTER(core_stats, rounds_in_place, "rounds_in_place",
            "Rounds folded where their tensors lay."),
    GAUGE(core_stats, staging_used, "staging_used_bytes", "Staging memory in use."),
    GAUGE(core_stats, staging_kept, "staging_kept_bytes", "Staging memory kept for reuse."),
    GAUGE(core_stats, staging_max, "staging_limit_bytes", "Staging memory allowed."),
    GAUGE(core_stats, results_used, "results_used_bytes", "Memory of rounds' sums in use."),
    GAUGE(core_stats, results_spare, "results_spare_bytes", "Of it, kept by jobs for reuse."),
    GAUGE(core_stats, results_max, "results_limit_bytes", "Memory of rounds' sums allowed."),
    GAUGE(core_stats, views, "views", "Rounds' sums that clients look at."),
    GAUGE(core_stats, lent_bytes, "lent_bytes", "Memory of these."),
    GAUGE(core_stats, accumulators_used, "accumulators_used_bytes", "Accumulator memory in use."),
    GAUGE(core_stats, accumulators_max, "accumulators_limit_bytes", "Accumulator memory allowed."),
    GAUGE(core_stats, pushes_waiting, "pushes_waiting", "Pushes that wait for staging memory."),
    GAUGE(core_stats, pushes_gathering, "pushes_gathering",
          "Pushes in shared memory that wait for the other workers'."),
    GAUGE(core_stats, pulls_waiting, "pulls_waiting", "Pulls that wait for their nodes."),
    GAUGE(core_stats, bodies_receiving, "bodies_receiving", "Pushes whose body is on its way."),
    GAUGE(core_stats, folds_running, "folds_running", "Folds in progress."),
};

static const struct metric net_metrics[] = {
    GAUGE(admin_numbers, connections, "connections", "Connections of workers."),
    GAUGE(admin_numbers, connections_max, "connections_limit", "Connections of workers allowed."),
    COUNTER(admin_numbers, connections_accepted, "connections_accepted", "Connections accepted."),
    COUNTER(admin_numbers, connections_refused, "connections_refused",
            "Connections closed at once because there were too many."),
    COUNTER(admin_numbers, connections_timed_out, "connections_timed_out",
            "Connections closed because they made no progress."),
    COUNTER(admin_numbers, requests_received, "requests_received", "Requests received."),
    COUNTER(admin_numbers, frames_malformed, "frames_malformed", "Frames that ended a connection."),
    COUNTER(admin_numbers, bytes_received, "received_bytes", "Bytes received from workers."),
    COUNTER(admin_numbers, bytes_sent, "sent_bytes", "Bytes sent to workers."),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void write_head(struct text *out, const char *name, const char *type, const char *help)
{
    text_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_one(struct text *out, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    write_head(out, name, type, help);
    text_add(out, name);
    text_add(out, " ");
    text_uint(out, value);
    text_add(out, "\n");
}

static void write_table(struct text *out, const struct metric *metrics, size_t n, const void *from)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t *value = (const void *)((const char *)from + metrics[i].offset);
        write_one(out, metrics[i].name, metrics[i].type, metrics[i].help, *value);
    }
}

static void write_replies(struct text *out, const struct core_stats *stats)
{
    write_head(out, "gradfoldd_replies_total", "counter", "Replies by code.");
    for (int code = 0; code < CODE_COUNT; code++) {
        text_format(out, "gradfoldd_replies_total{code=\"%s\"} ", code_name(code));
        text_uint(out, stats->replies[code]);
        text_add(out, "\n");
    }
}

/* -- Of each job: its open round, since a round that stays open is what one wants to hear of -- */

static uint64_t job_workers(const struct job *job, const struct round *round, uint64_t now_ms)
{
    (void)round;
    (void)now_ms;
    return job->world_size;
}

static uint64_t job_open_round(const struct job *job, const struct round *round, uint64_t now_ms)
{
    (void)job;
    (void)now_ms;
    return round->number;
}

static uint64_t job_final_workers(const struct job *job, const struct round *round, uint64_t now_ms)
{
    (void)job;
    (void)now_ms;
    return round->n_final;
}

static uint64_t job_age_s(const struct job *job, const struct round *round, uint64_t now_ms)
{
    (void)job;
    return now_ms < round->opened_ms ? 0 : (now_ms - round->opened_ms) / 1000;
}

/* The names of jobs are of [A-Za-z0-9._-], so they need no escaping as labels. */
static void write_jobs(struct text *out, const struct world *world, const char *name,
                       const char *help,
                       uint64_t (*value)(const struct job *, const struct round *, uint64_t),
                       uint64_t now_ms)
{
    write_head(out, name, "gauge", help);
    world_lock(world);
    list_each (link, core_jobs(world->config.core)) {
        const struct job *job = list_entry(link, struct job, link);
        if (list_empty(&job->rounds))
            continue;
        const struct round *open = list_entry(job->rounds.prev, struct round, link);
        text_format(out, "%s{job=\"%s\"} ", name, job->name);
        text_uint(out, value(job, open, now_ms));
        text_add(out, "\n");
    }
    world_unlock(world);
}

static void write_process(struct text *out, const struct world *world)
{
    struct process_facts facts;
    process_look(&facts);
    write_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
              facts.resident_bytes);
    write_one(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.", facts.virtual_bytes);
    write_one(out, "process_open_fds", "gauge", "Open file descriptors.", facts.open_fds);
    write_one(out, "process_max_fds", "gauge", "File descriptors allowed.", facts.max_fds);
    write_head(out, "process_cpu_seconds_total", "counter", "User and system CPU time.");
    text_format(out, "process_cpu_seconds_total %.6f\n", facts.cpu_s);
    write_head(out, "process_start_time_seconds", "gauge", "Start, since the epoch.");
    text_format(out, "process_start_time_seconds %.3f\n", world->started_s);
}

static void write_self(struct text *out, const struct world *world)
{
    const struct admin_config *config = &world->config;
    write_head(out, "gradfoldd_build_info", "gauge", "What is running; always 1.");
    text_format(out, "gradfoldd_build_info{version=\"%s\",kernels=\"%s\"} 1\n",
                config->version == NULL ? "" : config->version,
                config->kernels == NULL ? "" : config->kernels);
    write_one(out, "gradfoldd_ready", "gauge", "1 while requests are served.",
              world->state == ADMIN_READY);
    write_one(out, "gradfoldd_log_lines_lost_total", "counter", "Log lines that were dropped.",
              config->log == NULL ? 0 : log_lost(config->log));
    write_one(out, "gradfoldd_http_requests_total", "counter", "HTTP requests answered.",
              world->http_requests);
    write_one(out, "gradfoldd_http_connections", "gauge", "HTTP connections.",
              world->http_connections);
}

void metrics_write(struct text *out, const struct world *world)
{
    struct core_stats stats;
    struct admin_numbers numbers;
    world_lock(world);
    core_stats(world->config.core, &stats);
    world_unlock(world);
    world_numbers(world, &numbers);
    write_self(out, world);
    write_table(out, core_metrics, COUNT(core_metrics), &stats);
    write_replies(out, &stats);
    write_table(out, net_metrics, COUNT(net_metrics), &numbers);
    write_jobs(out, world, "gradfoldd_job_workers", "Workers of the job.", job_workers,
               numbers.now_ms);
    write_jobs(out, world, "gradfoldd_job_open_round", "Number of the job's open round.",
               job_open_round, numbers.now_ms);
    write_jobs(out, world, "gradfoldd_job_final_workers",
               "Workers that are final in the job's open round.", job_final_workers,
               numbers.now_ms);
    write_jobs(out, world, "gradfoldd_job_open_round_age_seconds",
               "How long the job's open round has been open.", job_age_s, numbers.now_ms);
    write_process(out, world);
}
