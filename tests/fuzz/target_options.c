/* gradfoldd's command line and environment, and the addresses in them.
 *
 * Input: lines (separated by line feeds or NULs); "NAME=value" with a capital first is a variable,
 * anything else an argument. An accepted set of options is one that the server can run with, and
 * its addresses read as themselves; a refusal is one line of printable UTF-8. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "fuzz.h"
#include "options/options.h"

enum {
    LINES_MAX = 64
};

struct lines {
    char *arguments[LINES_MAX + 2];
    int argc;
    const char *variables[LINES_MAX];
    size_t n_variables;
};

static void split(char *text, size_t n, struct lines *lines)
{
    lines->arguments[lines->argc++] = text; /* skipped */
    for (char *end = text + n;
         text < end && (size_t)lines->argc + lines->n_variables < LINES_MAX;) {
        size_t length = strcspn(text, "\n");
        bool is_variable = text[0] >= 'A' && text[0] <= 'Z' && memchr(text, '=', length) != NULL;
        text[length] = '\0';
        if (is_variable)
            lines->variables[lines->n_variables++] = text;
        else
            lines->arguments[lines->argc++] = text;
        text += length + 1;
    }
}

static const char *variable(void *context, const char *name)
{
    const struct lines *lines = context;
    size_t n = strlen(name);
    for (size_t i = 0; i < lines->n_variables; i++)
        if (strncmp(lines->variables[i], name, n) == 0 && lines->variables[i][n] == '=')
            return lines->variables[i] + n + 1;
    return NULL;
}

static void check_address(const struct address *address, bool insecure)
{
    struct address again;
    must(memchr(address->text, '\0', sizeof address->text) != NULL);
    must(address_parse(address->text, &again));
    must(address_equal(address, &again) && address_port(address) == address_port(&again));
    must(insecure || address_is_loopback(address));
}

static void check_options(const struct server_options *o)
{
    must(o->n_listen >= 1 && o->n_listen <= OPTIONS_LISTEN_MAX);
    for (unsigned i = 0; i < o->n_listen; i++)
        check_address(&o->listen[i], o->insecure);
    if (o->has_admin)
        check_address(&o->admin, o->insecure);
    must(memchr(o->port_file, '\0', sizeof o->port_file) != NULL);
    must(o->staging_bytes >= 1 << 20 && o->result_bytes >= 1 << 20);
    must(o->accumulator_bytes >= 1 << 20 && o->max_body_bytes >= 1);
    must(o->max_connections >= 1 && o->max_connections <= 1000000 && o->threads >= 1);
    must(o->idle_ms >= 1 && o->idle_ms <= 86400000);
    must(o->log_level <= LOG_LEVEL_DEBUG && o->log_format <= LOG_FORMAT_JSON);
}

static void check_line(const char *text)
{
    size_t n = strlen(text);
    must(n > 0 && utf8_is_text(text, n));
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= 0x20 && *text != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lines lines = {.argc = 0};
    static char text[OPTIONS_TEXT_MAX];
    struct server_options options;
    char *whole = input_text((struct span){data, n});
    for (size_t i = 0; i < n; i++)
        if (whole[i] == '\0')
            whole[i] = '\n';
    split(whole, n, &lines);
    struct options_source source = {.argc = lines.argc,
                                    .argv = lines.arguments,
                                    .environment = variable,
                                    .context = &lines,
                                    .machine = {UINT64_C(8) << 30, 4}};
    memset(text, 0xA5, sizeof text);
    enum options_outcome outcome = options_read(&source, &options, text);
    must(memchr(text, '\0', sizeof text) != NULL);
    if (outcome == OPTIONS_RUN)
        check_options(&options);
    must((outcome == OPTIONS_RUN) == (text[0] == '\0'));
    if (outcome == OPTIONS_REFUSED)
        check_line(text);
    free(whole);
    return 0;
}
