/* What gradfoldd was asked to do: its command line, the environment, and defaults, in this order of
 * precedence. Reading is a pure function: it prints nothing and looks at nothing but its arguments.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "log/log.h"
#include "options/address.h"

enum {
    OPTIONS_LISTEN_MAX = 16,
    OPTIONS_PATH_MAX = 1024,     /* with its terminator, too */
    OPTIONS_UNIX_PATH_MAX = 108, /* what fits a socket's address, with its terminator */
    OPTIONS_TEXT_MAX = 16384,
};

struct server_options {
    struct address listen[OPTIONS_LISTEN_MAX];
    unsigned n_listen; /* 1 … */
    bool has_admin;
    struct address admin;
    char unix_path[OPTIONS_UNIX_PATH_MAX]; /* "": none */
    unsigned unix_mode;                    /* of the socket's file */
    char port_file[OPTIONS_PATH_MAX];      /* "": none */
    bool insecure;                         /* listening beyond loopback was allowed */
    uint64_t staging_bytes;
    uint64_t result_bytes;
    uint64_t accumulator_bytes;
    uint64_t shared_bytes; /* that workers' registered buffers may have together */
    uint64_t max_body_bytes;
    uint64_t max_connections;
    uint64_t idle_ms;
    uint64_t threads;    /* that fold */
    uint64_t io_threads; /* that serve connections */
    const char *kernels; /* for fold_kernels_choose(): NULL for the best. Static storage. */
    enum log_level log_level;
    enum log_format log_format;
};

/* What defaults depend on. */
struct machine {
    uint64_t memory_bytes; /* that this process may use, control groups included */
    unsigned cpus;         /* that it may run on, 1 … */
};

void machine_look(struct machine *machine);

struct options_source {
    int argc;
    char *const *argv;                                           /* argv[0] is skipped */
    const char *(*environment)(void *context, const char *name); /* NULL for an unset variable */
    void *context;
    struct machine machine;
};

/* An environment() that asks getenv. */
const char *options_getenv(void *context, const char *name);

enum options_outcome {
    OPTIONS_RUN,     /* the options are set, the text is empty */
    OPTIONS_PRINT,   /* --help or --version: the text goes to stdout, exit code 0 */
    OPTIONS_REFUSED, /* the text, one line without line feed, goes to stderr; exit code 2 */
};

/* *options is set with OPTIONS_RUN only. */
enum options_outcome options_read(const struct options_source *source,
                                  struct server_options *options,
                                  char text[static OPTIONS_TEXT_MAX]);
