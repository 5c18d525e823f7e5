#include "options/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/escape.h"
#include "options/table.h"

/* A read in progress. */
struct reading {
    const struct options_source *source;
    struct server_options options;
    bool given[OPTIONS_COUNT]; /* on the command line */
    int at;                    /* the argument after the ones that were read */
    char *text;
};

enum {
    SHOWN_MAX = 128,
    IO_THREADS_DEFAULT_MAX = 4, /* each moves gigabytes a second */
};

__attribute__((format(printf, 2, 3))) static enum options_outcome refuse(struct reading *r,
                                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->text, OPTIONS_TEXT_MAX, format, args);
    va_end(args);
    return OPTIONS_REFUSED;
}

/* where: "--listen" or "GRADFOLDD_LISTEN". */
static enum options_outcome apply(struct reading *r, const struct option *option, const char *where,
                                  const char *value)
{
    const char *why = option->apply(option, value, &r->options);
    if (why == NULL)
        return OPTIONS_RUN;
    char shown[SHOWN_MAX];
    return refuse(r, "%s: \"%s\": expected %s", where, escape_text(shown, sizeof shown, value),
                  why);
}

/* -- The command line -- */

/* The option that argument "--name" or "--name=value" means; *value is NULL in the first case. */
static const struct option *find(const char *argument, const char **value)
{
    size_t n = strcspn(argument, "=");
    *value = argument[n] == '=' ? argument + n + 1 : NULL;
    if (strcmp(argument, "-h") == 0)
        argument = "--help", n = 6;
    if (n < 2 || strncmp(argument, "--", 2) != 0)
        return NULL;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option *option = &options_table[i];
        if (strlen(option->name) == n - 2 && strncmp(option->name, argument + 2, n - 2) == 0)
            return option;
    }
    return NULL;
}

static enum options_outcome print(struct reading *r, const struct option *option, const char *value)
{
    if (value != NULL)
        return refuse(r, "--%s takes no value", option->name);
    if (strcmp(option->name, "help") == 0)
        options_help(r->text);
    else
        options_version(r->text);
    return OPTIONS_PRINT;
}

static enum options_outcome unknown(struct reading *r, const char *argument)
{
    char shown[SHOWN_MAX];
    escape_text(shown, sizeof shown, argument);
    if (argument[0] == '-' && argument[1] != '\0')
        return refuse(r, "unknown option \"%s\"; --help lists them", shown);
    return refuse(r, "unexpected argument \"%s\": only options are expected; --help lists them",
                  shown);
}

static enum options_outcome read_argument(struct reading *r)
{
    const struct options_source *source = r->source;
    const char *argument = source->argv[r->at++];
    const char *value = NULL;
    const struct option *option = find(argument, &value);
    if (option == NULL)
        return unknown(r, argument);
    if (option->apply == NULL)
        return print(r, option, value);
    char where[OPTION_VARIABLE_MAX];
    snprintf(where, sizeof where, "--%s", option->name);
    if (value == NULL && option->value == NULL)
        value = "on"; /* a switch */
    if (value == NULL && r->at < source->argc && strncmp(source->argv[r->at], "--", 2) != 0)
        value = source->argv[r->at++];
    if (value == NULL)
        return refuse(r, "%s: the value is missing, expected %s", where, option->accepts);
    r->given[option - options_table] = true;
    return apply(r, option, where, value);
}

/* -- What the command line does not say -- */

static enum options_outcome read_variable(struct reading *r, size_t i)
{
    const struct options_source *source = r->source;
    const struct option *option = &options_table[i];
    char variable[OPTION_VARIABLE_MAX];
    if (r->given[i] || option_variable(option, variable) == NULL)
        return OPTIONS_RUN;
    const char *value = source->environment(source->context, variable);
    if (value != NULL)
        return apply(r, option, variable, value);
    if (option->fallback != NULL)
        return apply(r, option, "default", option->fallback);
    return OPTIONS_RUN;
}

static uint64_t quarter(const struct machine *machine)
{
    const uint64_t least = UINT64_C(16) << 20;
    uint64_t bytes = machine->memory_bytes / 4;
    return bytes < least ? least : bytes;
}

static unsigned within(unsigned n, unsigned max)
{
    if (n < 1)
        return 1;
    return n < max ? n : max;
}

static void set_machine_defaults(struct server_options *o, const struct machine *machine)
{
    o->staging_bytes = quarter(machine);
    o->result_bytes = quarter(machine);
    o->accumulator_bytes = quarter(machine);
    o->shared_bytes = 2 * quarter(machine);
    o->threads = within(machine->cpus, 1024);
    o->io_threads = within(machine->cpus, IO_THREADS_DEFAULT_MAX);
}

/* -- What must hold between options -- */

static enum options_outcome check_address(struct reading *r, const char *name,
                                          const struct address *address)
{
    if (r->options.insecure || address_is_loopback(address))
        return OPTIONS_RUN;
    const char *value = NULL;
    const struct option *option = find(name, &value);
    char variable[OPTION_VARIABLE_MAX];
    if (!r->given[option - options_table]) /* then it is no default either: those are loopback */
        name = option_variable(option, variable);
    return refuse(r,
                  "%s: \"%s\" can be reached from other machines, and nobody has to authenticate: "
                  "expected a loopback address such as 127.0.0.1 or [::1], or --insecure if "
                  "everybody on that network is trusted",
                  name, address->text);
}

static enum options_outcome check_twice(struct reading *r, const struct address *a,
                                        const struct address *b)
{
    if (address_port(a) == 0 || !address_equal(a, b))
        return OPTIONS_RUN;
    return refuse(r, "\"%s\" is to be listened on twice; expected different addresses", a->text);
}

static enum options_outcome check(struct reading *r)
{
    const struct server_options *o = &r->options;
    enum options_outcome outcome = OPTIONS_RUN;
    for (unsigned i = 0; i < o->n_listen && outcome == OPTIONS_RUN; i++) {
        outcome = check_address(r, "--listen", &o->listen[i]);
        for (unsigned j = 0; j < i && outcome == OPTIONS_RUN; j++)
            outcome = check_twice(r, &o->listen[i], &o->listen[j]);
        if (outcome == OPTIONS_RUN && o->has_admin)
            outcome = check_twice(r, &o->listen[i], &o->admin);
    }
    if (outcome == OPTIONS_RUN && o->has_admin)
        outcome = check_address(r, "--admin", &o->admin);
    return outcome;
}

enum options_outcome options_read(const struct options_source *source,
                                  struct server_options *options,
                                  char text[static OPTIONS_TEXT_MAX])
{
    struct reading r = {.source = source, .at = 1, .text = text};
    text[0] = '\0';
    set_machine_defaults(&r.options, &source->machine);
    enum options_outcome outcome = OPTIONS_RUN;
    while (outcome == OPTIONS_RUN && r.at < source->argc)
        outcome = read_argument(&r);
    for (size_t i = 0; outcome == OPTIONS_RUN && i < OPTIONS_COUNT; i++)
        outcome = read_variable(&r, i);
    if (outcome == OPTIONS_RUN)
        outcome = check(&r);
    if (outcome == OPTIONS_RUN)
        *options = r.options;
    return outcome;
}

const char *options_getenv(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}
