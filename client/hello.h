/* The greeting: the first request of every connection, and what gf_ping() sends. */
#pragma once

#include "client/client.h"

/* Not yet in flight. *request is set on success only. */
gf_code hello_new(gf_client *client, uint32_t timeout_ms, struct request **request,
                  gf_error *error);

struct hello_answer {
    gf_server_info info;
    char unix_path[108]; /* the server's Unix socket; "": none that could be used */
    bool has_instance;
    uint64_t instance;
};

/* Of an answered one. */
const struct hello_answer *hello_answer(const struct request *request);
