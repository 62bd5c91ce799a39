#include "kernels.h"
#include "ref/reduce.h"

void e2_similarity_ref(const float *key, const float *rows, size_t n, size_t width, float *out) {
    for (size_t r = 0; r < n; r++) out[r] = e2_ref_dot(key, rows + r * width, width);
}
