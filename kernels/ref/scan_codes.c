/* SPDX-License-Identifier: MIT */
#include "kernels.h"

uint64_t e2_scan_codes_ref(const void *block, size_t bytes, const uint8_t *tables, const float line[2], float least,
                           float *out) {
    const uint8_t *codes = block;
    const float *factor = (const float *)(const void *)(codes + bytes * E2_CODE_BLOCK);
    const float *offset = factor + E2_CODE_BLOCK;
    uint32_t sums[E2_CODE_BLOCK] = {0};
    uint64_t found = 0;
    for (size_t b = 0; b < bytes; b++, codes += E2_CODE_BLOCK, tables += 32)
        for (size_t i = 0; i < E2_CODE_BLOCK; i++)
            sums[i] += (uint32_t)tables[codes[i] & 15] + tables[16 + (codes[i] >> 4)];
    for (size_t i = 0; i < E2_CODE_BLOCK; i++) {
        out[i] = factor[i] * (line[0] * (float)sums[i] + line[1]) + offset[i];
        found |= (uint64_t)(out[i] >= least) << i;
    }
    return found;
}
