/* SPDX-License-Identifier: MIT */
/*
 * Our kernels at the level of AVX2 and above are at least as fast as OpenBLAS on the shapes of these models, and fuse
 * what follows a product (docs/performance.md: the ratios measured, also with OpenBLAS told the right CPU). So the BLAS
 * is the faster where there is nothing but plain C.
 *
 * Being in the process costs threads and address space even when nothing is multiplied, so it is not linked but opened.
 * It stays in the process then: OpenBLAS's threads do not survive being taken out and put in again.
 */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "gemm.h"

#include <dlfcn.h>
#include <string.h>

/* As in cblas.h, which is the same everywhere. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

bool e2_blas_is_faster(const e2_kernels *kernels) { return !strcmp(kernels->name, "ref"); }

#ifdef E2_BLAS

/* The interface with 32-bit integers, by its soname; the other name comes with development packages only. */
static const char *const names[] = {"libopenblas.so.0", "libopenblas.so"};

static bool find(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found); /* C has no conversion from an object's to a function's pointer */
    return found;
}

e2str_status e2_blas_open(e2_blas *blas, e2str_error *error) {
    /* Looked for, not named: a static program has none, and naming it would make the linker warn of that. */
    void *(*open_library)(const char *name, int flags);
    if (!find(RTLD_DEFAULT, "dlopen", &open_library))
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "a static program cannot open OpenBLAS (%s)", names[0]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = open_library(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!library) continue;
        if (find(library, "cblas_sgemm", &blas->sgemm) && find(library, "cblas_sgemv", &blas->sgemv)) return E2STR_OK;
        return e2_fail(error, E2STR_ERROR_IO, "%s has no cblas_sgemm or cblas_sgemv", names[i]);
    }
    return e2_fail(error, E2STR_ERROR_IO, "OpenBLAS cannot be opened: no usable %s (Debian's libopenblas0)", names[0]);
}

#else

e2str_status e2_blas_open(e2_blas *blas, e2str_error *error) {
    (void)blas;
    return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "this libe2str was built without OpenBLAS (BLAS=none)");
}

#endif

/* The sizes are bounded by the caps of model files (docs/model-format.md), so each fits the BLAS's int. A single row
 * goes to the matrix-vector product: it reads the matrix once, which is all the work there is. */
void e2_gemm_nt(const e2_blas *blas, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    if (m == 1)
        blas->sgemv(ROW_MAJOR, NO_TRANSPOSE, (int)n, (int)k, alpha, b, (int)ldb, a, 1, beta, c, 1);
    else
        blas->sgemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta,
                    c, (int)ldc);
}
