/* A pull request: gradients are received straight into the caller's buffers. */
#pragma once

#include "client/client.h"

/* Not yet in flight. *request is set on success only. */
gf_code pull_new(gf_client *client, const gf_pull_args *args, struct request **request,
                 gf_error *error);

void pull_result(const struct request *request, gf_pull_result *result);
