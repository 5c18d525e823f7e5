#include "print.h"

#include <stdio.h>

#include "report.h"

static enum exit_status print(json_t *object, size_t flags)
{
    if (object == NULL)
        return report_no_memory();
    int failed = json_dumpf(object, stdout, flags);
    json_decref(object);
    if (failed && !ferror(stdout))
        return report_no_memory();
    putchar('\n');
    return STATUS_DONE; /* report_output() looks at the stream */
}

enum exit_status print_object(json_t *object)
{
    return print(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
}

enum exit_status print_document(json_t *object)
{
    return print(object, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}
