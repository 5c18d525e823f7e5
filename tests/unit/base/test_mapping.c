#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mapping.h"
#include "base/segment.h"

enum {
    SIZE = 3 * 4096
};

static int memfd(unsigned seals, off_t bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, bytes), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void a_memfd_that_cannot_shrink_is_mapped(void **state)
{
    (void)state;
    struct mapping *m;
    struct error error;
    int fd = memfd(F_SEAL_SHRINK, SIZE);
    assert_int_equal(pwrite(fd, "abc", 3, SIZE - 3), 3);
    assert_int_equal(mapping_new(fd, SIZE, &m, &error), CODE_OK);
    assert_int_equal(pwrite(fd, "x", 1, SIZE - 3), 1); /* by the client, at any time */
    close(fd);
    assert_memory_equal(m->data + SIZE - 3, "xbc", 3);
    assert_int_equal(m->bytes, SIZE);
    mapping_ref(m);
    mapping_unref(m);
    assert_int_equal(m->data[0], 0);
    mapping_unref(m);
    mapping_unref(NULL);
}

static void assert_refused(int fd, uint64_t bytes, const char *message)
{
    struct mapping *m = NULL;
    struct error error;
    assert_int_equal(mapping_new(fd, bytes, &m, &error), CODE_INVALID_ARGUMENT);
    assert_string_equal(error.message, message);
    assert_null(m);
    assert_true(fcntl(fd, F_GETFD) >= 0 || fd < 0); /* still the caller's */
}

static void what_could_go_away_under_the_reader_is_refused(void **state)
{
    (void)state;
    const char *no_memfd = "the descriptor is not one of memfd_create (without MFD_HUGETLB)";
    int fd = memfd(F_SEAL_GROW | F_SEAL_WRITE, SIZE);
    assert_refused(fd, SIZE, "the memory could shrink: F_SEAL_SHRINK is missing");
    close(fd);
    fd = memfd(F_SEAL_SHRINK, SIZE);
    assert_refused(fd, SIZE + 1, "the memory is smaller than the 12289 bytes of the buffer");
    assert_refused(fd, UINT64_MAX,
                   "the memory is smaller than the 18446744073709551615 bytes of the buffer");
    assert_refused(fd, 0, "a buffer has at least one byte");
    close(fd);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_refused(fileno(file), 1, no_memfd);
    fclose(file);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_refused(ends[0], 1, no_memfd);
    close(ends[0]);
    close(ends[1]);
    assert_refused(-1, 1, no_memfd);
}

static void memory_that_may_not_be_read_is_refused(void **state)
{
    (void)state;
    char path[64];
    int fd = memfd(F_SEAL_SHRINK, SIZE);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int blind = open(path, O_WRONLY);
    assert_true(blind >= 0);
    assert_refused(blind, SIZE, "the memory may not be read");
    close(blind);
    close(fd);
}

static void a_mapping_holds_what_lies_in_it(void **state)
{
    (void)state;
    const struct mapping m = {.bytes = 100};
    assert_true(mapping_holds(&m, 0, 100));
    assert_true(mapping_holds(&m, 100, 0));
    assert_false(mapping_holds(&m, 1, 100));
    assert_false(mapping_holds(&m, 101, 0));
    assert_false(mapping_holds(&m, UINT64_MAX, 2));
    assert_false(mapping_holds(&m, 2, UINT64_MAX));
}

/* What a client is given of a segment. */
static void a_segment_can_be_read_by_others_and_nothing_else(void **state)
{
    (void)state;
    struct segment *s = segment_new(7, SIZE - 1);
    assert_non_null(s);
    assert_int_equal(s->bytes, SIZE);
    s->data[SIZE - 1] = 42;
    unsigned char *theirs = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, s->fd, 0);
    assert_true(theirs != MAP_FAILED);
    assert_int_equal(theirs[SIZE - 1], 42);
    assert_true(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0) == MAP_FAILED);
    assert_int_equal(errno, EPERM);
    assert_int_equal(mprotect(theirs, SIZE, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(pwrite(s->fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(s->fd, 0), -1);
    assert_int_equal(ftruncate(s->fd, 2 * SIZE), -1);
    assert_int_equal(fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    s->data[0] = 43; /* we still can */
    assert_int_equal(theirs[0], 43);
    segment_free(s);
    assert_int_equal(theirs[0], 43); /* and they keep what they have */
    munmap(theirs, SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_memfd_that_cannot_shrink_is_mapped),
        cmocka_unit_test(what_could_go_away_under_the_reader_is_refused),
        cmocka_unit_test(memory_that_may_not_be_read_is_refused),
        cmocka_unit_test(a_mapping_holds_what_lies_in_it),
        cmocka_unit_test(a_segment_can_be_read_by_others_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
