/* A job's spec as JSON: gradfold-create(1) has its fields. */
#pragma once

#include <gradfold/gradfold.h>
#include <jansson.h>

#include "exit_status.h"

struct spec_file {
    gf_spec *spec;
    char name[256];
    uint32_t world_size;
    size_t nodes;
};

/* Reads path ("-": standard input). name: instead of the file's, NULL: that one. STATUS_DONE: the
 * spec is the caller's, to be freed with gf_spec_free(); else it was complained about, with file,
 * line, column and field. */
enum exit_status spec_file_read(const char *path, const char *name, struct spec_file *file);

/* The other way round; NULL without memory. */
json_t *spec_file_json(const gf_job *job);
