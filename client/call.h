/* Calls without tensors: one request, one answer. */
#pragma once

#include "client/client.h"

/* A request of `size` bytes (its first member is struct request), zeroed, with this message and
 * without a body. *request is set on success only. */
gf_code call_new(gf_client *client, const struct request_kind *kind, size_t size,
                 Gradfold__V1__Request *message, uint32_t timeout_ms, struct request **request,
                 gf_error *error);

/* Sends it and waits. The request is given away to *op, which is for gf_op_free() whatever the
 * code; it may be NULL if the code is not GF_OK. */
gf_code call_run(gf_client *client, struct request *request, struct gf_op **op, gf_error *error);
