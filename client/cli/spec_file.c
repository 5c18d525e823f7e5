/* Reading a spec: file -> text -> jansson -> each field by its table -> gf_spec.
 *
 * jansson tells the line of what is no JSON; what is JSON but no spec is found again in the text
 * by its path (json_place.h). */
#include "spec_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "json_place.h"
#include "report.h"
#include "value.h"

enum {
    SPEC_BYTES_MAX = 256 << 20,
    PATH_MAX_SHOWN = 512,
    DIMENSIONS_MAX = 64
};

static const char *const reductions[] = {"sum", "mean", NULL};
static const char *const accumulations[] = {"exact", "in_order", NULL};
static const char *const non_finites[] = {"reject", "propagate", NULL};
static const char *const dtypes[] = {"f32", "f64", "f16", "bf16", "i32", "i64", NULL};

/* What the fields of an object are read into: the job's rules, or one node. */
struct reading {
    const char *file;
    const char *text;
    gf_spec *spec;
    char name[256]; /* of the job */
    uint64_t world_size, quorum, grace_ms, retain_rounds;
    int reduction, accumulation, non_finite;
    struct node {
        const char *name;
        int dtype;
        uint64_t shape[DIMENSIONS_MAX];
        size_t ndim;
        bool has_shape;
        bool frozen;
        uint64_t expected;
    } node;
};

__attribute__((format(printf, 3, 4))) static bool
fail(const struct reading *r, const struct json_place *place, const char *format, ...)
{
    char path[PATH_MAX_SHOWN];
    char message[256];
    int line;
    int column;
    va_list args;
    json_place_path(place, path, sizeof path);
    json_place_find(place, r->text, &line, &column);
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    complain("%s:%d:%d: %s%s%s", r->file, line, column, path, path[0] == '\0' ? "" : ": ", message);
    return false;
}

/* -- Values -- */

static bool read_number(const struct reading *r, const struct json_place *place,
                        const json_t *value, uint64_t max, uint64_t *number)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || (uint64_t)n > max)
        return fail(r, place, "expected a whole number from 0 to %" PRIu64, max);
    *number = (uint64_t)n;
    return true;
}

static bool read_word(const struct reading *r, const struct json_place *place, const json_t *value,
                      const char *const *words, int *word)
{
    *word = json_is_string(value) ? value_word(json_string_value(value), words) : -1;
    if (*word >= 0)
        return true;
    char list[128] = "";
    size_t n = 0;
    for (const char *const *w = words; *w != NULL; w++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s\"%s\"",
                              w == words     ? ""
                              : w[1] == NULL ? " or "
                                             : ", ",
                              *w);
    return fail(r, place, "expected %s", list);
}

/* -- The fields of a node -- */

static bool node_name(struct reading *r, const struct json_place *place, const json_t *value)
{
    if (!json_is_string(value))
        return fail(r, place, "expected a string");
    r->node.name = json_string_value(value);
    return true;
}

static bool node_dtype(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_word(r, place, value, dtypes, &r->node.dtype);
}

static bool node_shape(struct reading *r, const struct json_place *place, const json_t *value)
{
    size_t n = json_array_size(value);
    if (!json_is_array(value) || n > DIMENSIONS_MAX)
        return fail(r, place, "expected a list of up to %d dimensions, such as [128, 64]",
                    DIMENSIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct json_place element = {.up = place, .index = i};
        if (!read_number(r, &element, json_array_get(value, i), INT64_MAX, &r->node.shape[i]))
            return false;
    }
    r->node.ndim = n;
    r->node.has_shape = true;
    return true;
}

static bool node_requires_grad(struct reading *r, const struct json_place *place,
                               const json_t *value)
{
    if (!json_is_boolean(value))
        return fail(r, place, "expected true or false");
    r->node.frozen = json_is_false(value);
    return true;
}

static bool node_expected(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_number(r, place, value, UINT32_MAX, &r->node.expected);
}

/* -- The fields of a job -- */

static bool job_name(struct reading *r, const struct json_place *place, const json_t *value)
{
    if (!json_is_string(value) || json_string_length(value) >= sizeof r->name)
        return fail(r, place, "expected a string of 1 to 255 of [A-Za-z0-9._-]");
    if (r->name[0] == '\0') /* else --name has said it */
        snprintf(r->name, sizeof r->name, "%s", json_string_value(value));
    return true;
}

static bool job_world_size(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_number(r, place, value, UINT32_MAX, &r->world_size);
}

static bool job_quorum(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_number(r, place, value, UINT32_MAX, &r->quorum);
}

static bool job_grace_ms(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_number(r, place, value, INT64_MAX, &r->grace_ms);
}

static bool job_reduction(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_word(r, place, value, reductions, &r->reduction);
}

static bool job_accumulation(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_word(r, place, value, accumulations, &r->accumulation);
}

static bool job_non_finite(struct reading *r, const struct json_place *place, const json_t *value)
{
    return read_word(r, place, value, non_finites, &r->non_finite);
}

static bool job_retain_rounds(struct reading *r, const struct json_place *place,
                              const json_t *value)
{
    return read_number(r, place, value, UINT32_MAX, &r->retain_rounds);
}

static bool job_nodes(struct reading *r, const struct json_place *place, const json_t *value)
{
    return json_is_array(value) || fail(r, place, "expected a list of nodes");
}

struct field {
    const char *name;
    bool required;
    bool (*read)(struct reading *r, const struct json_place *place, const json_t *value);
};

static const struct field node_fields[] = {
    {"name", false, node_name},         {"dtype", true, node_dtype},
    {"shape", true, node_shape},        {"requires_grad", false, node_requires_grad},
    {"expected", false, node_expected}, {NULL, false, NULL},
};

static const struct field job_fields[] = {
    {"name", false, job_name},
    {"world_size", true, job_world_size},
    {"quorum", false, job_quorum},
    {"grace_ms", false, job_grace_ms},
    {"reduction", false, job_reduction},
    {"accumulation", false, job_accumulation},
    {"non_finite", false, job_non_finite},
    {"retain_rounds", false, job_retain_rounds},
    {"nodes", true, job_nodes},
    {NULL, false, NULL},
};

/* -- Objects -- */

static bool known(const struct field *fields, const char *name)
{
    while (fields->name != NULL && strcmp(fields->name, name) != 0)
        fields++;
    return fields->name != NULL;
}

static bool refuse_unknown(const struct reading *r, const struct json_place *place,
                           const struct field *fields, json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const struct json_place member = {.up = place, .key = key};
        if (known(fields, key))
            continue;
        char list[160] = "";
        size_t n = 0;
        for (const struct field *field = fields; field->name != NULL; field++)
            n +=
                (size_t)snprintf(list + n, sizeof list - n, "%s%s", n > 0 ? ", " : "", field->name);
        return fail(r, &member, "unknown field; there are %s", list);
    }
    return true;
}

static bool read_object(struct reading *r, const struct json_place *place,
                        const struct field *fields, json_t *object)
{
    if (!json_is_object(object))
        return fail(r, place, "expected an object, {...}");
    if (!refuse_unknown(r, place, fields, object))
        return false;
    for (const struct field *field = fields; field->name != NULL; field++) {
        const struct json_place member = {.up = place, .key = field->name};
        const json_t *value = json_object_get(object, field->name);
        if (value == NULL && field->required)
            return fail(r, place, "the field \"%s\" is missing", field->name);
        if (value != NULL && !field->read(r, &member, value))
            return false;
    }
    return true;
}

static bool add_node(struct reading *r, const struct json_place *place, json_t *object)
{
    r->node = (struct node){.name = NULL};
    if (!read_object(r, place, node_fields, object))
        return false;
    /* The words are in the order of gf_dtype, which begins at 1. */
    uint64_t id = gf_spec_add_node(r->spec, r->node.name, (gf_dtype)(r->node.dtype + 1),
                                   r->node.shape, r->node.ndim);
    if (r->node.frozen)
        gf_spec_freeze_node(r->spec, id);
    gf_spec_expect(r->spec, id, (uint32_t)r->node.expected);
    return true;
}

static bool add_nodes(struct reading *r, const json_t *nodes)
{
    const struct json_place list = {.key = "nodes"};
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const struct json_place element = {.up = &list, .index = i};
        if (!add_node(r, &element, json_array_get(nodes, i)))
            return false;
    }
    return true;
}

static void set_rules(struct reading *r)
{
    gf_spec_set_quorum(r->spec, (uint32_t)r->quorum, r->grace_ms);
    if (r->reduction == 1)
        gf_spec_set_mean(r->spec);
    if (r->accumulation == 1)
        gf_spec_set_in_order(r->spec);
    if (r->non_finite == 1)
        gf_spec_set_propagate_non_finite(r->spec);
    gf_spec_set_retain_rounds(r->spec, (uint32_t)r->retain_rounds);
}

static enum exit_status read_spec(struct reading *r, json_t *root)
{
    if (!read_object(r, NULL, job_fields, root))
        return STATUS_FILE;
    if (r->name[0] == '\0') {
        fail(r, NULL, "the field \"name\" is missing, and --name was not given");
        return STATUS_FILE;
    }
    r->spec = gf_spec_new(r->name, (uint32_t)r->world_size);
    if (r->spec == NULL)
        return report_no_memory();
    set_rules(r);
    return add_nodes(r, json_object_get(root, "nodes")) ? STATUS_DONE : STATUS_FILE;
}

/* NULL: it was complained about. */
static json_t *parse(const char *path, const struct blob *blob)
{
    json_error_t error;
    if (strlen(blob->bytes) != blob->size) { /* jansson takes it for a space */
        complain("%s: not valid JSON: it holds a NUL byte", path);
        return NULL;
    }
    json_t *root = json_loadb(blob->bytes, blob->size, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        complain("%s:%d:%d: not valid JSON: %s", path, error.line, error.column, error.text);
    return root;
}

enum exit_status spec_file_read(const char *path, const char *name, struct spec_file *file)
{
    struct blob blob = {0};
    enum exit_status status = blob_read(&blob, path, SPEC_BYTES_MAX);
    if (status != STATUS_DONE)
        return status;
    const char *shown = strcmp(path, "-") == 0 ? "standard input" : path;
    json_t *root = parse(shown, &blob);
    struct reading r = {.file = shown, .text = blob.bytes, .retain_rounds = 2};
    if (name != NULL)
        snprintf(r.name, sizeof r.name, "%s", name);
    status = root == NULL ? STATUS_FILE : read_spec(&r, root);
    if (status == STATUS_DONE) {
        *file = (struct spec_file){.spec = r.spec,
                                   .world_size = (uint32_t)r.world_size,
                                   .nodes = json_array_size(json_object_get(root, "nodes"))};
        memcpy(file->name, r.name, sizeof file->name);
    } else {
        gf_spec_free(r.spec);
    }
    json_decref(root);
    blob_free(&blob);
    return status;
}
