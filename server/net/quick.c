#include "net/quick.h"

#include <string.h>

/* A field's number and wire type, as one byte. */
enum tag {
    REQUEST_ID = 1 << 3 | 0,
    REQUEST_OP_PUSH = 7 << 3 | 2,
    PUSH_JOB = 1 << 3 | 2,
    PUSH_ROUND = 2 << 3 | 0,
    PUSH_WORKER = 3 << 3 | 0,
    PUSH_SEQUENCE = 4 << 3 | 0,
    PUSH_FINAL = 5 << 3 | 0,
    PUSH_CHECKSUM = 6 << 3 | 1,
    PUSH_CONTRIBUTION = 7 << 3 | 2,
    CONTRIBUTION_NODE = 1 << 3 | 0,
    CONTRIBUTION_DTYPE = 2 << 3 | 0,
    CONTRIBUTION_SHAPE = 3 << 3 | 2,
    RESPONSE_ID = 1 << 3 | 0,
    RESPONSE_STATUS = 2 << 3 | 2,
    RESPONSE_PUSH = 8 << 3 | 2,
    STATUS_CODE = 1 << 3 | 0,
    RESULT_VERDICT = 1 << 3 | 0,
    RESULT_ROUND = 2 << 3 | 0,
    RESULT_IGNORED = 3 << 3 | 0,
};

/* -- Reading: false wherever the ordinary way had better look -- */

struct span {
    const uint8_t *at;
    const uint8_t *end;
};

/* Below 2^63, as all but strange values are. */
static bool take_varint(struct span *s, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 63 && s->at < s->end; shift += 7) {
        uint8_t byte = *s->at++;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool has(struct span *s, enum tag tag)
{
    if (s->at == s->end || *s->at != tag)
        return false;
    s->at++;
    return true;
}

/* 0 when it is absent. */
static bool take_number(struct span *s, enum tag tag, uint64_t max, uint64_t *value)
{
    *value = 0;
    return !has(s, tag) || (take_varint(s, value) && *value <= max);
}

static bool take_span(struct span *s, struct span *inner)
{
    uint64_t n;
    if (!take_varint(s, &n) || n > (uint64_t)(s->end - s->at))
        return false;
    *inner = (struct span){s->at, s->at + n};
    s->at += n;
    return true;
}

/* Printable ASCII only. */
static bool take_job(struct span *s, struct arena *arena, const char **job)
{
    struct span name;
    *job = "";
    if (!has(s, PUSH_JOB))
        return true;
    if (!take_span(s, &name))
        return false;
    size_t n = (size_t)(name.end - name.at);
    char *copy = arena_alloc(arena, n + 1);
    if (!copy)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (name.at[i] < 0x20 || name.at[i] > 0x7E)
            return false;
        copy[i] = (char)name.at[i];
    }
    copy[n] = '\0';
    *job = copy;
    return true;
}

static bool take_checksum(struct span *s, struct push_offer *push)
{
    push->has_checksum = has(s, PUSH_CHECKSUM);
    if (!push->has_checksum)
        return true;
    if (s->end - s->at < 8)
        return false;
    for (unsigned i = 0; i < 8; i++)
        push->checksum |= (uint64_t)*s->at++ << 8 * i;
    return true;
}

static bool take_shape(struct span *s, struct arena *arena, struct contribution *c)
{
    struct span packed;
    if (!has(s, CONTRIBUTION_SHAPE))
        return true;
    if (!take_span(s, &packed))
        return false;
    size_t n = 0;
    for (const uint8_t *at = packed.at; at < packed.end; at++)
        n += *at < 0x80;
    uint64_t *shape = arena_alloc(arena, n * sizeof *shape);
    if (!shape)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!take_varint(&packed, &shape[i]))
            return false;
    c->shape = shape;
    c->ndim = n;
    return packed.at == packed.end;
}

static bool take_contribution(struct span *s, struct arena *arena, struct contribution *c)
{
    struct span fields;
    uint64_t dtype;
    *c = (struct contribution){0};
    if (!has(s, PUSH_CONTRIBUTION) || !take_span(s, &fields) ||
        !take_number(&fields, CONTRIBUTION_NODE, UINT64_MAX, &c->node) ||
        !take_number(&fields, CONTRIBUTION_DTYPE, INT32_MAX, &dtype) ||
        !take_shape(&fields, arena, c))
        return false;
    c->dtype = (int)dtype;
    return fields.at == fields.end;
}

/* All that is left. */
static bool take_contributions(struct span *s, struct arena *arena, struct push_offer *push)
{
    struct span ahead = *s;
    struct span skipped;
    size_t n = 0;
    for (; ahead.at < ahead.end; n++)
        if (!has(&ahead, PUSH_CONTRIBUTION) || !take_span(&ahead, &skipped))
            return false;
    struct contribution *contributions = arena_alloc(arena, n * sizeof *contributions);
    if (!contributions)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!take_contribution(s, arena, &contributions[i]))
            return false;
    push->contributions = contributions;
    push->n_contributions = n;
    return true;
}

static bool take_push(struct span *s, struct arena *arena, struct push_offer *push)
{
    uint64_t worker;
    uint64_t final;
    if (!take_job(s, arena, &push->job))
        return false;
    push->has_round = s->at < s->end && *s->at == PUSH_ROUND;
    if (!take_number(s, PUSH_ROUND, UINT64_MAX, &push->round) ||
        !take_number(s, PUSH_WORKER, UINT32_MAX, &worker) ||
        !take_number(s, PUSH_SEQUENCE, UINT64_MAX, &push->sequence) ||
        !take_number(s, PUSH_FINAL, 1, &final) || !take_checksum(s, push))
        return false;
    push->worker = (uint32_t)worker;
    push->final = final == 1;
    return take_contributions(s, arena, push);
}

bool quick_push(struct arena *arena, const uint8_t *header, size_t n, uint64_t body_bytes,
                struct request *request)
{
    struct span s = {header, header + n};
    struct span fields;
    request->event = (struct event){.kind = EVENT_PUSH, .offer = &request->push};
    request->push = (struct push_offer){.body_bytes = body_bytes};
    return take_number(&s, REQUEST_ID, UINT64_MAX, &request->event.request_id) &&
           has(&s, REQUEST_OP_PUSH) && take_span(&s, &fields) && s.at == s.end &&
           take_push(&fields, arena, &request->push);
}

/* -- Writing -- */

static uint8_t *put(uint8_t *to, enum tag tag, uint64_t value)
{
    *to++ = tag;
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

size_t quick_verdict(const struct reply *reply, uint8_t header[static QUICK_VERDICT_BYTES])
{
    uint8_t *at = put(header, RESPONSE_ID, reply->request_id);
    at = put(at, RESPONSE_STATUS, 2);
    at = put(at, STATUS_CODE, CODE_OK);
    uint8_t *length = at + 1;
    at = put(at, RESPONSE_PUSH, 0);
    at = put(at, RESULT_VERDICT, reply->verdict);
    at = put(at, RESULT_ROUND, reply->round);
    at = put(at, RESULT_IGNORED, reply->ignored);
    *length = (uint8_t)(at - length - 1);
    return (size_t)(at - header);
}
