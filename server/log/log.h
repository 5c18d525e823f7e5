/* The server's log: one line an event, in one write(2), to a descriptor.
 *
 *   text  2026-01-31T12:00:00.123Z info  net    push refused job=digits worker=3 code=STALE_ROUND
 *   json  {"time":"2026-01-31T12:00:00.123Z","level":"info","group":"net","message":"…",…}
 *
 * Messages are constant sentences, what varies goes into fields, so that lines can be searched for.
 * Bytes of peers are escaped (log/escape.h) and cut at LOG_VALUE_MAX; they cannot break a line.
 *
 * A log never stops the server: a line that the descriptor does not take now (full pipe, full disk,
 * closed reader) is dropped and counted. May be called from any thread. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

enum log_group {
    LOG_GROUP_SERVER,
    LOG_GROUP_NET,
    LOG_GROUP_CORE,
    LOG_GROUP_ADMIN
};

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON
};

enum {
    LOG_LINE_MAX = 4096,  /* with its line feed: what a pipe takes as a whole (PIPE_BUF) */
    LOG_VALUE_MAX = 1024, /* escaped bytes of one value */
};

/* Not to be copied; nothing is to be freed. Zeroed is not valid: log_init(). Several may share a
 * descriptor, but not if that is a pipe and threads write to them at the same time. */
struct log {
    int fd; /* borrowed */
    enum log_level level;
    enum log_format format;
    void (*clock)(struct timespec *now); /* wall clock; tests replace it */
    pthread_mutex_t one_writes;          /* what a thread has asked is true still when it writes */
    atomic_uint_fast64_t lost; /* lines dropped because the descriptor did not take them */
    atomic_bool torn;          /* the last line was written in part: the next starts anew */
};

enum log_kind {
    LOG_KIND_TEXT,
    LOG_KIND_UINT,
    LOG_KIND_INT
};

/* A key is a word of ours: [a-z_], and not one of time, level, group, message, truncated. */
struct log_field {
    const char *key; /* NULL ends a list */
    enum log_kind kind;
    union {
        const char *text; /* borrowed for the call; NULL: the field is left out */
        uint64_t uint;
        int64_t sint;
    };
};

#define LOG_TEXT(name, value) \
    ((struct log_field){.key = (name), .kind = LOG_KIND_TEXT, .text = (value)})
#define LOG_UINT(name, value) \
    ((struct log_field){.key = (name), .kind = LOG_KIND_UINT, .uint = (value)})
#define LOG_INT(name, value) \
    ((struct log_field){.key = (name), .kind = LOG_KIND_INT, .sint = (value)})
#define LOG_NONE ((struct log_field){.key = NULL})

/* log_info(log, LOG_GROUP_NET, "listening", LOG_TEXT("address", text), LOG_UINT("backlog", 128));
 * without fields: log_info(log, LOG_GROUP_NET, "stopped", LOG_NONE). log NULL: nothing is written.
 */
#define log_error(log, group, message, ...)               \
    log_write((log), LOG_LEVEL_ERROR, (group), (message), \
              (const struct log_field[]){__VA_ARGS__, LOG_NONE})
#define log_warn(log, group, message, ...)               \
    log_write((log), LOG_LEVEL_WARN, (group), (message), \
              (const struct log_field[]){__VA_ARGS__, LOG_NONE})
#define log_info(log, group, message, ...)               \
    log_write((log), LOG_LEVEL_INFO, (group), (message), \
              (const struct log_field[]){__VA_ARGS__, LOG_NONE})
#define log_debug(log, group, message, ...)               \
    log_write((log), LOG_LEVEL_DEBUG, (group), (message), \
              (const struct log_field[]){__VA_ARGS__, LOG_NONE})

/* Lines above `level` (less grave) are not written. fd is borrowed and stays as it is (blocking or
 * not). */
void log_init(struct log *log, int fd, enum log_level level, enum log_format format);

/* Would a line of this level be written? For those who must work to build its fields. */
bool log_wants(const struct log *log, enum log_level level);

/* fields end with LOG_NONE. */
void log_write(struct log *log, enum log_level level, enum log_group group, const char *message,
               const struct log_field *fields);

/* Lines that were dropped. */
uint64_t log_lost(const struct log *log);

/* "error", "warn", "info", "debug". Static storage. */
const char *log_level_name(enum log_level level);

/* "server", "net", "core", "admin". Static storage. */
const char *log_group_name(enum log_group group);
