#include "session.h"

#include <stdio.h>

enum {
    CONNECT_MS = 5000
};

uint32_t session_connect_ms(uint32_t timeout_ms)
{
    return timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS;
}

enum exit_status session_open_at(const char *address, uint32_t timeout_ms, gf_client **client)
{
    const gf_options options = {
        .size = sizeof options,
        .connect_timeout_ms = session_connect_ms(timeout_ms),
        .call_timeout_ms = timeout_ms,
        .name = "gradfold",
    };
    gf_error error;
    gf_code code = gf_connect(address, &options, client, &error);
    if (code == GF_INVALID_ARGUMENT) {
        complain("--server: %s", error.message);
        return STATUS_USAGE;
    }
    return session_check(code, &error, address, NULL);
}

enum exit_status session_open(const struct arguments *arguments, gf_client **client)
{
    return session_open_at(arguments_text(arguments, "server"),
                           (uint32_t)arguments_number(arguments, "timeout"), client);
}

enum exit_status session_describe(gf_client *client, const char *name, gf_job **job)
{
    gf_error error;
    gf_code code = gf_job_describe(client, name, GF_DEFAULT_TIMEOUT, job, &error);
    return session_check(code, &error, name, NULL);
}

enum exit_status session_check(gf_code code, const gf_error *error, const char *what,
                               const char *job)
{
    return code == GF_OK ? STATUS_DONE : report_error(error, what, job);
}
