/* SPDX-License-Identifier: MIT */
#if defined(__aarch64__)
#define E2_SIMD(operation) e2_##operation##_neon
#include "simd/activation.h"
#include "simd/attention.h"
#include "simd/norm.h"
#include "simd/similarity.h"

void e2_attention_int_neon(const e2_attention_args *args) { e2_attention_neon(args); }
#endif
