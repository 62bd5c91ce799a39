/* SPDX-License-Identifier: MIT */
/* Tensor types: their sizes, and their elements as f32. */
#include "gguf.h"

#include <string.h>

static const struct {
    e2_type type;
    const char *name;
    uint8_t elements, bytes; /* of a block */
} types[] = {
    {E2_F32, "F32", 1, 4}, {E2_F16, "F16", 1, 2}, {E2_Q8_0, "Q8_0", 32, 34},
    {E2_I8, "I8", 1, 1},   {E2_I16, "I16", 1, 2}, {E2_I32, "I32", 1, 4},
    {E2_I64, "I64", 1, 8}, {E2_F64, "F64", 1, 8}, {E2_BF16, "BF16", 1, 2},
};

#define N_TYPES (sizeof types / sizeof *types)

const char *e2_type_name(e2_type type) {
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == type) return types[i].name;
    return "?";
}

bool e2_type_block(e2_type type, size_t *elements, size_t *bytes) {
    for (size_t i = 0; i < N_TYPES; i++) {
        if (types[i].type != type) continue;
        *elements = types[i].elements;
        *bytes = types[i].bytes;
        return true;
    }
    return false;
}

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float e2_f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ff;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent) return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    return float_of_bits(sign | bits_of_float((float)mantissa * 0x1p-24f)); /* zero and subnormals */
}

uint16_t e2_f32_to_f16(float value) {
    uint32_t bits = bits_of_float(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff)); /* NaN stays NaN */
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);                            /* 65520 and above */
    if (magnitude < 0x38800000) { /* below 2^-14: the sum's last place is a half's smallest step, 2^-24 */
        float sum = float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of_float(sum) - bits_of_float(0.5f)));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1); /* ties go to the even mantissa */
    return (uint16_t)(sign | ((rounded >> 13) - (112 << 10)));
}

static uint16_t load_u16(const uint8_t *data) {
    uint16_t value;
    memcpy(&value, data, sizeof value);
    return value;
}

static void dequantize_q8_0(const uint8_t *data, size_t first, size_t count, float *out) {
    data += first / 32 * 34;
    for (size_t block = 0; block < count / 32; block++, data += 34) {
        float scale = e2_f16_to_f32(load_u16(data));
        for (size_t i = 0; i < 32; i++) {
            int8_t quant;
            memcpy(&quant, data + 2 + i, 1);
            out[block * 32 + i] = scale * (float)quant;
        }
    }
}

void e2_dequantize(const e2_tensor *tensor, size_t first, size_t count, float *out) {
    const uint8_t *data = tensor->data;
    switch (tensor->type) {
    case E2_F32:
        memcpy(out, data + first * 4, count * 4);
        break;
    case E2_F16:
        for (size_t i = 0; i < count; i++) out[i] = e2_f16_to_f32(load_u16(data + (first + i) * 2));
        break;
    case E2_BF16:
        for (size_t i = 0; i < count; i++) out[i] = float_of_bits((uint32_t)load_u16(data + (first + i) * 2) << 16);
        break;
    case E2_Q8_0:
        dequantize_q8_0(data, first, count, out);
        break;
    default:
        break; /* the callers let no other type through */
    }
}

/* The largest of what a mask leaves of 16 bits, one every `step` bytes. A mask leaves the sign out, so that the numbers
 * are positive as signed ones, too: what the simplest vectors have a maximum for. */
static inline int16_t largest_masked(const uint8_t *data, size_t count, size_t step, int16_t mask) {
    int16_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        const int16_t value = (int16_t)load_u16(data + step * i) & mask;
        largest = value > largest ? value : largest;
    }
    return largest;
}

/* Each element's exponent, which is all ones where it is no number: in its own type, as it lies there. */
bool e2_tensor_finite(const e2_tensor *tensor) {
    const uint8_t *data = tensor->data;
    const int16_t half = 0x7C00, single = 0x7F80; /* of F16, and of the upper half of F32 */
    switch (tensor->type) {
    case E2_F32:
        return largest_masked(data + 2, tensor->elements, 4, single) < single;
    case E2_F16:
        return largest_masked(data, tensor->elements, 2, half) < half;
    case E2_BF16:
        return largest_masked(data, tensor->elements, 2, single) < single;
    case E2_Q8_0:
        return largest_masked(data, tensor->elements / 32, 34, half) < half;
    default:
        return true;
    }
}
