#include "snapshot_print.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "text.h"

enum {
    MISSING_MAX = 48
};

static json_int_t integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "?" : text;
}

static const char *bytes(const struct snapshot *snapshot, const char *metric,
                         char out[static TEXT_MAX])
{
    return text_bytes((uint64_t)snapshot_metric(snapshot, metric), out);
}

/* -- The server -- */

static uint64_t refusals(const struct snapshot *snapshot)
{
    uint64_t sum = 0;
    const char *code;
    json_t *count;
    json_object_foreach(json_object_get(snapshot->server, "replies"), code, count)
    {
        if (strcmp(code, "OK") != 0)
            sum += (uint64_t)json_integer_value(count);
    }
    return sum;
}

static void print_server(FILE *out, const struct snapshot *s)
{
    char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX], d[TEXT_MAX], e[TEXT_MAX], f[TEXT_MAX];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double up_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
                  snapshot_metric(s, "process_start_time_seconds");
    fprintf(out, "gradfoldd %s at %s: %s, up %s, %s kernels, %.0f connections\n",
            string(s->server, "version"), string(s->server, "address"),
            snapshot_metric(s, "ready") > 0 ? "ready" : "not ready",
            text_ms(up_s > 0 ? (uint64_t)(up_s * 1000) : 0, a), string(s->server, "kernels"),
            snapshot_metric(s, "connections"));
    fprintf(out,
            "pushes: %.0f accepted, %.0f duplicate, %.0f discarded; %.0f wait, as do %.0f pulls; "
            "%" PRIu64 " requests refused\n",
            snapshot_metric(s, "pushes_accepted_total"),
            snapshot_metric(s, "pushes_duplicate_total"),
            snapshot_metric(s, "pushes_discarded_total"), snapshot_metric(s, "pushes_waiting"),
            snapshot_metric(s, "pulls_waiting"), refusals(s));
    fprintf(out, "memory: staging %s of %s, results %s of %s, accumulators %s of %s\n",
            bytes(s, "staging_used_bytes", a), bytes(s, "staging_limit_bytes", b),
            bytes(s, "results_used_bytes", c), bytes(s, "results_limit_bytes", d),
            bytes(s, "accumulators_used_bytes", e), bytes(s, "accumulators_limit_bytes", f));
}

static double real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_rates(FILE *out, const json_t *rates)
{
    fprintf(out, "rates: pushed %.3f GB/s, sent %.3f GB/s, %.1f pushes/s, %.1f rounds/s\n",
            real(rates, "pushed_gb_per_s"), real(rates, "sent_gb_per_s"),
            real(rates, "pushes_per_s"), real(rates, "rounds_per_s"));
}

/* -- Rounds -- */

/* "0-3,7"; what does not fit is "...". */
static const char *missing(const json_t *round, char out[static MISSING_MAX])
{
    const json_t *list = json_object_get(round, "missing_workers");
    size_t n = json_array_size(list);
    size_t length = 0;
    snprintf(out, MISSING_MAX, "%s", n == 0 ? "-" : "");
    for (size_t i = 0; i < n; i++) {
        json_int_t first = json_integer_value(json_array_get(list, i));
        json_int_t last = first;
        while (i + 1 < n && json_integer_value(json_array_get(list, i + 1)) == last + 1)
            last = json_integer_value(json_array_get(list, ++i));
        if (length > MISSING_MAX - 28) {
            snprintf(out + length, MISSING_MAX - length, ",...");
            break;
        }
        const char *comma = length > 0 ? "," : "";
        int added = first == last ? snprintf(out + length, MISSING_MAX - length,
                                             "%s%" JSON_INTEGER_FORMAT, comma, first)
                                  : snprintf(out + length, MISSING_MAX - length,
                                             "%s%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT,
                                             comma, first, last);
        length += (size_t)added;
    }
    return out;
}

static const char * final(const json_t *job, const json_t *round, char out[static TEXT_MAX])
{
    snprintf(out, TEXT_MAX, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
             integer(round, "final"), integer(json_object_get(job, "spec"), "world_size"));
    return out;
}

static int name_width(const struct snapshot *snapshot)
{
    size_t width = strlen("JOB");
    for (size_t i = 0; i < json_array_size(snapshot->jobs); i++) {
        size_t n = strlen(string(json_array_get(snapshot->jobs, i), "name"));
        width = n > width ? n : width;
    }
    return (int)width;
}

static void print_job(FILE *out, const json_t *job, const json_t *rates, int width)
{
    const json_t *rounds = json_object_get(job, "rounds");
    size_t n = json_array_size(rounds);
    const json_t *open = n == 0 ? NULL : json_array_get(rounds, n - 1);
    const json_t *rate = json_object_get(json_object_get(rates, "jobs"), string(job, "name"));
    char done[TEXT_MAX], age[TEXT_MAX], who[MISSING_MAX], size[TEXT_MAX], often[TEXT_MAX] = "";
    if (rate != NULL)
        snprintf(often, sizeof often, "%.1f", json_number_value(rate));
    fprintf(out, "%-*s  %7" JSON_INTEGER_FORMAT "  %9s  %8" JSON_INTEGER_FORMAT "  %11s  %12s  ",
            width, string(job, "name"), integer(json_object_get(job, "spec"), "node_count"),
            text_bytes((uint64_t)integer(job, "gradient_bytes"), size), integer(open, "round"),
            final(job, open, done), text_ms((uint64_t)integer(open, "age_ms"), age));
    if (rates != NULL)
        fprintf(out, "%8s  ", often);
    fprintf(out, "%s\n", missing(open, who));
}

void snapshot_print(FILE *out, const struct snapshot *snapshot, const json_t *rates)
{
    size_t n = json_array_size(snapshot->jobs);
    print_server(out, snapshot);
    if (rates != NULL)
        print_rates(out, rates);
    if (n == 0) {
        fprintf(out, "\nno jobs\n");
        return;
    }
    int width = name_width(snapshot);
    fprintf(out, "\n%-*s  %7s  %9s  %8s  %11s  %12s  %s%s\n", width, "JOB", "NODES", "GRADIENT",
            "ROUND", "FINAL", "AGE", rates == NULL ? "" : "ROUNDS/S  ", "MISSING WORKERS");
    for (size_t i = 0; i < n; i++)
        print_job(out, json_array_get(snapshot->jobs, i), rates, width);
    if (snapshot->all_jobs > n)
        fprintf(out, "... and %zu more jobs\n", snapshot->all_jobs - n);
}

void snapshot_print_rounds(FILE *out, const struct snapshot *snapshot)
{
    const json_t *job = json_array_get(snapshot->jobs, 0);
    const json_t *rounds = json_object_get(job, "rounds");
    fprintf(out, "\n%8s  %-8s  %11s  %8s  %10s  %12s  %s\n", "ROUND", "STATE", "FINAL", "PUSHES",
            "BYTES", "AGE", "MISSING WORKERS");
    for (size_t i = 0; i < json_array_size(rounds); i++) {
        const json_t *round = json_array_get(rounds, i);
        char done[TEXT_MAX], age[TEXT_MAX], who[MISSING_MAX], size[TEXT_MAX];
        fprintf(out,
                "%8" JSON_INTEGER_FORMAT "  %-8s  %11s  %8" JSON_INTEGER_FORMAT
                "  %10s  %12s  %s\n",
                integer(round, "round"), string(round, "state"), final(job, round, done),
                integer(round, "pushes"), text_bytes((uint64_t)integer(round, "bytes"), size),
                text_ms((uint64_t)integer(round, "age_ms"), age), missing(round, who));
    }
}

json_t *snapshot_json(const struct snapshot *snapshot, json_t *rates)
{
    json_t *json = json_pack("{s:O, s:O}", "server", snapshot->server, "jobs", snapshot->jobs);
    if (json != NULL && rates != NULL)
        json_object_set(json, "rates", rates);
    return json;
}
