/* Matrix products by the BLAS, in f32, row-major, with strides (ld = floats from a row to the next), and whether it is
 * faster than our own kernels. gemm.c alone knows the BLAS. */
#ifndef E2_GEMM_H
#define E2_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels.h"

/* Whether this build has a BLAS that multiplies f32 matrices faster than these kernels. */
bool e2_blas_is_faster(const e2_kernels *kernels);

/* c [m][n] = alpha * a [m][k] * transpose(b [n][k]) + beta * c. With beta 0, c need not be initialised. Only when the
 * BLAS is the faster. */
void e2_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                float beta, float *c, size_t ldc);

#endif
