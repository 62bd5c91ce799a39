/* Matrix products in f32, row-major, with strides (ld = floats from a row to the next). gemm.c alone knows the BLAS. */
#ifndef E2_GEMM_H
#define E2_GEMM_H

#include <stddef.h>

/* c [m][n] = alpha * a [m][k] * transpose(b [n][k]) + beta * c. With beta 0, c need not be initialised. */
void e2_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                float beta, float *c, size_t ldc);

/* c [m][n] = a [m][k] * b [k][n] */
void e2_gemm_nn(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                size_t ldc);

#endif
