/* The files that the examples read: images, checkpoints, weights.
 *
 * Input: which (1 byte), the file. What is accepted is whole: pixels and classes in their ranges, a
 * checkpoint that is written as it was read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checkpoint.h"
#include "data.h"
#include "fuzz.h"

enum {
    PATH_ROOM = 64
};

/* The readers explain on stderr what is wrong, which is not what we look for. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    FILE *nowhere = fopen("/dev/null", "we");
    if (nowhere != NULL)
        stderr = nowhere;
    return 0;
}

static int make_file(struct span in, char path[static PATH_ROOM])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, in.at, in.n) == (ssize_t)in.n);
    snprintf(path, PATH_ROOM, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_images(const struct images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        must(images->image[i].label < CLASSES);
        for (size_t k = 0; k < PIXELS; k++)
            must(images->image[i].pixel[k] >= 0 && images->image[i].pixel[k] <= 1);
    }
}

static void read_digits(const char *path)
{
    struct digits digits;
    if (digits_load(&digits, path) == 0) {
        must(digits.test.count > 0);
        check_images(&digits.train);
        check_images(&digits.test);
        digits_free(&digits);
    }
    must(digits.train.image == NULL && digits.test.image == NULL);
}

static void read_checkpoint(const char *path, struct span in)
{
    static struct tensors weights;
    uint64_t round = 0;
    int result = checkpoint_load(path, &round, &weights);
    must(result == 1 || result == -1);
    if (result == 1)
        must(in.n > 7 && memcmp(in.at, "round", 5) == 0);
}

static void read_weights(const char *path, struct span in)
{
    static struct tensors weights;
    if (weights_load(path, &weights) == 0)
        must(memcmp(&weights, in.at, in.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[PATH_ROOM];
    struct span in = {data, n};
    uint8_t which = input_u8(&in);
    int fd = make_file(in, path);
    if (which % 3 == 0)
        read_digits(path);
    else if (which % 3 == 1)
        read_checkpoint(path, in);
    else
        read_weights(path, in);
    close(fd);
    return 0;
}
