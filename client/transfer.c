/* The public calls that move tensors: push, pull and both, in their two forms. */
#include "client/client.h"
#include "client/pull.h"
#include "client/push.h"
#include "client/report.h"

/* An operation of either or both parts, in flight. *op is set on success only. */
static gf_code submit(gf_client *client, const gf_push_args *push, const gf_pull_args *pull,
                      bool background, gf_op **op, gf_error *error)
{
    struct gf_op *made = op_new(client);
    if (made == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for an operation");
    gf_code code = GF_OK;
    if (push != NULL)
        code = push_new(client, push, &made->push, error);
    if (pull != NULL && code == GF_OK)
        code = pull_new(client, pull, &made->pull, error);
    if (code == GF_OK)
        code = op_submit(made, background, error);
    if (code != GF_OK) {
        gf_op_free(made);
        return code;
    }
    *op = made;
    return report_ok(error);
}

static gf_code run(gf_client *client, const gf_push_args *push, const gf_pull_args *pull,
                   gf_push_result *pushed, gf_pull_result *pulled, gf_error *error)
{
    struct gf_op *op = NULL;
    if (pull != NULL && pull->view && pulled == NULL)
        return report(error, GF_INVALID_ARGUMENT, "pull: a view without a result to hold it");
    gf_code code = submit(client, push, pull, false, &op, error);
    if (code != GF_OK)
        return code;
    code = gf_op_wait(op, error);
    if (code == GF_OK && pushed != NULL)
        push_result(op->push, pushed);
    if (code == GF_OK && pulled != NULL)
        pull_take_result(op->pull, pulled);
    gf_op_free(op);
    return code;
}

gf_code gf_push(gf_client *client, const gf_push_args *args, gf_push_result *result,
                gf_error *error)
{
    return run(client, args, NULL, result, NULL, error);
}

gf_code gf_pull(gf_client *client, const gf_pull_args *args, gf_pull_result *result,
                gf_error *error)
{
    return run(client, NULL, args, NULL, result, error);
}

gf_code gf_push_pull(gf_client *client, const gf_push_args *push, const gf_pull_args *pull,
                     gf_push_result *pushed, gf_pull_result *pulled, gf_error *error)
{
    return run(client, push, pull, pushed, pulled, error);
}

gf_code gf_push_submit(gf_client *client, const gf_push_args *args, gf_op **op, gf_error *error)
{
    return submit(client, args, NULL, true, op, error);
}

gf_code gf_pull_submit(gf_client *client, const gf_pull_args *args, gf_op **op, gf_error *error)
{
    return submit(client, NULL, args, true, op, error);
}

gf_code gf_push_pull_submit(gf_client *client, const gf_push_args *push, const gf_pull_args *pull,
                            gf_op **op, gf_error *error)
{
    return submit(client, push, pull, true, op, error);
}
