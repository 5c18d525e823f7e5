#include <float.h>
#include <string.h>

#include "arithmetic.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation is rounded in its own type");

typedef double T;
#define ARITHMETIC arithmetic_f64
#include "float_arithmetic.inc"
