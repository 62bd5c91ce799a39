/* SPDX-License-Identifier: MIT */
#if defined(__aarch64__)

#include <arm_neon.h>

#include "kernels.h"

/* What the two groups of each of 16 bytes add: at most 2 * E2_CODE_MOST. */
static inline uint8x16_t look_up(const uint8_t *bytes, const uint8_t *tables) {
    uint8x16_t codes = vld1q_u8(bytes), first = vqtbl1q_u8(vld1q_u8(tables), vandq_u8(codes, vdupq_n_u8(15)));
    return vaddq_u8(first, vqtbl1q_u8(vld1q_u8(tables + 16), vshrq_n_u8(codes, 4)));
}

static inline uint64_t finish(uint16x4_t four, const float *factor, const float line[2], float least, float *out) {
    float32x4_t sum = vcvtq_f32_u32(vmovl_u16(four));
    sum = vaddq_f32(vmulq_f32(vdupq_n_f32(line[0]), sum), vdupq_n_f32(line[1]));
    sum = vaddq_f32(vmulq_f32(vld1q_f32(factor), sum), vld1q_f32(factor + E2_CODE_BLOCK));
    vst1q_f32(out, sum);
    static const uint32_t bits[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcgeq_f32(sum, vdupq_n_f32(least)), vld1q_u32(bits)));
}

uint64_t e2_scan_codes_neon(const void *block, size_t bytes, const uint8_t *tables, const float line[2], float least,
                            float *out) {
    const uint8_t *codes = block;
    const float *factor = (const float *)(const void *)(codes + bytes * E2_CODE_BLOCK);
    uint16x8_t sums[8]; /* of eight codes each */
    uint64_t found = 0;
    for (int i = 0; i < 8; i++) sums[i] = vdupq_n_u16(0);
    for (size_t b = 0; b < bytes; b++, codes += E2_CODE_BLOCK, tables += 32)
        for (int q = 0; q < 4; q++) {
            uint8x16_t more = look_up(codes + 16 * q, tables);
            sums[2 * q] = vaddw_u8(sums[2 * q], vget_low_u8(more));
            sums[2 * q + 1] = vaddw_high_u8(sums[2 * q + 1], more);
        }
    for (int i = 0; i < 8; i++) {
        found |= finish(vget_low_u16(sums[i]), factor + 8 * i, line, least, out + 8 * i) << 8 * i;
        found |= finish(vget_high_u16(sums[i]), factor + 8 * i + 4, line, least, out + 8 * i + 4) << (8 * i + 4);
    }
    return found;
}

#endif
