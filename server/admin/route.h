/* From a request's method and path to its response. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

#include "admin/world.h"

/* Queues the answer; MHD_NO (the connection is then closed) without memory. url: the path as it was
 * sent, without its query, not decoded. */
enum MHD_Result route(struct world *world, struct MHD_Connection *connection, const char *method,
                      const char *url);

/* GET and HEAD: the methods that there are. */
bool route_reads(const char *method);
