#include "options/table.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "options/value.h"

static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_words[] = {"text", "json", NULL};
static const char *const kernel_words[] = {"auto", "scalar", "avx2", "avx512", NULL};

/* One or more addresses, separated by commas. */
static const char *apply_listen(const struct option *option, const char *text,
                                struct server_options *o)
{
    for (;;) {
        char one[ADDRESS_TEXT_MAX];
        size_t n = strcspn(text, ",");
        if (n >= sizeof one)
            return option->accepts;
        memcpy(one, text, n);
        one[n] = '\0';
        if (o->n_listen == OPTIONS_LISTEN_MAX)
            return "at most 16 addresses";
        if (!address_parse(one, &o->listen[o->n_listen]))
            return option->accepts;
        o->n_listen++;
        if (text[n] == '\0')
            return NULL;
        text += n + 1;
    }
}

static const char *apply_admin(const struct option *option, const char *text,
                               struct server_options *o)
{
    o->has_admin = strcmp(text, "off") != 0;
    if (o->has_admin && !address_parse(text, &o->admin))
        return option->accepts;
    return NULL;
}

static const char *apply_port_file(const struct option *option, const char *text,
                                   struct server_options *o)
{
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof o->port_file)
        return option->accepts;
    memcpy(o->port_file, text, n + 1);
    return NULL;
}

static const char *apply_unix(const struct option *option, const char *text,
                              struct server_options *o)
{
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof o->unix_path || strchr(text, '\n') != NULL)
        return option->accepts;
    memcpy(o->unix_path, text, n + 1);
    return NULL;
}

static const char *apply_unix_mode(const struct option *option, const char *text,
                                   struct server_options *o)
{
    return value_mode(text, &o->unix_mode) ? NULL : option->accepts;
}

static const char *apply_insecure(const struct option *option, const char *text,
                                  struct server_options *o)
{
    return value_switch(text, &o->insecure) ? NULL : option->accepts;
}

static const char *apply_number(const struct option *option, const char *text,
                                struct server_options *o)
{
    uint64_t value = 0;
    if (!option->number(text, &value) || value < option->min || value > option->max)
        return option->accepts;
    memcpy((char *)o + option->offset, &value, sizeof value);
    return NULL;
}

static const char *apply_kernels(const struct option *option, const char *text,
                                 struct server_options *o)
{
    int word = value_word(text, option->words);
    if (word < 0)
        return option->accepts;
    o->kernels = word == 0 ? NULL : option->words[word];
    return NULL;
}

static const char *apply_log_level(const struct option *option, const char *text,
                                   struct server_options *o)
{
    int word = value_word(text, option->words);
    if (word < 0)
        return option->accepts;
    o->log_level = (enum log_level)word;
    return NULL;
}

static const char *apply_log_format(const struct option *option, const char *text,
                                    struct server_options *o)
{
    int word = value_word(text, option->words);
    if (word < 0)
        return option->accepts;
    o->log_format = (enum log_format)word;
    return NULL;
}

#define NUMBER(read, member, from, to)                                                          \
    .apply = apply_number, .number = (read), .offset = offsetof(struct server_options, member), \
    .min = (from), .max = (to)
#define BYTES_MIN     (UINT64_C(1) << 20) /* of a budget: MIN_STAGING_BYTES of the core */
#define BYTES_MAX     (UINT64_C(1) << 50)
#define IDLE_MS_MAX   UINT64_C(86400000)
#define ACCEPTS_BYTES "a number of bytes from 1MiB to 1024TiB, such as 4GiB (K, M, G, T, KiB ...)"

const struct option options_table[OPTIONS_COUNT] = {
    {.name = "listen",
     .value = "ADDR:PORT",
     .accepts = "ADDR:PORT with a numeric address or localhost, such as 127.0.0.1:7433 or [::1]:0",
     .help = "where workers connect; may be repeated, or be a list separated by commas;\n"
             "port 0 lets the system choose one",
     .fallback = "127.0.0.1:7433",
     .apply = apply_listen},
    {.name = "admin",
     .value = "ADDR:PORT",
     .accepts = "off, or ADDR:PORT with a numeric address or localhost, such as 127.0.0.1:7434",
     .help = "where HTTP is served: /healthz, /readyz, /metrics, /v1/jobs; off: nowhere",
     .fallback = "127.0.0.1:7434",
     .apply = apply_admin},
    {.name = "unix",
     .value = "PATH",
     .accepts = "a path of 1 to 107 bytes, such as /run/gradfold/gradfold.sock",
     .help = "also listen on a Unix socket, where workers of this host share memory with\n"
             "the server instead of sending tensors",
     .apply = apply_unix},
    {.name = "unix-mode",
     .value = "MODE",
     .accepts = "an octal mode from 0 to 777, such as 660",
     .help = "who may connect there: the mode of the socket's file",
     .fallback = "660",
     .apply = apply_unix_mode},
    {.name = "port-file",
     .value = "PATH",
     .accepts = "a path of 1 to 1023 bytes",
     .help = "write the addresses here when all are ready, a line each:\n"
             "listen ADDR:PORT, admin ADDR:PORT or unix PATH",
     .apply = apply_port_file},
    {.name = "insecure",
     .accepts = "on or off",
     .help = "allow addresses beyond loopback although nobody has to authenticate;\n"
             "for networks where everybody is trusted (--insecure=off takes it back)",
     .fallback = "off",
     .apply = apply_insecure},
    {.name = "staging-bytes",
     .value = "BYTES",
     .accepts = ACCEPTS_BYTES,
     .help = "memory for pushes until they are folded; when it is full, workers wait\n"
             "[default: a quarter of the memory]",
     NUMBER(value_bytes, staging_bytes, BYTES_MIN, BYTES_MAX)},
    {.name = "result-bytes",
     .value = "BYTES",
     .accepts = ACCEPTS_BYTES,
     .help = "memory for the sums of rounds that are retained\n"
             "[default: a quarter of the memory]",
     NUMBER(value_bytes, result_bytes, BYTES_MIN, BYTES_MAX)},
    {.name = "accumulator-bytes",
     .value = "BYTES",
     .accepts = ACCEPTS_BYTES,
     .help = "memory for what was folded before its round closed\n"
             "[default: a quarter of the memory]",
     NUMBER(value_bytes, accumulator_bytes, BYTES_MIN, BYTES_MAX)},
    {.name = "shared-bytes",
     .value = "BYTES",
     .accepts = ACCEPTS_BYTES,
     .help = "memory that workers on the Unix socket may share with the server\n"
             "[default: half of the memory]",
     NUMBER(value_bytes, shared_bytes, BYTES_MIN, BYTES_MAX)},
    {.name = "max-body-bytes",
     .value = "BYTES",
     .accepts = "a number of bytes from 1 to 1024TiB, such as 2GiB (K, M, G, T, KiB ...)",
     .help = "the largest push",
     .fallback = "2GiB",
     NUMBER(value_bytes, max_body_bytes, 1, BYTES_MAX)},
    {.name = "max-connections",
     .value = "N",
     .accepts = "a whole number from 1 to 1000000",
     .help = "connections that workers may hold together",
     .fallback = "10000",
     NUMBER(value_count, max_connections, 1, 1000000)},
    {.name = "idle-timeout",
     .value = "TIME",
     .accepts = "a time from 100ms to 24h with its unit, such as 500ms, 60s, 5m or 1h",
     .help = "a connection that makes no progress for so long in the middle of a frame\n"
             "or a reply is closed",
     .fallback = "60s",
     NUMBER(value_duration, idle_ms, 100, IDLE_MS_MAX)},
    {.name = "threads",
     .value = "N",
     .accepts = "a whole number from 1 to 1024",
     .help = "threads that fold\n[default: one a CPU]",
     NUMBER(value_count, threads, 1, 1024)},
    {.name = "io-threads",
     .value = "N",
     .accepts = "a whole number from 1 to 64",
     .help = "threads that serve connections\n[default: one a CPU, 4 at most]",
     NUMBER(value_count, io_threads, 1, 64)},
    {.name = "kernels",
     .value = "NAME",
     .accepts = "auto, scalar, avx2 or avx512",
     .help = "code that adds: auto, scalar, avx2 or avx512; all give the same bits",
     .fallback = "auto",
     .apply = apply_kernels,
     .words = kernel_words},
    {.name = "log-level",
     .value = "LEVEL",
     .accepts = "error, warn, info or debug",
     .help = "log error, warn, info or debug and what is graver",
     .fallback = "info",
     .apply = apply_log_level,
     .words = level_words},
    {.name = "log-format",
     .value = "FORMAT",
     .accepts = "text or json",
     .help = "log lines to standard error as text or json",
     .fallback = "text",
     .apply = apply_log_format,
     .words = format_words},
    {.name = "help", .help = "print this and exit"},
    {.name = "version", .help = "print the version and exit"},
};

const char *option_variable(const struct option *option, char out[static OPTION_VARIABLE_MAX])
{
    if (option->apply == NULL)
        return NULL;
    int n = snprintf(out, OPTION_VARIABLE_MAX, "GRADFOLDD_%s", option->name);
    must(n < OPTION_VARIABLE_MAX);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return out;
}
