#include "client/call.h"

#include <stdlib.h>

#include "client/flight.h"
#include "client/report.h"

gf_code call_new(gf_client *client, const struct request_kind *kind, size_t size,
                 Gradfold__V1__Request *message, uint32_t timeout_ms, struct request **request,
                 gf_error *error)
{
    struct request *made = calloc(1, size);
    if (made == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a request");
    made->kind = kind;
    flight_prepare(client, made, timeout_ms);
    gf_code code = request_reserve(made, 0, error);
    if (code == GF_OK)
        code = request_pack(made, message, error);
    if (code == GF_OK)
        *request = made;
    else
        request_free(made);
    return code;
}

gf_code call_run(gf_client *client, struct request *request, struct gf_op **op, gf_error *error)
{
    *op = op_new(client);
    if (*op == NULL) {
        request_free(request);
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for an operation");
    }
    (*op)->other = request;
    gf_code code = op_submit(*op, false, error);
    return code != GF_OK ? code : gf_op_wait(*op, error);
}
