/* Closing a round on request. */
#include "client/call.h"
#include "client/report.h"

struct close_call {
    struct request request;
    gf_round_state state;
};

static gf_code accept_close(struct request *request, const Gradfold__V1__Response *response,
                            uint64_t body_bytes, gf_error *error)
{
    const Gradfold__V1__RoundStatus *round = response->close_round->round;
    if (round == NULL || body_bytes != 0)
        return report(error, GF_CLIENT_PROTOCOL, "close round: the answer describes no round");
    ((struct close_call *)request)->state = (gf_round_state)round->state;
    return GF_OK;
}

static const struct request_kind close_kind = {
    .what = "close round",
    .result = GRADFOLD__V1__RESPONSE__RESULT_CLOSE_ROUND,
    .accept = accept_close,
};

gf_code gf_round_close(gf_client *client, const char *job, uint64_t round, uint32_t timeout_ms,
                       gf_round_state *state, gf_error *error)
{
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__CloseRound close = GRADFOLD__V1__CLOSE_ROUND__INIT;
    struct request *request = NULL;
    struct gf_op *op = NULL;
    close.job = (char *)(uintptr_t)job;
    close.has_round = true;
    close.round = round;
    message.op_case = GRADFOLD__V1__REQUEST__OP_CLOSE_ROUND;
    message.close_round = &close;
    gf_code code = call_new(client, &close_kind, sizeof(struct close_call), &message, timeout_ms,
                            &request, error);
    if (code != GF_OK)
        return code;
    code = call_run(client, request, &op, error);
    if (code == GF_OK && state != NULL)
        *state = ((struct close_call *)request)->state;
    gf_op_free(op);
    return code;
}
