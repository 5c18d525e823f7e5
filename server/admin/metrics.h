/* /metrics: the Prometheus text exposition format 0.0.4. */
#pragma once

#include "admin/text.h"
#include "admin/world.h"

void metrics_write(struct text *out, const struct world *world);
