/* A pull request: gradients are received straight into the caller's memory, or shown in a view. */
#pragma once

#include "client/client.h"

/* Not yet in flight. *request is set on success only. */
gf_code pull_new(gf_client *client, const gf_pull_args *args, struct request **request,
                 gf_error *error);

/* Of an answered one. The view is given away with the first result. */
void pull_take_result(struct request *request, gf_pull_result *result);
