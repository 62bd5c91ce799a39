/* A convolution is a product: the 9 pixels that an output pixel looks at are gathered into a row, and such rows go
 * through the same packed product, with its activation, as everywhere. A block of rows is gathered at a time, so that
 * it is still in the cache when it is multiplied, whatever the image's size. */
#include "convolution.h"

#include <string.h>

#define BLOCK_ROWS 96

typedef struct convolution {
    const e2_convolution *layer;
    const e2_pixels *x;
    size_t out_height, out_width;
    float *y;
} convolution;

/* to [3][channels]: the pixels column - 1 .. column + 1 of a row of pixels, zeros beyond its ends. */
static void gather_three(const float *row, size_t width, size_t channels, size_t column, float *to) {
    size_t first = column ? column - 1 : 0, end = column + 2 < width ? column + 2 : width;
    if (column == 0) memset(to, 0, channels * sizeof *to);
    memcpy(to + (first + 1 - column) * channels, row + first * channels, (end - first) * channels * sizeof *to);
    if (column + 1 == width) memset(to + 2 * channels, 0, channels * sizeof *to);
}

/* rows [count][3][3][channels]: what the output pixels `first` and so on, counted through all images, look at. */
static void gather(const convolution *c, size_t first, size_t count, float *rows) {
    const e2_pixels *x = c->x;
    size_t line = x->width * x->channels, three = 3 * x->channels;
    for (size_t i = first; i < first + count; i++) {
        size_t image = i / c->out_width / c->out_height, out_row = i / c->out_width % c->out_height;
        size_t column = i % c->out_width * c->layer->stride_width;
        for (size_t dy = 0; dy < 3; dy++, rows += three) {
            size_t below = out_row * c->layer->stride_height + dy; /* one more than the row that is read */
            if (below == 0 || below > x->height)
                memset(rows, 0, three * sizeof *rows);
            else
                gather_three(x->data + (image * x->height + below - 1) * line, x->width, x->channels, column, rows);
        }
    }
}

static bool run_convolution(const e2_compute *compute, const void *context, size_t begin, size_t rows) {
    const convolution *c = context;
    const e2_linear *linear = &c->layer->linear;
    float *gathered = e2_arena_floats(compute->arena, (rows < BLOCK_ROWS ? rows : BLOCK_ROWS) * linear->in);
    if (!gathered) return false;
    for (size_t end = begin + rows, count; begin < end; begin += count) {
        count = end - begin < BLOCK_ROWS ? end - begin : BLOCK_ROWS;
        gather(c, begin, count, gathered);
        if (!e2_linear_apply(compute, linear, gathered, count, E2_EPILOGUE_GELU, c->y + begin * linear->out))
            return false;
    }
    return true;
}

bool e2_convolution_apply(const e2_compute *compute, const e2_convolution *layer, const e2_pixels *x, float *y) {
    convolution c = {layer, x, x->height / layer->stride_height, x->width / layer->stride_width, y};
    return e2_chain_run(compute, x->n * c.out_height * c.out_width, run_convolution, &c);
}
