/* How the library tells its caller what went wrong. */
#pragma once

#include "gradfold/types.h"

/* Fills error (NULL is allowed) and returns code, so that a caller can `return report(...)`. */
gf_code report(gf_error *error, gf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

gf_code report_ok(gf_error *error);

/* Copies an outcome; error may be NULL, or the outcome itself. Of a success only what is needed. */
gf_code report_copy(gf_error *error, const gf_error *outcome);
