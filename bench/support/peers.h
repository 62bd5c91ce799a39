/* SPDX-License-Identifier: MIT */
/*
 * Other libraries' matrix products, on the same numbers as ours: c [m][n] = a [m][k] * transpose(w [n][k]) + bias, one
 * thread (the driver sets OMP_NUM_THREADS and OPENBLAS_NUM_THREADS to 1). Weights are prepared beforehand, in as many
 * copies as asked for, used in turn. NULL: this build or library has no such product.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "kernels.h"

typedef struct peer_problem {
    e2_weight_type type;
    size_t m, n, k, copies;
    const float *a, *w, *bias;
    float *c; /* of this contender alone */
} peer_problem;

typedef struct peer_gemm peer_gemm;

/* f32 only; w itself is used, without bias. */
peer_gemm *openblas_new(const peer_problem *problem);
void openblas_run(void *gemm);
void openblas_free(peer_gemm *gemm);

/* f32; bf16; int8: unsigned activations by signed weights, one scale per row of w, f32 result. */
peer_gemm *onednn_new(const peer_problem *problem);
void onednn_run(void *gemm);
void onednn_free(peer_gemm *gemm);

#endif
