#include "base/code.h"

static const struct {
    const char *name;
    const char *text;
    bool retryable;
} codes[CODE_COUNT] = {
#define CODE_ROW(name, number, retryable, text) [number] = {#name, text, retryable},
    CODE_TABLE(CODE_ROW)
#undef CODE_ROW
};

static bool known(int code)
{
    return code >= 0 && code < CODE_COUNT;
}

const char *code_name(int code)
{
    return known(code) ? codes[code].name : "UNKNOWN";
}

const char *code_text(int code)
{
    return known(code) ? codes[code].text : "a code this version does not know";
}

bool code_retryable(int code)
{
    return known(code) && codes[code].retryable;
}
