/* SPDX-License-Identifier: MIT */
#include "unicode.h"

#include <stdbool.h>

typedef struct range {
    uint32_t first, last;
    e2_class class;
} range;

static const struct {
    uint16_t code;
    char base;
} bases[] = {
#define B(code, base)                                                                                                  \
    { code, base }
#include "unicode_bases.h"
#undef B
};

/* Ascending, not overlapping; what no range holds is OTHER. */
static const range ranges[] = {
#define L(first, last)                                                                                                 \
    { first, last, E2_CLASS_LETTER }
#define N(first, last)                                                                                                 \
    { first, last, E2_CLASS_NUMBER }
#define S(first, last)                                                                                                 \
    { first, last, E2_CLASS_SPACE }
#include "unicode_ranges.h"
#undef L
#undef N
#undef S
};

e2_class e2_unicode_class(uint32_t code) {
    size_t low = 0, high = sizeof ranges / sizeof ranges[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof ranges / sizeof ranges[0] && code >= ranges[low].first ? ranges[low].class : E2_CLASS_OTHER;
}

char e2_unicode_base(uint32_t code) {
    if (code > ' ' && code < 0x7F) return (char)code;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
        if (bases[i].code == code) return bases[i].base;
    return 0;
}

/* Pairs of Latin Extended-A: capitals are even in most of it, odd in two runs. */
static bool is_paired(uint32_t code, bool *odd) {
    *odd = (code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E);
    return *odd || (code >= 0x100 && code <= 0x137 && code != 0x130 && code != 0x131) ||
           (code >= 0x14A && code <= 0x177);
}

uint32_t e2_unicode_small(uint32_t code) {
    bool odd, capital = (code >= 'A' && code <= 'Z') || (code >= 0xC0 && code <= 0xDE && code != 0xD7);
    if (capital) return code + 32;
    return is_paired(code, &odd) && (code & 1) == odd ? code + 1 : code;
}

uint32_t e2_unicode_capital(uint32_t code) {
    bool odd, small = (code >= 'a' && code <= 'z') || (code >= 0xE0 && code <= 0xFE && code != 0xF7);
    if (small) return code - 32;
    return is_paired(code, &odd) && (code & 1) != odd ? code - 1 : code;
}

static bool continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

static size_t length_of(uint8_t lead) {
    return lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
}

size_t e2_utf8_next(const char *text, size_t size, uint32_t *code) {
    const uint8_t *bytes = (const uint8_t *)text;
    if (!size) return 0;
    uint8_t lead = bytes[0];
    size_t length = length_of(lead);
    if (!length || length > size) return 0;
    uint32_t value = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (!continues(bytes[i])) return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    /* Overlong forms of two bytes have the leads C0 and C1, refused above. */
    bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (overlong || surrogate || value > 0x10FFFF) return 0;
    if (code) *code = value;
    return length;
}

size_t e2_utf8_begun(const char *text, size_t n, uint32_t *first, uint32_t *last) {
    const uint8_t *bytes = (const uint8_t *)text;
    size_t length = length_of(bytes[0]);
    if (length <= n) return 0;
    uint32_t value = bytes[0] & (0x7Fu >> length), least = length == 3 ? 0x800 : length == 4 ? 0x10000 : 0;
    for (size_t i = 1; i < n; i++) {
        if (!continues(bytes[i])) return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    uint32_t left = 6 * (uint32_t)(length - n);
    *first = value << left;
    *last = *first | ((1u << left) - 1);
    if (*first < least) *first = least;
    if (*last > 0x10FFFF) *last = 0x10FFFF;
    if (*first >= 0xD800 && *first <= 0xDFFF) return 0;
    if (*first < 0xD800 && *last >= 0xD800 && *last <= 0xDFFF) *last = 0xD7FF;
    return *first <= *last ? length : 0;
}

size_t e2_utf8_put(uint32_t code, char text[4]) {
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; code >>= 6) text[i] = (char)(0x80 | (code & 0x3F));
    text[0] = (char)(leads[length] | code);
    return length;
}
