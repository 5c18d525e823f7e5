/* A push request: the header is made once and sent as often as needed, always under the same key.
 */
#pragma once

#include "client/client.h"

/* Not yet in flight. *request is set on success only. */
gf_code push_new(gf_client *client, const gf_push_args *args, struct request **request,
                 gf_error *error);

void push_result(const struct request *request, gf_push_result *result);
