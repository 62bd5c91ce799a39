#include "linear.h"

#include <math.h>
#include <string.h>

#include "gemm.h"

void e2_linear_apply(const e2_linear *linear, const float *x, size_t rows, float *y) {
    if (linear->bias)
        for (size_t r = 0; r < rows; r++) memcpy(y + r * linear->out, linear->bias, linear->out * sizeof *y);
    e2_gemm_nt(rows, linear->out, linear->in, 1.0f, x, linear->in, linear->weight, linear->in,
               linear->bias ? 1.0f : 0.0f, y, linear->out);
}

void e2_linear_add(const e2_linear *linear, float gate, const float *x, size_t rows, float *y) {
    if (linear->bias)
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < linear->out; i++) y[r * linear->out + i] += gate * linear->bias[i];
    e2_gemm_nt(rows, linear->out, linear->in, gate, x, linear->in, linear->weight, linear->in, 1.0f, y, linear->out);
}

void e2_norm_apply(const e2_norm *norm, float epsilon, const float *x, size_t rows, size_t width, float *y) {
    e2_kernels_best()->layer_norm(x, rows, width, norm->weight, norm->bias, epsilon, y);
}

void e2_activate(e2_activation activation, float *x, size_t n) {
    const e2_kernels *kernels = e2_kernels_best();
    switch (activation) {
    case E2_GELU: kernels->gelu(x, n); break;
    case E2_QUICK_GELU: kernels->quick_gelu(x, n); break;
    case E2_RELU: kernels->relu(x, n); break;
    }
}

bool e2_feed_forward(const e2_norm *norm, float epsilon, const e2_linear *up, const e2_linear *down,
                     e2_activation activation, float gate, float *x, size_t rows, e2_arena *scratch) {
    e2_arena_mark mark = e2_arena_begin(scratch);
    float *y = e2_arena_floats(scratch, rows * up->in), *hidden = e2_arena_floats(scratch, rows * up->out);
    if (!y || !hidden) return e2_arena_release(scratch, mark), false;
    e2_norm_apply(norm, epsilon, x, rows, up->in, y);
    e2_linear_apply(up, y, rows, hidden);
    e2_activate(activation, hidden, rows * up->out);
    e2_linear_add(down, gate, hidden, rows, x);
    e2_arena_release(scratch, mark);
    return true;
}

bool e2_attention(e2_rows query, e2_rows key, e2_rows value, uint32_t heads, uint32_t head_size, float *out,
                  e2_arena *scratch) {
    e2_arena_mark mark = e2_arena_begin(scratch);
    size_t inner = (size_t)heads * head_size;
    float *scores = e2_arena_floats(scratch, query.rows * key.rows);
    if (!scores) return false;
    float scale = 1.0f / sqrtf((float)head_size);
    for (uint32_t h = 0; h < heads; h++) {
        size_t column = (size_t)h * head_size;
        e2_gemm_nt(query.rows, key.rows, head_size, scale, query.data + column, query.stride, key.data + column,
                   key.stride, 0.0f, scores, key.rows);
        e2_kernels_best()->softmax(scores, query.rows, key.rows, key.rows);
        e2_gemm_nn(query.rows, head_size, key.rows, scores, key.rows, value.data + column, value.stride, out + column,
                   inner);
    }
    e2_arena_release(scratch, mark);
    return true;
}
