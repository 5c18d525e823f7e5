#include "records.h"

static const struct frame_limits limits = {1 << 20, UINT64_MAX};

bool record_take(struct span *in, const struct record_format *format, struct record *record)
{
    struct span rest = *in;
    struct error error;
    if (rest.n < format->control + FRAME_PREFIX_BYTES)
        return false;
    record->control = format->control > 0 ? input_u8(&rest) : 0;
    struct span prefix = input_take(&rest, FRAME_PREFIX_BYTES);
    if (frame_prefix_decode(prefix.at, &limits, &record->prefix, &error) != CODE_OK ||
        record->prefix.header_bytes > rest.n)
        return false;
    uint64_t body_bytes = record->prefix.body_bytes;
    record->header = input_take(&rest, record->prefix.header_bytes);
    record->body = input_take(&rest, body_bytes < rest.n ? (size_t)body_bytes : rest.n);
    *in = rest;
    return true;
}
