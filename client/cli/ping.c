/* gradfold ping: is the server there, which one is it, how far away? */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "commands.h"
#include "print.h"
#include "session.h"
#include "text.h"

const struct option ping_options[] = {
    OPTION_SERVER,
    OPTION_TIMEOUT,
    {.name = "count",
     .letter = 'c',
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .fallback = "10",
     .help = "so many requests, one after the other"},
    OPTION_JSON,
    {.name = NULL},
};

struct trip {
    double min_us, max_us, sum_us;
};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static gf_code measure(gf_client *client, uint64_t count, gf_server_info *info, struct trip *trip,
                       gf_error *error)
{
    *trip = (struct trip){0};
    for (uint64_t i = 0; i < count; i++) {
        double before = now_us();
        gf_code code = gf_ping(client, GF_DEFAULT_TIMEOUT, info, error);
        if (code != GF_OK)
            return code;
        double us = now_us() - before;
        trip->sum_us += us;
        trip->max_us = us > trip->max_us ? us : trip->max_us;
        trip->min_us = i == 0 || us < trip->min_us ? us : trip->min_us;
    }
    return GF_OK;
}

static enum exit_status print_json(const char *address, uint64_t count, const gf_server_info *info,
                                   const struct trip *trip)
{
    return print_object(json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:b, s:I, s:f, s:f, s:f}", "server", address, "version",
        info->version, "protocol", (json_int_t)info->protocol, "max_header_bytes",
        (json_int_t)info->max_header_bytes, "max_body_bytes", (json_int_t)info->max_body_bytes,
        "shared_memory", info->shared_memory, "count", (json_int_t)count, "min_us", trip->min_us,
        "mean_us", trip->sum_us / (double)count, "max_us", trip->max_us));
}

enum exit_status ping_run(const struct arguments *arguments)
{
    gf_client *client = NULL;
    enum exit_status status = session_open(arguments, &client);
    if (status != STATUS_DONE)
        return status;
    const char *address = arguments_text(arguments, "server");
    uint64_t count = arguments_number(arguments, "count");
    gf_server_info info;
    struct trip trip;
    gf_error error;
    gf_code code = measure(client, count, &info, &trip, &error);
    gf_close(client);
    if (code != GF_OK)
        return report_error(&error, address, NULL);
    if (arguments_flag(arguments, "json"))
        return print_json(address, count, &info, &trip);
    char body[TEXT_MAX];
    printf("gradfoldd %s at %s: protocol %" PRIu32 ", pushes up to %s, shared memory: %s\n"
           "%" PRIu64 " requests, there and back: min %.1f, mean %.1f, max %.1f us\n",
           info.version, address, info.protocol, text_bytes(info.max_body_bytes, body),
           info.shared_memory ? "yes" : "no", count, trip.min_us, trip.sum_us / (double)count,
           trip.max_us);
    return STATUS_DONE;
}
