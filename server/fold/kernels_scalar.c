/* The reference: what any CPU runs. Two lanes are what every 64-bit CPU has; f16 is converted by
 * bit manipulation. */
#define LANES        2
#define KERNELS      kernels_scalar
#define KERNELS_NAME "scalar"
#include "fold/kernels.inc"
