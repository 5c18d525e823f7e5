/* libFuzzer's mutator for inputs of records: three times out of four it changes one record and
 * frames everything anew, so that lengths fit and what is behind them is reached. The target says
 * in record_format what its inputs look like. */
#include <stdlib.h>
#include <string.h>

#include "mutate_message.h"
#include "records.h"

extern const struct record_format record_format;

struct frames {
    struct record records[RECORDS_MAX + 1];
    size_t n;
    struct span tail; /* what is no record */
};

static void parse(struct span in, struct frames *frames)
{
    frames->n = 0;
    while (frames->n < RECORDS_MAX && record_take(&in, &record_format, &frames->records[frames->n]))
        frames->n++;
    frames->tail = in;
}

/* -- One record changed; new bytes are put into `room` -- */

static void change_header(struct record *record, uint8_t *room, size_t n, struct noise *noise)
{
    size_t length = mutate_message(record_format.descriptor, record->header, room, n, noise);
    if (length > 0)
        record->header = (struct span){room, length};
}

static void change_body(struct record *record, uint8_t *room, size_t max, struct noise *noise)
{
    static const size_t sizes[] = {0, 4, 8, 12, 16, 24, 32, 48, 64, 128};
    size_t n = record->body.n < max ? record->body.n : max;
    memset(room, 0, max < 128 ? max : 128);
    if (n > 0)
        memcpy(room, record->body.at, n);
    uint64_t r = noise_next(noise);
    if (r % 2 == 0)
        n = sizes[r / 2 % 10] < max ? sizes[r / 2 % 10] : n;
    else if (n > 0)
        n = LLVMFuzzerMutate(room, n, r % 4 == 1 ? n : max);
    record->body = (struct span){room, n};
    record->prefix.body_bytes = n;
    if (r % 64 == 0)
        record->prefix.body_bytes = noise_next(noise) >> (r >> 32 & 63);
}

static void change_order(struct frames *frames, size_t i, struct noise *noise)
{
    size_t j = noise_next(noise) % frames->n;
    struct record record = frames->records[i];
    switch (noise_next(noise) % 3) {
    case 0: /* once more */
        memmove(&frames->records[j + 1], &frames->records[j],
                (frames->n - j) * sizeof *frames->records);
        frames->records[j] = record;
        frames->n++;
        break;
    case 1:
        frames->records[i] = frames->records[j];
        frames->records[j] = record;
        break;
    default:
        frames->n--;
        memmove(&frames->records[i], &frames->records[i + 1],
                (frames->n - i) * sizeof *frames->records);
        break;
    }
}

static void change(struct frames *frames, uint8_t *room, size_t max, struct noise *noise)
{
    size_t i = noise_next(noise) % frames->n;
    uint64_t r = noise_next(noise) % 16;
    if (r < 9)
        change_header(&frames->records[i], room, max, noise);
    else if (r < 12)
        change_body(&frames->records[i], room, max, noise);
    else if (r < 14)
        change_order(frames, i, noise);
    else
        frames->records[i].control = (uint8_t)noise_next(noise);
}

/* -- Everything again -- */

struct output {
    uint8_t *bytes;
    size_t n;
    size_t max;
};

static void put(struct output *out, const void *bytes, size_t n)
{
    if (n == 0 || n > out->max - out->n)
        return;
    memcpy(out->bytes + out->n, bytes, n);
    out->n += n;
}

static void put_record(struct output *out, const struct record *record)
{
    uint8_t prefix[FRAME_PREFIX_BYTES];
    size_t n = record_format.control + sizeof prefix + record->header.n + record->body.n;
    if (n > out->max - out->n)
        return;
    frame_prefix_encode(prefix, (uint32_t)record->header.n, record->prefix.body_bytes);
    put(out, &record->control, record_format.control);
    put(out, prefix, sizeof prefix);
    put(out, record->header.at, record->header.n);
    put(out, record->body.at, record->body.n);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
    struct noise noise = {seed};
    struct frames *frames = malloc(sizeof *frames);
    must(frames != NULL);
    struct span in = {data, n};
    struct span lead = input_take(&in, record_format.lead);
    parse(in, frames);
    if (frames->n == 0 || noise_next(&noise) % 4 == 0) {
        free(frames);
        return LLVMFuzzerMutate(data, n, max);
    }
    uint8_t *room = malloc(max + 128);
    struct output out = {malloc(max), 0, max};
    must(room != NULL && out.bytes != NULL);
    change(frames, room, max, &noise);
    put(&out, lead.at, lead.n);
    for (size_t i = 0; i < frames->n; i++)
        put_record(&out, &frames->records[i]);
    put(&out, frames->tail.at, frames->tail.n);
    memcpy(data, out.bytes, out.n);
    free(out.bytes);
    free(room);
    free(frames);
    return out.n;
}
