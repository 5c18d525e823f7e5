#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log/log.h"

/* A log that writes into a pipe. */
struct fixture {
    struct log log;
    int read_fd;
    int write_fd;
    char got[65536];
};

static void noon(struct timespec *now)
{
    now->tv_sec = 1769860800; /* 2026-01-31 12:00:00 UTC */
    now->tv_nsec = 123456789;
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    f->read_fd = fds[0];
    f->write_fd = fds[1];
    log_init(&f->log, f->write_fd, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    f->log.clock = noon;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->read_fd >= 0)
        close(f->read_fd);
    close(f->write_fd);
    test_free(f);
    return 0;
}

static const char *read_all(struct fixture *f)
{
    fcntl(f->read_fd, F_SETFL, O_NONBLOCK);
    ssize_t n = read(f->read_fd, f->got, sizeof f->got - 1);
    f->got[n < 0 ? 0 : n] = '\0';
    return f->got;
}

static void text_lines_have_time_level_group_message_and_fields(void **state)
{
    struct fixture *f = *state;
    log_info(&f->log, LOG_GROUP_NET, "push refused", LOG_TEXT("job", "digits"),
             LOG_UINT("worker", 3), LOG_INT("delta", -7), LOG_TEXT("error", "round 3 is over"));
    assert_string_equal(read_all(f),
                        "2026-01-31T12:00:00.123Z info  net    push refused job=digits "
                        "worker=3 delta=-7 error=\"round 3 is over\"\n");
}

static void json_lines_hold_the_same(void **state)
{
    struct fixture *f = *state;
    f->log.format = LOG_FORMAT_JSON;
    log_error(&f->log, LOG_GROUP_ADMIN, "cannot listen", LOG_TEXT("address", "[::1]:0"),
              LOG_UINT("n", UINT64_MAX));
    assert_string_equal(read_all(f),
                        "{\"time\":\"2026-01-31T12:00:00.123Z\",\"level\":\"error\",\"group\":"
                        "\"admin\",\"message\":\"cannot listen\",\"address\":\"[::1]:0\",\"n\":"
                        "18446744073709551615}\n");
}

static void a_line_may_have_no_fields(void **state)
{
    struct fixture *f = *state;
    log_warn(&f->log, LOG_GROUP_SERVER, "stopping", LOG_NONE);
    assert_string_equal(read_all(f), "2026-01-31T12:00:00.123Z warn  server stopping\n");
}

static void levels_above_the_chosen_one_are_not_written(void **state)
{
    struct fixture *f = *state;
    assert_true(log_wants(&f->log, LOG_LEVEL_INFO));
    assert_false(log_wants(&f->log, LOG_LEVEL_DEBUG));
    log_debug(&f->log, LOG_GROUP_CORE, "detail", LOG_NONE);
    assert_string_equal(read_all(f), "");
    f->log.level = LOG_LEVEL_ERROR;
    log_warn(&f->log, LOG_GROUP_CORE, "not grave enough", LOG_NONE);
    assert_string_equal(read_all(f), "");
    log_info(NULL, LOG_GROUP_CORE, "no log, no line", LOG_NONE);
}

static void hostile_bytes_stay_in_their_value(void **state)
{
    struct fixture *f = *state;
    const char *hostile = "x\n2026 fake line\x1b[2J\xff \"quoted\" a=b\r";
    log_info(&f->log, LOG_GROUP_CORE, "m", LOG_TEXT("job", hostile));
    assert_string_equal(read_all(f), "2026-01-31T12:00:00.123Z info  core   m job=\"x\\n2026 fake "
                                     "line\\x1b[2J\\xff \\\"quoted\\\" a=b\\r\"\n");
    f->log.format = LOG_FORMAT_JSON;
    log_info(&f->log, LOG_GROUP_CORE, "m", LOG_TEXT("job", hostile));
    assert_non_null(strstr(read_all(f), "\"job\":\"x\\n2026 fake line\\u001b[2J\\ufffd "
                                        "\\\"quoted\\\" a=b\\r\"}\n"));
}

static void empty_and_absent_values(void **state)
{
    struct fixture *f = *state;
    log_info(&f->log, LOG_GROUP_CORE, "m", LOG_TEXT("empty", ""), LOG_TEXT("absent", NULL),
             LOG_UINT("n", 1));
    assert_string_equal(read_all(f), "2026-01-31T12:00:00.123Z info  core   m empty=\"\" n=1\n");
}

static void long_values_are_cut_and_surplus_fields_left_out(void **state)
{
    struct fixture *f = *state;
    char long_value[3000];
    memset(long_value, 'x', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = '\0';
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        f->log.format = (enum log_format)format;
        log_info(&f->log, LOG_GROUP_CORE, "m", LOG_TEXT("a", long_value), LOG_TEXT("b", long_value),
                 LOG_TEXT("c", long_value), LOG_TEXT("d", long_value), LOG_UINT("e", 5));
        const char *line = read_all(f);
        assert_true(strlen(line) <= LOG_LINE_MAX);
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
        assert_non_null(strstr(line, "xxx..."));
        assert_null(strstr(line, format == LOG_FORMAT_TEXT ? " d=" : "\"d\":"));
        assert_non_null(strstr(line, format == LOG_FORMAT_TEXT ? " e=5 truncated=true\n"
                                                               : ",\"e\":5,\"truncated\":true}\n"));
    }
}

static void a_full_pipe_loses_lines_and_blocks_nobody(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5000; i++) /* more than a pipe holds; nobody reads; the pipe blocks */
        log_info(&f->log, LOG_GROUP_CORE, "a line of some forty bytes or more", LOG_INT("i", i));
    assert_true(log_lost(&f->log) > 0);
    assert_true(log_lost(&f->log) < 5000);
    const char *got = read_all(f);
    assert_int_equal(got[strlen(got) - 1], '\n'); /* whole lines only */
    while (*read_all(f) != '\0')
        ;
    log_info(&f->log, LOG_GROUP_CORE, "again", LOG_NONE);
    assert_non_null(strstr(read_all(f), "again\n"));
}

enum {
    WRITERS = 4,
    TURNS = 2000
};

struct writers {
    struct log *log;
    pthread_barrier_t turn;
};

/* A line a turn; two do not fit into a page together. */
static void *write_long_lines(void *ctx)
{
    struct writers *w = ctx;
    char value[1000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < TURNS; i++) {
        pthread_barrier_wait(&w->turn);
        log_info(w->log, LOG_GROUP_NET, "m", LOG_TEXT("a", value), LOG_TEXT("b", value),
                 LOG_TEXT("c", value));
        pthread_barrier_wait(&w->turn);
    }
    return NULL;
}

/* The pipe has room for one line, and all threads see it. */
static void threads_share_the_last_room_of_a_pipe_and_none_blocks(void **state)
{
    struct fixture *f = *state;
    struct writers w = {.log = &f->log};
    pthread_t threads[WRITERS];
    assert_true(fcntl(f->write_fd, F_SETPIPE_SZ, 4096) > 0);
    pthread_barrier_init(&w.turn, NULL, WRITERS + 1);
    alarm(60); /* ends a test that hangs */
    for (int t = 0; t < WRITERS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, write_long_lines, &w), 0);
    for (int i = 0; i < TURNS; i++) {
        pthread_barrier_wait(&w.turn);
        pthread_barrier_wait(&w.turn);
        assert_true(strlen(read_all(f)) > 3000);
    }
    for (int t = 0; t < WRITERS; t++)
        pthread_join(threads[t], NULL);
    alarm(0);
    pthread_barrier_destroy(&w.turn);
    assert_int_equal(log_lost(&f->log), TURNS * (WRITERS - 1));
}

static void a_closed_reader_stops_nobody(void **state)
{
    struct fixture *f = *state;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    sigaction(SIGPIPE, &ignore, &before);
    close(f->read_fd);
    f->read_fd = -1;
    log_info(&f->log, LOG_GROUP_CORE, "m", LOG_NONE);
    assert_int_equal(log_lost(&f->log), 1);
    f->log.fd = -1;
    log_info(&f->log, LOG_GROUP_CORE, "m", LOG_NONE);
    assert_int_equal(log_lost(&f->log), 2);
    sigaction(SIGPIPE, &before, NULL);
}

/* A file that may not grow takes the first bytes of a line only. */
static void after_a_torn_line_the_next_starts_anew(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/gradfold-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    sigaction(SIGXFSZ, &ignore, &before);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    struct rlimit small = {.rlim_cur = 20, .rlim_max = limit.rlim_max};
    f->log.fd = fd;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_info(&f->log, LOG_GROUP_CORE, "first", LOG_NONE);
    errno = EDOM;
    log_info(&f->log, LOG_GROUP_CORE, "second", LOG_NONE);
    assert_int_equal(errno, EDOM); /* nobody's errno is touched */
    setrlimit(RLIMIT_FSIZE, &limit);
    log_info(&f->log, LOG_GROUP_CORE, "third", LOG_NONE);
    sigaction(SIGXFSZ, &before, NULL);
    assert_int_equal(log_lost(&f->log), 2);
    ssize_t n = pread(fd, f->got, sizeof f->got - 1, 0);
    assert_true(n > 0);
    f->got[n] = '\0';
    assert_string_equal(f->got, "2026-01-31T12:00:00.\n"
                                "2026-01-31T12:00:00.123Z info  core   third\n");
    close(fd);
}

int main(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LOG_TEST(text_lines_have_time_level_group_message_and_fields),
        LOG_TEST(json_lines_hold_the_same),
        LOG_TEST(a_line_may_have_no_fields),
        LOG_TEST(levels_above_the_chosen_one_are_not_written),
        LOG_TEST(hostile_bytes_stay_in_their_value),
        LOG_TEST(empty_and_absent_values),
        LOG_TEST(long_values_are_cut_and_surplus_fields_left_out),
        LOG_TEST(a_full_pipe_loses_lines_and_blocks_nobody),
        LOG_TEST(threads_share_the_last_room_of_a_pipe_and_none_blocks),
        LOG_TEST(a_closed_reader_stops_nobody),
        LOG_TEST(after_a_torn_line_the_next_starts_anew),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
