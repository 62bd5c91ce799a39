/* SPDX-License-Identifier: MIT */
/* Matrix products by OpenBLAS, in f32, row-major, with strides (ld = floats from a row to the next), and whether it is
 * faster than our own kernels. gemm.c alone knows the BLAS, which is no part of the library: it comes into the process
 * when a model is opened that it multiplies for. */
#ifndef E2_GEMM_H
#define E2_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "kernels.h"

/* OpenBLAS as a model uses it; NULL: it does not. */
typedef struct e2_blas {
    void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                  int lda, const float *b, int ldb, float beta, float *c, int ldc);
    void (*sgemv)(int order, int transpose, int m, int n, float alpha, const float *a, int lda, const float *x,
                  int step_x, float beta, float *y, int step_y);
} e2_blas;

/* Whether OpenBLAS multiplies f32 matrices faster than these kernels. */
bool e2_blas_is_faster(const e2_kernels *kernels);

/* Opens OpenBLAS. IO: it cannot be; UNSUPPORTED: this build, or a static program, has none. The message names it. */
e2str_status e2_blas_open(e2_blas *blas, e2str_error *error);

/* c [m][n] = alpha * a [m][k] * transpose(b [n][k]) + beta * c. With beta 0, c need not be initialised. Only with an
 * open BLAS. */
void e2_gemm_nt(const e2_blas *blas, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                const float *b, size_t ldb, float beta, float *c, size_t ldc);

#endif
