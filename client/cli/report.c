#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One process runs one command. */
static const char *name = NULL;

void report_name(const char *command)
{
    name = command;
}

void complain(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "gradfold%s%s: ", name == NULL ? "" : " ", name == NULL ? "" : name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void advise(const char *format, ...)
{
    va_list args;
    fputs("  next: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* What helps for a code; %s is the job. */
struct hint {
    gf_code code;
    const char *text;
};

static const struct hint of_job[] = {
    {GF_UNKNOWN_NODE, "`gradfold describe %s` shows the nodes"},
    {GF_SHAPE_MISMATCH, "`gradfold describe %s` shows the nodes"},
    {GF_DTYPE_MISMATCH, "`gradfold describe %s` shows the nodes"},
    {GF_STALE_ROUND, "`gradfold describe %s` shows which round is open"},
    {GF_FUTURE_ROUND, "`gradfold describe %s` shows which round is open"},
    {GF_ALREADY_EXISTS, "`gradfold describe --spec %s` prints the spec that has the name"},
    {GF_DEADLINE_EXCEEDED,
     "`gradfold status %s` shows whom the round waits for; --timeout gives it longer"},
};

static const struct hint of_any[] = {
    {GF_NOT_FOUND, "`gradfold jobs` lists the jobs, `gradfold describe JOB` their rounds"},
    {GF_CONFLICT, "another push of the round needs another --sequence"},
    {GF_NON_FINITE, "a job with \"non_finite\": \"propagate\" lets NaN and infinities through"},
    {GF_RESOURCE_EXHAUSTED, "`gradfold status` shows which of the server's budgets is full"},
    {GF_TOO_LARGE, "push fewer tensors at once, or start gradfoldd with a larger --max-body-bytes"},
    {GF_DEADLINE_EXCEEDED, "--timeout gives it longer"},
    {GF_CLIENT_UNREACHABLE,
     "is gradfoldd running there? --server or GRADFOLD_SERVER says where it is"},
};

static const char *hint_for(gf_code code, const struct hint *hints, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (hints[i].code == code)
            return hints[i].text;
    }
    return NULL;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Writes the advice with the job in the place of %s. */
static void advise_for(gf_code code, const char *job)
{
    const char *text = job == NULL ? NULL : hint_for(code, of_job, COUNT(of_job));
    const char *place = text == NULL ? NULL : strstr(text, "%s");
    if (place != NULL) {
        advise("%.*s%s%s", (int)(place - text), text, job, place + 2);
        return;
    }
    text = hint_for(code, of_any, COUNT(of_any));
    if (text != NULL)
        advise("%s", text);
}

enum exit_status report_error(const gf_error *error, const char *what, const char *job)
{
    complain("%s: %s: %s", what, gf_code_name(error->code),
             error->message[0] != '\0' ? error->message : gf_code_text(error->code));
    advise_for(error->code, job);
    switch (error->code) {
    case GF_CLIENT_UNREACHABLE:
        return STATUS_UNREACHABLE;
    case GF_DEADLINE_EXCEEDED:
        return STATUS_TIMEOUT;
    default:
        return STATUS_FAILED;
    }
}

enum exit_status report_no_memory(void)
{
    complain("not enough memory");
    return STATUS_FAILED;
}

enum exit_status report_output(enum exit_status status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    complain("standard output: %s", strerror(errno));
    return status == STATUS_DONE ? STATUS_FILE : status;
}
