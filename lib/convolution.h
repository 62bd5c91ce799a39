/* The layer that the convolutional stem is made of. */
#ifndef E2_CONVOLUTION_H
#define E2_CONVOLUTION_H

#include "linear.h"

/* Images [n][height][width][channels]: a pixel's channels side by side. */
typedef struct e2_pixels {
    const float *data;
    size_t n, height, width, channels;
} e2_pixels;

/* y [n][height / stride_height][width / stride_width][out] = GELU(convolution of x); the strides divide x's size, and
 * x has the channels that the layer reads. false: out of memory. */
bool e2_convolution_apply(const e2_compute *compute, const e2_convolution *layer, const e2_pixels *x, float *y);

#endif
