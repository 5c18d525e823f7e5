#include "print.h"

#include <inttypes.h>

static void print_element(FILE *file, enum dtype dtype, const void *elements, uint64_t i)
{
    if (dtype == DTYPE_I64)
        fprintf(file, " %" PRId64, ((const int64_t *)elements)[i]);
    else if (dtype == DTYPE_F64)
        fprintf(file, " %a", ((const double *)elements)[i]);
    else
        fprintf(file, " %a", (double)((const float *)elements)[i]);
}

void print_gradient(FILE *file, const struct node *node, size_t id, uint64_t contributions,
                    const void *elements)
{
    fprintf(file, "%zu %" PRIu64, id, contributions);
    for (uint64_t i = 0; i < node->elements; i++)
        print_element(file, node->dtype, elements, i);
    fprintf(file, "\n");
}
