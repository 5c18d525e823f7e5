/* AVX-512 F, DQ, BW and VL. */
#define LANES        8
#define KERNELS      kernels_avx512
#define KERNELS_NAME "avx512"
#include "fold/kernels.inc"
