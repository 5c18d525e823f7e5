#include <float.h>
#include <string.h>

#include "arithmetic.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation is rounded in its own type");

typedef float T;
#define ARITHMETIC arithmetic_f32
#include "float_arithmetic.inc"
