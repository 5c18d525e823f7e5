#include "base/utf8.h"

#include <string.h>

/* Bytes of the sequence that starts with `lead`, and the smallest code point that needs so many;
 * 0: no sequence starts so. */
static size_t sequence_length(unsigned char lead, uint32_t *smallest)
{
    *smallest = 0;
    if (lead < 0x80)
        return 1;
    *smallest = 0x80;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    *smallest = 0x800;
    if ((lead & 0xF0) == 0xE0)
        return 3;
    *smallest = 0x10000;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

size_t utf8_decode(const char *s, size_t n, uint32_t *code)
{
    static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t smallest;
    size_t length = sequence_length((unsigned char)s[0], &smallest);
    if (length == 0 || length > n)
        return 0;
    uint32_t value = (unsigned char)s[0] & lead_bits[length];
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)s[i];
        if ((next & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3Fu);
    }
    if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return length;
}

bool utf8_is_text(const char *s, size_t n)
{
    while (n > 0) {
        uint32_t code;
        size_t length = utf8_decode(s, n, &code);
        if (length == 0 || code == 0)
            return false;
        s += length;
        n -= length;
    }
    return true;
}

void utf8_clean(char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        uint32_t code = 0;
        size_t length = utf8_decode(text, n, &code);
        if (length == 0 || code < 0x20 || code == 0x7F) {
            *text = '?';
            length = 1;
        }
        text += length;
        n -= length;
    }
}
