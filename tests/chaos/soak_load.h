/* The kinds of load of a soak: each a thread that goes on until it is told to stop. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "gradfoldd.h"

struct load {
    const struct gradfoldd *server;
    atomic_bool stopping;
    atomic_ulong rounds;    /* of steady workers */
    atomic_ulong visits;    /* of clients that come and go */
    atomic_ulong nuisances; /* of bad ones */
    atomic_ulong scrapes;
    atomic_ulong wrong; /* what should have gone well, or a wrong sum */
};

/* pthread functions; data: a struct load. */
void *load_large(void *data);
void *load_small(void *data);
void *load_visitors(void *data);
void *load_nuisances(void *data);
void *load_admin(void *data);
