#include "base/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* A seal cannot be taken off, so what is true here stays true: first the seal, then the size. */
static enum code check(int fd, uint64_t bytes, struct error *error)
{
    struct statfs fs;
    struct stat file;
    int seals = fcntl(fd, F_GET_SEALS);
    if (bytes == 0)
        return error_set(error, CODE_INVALID_ARGUMENT, "a buffer has at least one byte");
    /* Huge pages of hugetlbfs may be lacking when they are touched, which is a SIGBUS. */
    if (seals < 0 || fstatfs(fd, &fs) != 0 || fs.f_type != TMPFS_MAGIC)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "the descriptor is not one of memfd_create (without MFD_HUGETLB)");
    if ((seals & F_SEAL_SHRINK) == 0)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "the memory could shrink: F_SEAL_SHRINK is missing");
    if (fstat(fd, &file) != 0 || file.st_size < 0 || (uint64_t)file.st_size < bytes)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "the memory is smaller than the %" PRIu64 " bytes of the buffer", bytes);
    return CODE_OK;
}

enum code mapping_new(int fd, uint64_t bytes, struct mapping **mapping, struct error *error)
{
    enum code code = check(fd, bytes, error);
    if (code != CODE_OK)
        return code;
    struct mapping *m = malloc(sizeof *m);
    if (m == NULL)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    /* Not MAP_POPULATE: filling what the client has not touched takes seconds for gigabytes, in
     * which no other thread of ours could map anything. */
    void *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        bool forbidden = errno == EACCES || errno == EPERM;
        free(m);
        return error_set(error, forbidden ? CODE_INVALID_ARGUMENT : CODE_RESOURCE_EXHAUSTED,
                         forbidden ? "the memory may not be read"
                                   : "there is no memory to map %" PRIu64 " bytes",
                         bytes);
    }
    m->data = data;
    m->bytes = bytes;
    atomic_init(&m->refs, 1);
    *mapping = m;
    return CODE_OK;
}

void mapping_ref(struct mapping *mapping)
{
    atomic_fetch_add_explicit(&mapping->refs, 1, memory_order_relaxed);
}

void mapping_unref(struct mapping *mapping)
{
    /* What other threads read is read before the memory goes. */
    if (mapping == NULL || atomic_fetch_sub_explicit(&mapping->refs, 1, memory_order_acq_rel) > 1)
        return;
    munmap((void *)(uintptr_t)mapping->data, mapping->bytes);
    free(mapping);
}

bool mapping_holds(const struct mapping *mapping, uint64_t offset, uint64_t bytes)
{
    return offset <= mapping->bytes && bytes <= mapping->bytes - offset;
}
