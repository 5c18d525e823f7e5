/* One scenario under one fault. */
#pragma once

#include "plan.h"
#include "scenario.h"

struct injection {
    const struct fault *fault; /* NULL: none; everything must go well */
    enum plan_side side;
    unsigned n; /* the call that fails; the first that fails */
    enum plan_mode mode;
};

/* Runs it until all is over and given back. Returns how often the fault struck; what was wrong is
 * in failure, "" for nothing. */
unsigned run_one(const struct scenario *scenario, const struct injection *injection,
                 char failure[static 600]);
