/* Reads lines of f32 bit patterns (hexadecimal, separated by blanks) and prints the bit pattern of
 * the exact mean of each line. tests/integration/demo_mean_test.py checks mean.c with it. */
#include "mean.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_BYTES = 1 << 16,
    VALUES_MAX = LINE_BYTES / 2,
};

static size_t line_parse(const char *line, float *value)
{
    size_t count = 0;
    char *end;
    for (;; line = end) {
        uint32_t bits = (uint32_t)strtoul(line, &end, 16);
        if (end == line)
            return count;
        memcpy(&value[count++], &bits, sizeof bits);
    }
}

int main(void)
{
    static char line[LINE_BYTES];
    static float value[VALUES_MAX];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t count = line_parse(line, value);
        if (count == 0)
            return EXIT_FAILURE;
        float mean = mean_exact(value, count);
        uint32_t bits;
        memcpy(&bits, &mean, sizeof bits);
        printf("%08" PRIx32 "\n", bits);
    }
    return EXIT_SUCCESS;
}
