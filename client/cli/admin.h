/* The server's HTTP interface, through libcurl. */
#pragma once

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>

#include "arguments.h"
#include "blob.h"

#define OPTION_ADMIN                                                                         \
    {                                                                                        \
        .name = "admin", .letter = 'a', .value = "ADDRESS", .kind = OPTION_TEXT,             \
        .fallback = "127.0.0.1:7434", .variable = "GRADFOLD_ADMIN",                          \
        .help = "where the server serves HTTP (gradfoldd --admin): HOST:PORT, [IPV6]:PORT\n" \
                "or http://HOST:PORT/PATH"                                                   \
    }

enum {
    ADMIN_URL_MAX = 1024,
    ADMIN_ERROR_MAX = 512,
};

struct admin {
    CURL *curl;
    const char *address; /* borrowed from the arguments */
    char base[ADMIN_URL_MAX];
    /* Of the last request that failed. */
    char error[ADMIN_ERROR_MAX];
    enum exit_status status;
};

/* By --admin and --timeout. Else it was complained about. In both cases admin_close(). */
enum exit_status admin_open(struct admin *admin, const struct arguments *arguments);
void admin_close(struct admin *admin);

/* path: "/metrics". Sets *blob, the caller's on success; false: error and status say why. */
bool admin_get(struct admin *admin, const char *path, struct blob *blob);

/* The same, of JSON: NULL for failure, else a new reference. */
json_t *admin_get_json(struct admin *admin, const char *path);

/* "/v1/jobs/NAME?nodes=0", of any name. */
json_t *admin_get_job(struct admin *admin, const char *name);

/* Complains about the last failure, with advice, and returns its status. */
enum exit_status admin_complain(const struct admin *admin);
