/* A job's spec as JSON, as spec_file_read() reads it. */
#include "spec_file.h"

static json_t *node_json(const gf_node *node)
{
    json_t *json = json_object();
    if (node->name[0] != '\0')
        json_object_set_new(json, "name", json_string(node->name));
    json_object_set_new(json, "dtype", json_string(gf_dtype_name(node->dtype)));
    json_t *shape = json_array();
    for (size_t i = 0; i < node->ndim; i++)
        json_array_append_new(shape, json_integer((json_int_t)node->shape[i]));
    json_object_set_new(json, "shape", shape);
    if (!node->requires_grad)
        json_object_set_new(json, "requires_grad", json_false());
    if (node->expected > 0)
        json_object_set_new(json, "expected", json_integer(node->expected));
    return json;
}

json_t *spec_file_json(const gf_job *job)
{
    json_t *nodes = json_array();
    gf_node node;
    for (uint64_t id = 0; gf_job_node(job, id, &node); id++)
        json_array_append_new(nodes, node_json(&node));
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:o}", "name", gf_job_name(job),
                     "world_size", (json_int_t)gf_job_world_size(job), "quorum",
                     (json_int_t)gf_job_quorum(job), "grace_ms", (json_int_t)gf_job_grace_ms(job),
                     "reduction", gf_job_mean(job) ? "mean" : "sum", "accumulation",
                     gf_job_in_order(job) ? "in_order" : "exact", "non_finite",
                     gf_job_propagates_non_finite(job) ? "propagate" : "reject", "retain_rounds",
                     (json_int_t)gf_job_retain_rounds(job), "nodes", nodes);
}
