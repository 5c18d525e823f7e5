#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum code error_set(struct error *e, enum code code, const char *format, ...)
{
    if (e == NULL)
        return code;
    e->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    utf8_clean(e->message);
    return code;
}

void error_prefix(struct error *e, const char *format, ...)
{
    char prefix[ERROR_MESSAGE_MAX];
    char rest[ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(rest, e->message, sizeof rest);
    size_t n = strlen(prefix);
    memcpy(e->message, prefix, n);
    snprintf(e->message + n, sizeof e->message - n, "%s", rest);
    utf8_clean(e->message); /* a character may have been cut */
}

void error_clear(struct error *e)
{
    e->code = CODE_OK;
    e->message[0] = '\0';
}
