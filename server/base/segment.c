#include "base/segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE = 4096
};

/* Others can neither resize it nor write; our own mapping, made before, can. */
static bool seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS,
                 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0;
}

struct segment *segment_new(uint64_t id, uint64_t bytes)
{
    struct segment *s = malloc(sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (struct segment){.id = id, .bytes = (bytes + PAGE - 1) / PAGE * PAGE};
    list_init(&s->link);
    s->fd = memfd_create("gradfold-results", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *data = MAP_FAILED;
    if (s->fd >= 0 && ftruncate(s->fd, (off_t)s->bytes) == 0)
        data = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    s->data = data == MAP_FAILED ? NULL : data;
    if (s->data == NULL || !seal(s->fd)) {
        segment_free(s);
        return NULL;
    }
    madvise(s->data, s->bytes, MADV_HUGEPAGE); /* advice: it is as good without, only slower */
    return s;
}

void segment_free(struct segment *segment)
{
    if (segment == NULL)
        return;
    list_remove(&segment->link);
    if (segment->data != NULL)
        munmap(segment->data, segment->bytes);
    if (segment->fd >= 0)
        close(segment->fd);
    free(segment);
}
