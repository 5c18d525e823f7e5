#include "options/value.h"

#include <string.h>

#include "base/checked.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Digits, then one of the units (the last has the name NULL). */
static bool parse(const char *text, const struct unit *units, uint64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0)
        return false;
    uint64_t count = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!checked_mul(count, 10, &count) ||
            !checked_add(count, (uint64_t)(text[i] - '0'), &count))
            return false;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(text + digits, units->name) == 0)
            return checked_mul(count, units->factor, value);
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
    static const uint64_t k = 1024;
    const struct unit units[] = {
        {"", 1},
        {"K", k},
        {"KiB", k},
        {"M", k * k},
        {"MiB", k * k},
        {"G", k * k * k},
        {"GiB", k * k * k},
        {"T", k * k * k * k},
        {"TiB", k * k * k * k},
        {NULL, 0},
    };
    return parse(text, units, bytes);
}

bool value_duration(const char *text, uint64_t *ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0},
    };
    return parse(text, units, ms);
}

bool value_switch(const char *text, bool *on)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1", NULL};
    int found = value_word(text, words);
    if (found < 0)
        return false;
    *on = found % 2 == 1;
    return true;
}

int value_word(const char *text, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0)
            return i;
    }
    return -1;
}

bool value_mode(const char *text, unsigned *mode)
{
    size_t digits = strspn(text, "01234567");
    unsigned value = 0;
    if (digits == 0 || digits > 4 || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 8 + (unsigned)(text[i] - '0');
    if (value > 0777)
        return false;
    *mode = value;
    return true;
}
