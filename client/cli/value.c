#include "value.h"

#include <stddef.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Digits, then one of the units (the last has the name NULL). */
static bool parse(const char *text, const struct unit *units, uint64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t count = 0;
    for (size_t i = 0; i < digits; i++) {
        if (__builtin_mul_overflow(count, 10, &count) ||
            __builtin_add_overflow(count, (uint64_t)(text[i] - '0'), &count))
            return false;
    }
    for (; digits > 0 && units->name != NULL; units++) {
        uint64_t product;
        if (strcmp(text + digits, units->name) != 0)
            continue;
        if (__builtin_mul_overflow(count, units->factor, &product))
            return false;
        *value = product;
        return true;
    }
    return false;
}

bool value_count(const char *text, uint64_t *count)
{
    static const struct unit units[] = {{"", 1}, {NULL, 0}};
    return parse(text, units, count);
}

bool value_bytes(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},          {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20},
        {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}, {NULL, 0},
    };
    return parse(text, units, bytes);
}

bool value_time(const char *text, uint64_t *ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0},
    };
    return parse(text, units, ms);
}

int value_word(const char *text, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0)
            return i;
    }
    return -1;
}
