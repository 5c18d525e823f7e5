/* gradfold create: a job from its spec. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "print.h"
#include "session.h"
#include "spec_file.h"
#include "text.h"

const struct option create_options[] = {
    {.name = "name",
     .letter = 'n',
     .value = "NAME",
     .kind = OPTION_TEXT,
     .help = "the job's name, instead of the spec's"},
    OPTION_SERVER,
    OPTION_TIMEOUT,
    OPTION_JSON,
    OPTION_QUIET,
    {.name = NULL},
};

static enum exit_status show(const struct arguments *arguments, const struct spec_file *file,
                             bool created, uint64_t round)
{
    if (arguments_flag(arguments, "json"))
        return print_object(json_pack("{s:s, s:b, s:I}", "job", file->name, "created", created,
                                      "open_round", (json_int_t)round));
    if (arguments_flag(arguments, "quiet"))
        return STATUS_DONE;
    printf("job %s %s: %zu node%s, %" PRIu32 " worker%s; round %" PRIu64 " is open\n", file->name,
           created ? "is created" : "was there, with the same spec", file->nodes,
           text_plural(file->nodes), file->world_size, text_plural(file->world_size), round);
    return STATUS_DONE;
}

static enum exit_status create(const struct arguments *arguments, const struct spec_file *file)
{
    gf_client *client = NULL;
    enum exit_status status = session_open(arguments, &client);
    if (status != STATUS_DONE)
        return status;
    bool created = false;
    gf_job *job = NULL;
    gf_error error;
    gf_code code = gf_job_create(client, file->spec, GF_DEFAULT_TIMEOUT, &created, &job, &error);
    status = session_check(code, &error, file->name, file->name);
    if (status == STATUS_DONE)
        status = show(arguments, file, created, gf_job_open_round(job));
    gf_job_free(job);
    gf_close(client);
    return status;
}

enum exit_status create_run(const struct arguments *arguments)
{
    const char *name = arguments_text(arguments, "name");
    if (name != NULL && strlen(name) > 255) {
        complain("--name: expected 1 to 255 of [A-Za-z0-9._-]");
        return STATUS_USAGE;
    }
    struct spec_file file;
    enum exit_status status = spec_file_read(arguments->operands[0], name, &file);
    if (status != STATUS_DONE)
        return status;
    status = create(arguments, &file);
    gf_spec_free(file.spec);
    return status;
}
