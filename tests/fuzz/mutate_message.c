#include "mutate_message.h"

#include <stdlib.h>
#include <string.h>

enum wire_type {
    VARINT = 0,
    FIXED64 = 1,
    BYTES = 2,
    FIXED32 = 5
};

struct field {
    uint64_t tag;
    uint64_t value;      /* VARINT */
    struct span content; /* BYTES; the bytes of FIXED */
};

struct output {
    uint8_t *at;
    size_t room;
    bool full;
};

/* The rewriting of one message: the field number `chosen`, counted through the tree, is changed. */
struct rewriting {
    struct noise *noise;
    size_t chosen;
    size_t count;
};

static void put(struct output *out, const void *bytes, size_t n)
{
    if (n > out->room) {
        out->full = true;
        return;
    }
    if (n > 0)
        memcpy(out->at, bytes, n);
    out->at += n;
    out->room -= n;
}

static void put_varint(struct output *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        value >>= 7;
    } while ((bytes[n++] & 0x80) != 0);
    put(out, bytes, n);
}

static bool take_varint(struct span *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; in->n > 0 && shift < 64; shift += 7) {
        uint8_t byte = input_u8(in);
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static bool take_field(struct span *in, struct field *field)
{
    uint64_t n = 0;
    *field = (struct field){0};
    if (!take_varint(in, &field->tag))
        return false;
    switch (field->tag & 7) {
    case VARINT:
        return take_varint(in, &field->value);
    case FIXED64:
        n = 8;
        break;
    case FIXED32:
        n = 4;
        break;
    case BYTES:
        if (!take_varint(in, &n))
            return false;
        break;
    default:
        return false;
    }
    field->content = input_take(in, n < in->n ? (size_t)n : in->n);
    return field->content.n == n;
}

static void put_field(struct output *out, const struct field *field)
{
    put_varint(out, field->tag);
    if ((field->tag & 7) == VARINT)
        put_varint(out, field->value);
    if ((field->tag & 7) == BYTES)
        put_varint(out, field->content.n);
    put(out, field->content.at, field->content.n);
}

static uint64_t other_number(struct noise *noise, uint64_t was)
{
    uint64_t r = noise_next(noise);
    switch (r % 6) {
    case 0:
        return was + 1;
    case 1:
        return was - 1;
    case 2:
        return UINT64_C(1) << (r >> 8 & 63);
    case 3:
        return (UINT64_C(1) << (r >> 8 & 63)) - 1;
    case 4:
        return noise_next(noise);
    default:
        return r >> 8 & 7;
    }
}

/* A field of this message that is not there yet, or another one of it. */
static void put_new_field(struct output *out, const ProtobufCMessageDescriptor *descriptor,
                          struct noise *noise)
{
    if (descriptor->n_fields == 0)
        return;
    const ProtobufCFieldDescriptor *d =
        &descriptor->fields[noise_next(noise) % descriptor->n_fields];
    static const uint8_t zeros[8];
    struct field field = {.tag = (uint64_t)d->id << 3};
    switch (d->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
        field.tag |= BYTES;
        break;
    case PROTOBUF_C_TYPE_FIXED64:
        field.tag |= FIXED64;
        field.content = (struct span){zeros, 8};
        break;
    default:
        field.value = other_number(noise, 0);
        break;
    }
    put_field(out, &field);
}

static void put_mutated(struct output *out, struct field *field, struct noise *noise)
{
    if ((field->tag & 7) == VARINT) {
        field->value = other_number(noise, field->value);
        put_field(out, field);
        return;
    }
    size_t n = field->content.n;
    size_t max = n + 32;
    uint8_t *bytes = malloc(max);
    must(bytes != NULL);
    if (n > 0)
        memcpy(bytes, field->content.at, n);
    if ((field->tag & 7) == BYTES)
        n = LLVMFuzzerMutate(bytes, n, max);
    else
        bytes[noise_next(noise) % n] = (uint8_t)noise_next(noise);
    field->content = (struct span){bytes, n};
    put_field(out, field);
    free(bytes);
}

static void put_changed(struct output *out, const ProtobufCMessageDescriptor *inner,
                        struct field *field, struct noise *noise)
{
    uint64_t r = noise_next(noise) % 8;
    if (r == 0) /* left out */
        return;
    if (r == 1)
        put_field(out, field);
    if (r <= 2 || inner == NULL)
        put_mutated(out, field, noise);
    else
        put_field(out, field);
}

static const ProtobufCMessageDescriptor *inner_of(const ProtobufCMessageDescriptor *descriptor,
                                                  const struct field *field)
{
    const ProtobufCFieldDescriptor *d =
        protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(field->tag >> 3));
    if (d == NULL || d->type != PROTOBUF_C_TYPE_MESSAGE || (field->tag & 7) != BYTES)
        return NULL;
    return d->descriptor;
}

static void rewrite(struct rewriting *r, const ProtobufCMessageDescriptor *descriptor,
                    struct span in, struct output *out);

static void rewrite_inner(struct rewriting *r, const ProtobufCMessageDescriptor *inner,
                          struct field *field, struct output *out)
{
    size_t room = out->room;
    uint8_t *bytes = malloc(room + 1);
    must(bytes != NULL);
    struct output content = {.at = bytes, .room = room};
    rewrite(r, inner, field->content, &content);
    field->content = (struct span){bytes, room - content.room};
    put_field(out, field);
    free(bytes);
}

static void rewrite(struct rewriting *r, const ProtobufCMessageDescriptor *descriptor,
                    struct span in, struct output *out)
{
    struct field field;
    bool grows = r->count++ == r->chosen;
    while (in.n > 0) {
        struct span rest = in;
        if (!take_field(&in, &field)) {
            put(out, rest.at, rest.n);
            return;
        }
        const ProtobufCMessageDescriptor *inner = inner_of(descriptor, &field);
        if (r->count++ == r->chosen)
            put_changed(out, inner, &field, r->noise);
        else if (inner != NULL)
            rewrite_inner(r, inner, &field, out);
        else
            put_field(out, &field);
    }
    if (grows)
        put_new_field(out, descriptor, r->noise);
}

/* Places in the tree at which something can be changed. */
static size_t count_places(const ProtobufCMessageDescriptor *descriptor, struct span in)
{
    struct field field;
    size_t count = 1;
    while (in.n > 0 && take_field(&in, &field)) {
        const ProtobufCMessageDescriptor *inner = inner_of(descriptor, &field);
        count += 1 + (inner != NULL ? count_places(inner, field.content) : 0);
    }
    return count;
}

size_t mutate_message(const ProtobufCMessageDescriptor *descriptor, struct span message,
                      uint8_t *out, size_t max, struct noise *noise)
{
    struct rewriting r = {.noise = noise};
    struct output output = {.at = out, .room = max};
    r.chosen = noise_next(noise) % count_places(descriptor, message);
    rewrite(&r, descriptor, message, &output);
    return max - output.room;
}
