/* An error on its way to somebody who can read it: a code and a message of fixed size, no
 * allocation.
 *
 * The place that decides fills it; each layer on the way back may put in front what it knows:
 * "push from worker 3: node 17: shape [3,4], expected [4,3]". */
#pragma once

#include "base/code.h"

enum {
    ERROR_MESSAGE_MAX = 384
};

struct error {
    enum code code; /* CODE_OK: no error, the message is empty */
    char message[ERROR_MESSAGE_MAX];
};

/* Fills e and returns code, so that a caller can `return error_set(...)`. e may be NULL. Whatever
 * is quoted, the message is one line of valid UTF-8: other bytes become '?'. */
/*@ requires e == \null || \valid(e);
  @ assigns *e;
  @ ensures \result == code;
  @ ensures e != \null ==> e->code == code; */
enum code error_set(struct error *e, enum code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts text before the message; what does not fit is cut at the end. */
void error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* No error. */
void error_clear(struct error *e);
