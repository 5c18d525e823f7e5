/* A spec under construction. */
#pragma once

#include "gradfold/job.h"
#include "proto/header.h"

struct spec_node {
    char *name;      /* owned; NULL: none */
    uint64_t *shape; /* owned */
    size_t ndim;
    gf_dtype dtype;
    bool frozen;
    uint32_t expected;
};

struct gf_spec {
    char *name;
    uint32_t world_size;
    uint32_t quorum;
    uint64_t grace_ms;
    bool mean;
    bool in_order;
    bool propagate;
    bool has_retain_rounds;
    uint32_t retain_rounds;
    struct spec_node *nodes;
    size_t n_nodes;
    size_t capacity;
    gf_error trouble; /* the first thing that went wrong */
};

/* The message for the wire; it borrows from spec and ends with spec_message_free(). NULL without
 * memory. */
Gradfold__V1__JobSpec *spec_message_new(const gf_spec *spec);
void spec_message_free(Gradfold__V1__JobSpec *message);
