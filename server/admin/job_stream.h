/* /v1/jobs/NAME, made piece by piece as the client takes it. */
#pragma once

#include <stdbool.h>

#include <microhttpd.h>

#include "admin/world.h"
#include "core/job.h"

/* Takes a reference over, which goes with the response. NULL without memory. */
struct MHD_Response *job_stream_response(const struct world *world, struct job *job, bool nodes);
