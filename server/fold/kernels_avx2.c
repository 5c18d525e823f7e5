/* AVX2 and F16C. */
#define LANES        4
#define KERNELS      kernels_avx2
#define KERNELS_NAME "avx2"
#include "fold/kernels.inc"
