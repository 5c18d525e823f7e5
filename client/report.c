#include "client/report.h"

#include <stdarg.h>
#include <stdio.h>

gf_code report(gf_error *error, gf_code code, const char *format, ...)
{
    if (error == NULL)
        return code;
    error->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return code;
}

gf_code report_ok(gf_error *error)
{
    if (error != NULL) {
        error->code = GF_OK;
        error->message[0] = '\0';
    }
    return GF_OK;
}

gf_code report_copy(gf_error *error, const gf_error *outcome)
{
    if (error == NULL || error == outcome)
        return outcome->code;
    if (outcome->code == GF_OK)
        return report_ok(error);
    *error = *outcome;
    return outcome->code;
}
