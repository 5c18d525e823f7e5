/* What happens on the stage, in words: one line each. */
#pragma once

#include "stage.h"

/* who: at most 12 characters. */
void tell(struct stage *stage, const char *who, const char *arrow, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void tell_action(struct stage *stage, const struct action *action);
