/* gradfold status: how the server and its jobs stand. */
#include <stdio.h>

#include "admin.h"
#include "commands.h"
#include "print.h"
#include "snapshot_print.h"

const struct option status_options[] = {
    OPTION_ADMIN,
    OPTION_TIMEOUT,
    OPTION_JSON,
    {.name = NULL},
};

enum exit_status status_run(const struct arguments *arguments)
{
    struct admin admin;
    const char *job = arguments->n_operands > 0 ? arguments->operands[0] : NULL;
    enum exit_status status = admin_open(&admin, arguments);
    if (status == STATUS_DONE) {
        struct snapshot snapshot;
        if (!snapshot_take(&snapshot, &admin, job, SIZE_MAX)) {
            status = admin_complain(&admin);
        } else if (arguments_flag(arguments, "json")) {
            status = print_object(snapshot_json(&snapshot, NULL));
        } else {
            snapshot_print(stdout, &snapshot, NULL);
            if (job != NULL)
                snapshot_print_rounds(stdout, &snapshot);
        }
        snapshot_free(&snapshot);
    }
    admin_close(&admin);
    return status;
}
