#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint64_t number(struct span *in, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && in->n > 0; i++, in->at++, in->n--)
        value |= (uint64_t)*in->at << (8 * i);
    return value;
}

uint8_t input_u8(struct span *in)
{
    return (uint8_t)number(in, 1);
}

uint16_t input_u16(struct span *in)
{
    return (uint16_t)number(in, 2);
}

uint64_t input_u64(struct span *in)
{
    return number(in, 8);
}

struct span input_take(struct span *in, size_t n)
{
    struct span taken = {in->at, n < in->n ? n : in->n};
    if (taken.n > 0)
        in->at += taken.n;
    in->n -= taken.n;
    return taken;
}

static void *copy(struct span in, size_t more)
{
    char *bytes = malloc(in.n + more);
    must(bytes != NULL || in.n + more == 0);
    if (in.n > 0)
        memcpy(bytes, in.at, in.n);
    return bytes;
}

void *input_copy(struct span in)
{
    return copy(in, 0);
}

char *input_text(struct span in)
{
    char *text = copy(in, 1);
    text[in.n] = '\0';
    return text;
}

/* splitmix64 */
uint64_t noise_next(struct noise *noise)
{
    uint64_t z = noise->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}
