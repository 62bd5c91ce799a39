/*
 * Our kernels at the level of AVX2 and above are at least as fast as OpenBLAS on the shapes of these models, and fuse
 * what follows a product (docs/performance.md: the ratios measured, also with OpenBLAS told the right CPU). So the BLAS
 * is the faster where there is nothing but plain C.
 */
#include "gemm.h"

#include <string.h>

#ifdef E2_BLAS

#include <cblas.h>

bool e2_blas_is_faster(const e2_kernels *kernels) { return !strcmp(kernels->name, "ref"); }

/* The sizes are bounded by the caps of model files (docs/model-format.md), so each fits the BLAS's int. A single row
 * goes to the matrix-vector product: it reads the matrix once, which is all the work there is. */
void e2_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                float beta, float *c, size_t ldc) {
    if (m == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)n, (int)k, alpha, b, (int)ldb, a, 1, beta, c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb,
                    beta, c, (int)ldc);
}

#else

bool e2_blas_is_faster(const e2_kernels *kernels) {
    (void)kernels;
    return false;
}

/* Never called: without a BLAS all weights are packed for our kernels. */
void e2_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                float beta, float *c, size_t ldc) {
    (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda, (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;
}

#endif
