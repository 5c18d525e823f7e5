#include "client/hello.h"

#include <stdio.h>
#include <string.h>

#include "client/call.h"
#include "client/report.h"

enum {
    PROTOCOL = 1
};

struct hello {
    struct request request;
    struct hello_answer answer;
};

/* A path that is absolute and short enough to be connected to. */
static void note_path(struct hello_answer *answer, const char *path)
{
    if (path != NULL && path[0] == '/' && strlen(path) < sizeof answer->unix_path)
        memcpy(answer->unix_path, path, strlen(path) + 1);
}

static gf_code accept_hello(struct request *request, const Gradfold__V1__Response *response,
                            uint64_t body_bytes, gf_error *error)
{
    struct hello_answer *answer = &((struct hello *)request)->answer;
    const Gradfold__V1__HelloResult *result = response->hello;
    if (result->protocol != PROTOCOL || body_bytes != 0)
        return report(error, GF_CLIENT_PROTOCOL, "the server speaks protocol %u, this library %d",
                      result->protocol, PROTOCOL);
    answer->info = (gf_server_info){
        .protocol = result->protocol,
        .max_header_bytes = result->max_header_bytes,
        .max_body_bytes = result->max_body_bytes,
        .shared_memory = request->op != NULL && request->op->client->connection.shared,
    };
    snprintf(answer->info.version, sizeof answer->info.version, "%s",
             result->server_version != NULL ? result->server_version : "");
    note_path(answer, result->unix_path);
    answer->has_instance = result->has_instance;
    answer->instance = result->instance;
    return GF_OK;
}

static const struct request_kind hello_kind = {
    .what = "hello",
    .result = GRADFOLD__V1__RESPONSE__RESULT_HELLO,
    .accept = accept_hello,
};

gf_code hello_new(gf_client *client, uint32_t timeout_ms, struct request **request, gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__Hello op = GRADFOLD__V1__HELLO__INIT;
    op.has_protocol = true;
    op.protocol = PROTOCOL;
    op.client = client->name;
    op.token = client->token;
    message.op_case = GRADFOLD__V1__REQUEST__OP_HELLO;
    message.hello = &op;
    return call_new(client, &hello_kind, sizeof(struct hello), &message, timeout_ms, request,
                    error);
}

const struct hello_answer *hello_answer(const struct request *request)
{
    return &((const struct hello *)request)->answer;
}

gf_code gf_ping(gf_client *client, uint32_t timeout_ms, gf_server_info *info, gf_error *error)
{
    struct request *request = NULL;
    gf_code code = hello_new(client, timeout_ms, &request, error);
    if (code != GF_OK)
        return code;
    struct gf_op *op = NULL;
    code = call_run(client, request, &op, error);
    if (code == GF_OK && info != NULL)
        *info = hello_answer(request)->info;
    gf_op_free(op);
    return code;
}
