#include "text.h"

#include <inttypes.h>
#include <stdio.h>

const char *text_bytes(uint64_t bytes, char out[static TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 6) {
        value /= 1024;
        unit++;
    }
    snprintf(out, TEXT_MAX, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *text_ms(uint64_t ms, char out[static TEXT_MAX])
{
    uint64_t s = ms / 1000;
    if (s == 0)
        snprintf(out, TEXT_MAX, "%" PRIu64 " ms", ms);
    else if (s < 60)
        snprintf(out, TEXT_MAX, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    else if (s < 3600)
        snprintf(out, TEXT_MAX, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, TEXT_MAX, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, TEXT_MAX, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
    return out;
}

const char *text_shape(const uint64_t *shape, size_t ndim, char out[static TEXT_SHAPE_MAX])
{
    size_t n = (size_t)snprintf(out, TEXT_SHAPE_MAX, "[");
    for (size_t i = 0; i < ndim && n < TEXT_SHAPE_MAX - 23; i++)
        n +=
            (size_t)snprintf(out + n, TEXT_SHAPE_MAX - n, "%s%" PRIu64, i > 0 ? "," : "", shape[i]);
    snprintf(out + n, TEXT_SHAPE_MAX - n, "]");
    return out;
}

const char *text_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

const char *text_state(gf_round_state state)
{
    switch (state) {
    case GF_ROUND_OPEN:
        return "open";
    case GF_ROUND_CLOSING:
        return "closing";
    case GF_ROUND_CLOSED:
        return "closed";
    }
    return "unknown";
}
