#include "log/log.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/must.h"
#include "log/line.h"

static void wall_clock(struct timespec *now)
{
    clock_gettime(CLOCK_REALTIME, now);
}

void log_init(struct log *log, int fd, enum log_level level, enum log_format format)
{
    log->fd = fd;
    log->level = level;
    log->format = format;
    log->clock = wall_clock;
    pthread_mutex_init(&log->one_writes, NULL);
    atomic_init(&log->lost, 0);
    atomic_init(&log->torn, false);
}

bool log_wants(const struct log *log, enum log_level level)
{
    return log != NULL && level <= log->level;
}

/* A pipe that nobody reads must not block the server, and setting O_NONBLOCK would change a
 * descriptor that is shared with whoever started us: so ask first. What poll promises covers a
 * line, see LOG_LINE_MAX. */
static bool takes_bytes(int fd)
{
    struct pollfd ask = {.fd = fd, .events = POLLOUT};
    int n = poll(&ask, 1, 0);
    return n == 1 && (ask.revents & POLLOUT) != 0 && (ask.revents & POLLERR) == 0;
}

/* True when all n bytes were taken. A signal before the first byte is the only reason to try again.
 */
static bool write_once(struct log *log, const char *bytes, size_t n)
{
    if (!takes_bytes(log->fd))
        return false;
    ssize_t done;
    do {
        done = write(log->fd, bytes, n);
    } while (done < 0 && errno == EINTR);
    if (done > 0 && (size_t)done < n)
        atomic_store(&log->torn, true);
    return done == (ssize_t)n;
}

void log_write(struct log *log, enum log_level level, enum log_group group, const char *message,
               const struct log_field *fields)
{
    if (!log_wants(log, level))
        return;
    int saved =
        errno; /* logging is something done on the way, between a call and a look at errno */
    struct timespec now;
    log->clock(&now);
    struct line line;
    line_begin(&line, log->format, &now, level, group, message);
    for (const struct log_field *field = fields; field->key != NULL; field++)
        line_field(&line, field);
    line_end(&line);
    pthread_mutex_lock(&log->one_writes); /* two may see room for one */
    if (atomic_exchange(&log->torn, false) && !write_once(log, "\n", 1))
        atomic_store(&log->torn, true);
    if (!write_once(log, line.bytes, line.length))
        atomic_fetch_add(&log->lost, 1);
    pthread_mutex_unlock(&log->one_writes);
    errno = saved;
}

uint64_t log_lost(const struct log *log)
{
    return atomic_load(&log->lost);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    must((unsigned)level < sizeof names / sizeof *names);
    return names[level];
}

const char *log_group_name(enum log_group group)
{
    static const char *const names[] = {"server", "net", "core", "admin"};
    must((unsigned)group < sizeof names / sizeof *names);
    return names[group];
}
