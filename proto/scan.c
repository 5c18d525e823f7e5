/* What unpacking cannot tell, read off the wire's bytes.
 *
 * The id of a request that is too large to unpack; and its strings, since protobuf-c hands out C
 * strings, so that what follows a NUL is cut off unseen, and does not ask for UTF-8, which the
 * format promises to whoever reads our answers. */
#include <string.h>

#include "base/utf8.h"
#include "proto/header.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

struct span {
    const uint8_t *at;
    size_t n;
};

static uint64_t take_varint(struct span *s)
{
    uint64_t value = 0;
    for (unsigned shift = 0; s->n > 0 && shift < 64; shift += 7) {
        uint8_t byte = *s->at++;
        s->n--;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    s->n = 0;
    return value;
}

static struct span take(struct span *s, uint64_t n)
{
    struct span taken = {.at = s->at, .n = n < s->n ? (size_t)n : s->n};
    s->at += taken.n;
    s->n -= taken.n;
    return taken;
}

static bool has_strings(const ProtobufCMessageDescriptor *message)
{
    for (unsigned i = 0; i < message->n_fields; i++)
        if (message->fields[i].type == PROTOBUF_C_TYPE_STRING ||
            message->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            return true;
    return false;
}

static bool message_is_clean(const ProtobufCMessageDescriptor *message, struct span s);

static bool field_is_clean(const ProtobufCFieldDescriptor *field, struct span content)
{
    if (field == NULL)
        return true;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return utf8_is_text((const char *)content.at, content.n);
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || !has_strings(field->descriptor))
        return true;
    return message_is_clean(field->descriptor, content);
}

/* Steps over a field that is not looked into; false: its type is none of the format's. */
static bool skip(struct span *s, uint64_t tag)
{
    switch (tag & 7) {
    case WIRE_VARINT:
        take_varint(s);
        return true;
    case WIRE_FIXED64:
        take(s, 8);
        return true;
    case WIRE_BYTES:
        take(s, take_varint(s));
        return true;
    case WIRE_FIXED32:
        take(s, 4);
        return true;
    default:
        return false;
    }
}

/* The recursion is as deep as the schema, which has no recursive message. What is no valid message
 * counts as clean: unpacking says so. */
static bool message_is_clean(const ProtobufCMessageDescriptor *message, struct span s)
{
    while (s.n > 0) {
        uint64_t tag = take_varint(&s);
        if ((tag & 7) != WIRE_BYTES) {
            if (!skip(&s, tag))
                return true;
            continue;
        }
        struct span content = take(&s, take_varint(&s));
        unsigned number = (unsigned)(tag >> 3);
        if (!field_is_clean(protobuf_c_message_descriptor_get_field(message, number), content))
            return false;
    }
    return true;
}

uint64_t header_request_id(const uint8_t *bytes, size_t n)
{
    enum {
        ID_TAG = 1 << 3 | WIRE_VARINT
    };
    struct span s = {bytes, n};
    uint64_t id = 0;
    while (s.n > 0) {
        uint64_t tag = take_varint(&s);
        if (tag == ID_TAG)
            id = take_varint(&s);
        else if (!skip(&s, tag))
            return id;
    }
    return id;
}

bool header_request_strings_ok(const uint8_t *bytes, size_t n)
{
    return message_is_clean(&gradfold__v1__request__descriptor, (struct span){bytes, n});
}
