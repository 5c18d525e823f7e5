/* What the system says about this process. */
#pragma once

#include <stdint.h>

struct process_facts {
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
    double cpu_s;
};

void process_look(struct process_facts *facts);

/* Seconds since the epoch. */
double process_started(void);
