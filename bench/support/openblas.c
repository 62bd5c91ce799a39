/* SPDX-License-Identifier: MIT */
#include "peers.h"

#ifdef BENCH_OPENBLAS

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct peer_gemm {
    peer_problem problem;
    float **w;
    size_t next;
};

peer_gemm *openblas_new(const peer_problem *problem) {
    if (problem->type != E2_WEIGHT_F32) return NULL;
    peer_gemm *gemm = bench_alloc(sizeof *gemm);
    *gemm = (peer_gemm){*problem, bench_alloc(problem->copies * sizeof *gemm->w), 0};
    size_t bytes = problem->n * problem->k * sizeof(float);
    for (size_t i = 0; i < problem->copies; i++) gemm->w[i] = memcpy(bench_alloc(bytes), problem->w, bytes);
    return gemm;
}

void openblas_run(void *context) {
    peer_gemm *gemm = context;
    const peer_problem *p = &gemm->problem;
    const float *w = gemm->w[gemm->next++ % p->copies];
    if (p->m == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)p->n, (int)p->k, 1, w, (int)p->k, p->a, 1, 0, p->c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)p->m, (int)p->n, (int)p->k, 1, p->a, (int)p->k, w,
                    (int)p->k, 0, p->c, (int)p->n);
}

void openblas_free(peer_gemm *gemm) {
    if (!gemm) return;
    for (size_t i = 0; i < gemm->problem.copies; i++) free(gemm->w[i]);
    free(gemm->w);
    free(gemm);
}

#else

peer_gemm *openblas_new(const peer_problem *problem) {
    (void)problem;
    return NULL;
}
void openblas_run(void *context) { (void)context; }
void openblas_free(peer_gemm *gemm) { (void)gemm; }

#endif
