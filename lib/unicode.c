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

static bool continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

size_t e2_utf8_next(const char *text, size_t size, uint32_t *code) {
    const uint8_t *bytes = (const uint8_t *)text;
    if (!size) return 0;
    uint8_t lead = bytes[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
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

size_t e2_utf8_put(uint32_t code, char text[4]) {
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; code >>= 6) text[i] = (char)(0x80 | (code & 0x3F));
    text[0] = (char)(leads[length] | code);
    return length;
}
