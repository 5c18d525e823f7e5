/* What a trial must give. */
#pragma once

#include "trial.h"

/* By the oracle: of the set alone. */
void expect_exact(struct trial *t);

/* By an addition that is the oracle's too, one step after the other, each rounded to the node's
 * dtype. */
void expect_in_order(struct trial *t);
