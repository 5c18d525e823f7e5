/* The file of a listening Unix socket: there while somebody listens, and only then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/unix_file.h"

enum {
    BACKLOG = 8
};

struct fixture {
    char folder[32];
    char path[64];
    struct unix_file file;
    struct error error;
    int fd; /* listens; -1: none */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/gradfold-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/socket", f->folder);
    f->fd = -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->fd >= 0)
        close(f->fd);
    unlink(f->path);
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

static enum code listen_there(struct fixture *f)
{
    return unix_file_listen(&f->file, f->path, 0640, BACKLOG, &f->fd, &f->error);
}

static bool is_there(const struct fixture *f)
{
    struct stat now;
    return lstat(f->path, &now) == 0;
}

static bool can_connect(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", f->path);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static void listens_with_exactly_the_mode(void **state)
{
    struct fixture *f = *state;
    struct stat now;
    mode_t before = umask(0077);
    assert_int_equal(listen_there(f), CODE_OK);
    umask(before);
    assert_int_equal(stat(f->path, &now), 0);
    assert_true(S_ISSOCK(now.st_mode));
    assert_int_equal(now.st_mode & 07777, 0640);
    assert_true(can_connect(f));
    unix_file_remove(&f->file);
    assert_false(is_there(f));
    unix_file_remove(&f->file);
}

static void what_a_dead_server_left_is_replaced(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(listen_there(f), CODE_OK);
    close(f->fd); /* its end, without a word */
    assert_true(is_there(f));
    assert_int_equal(listen_there(f), CODE_OK);
    assert_true(can_connect(f));
    unix_file_remove(&f->file);
    assert_false(is_there(f));
}

static void a_live_server_stays(void **state)
{
    struct fixture *f = *state;
    struct unix_file other;
    int fd = -1;
    assert_int_equal(listen_there(f), CODE_OK);
    assert_int_equal(unix_file_listen(&other, f->path, 0600, BACKLOG, &fd, &f->error),
                     CODE_UNAVAILABLE);
    assert_non_null(strstr(f->error.message, f->path));
    assert_non_null(strstr(f->error.message, "another server"));
    assert_int_equal(fd, -1);
    assert_true(can_connect(f));
    unix_file_remove(&f->file);
}

static void a_file_that_is_no_socket_stays(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->path, "w");
    fclose(file);
    assert_int_equal(listen_there(f), CODE_UNAVAILABLE);
    assert_non_null(strstr(f->error.message, "no socket"));
    assert_true(is_there(f));
}

static void somebody_elses_socket_is_not_removed(void **state)
{
    struct fixture *f = *state;
    struct unix_file other;
    int fd;
    assert_int_equal(listen_there(f), CODE_OK);
    unlink(f->path);
    assert_int_equal(unix_file_listen(&other, f->path, 0600, BACKLOG, &fd, &f->error), CODE_OK);
    unix_file_remove(&f->file);
    assert_true(can_connect(f));
    unix_file_remove(&other);
    assert_false(is_there(f));
    close(fd);
}

static void a_path_must_fit_and_its_folder_be_there(void **state)
{
    struct fixture *f = *state;
    char path[UNIX_PATH_MAX + 1];
    int fd;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(unix_file_listen(&f->file, path, 0600, BACKLOG, &fd, &f->error),
                     CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(f->error.message, "107"));
    snprintf(path, sizeof path, "%s/none/socket", f->folder);
    assert_int_equal(unix_file_listen(&f->file, path, 0600, BACKLOG, &fd, &f->error),
                     CODE_UNAVAILABLE);
    assert_non_null(strstr(f->error.message, "No such file"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(listens_with_exactly_the_mode),
        TEST(what_a_dead_server_left_is_replaced),
        TEST(a_live_server_stays),
        TEST(a_file_that_is_no_socket_stays),
        TEST(somebody_elses_socket_is_not_removed),
        TEST(a_path_must_fit_and_its_folder_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
