/* What is done while a call is made to fail. */
#pragma once

#include "rig.h"

struct scenario {
    const char *name;
    void (*options)(struct rig *rig); /* of the server; NULL: as they are */
    void (*prepare)(struct rig *rig); /* before the fault is armed; NULL: nothing */
    void (*act)(struct rig *rig);     /* as the client's side */
    bool starts;                      /* the server's start is part of the act */
};

extern const struct scenario job_scenarios[];
extern const struct scenario push_scenarios[];
extern const struct scenario round_scenarios[];
extern const struct scenario peer_scenarios[];
extern const struct scenario shared_scenarios[];
extern const size_t n_job_scenarios, n_push_scenarios, n_round_scenarios, n_peer_scenarios;
extern const size_t n_shared_scenarios;
