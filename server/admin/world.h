/* What answering a request may look at. */
#pragma once

#include "admin/admin.h"

struct world {
    struct admin_config config;
    enum admin_state state;
    double started_s; /* of the process, since the epoch */
    uint64_t http_requests;
    unsigned http_connections;
};

/* To look at the core. */
static inline void world_lock(const struct world *world)
{
    if (world->config.mutex != NULL)
        uv_mutex_lock(world->config.mutex);
}

static inline void world_unlock(const struct world *world)
{
    if (world->config.mutex != NULL)
        uv_mutex_unlock(world->config.mutex);
}

static inline void world_numbers(const struct world *world, struct admin_numbers *numbers)
{
    *numbers = (struct admin_numbers){0};
    if (world->config.fill != NULL)
        world->config.fill(world->config.context, numbers);
}
