/* gradfold top: status, again and again, with what happened in between. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin.h"
#include "commands.h"
#include "interrupt.h"
#include "print.h"
#include "report.h"
#include "screen.h"
#include "snapshot_print.h"
#include "text.h"

const struct option top_options[] = {
    {.name = "interval",
     .letter = 'i',
     .value = "TIME",
     .kind = OPTION_TIME,
     .min = 50,
     .max = 86400000,
     .fallback = "1s",
     .help = "how often it is looked"},
    {.name = "count",
     .letter = 'c',
     .value = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000000,
     .help = "end after so many\n[default: 1 in a pipe, on a terminal when q is pressed]"},
    OPTION_ADMIN,
    OPTION_TIMEOUT,
    OPTION_JSON,
    {.name = NULL},
};

enum {
    LINES_ABOVE_JOBS = 6,
    LINES_BELOW_JOBS = 2,
};

struct top {
    const struct arguments *arguments;
    struct admin admin;
    struct screen screen;
    struct snapshot last;
    uint64_t count; /* still to be shown; 0: without an end */
    int interval_ms;
};

/* -- Showing -- */

/* What a terminal has room for; it is not asked for more. */
static size_t jobs_shown(const struct top *top)
{
    size_t rows = top->screen.taken ? screen_rows() : 0;
    if (!top->screen.taken)
        return SIZE_MAX;
    return rows > LINES_ABOVE_JOBS + LINES_BELOW_JOBS ? rows - LINES_ABOVE_JOBS - LINES_BELOW_JOBS
                                                      : 1;
}

static enum exit_status draw(const struct top *top, const struct snapshot *now, const json_t *rates)
{
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    if (out == NULL)
        return report_no_memory();
    if (top->admin.error[0] != '\0')
        fprintf(out, "NO ANSWER, this is old: %s\n", top->admin.error);
    snapshot_print(out, now, rates);
    fclose(out);
    if (top->screen.taken)
        screen_draw(lines);
    else
        fputs(lines, stdout);
    free(lines);
    return STATUS_DONE;
}

static enum exit_status show(const struct top *top, const struct snapshot *now, json_t *rates)
{
    if (!arguments_flag(top->arguments, "json"))
        return draw(top, now, rates);
    enum exit_status status = print_object(snapshot_json(now, rates));
    fflush(stdout);
    return status;
}

/* -- Looking -- */

/* True: enough. */
static bool wait_interval(const struct top *top)
{
    if (top->screen.taken)
        return screen_wait(top->interval_ms);
    return interrupt_poll(NULL, 0, top->interval_ms) < 0;
}

/* A server that does not answer is asked again: it may be starting anew. */
static enum exit_status look(struct top *top)
{
    struct snapshot now;
    top->admin.error[0] = '\0';
    bool taken = snapshot_take(&now, &top->admin, NULL, jobs_shown(top));
    if (!taken && !top->screen.taken) {
        snapshot_free(&now);
        return admin_complain(&top->admin);
    }
    json_t *rates = taken ? snapshot_rates(&top->last, &now) : NULL;
    enum exit_status status = show(top, taken ? &now : &top->last, rates);
    json_decref(rates);
    if (taken) {
        snapshot_free(&top->last);
        top->last = now;
    } else {
        snapshot_free(&now);
    }
    return status;
}

static enum exit_status run(struct top *top)
{
    if (!snapshot_take(&top->last, &top->admin, NULL, SIZE_MAX))
        return admin_complain(&top->admin);
    bool json = arguments_flag(top->arguments, "json");
    if (!json && isatty(STDOUT_FILENO))
        screen_take(&top->screen);
    if (top->screen.taken)
        show(top, &top->last, NULL);
    top->count = arguments_number(top->arguments, "count");
    if (top->count == 0 && !top->screen.taken)
        top->count = 1;
    enum exit_status status = STATUS_DONE;
    while (status == STATUS_DONE && !wait_interval(top)) {
        status = look(top);
        if (top->count > 0 && --top->count == 0)
            break;
    }
    screen_give_back(&top->screen);
    return status;
}

enum exit_status top_run(const struct arguments *arguments)
{
    struct top top = {.arguments = arguments,
                      .interval_ms = (int)arguments_number(arguments, "interval")};
    interrupt_catch();
    enum exit_status status = admin_open(&top.admin, arguments);
    if (status == STATUS_DONE)
        status = run(&top);
    snapshot_free(&top.last);
    admin_close(&top.admin);
    return status;
}
