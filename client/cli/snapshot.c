#include "snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* -- /metrics -- */

/* Counts stay exact, and look like counts. */
static json_t *number(double value)
{
    const double exact_max = 9007199254740992; /* 2^53 */
    if (value >= 0 && value < exact_max && value == (double)(json_int_t)value)
        return json_integer((json_int_t)value);
    return json_real(value);
}

/* A line "gradfoldd_NAME VALUE", "…{code="CODE"} VALUE" or build_info. */
static void take_line(json_t *server, const char *line, size_t n)
{
    static const char build[] = "gradfoldd_build_info{version=\"";
    static const char replies[] = "gradfoldd_replies_total{code=\"";
    char name[128];
    char more[128];
    double value;
    char copy[512];
    if (n == 0 || n >= sizeof copy || line[0] == '#')
        return;
    memcpy(copy, line, n);
    copy[n] = '\0';
    if (strncmp(copy, build, sizeof build - 1) == 0) {
        if (sscanf(copy + sizeof build - 1, "%127[^\"]\",kernels=\"%127[^\"]", name, more) == 2) {
            json_object_set_new(server, "version", json_string(name));
            json_object_set_new(server, "kernels", json_string(more));
        }
    } else if (strncmp(copy, replies, sizeof replies - 1) == 0) {
        if (sscanf(copy + sizeof replies - 1, "%127[^\"]\"} %lf", name, &value) == 2)
            json_object_set_new(json_object_get(server, "replies"), name,
                                json_integer((json_int_t)value));
    } else if (sscanf(copy, "gradfoldd_%127[a-z_] %lf", name, &value) == 2 ||
               sscanf(copy, "%127[a-z_] %lf", name, &value) == 2) {
        json_object_set_new(json_object_get(server, "metrics"), name, number(value));
    }
}

static json_t *parse_metrics(const char *address, const char *text)
{
    json_t *server = json_pack("{s:s, s:s, s:s, s:{}, s:{}}", "address", address, "version", "?",
                               "kernels", "?", "metrics", "replies");
    while (server != NULL && *text != '\0') {
        size_t n = strcspn(text, "\n");
        take_line(server, text, n);
        text += n + (text[n] == '\n');
    }
    return server;
}

double snapshot_metric(const struct snapshot *snapshot, const char *name)
{
    return json_number_value(json_object_get(json_object_get(snapshot->server, "metrics"), name));
}

/* -- Jobs -- */

static bool take_job(struct snapshot *snapshot, struct admin *admin, const char *name)
{
    json_t *job = admin_get_job(admin, name);
    return job != NULL && json_array_append_new(snapshot->jobs, job) == 0;
}

/* One that is deleted between the list and its turn is left out. */
static bool take_jobs(struct snapshot *snapshot, struct admin *admin, size_t jobs_max)
{
    json_t *answer = admin_get_json(admin, "/v1/jobs");
    const json_t *list = json_object_get(answer, "jobs");
    bool done = answer != NULL;
    snapshot->all_jobs = json_array_size(list);
    for (size_t i = 0; done && i < snapshot->all_jobs && i < jobs_max; i++) {
        const json_t *name = json_object_get(json_array_get(list, i), "name");
        if (json_is_string(name) && !take_job(snapshot, admin, json_string_value(name)))
            done = strncmp(admin->error, "NOT_FOUND", 9) == 0;
    }
    json_decref(answer);
    return done;
}

bool snapshot_take(struct snapshot *snapshot, struct admin *admin, const char *job, size_t jobs_max)
{
    struct blob metrics;
    struct timespec now;
    *snapshot = (struct snapshot){.jobs = json_array(), .all_jobs = 1};
    clock_gettime(CLOCK_MONOTONIC, &now);
    snapshot->at_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    if (!admin_get(admin, "/metrics", &metrics))
        return false;
    snapshot->server = parse_metrics(admin->address, metrics.bytes);
    blob_free(&metrics);
    return job == NULL ? take_jobs(snapshot, admin, jobs_max) : take_job(snapshot, admin, job);
}

void snapshot_free(struct snapshot *snapshot)
{
    json_decref(snapshot->server);
    json_decref(snapshot->jobs);
    *snapshot = (struct snapshot){0};
}

/* -- Rates -- */

/* The number of the open round, which is the last one; -1: none. */
static json_int_t open_round(const json_t *job)
{
    const json_t *rounds = json_object_get(job, "rounds");
    size_t n = json_array_size(rounds);
    if (n == 0)
        return -1;
    return json_integer_value(json_object_get(json_array_get(rounds, n - 1), "round"));
}

static const json_t *find_job(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < json_array_size(snapshot->jobs); i++) {
        const json_t *job = json_array_get(snapshot->jobs, i);
        const char *its = json_string_value(json_object_get(job, "name"));
        if (its != NULL && strcmp(its, name) == 0)
            return job;
    }
    return NULL;
}

static json_t *job_rates(const struct snapshot *before, const struct snapshot *now, double s)
{
    json_t *rates = json_object();
    for (size_t i = 0; i < json_array_size(now->jobs); i++) {
        const json_t *job = json_array_get(now->jobs, i);
        const char *name = json_string_value(json_object_get(job, "name"));
        const json_t *earlier = name == NULL ? NULL : find_job(before, name);
        json_int_t rounds = open_round(job) - open_round(earlier);
        if (earlier != NULL && rounds >= 0) /* else the name was used again */
            json_object_set_new(rates, name, json_real((double)rounds / s));
    }
    return rates;
}

static double rate(const struct snapshot *before, const struct snapshot *now, const char *metric,
                   double s)
{
    double change = snapshot_metric(now, metric) - snapshot_metric(before, metric);
    return change < 0 ? 0 : change / s; /* the server started anew */
}

json_t *snapshot_rates(const struct snapshot *before, const struct snapshot *now)
{
    double s = now->at_s - before->at_s;
    if (s <= 0)
        s = 1e-3;
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:o}", "seconds", s, "pushed_gb_per_s",
                     rate(before, now, "accepted_bytes_total", s) / 1e9, "sent_gb_per_s",
                     rate(before, now, "sent_bytes_total", s) / 1e9, "rounds_per_s",
                     rate(before, now, "rounds_closed_total", s), "pushes_per_s",
                     rate(before, now, "pushes_accepted_total", s), "jobs",
                     job_rates(before, now, s));
}
