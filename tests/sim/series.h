/* Many histories, one after the other. */
#pragma once

#include "sim.h"

struct series {
    uint64_t seeds;
    uint64_t events;
    uint64_t simulated_ms;
    double seconds;
    uint64_t accepted, duplicates, refused, rounds, pulls, cuts, deaths, repeats;
    uint64_t early_folds, early_pulls, discarded;
    uint64_t shared, trials, in_place, views, views_lost;
};

/* Plays seeds from … from + seeds - 1; false at the first failure, whose seed and reason are
 * printed. A crash prints the seed too. */
bool series_run(struct series *series, uint64_t from, uint64_t seeds, bool trace);

void series_print(const struct series *series);
