/* SPDX-License-Identifier: MIT */
/* Dot products of one vector with many. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include "kernels.h"
#include "simd/reduce.h"

/* Four streams, far apart, each read in order, as the prefetchers of a CPU expect it: together they read as fast as
 * this machine can. Rows that are neighbours, and fetching ahead by hand, reached half of that (docs/performance.md).
 */
void E2_SIMD(similarity)(const float *key, const float *rows, size_t n, size_t width, float *out) {
    size_t quarter = n / 4, stream = quarter * width, r = 0;
    for (; r < quarter; r++, rows += width) {
        const float *const four[4] = {rows, rows + stream, rows + 2 * stream, rows + 3 * stream};
        float dots[4];
        row_dots(key, four, 4, width, dots);
        for (size_t s = 0; s < 4; s++) out[r + s * quarter] = dots[s];
    }
    rows += 3 * stream;
    for (r = 4 * quarter; r < n; r++, rows += width) row_dots(key, &rows, 1, width, out + r);
}
