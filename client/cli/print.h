/* JSON to standard output. */
#pragma once

#include <jansson.h>

#include "exit_status.h"

/* One line. object is given away; NULL (no memory) is complained about. */
enum exit_status print_object(json_t *object);

/* The same, indented. */
enum exit_status print_document(json_t *object);
