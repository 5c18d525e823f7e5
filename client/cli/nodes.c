#include "nodes.h"

#include <stdlib.h>
#include <string.h>

#include "value.h"

static int compare(const void *a, const void *b)
{
    const struct named *left = a;
    const struct named *right = b;
    return strcmp(left->name, right->name);
}

bool nodes_init(struct nodes *nodes, const gf_job *job)
{
    *nodes = (struct nodes){.job = job};
    nodes->named = calloc(gf_job_node_count(job) + 1, sizeof *nodes->named);
    if (nodes->named == NULL)
        return false;
    gf_node node;
    for (uint64_t id = 0; gf_job_node(job, id, &node); id++) {
        if (node.name[0] != '\0')
            nodes->named[nodes->n_named++] = (struct named){.name = node.name, .id = id};
    }
    qsort(nodes->named, nodes->n_named, sizeof *nodes->named, compare);
    return true;
}

void nodes_free(struct nodes *nodes)
{
    free(nodes->named);
}

bool nodes_find(const struct nodes *nodes, const char *label, uint64_t *id)
{
    const struct named key = {.name = label};
    const struct named *found =
        bsearch(&key, nodes->named, nodes->n_named, sizeof *nodes->named, compare);
    if (found != NULL) {
        *id = found->id;
        return true;
    }
    uint64_t number;
    if (!value_count(label, &number) || number >= gf_job_node_count(nodes->job))
        return false;
    *id = number;
    return true;
}
