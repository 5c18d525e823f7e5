/* Only for show: workers that are late in unforeseeable ways, and a record of it. No training needs
 * this. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Sleeps between 0 and max_ms, truly at random: no seed, no run like another. */
void delay_random(unsigned max_ms);

/* A file in which each round's last push gets a line "ROUND NANOSECONDS WORKER", on a clock that
 * all processes share. A NULL path gives NULL, to which delay_trace() writes nothing. */
FILE *delay_trace_open(const char *path);
void delay_trace(FILE *trace, uint64_t round, size_t worker);
