/* SPDX-License-Identifier: MIT */
/* Dot products of one vector with many. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include "kernels.h"
#include "simd/reduce.h"

/* Rows are shorter than a page, or little longer: the prefetchers of a CPU begin anew with each. So the rows after the
 * next are fetched here. */
void E2_SIMD(similarity)(const float *key, const float *rows, size_t n, size_t width, float *out) {
    size_t r = 0;
    for (; r + 4 <= n; r += 4, rows += 4 * width) {
        const float *const four[4] = {rows, rows + width, rows + 2 * width, rows + 3 * width};
        row_dots(key, four, 4, width, 4 * width, out + r);
    }
    for (; r < n; r++, rows += width) row_dots(key, &rows, 1, width, 0, out + r);
}
