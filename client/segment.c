#include "client/segment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/report.h"

struct segment {
    struct list link;
    uint64_t id;
    struct mapping *mapping;
};

void segments_init(struct segments *segments)
{
    *segments = (struct segments){0};
    list_init(&segments->known);
}

static void forget(struct segments *segments, struct segment *segment)
{
    list_remove(&segment->link);
    segments->n_known--;
    mapping_unref(segment->mapping);
    free(segment);
}

void segments_reset(struct segments *segments)
{
    list_each (link, &segments->known)
        forget(segments, list_entry(link, struct segment, link));
    segments_settle(segments);
}

/* -- Descriptors ------------------------------------------------------------------------------ */

static void keep(struct segments *segments, int fd)
{
    if (segments->n_descriptors < DESCRIPTORS_MAX)
        segments->descriptors[segments->n_descriptors++] = fd;
    else
        close(fd);
}

void segments_receive(struct segments *segments, struct msghdr *message)
{
    if ((message->msg_flags & MSG_CTRUNC) != 0)
        segments->truncated = true;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            keep(segments, fd);
        }
    }
}

void segments_settle(struct segments *segments)
{
    while (segments->n_descriptors > 0)
        close(segments->descriptors[--segments->n_descriptors]);
    segments->truncated = false;
}

/* The one that came with the frame at hand; -1: none. */
static int next_descriptor(struct segments *segments)
{
    if (segments->n_descriptors == 0)
        return -1;
    int fd = segments->descriptors[0];
    segments->n_descriptors--;
    memmove(segments->descriptors, segments->descriptors + 1, segments->n_descriptors * sizeof fd);
    return fd;
}

/* -- Segments --------------------------------------------------------------------------------- */

static struct segment *find(const struct segments *segments, uint64_t id)
{
    list_each (link, &segments->known)
        if (list_entry(link, struct segment, link)->id == id)
            return list_entry(link, struct segment, link);
    return NULL;
}

static gf_code no_descriptor(const struct segments *segments, uint64_t id, gf_error *error)
{
    if (segments->truncated)
        return report(error, GF_CLIENT_SYSTEM,
                      "no descriptor for the server's segment %" PRIu64 ": too many files are open",
                      id);
    return report(error, GF_CLIENT_PROTOCOL, "segment %" PRIu64 " came without its descriptor", id);
}

static gf_code map(int fd, uint64_t id, uint64_t bytes, struct mapping **mapping, gf_error *error)
{
    struct error reason;
    enum code code = mapping_new(fd, bytes, mapping, &reason);
    if (code == CODE_OK)
        return GF_OK;
    return report(error, code == CODE_RESOURCE_EXHAUSTED ? GF_CLIENT_SYSTEM : GF_CLIENT_PROTOCOL,
                  "the server's segment %" PRIu64 ": %s", id, reason.message);
}

/* Owns the mapping, also when it fails. */
static gf_code add(struct segments *segments, uint64_t id, struct mapping *mapping, gf_error *error)
{
    struct segment *segment = NULL;
    if (find(segments, id) != NULL || segments->n_known == SEGMENTS_MAX) {
        mapping_unref(mapping);
        return report(error, GF_CLIENT_PROTOCOL,
                      "segment %" PRIu64 " is there already, or is the"
                      " %d. at a time",
                      id, SEGMENTS_MAX + 1);
    }
    segment = malloc(sizeof *segment);
    if (segment == NULL) {
        mapping_unref(mapping);
        return report(error, GF_CLIENT_SYSTEM, "no memory for a segment");
    }
    segment->id = id;
    segment->mapping = mapping;
    list_append(&segments->known, &segment->link);
    segments->n_known++;
    return GF_OK;
}

static gf_code introduce(struct segments *segments, uint64_t id, uint64_t bytes, gf_error *error)
{
    struct mapping *mapping = NULL;
    int fd = next_descriptor(segments);
    if (fd < 0)
        return no_descriptor(segments, id, error);
    gf_code code = map(fd, id, bytes, &mapping, error);
    close(fd);
    return code == GF_OK ? add(segments, id, mapping, error) : code;
}

void segments_retire(struct segments *segments, const Gradfold__V1__PullResult *result)
{
    for (size_t i = 0; i < result->n_retired; i++) {
        struct segment *segment = find(segments, result->retired[i]);
        if (segment != NULL)
            forget(segments, segment);
    }
}

gf_code segments_find(struct segments *segments, const Gradfold__V1__PullResult *result,
                      struct mapping **mapping, gf_error *error)
{
    gf_code code = GF_OK;
    if (result->has_segment_bytes)
        code = introduce(segments, result->segment, result->segment_bytes, error);
    if (code != GF_OK)
        return code;
    struct segment *segment = find(segments, result->segment);
    if (segment == NULL)
        return report(error, GF_CLIENT_PROTOCOL, "an answer in the unknown segment %" PRIu64,
                      result->segment);
    *mapping = segment->mapping;
    return GF_OK;
}
