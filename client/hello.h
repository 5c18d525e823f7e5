/* The greeting: the first request of every connection, and what gf_ping() sends. */
#pragma once

#include "client/client.h"

/* Not yet in flight. *request is set on success only. */
gf_code hello_new(gf_client *client, uint32_t timeout_ms, struct request **request,
                  gf_error *error);

/* Of an answered one. */
const gf_server_info *hello_info(const struct request *request);
