/* A job's nodes by what people call them. */
#pragma once

#include <gradfold/gradfold.h>
#include <stdbool.h>
#include <stdint.h>

struct nodes {
    const gf_job *job; /* borrowed */
    struct named {
        const char *name;
        uint64_t id;
    } * named; /* by name */
    size_t n_named;
};

/* False: no memory. */
bool nodes_init(struct nodes *nodes, const gf_job *job);
void nodes_free(struct nodes *nodes);

/* label: a node's name, or its id if no node has such a name. */
bool nodes_find(const struct nodes *nodes, const char *label, uint64_t *id);
