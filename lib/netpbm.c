/* SPDX-License-Identifier: MIT */
/* PBM, PGM and PPM: P1 to P3 written as text, P4 to P6 as bytes. */
#include "picture.h"

#include <string.h>

typedef struct netpbm {
    e2_picture *picture;
    size_t at;       /* next byte */
    uint32_t most;   /* value of a full sample */
    bool bits, text; /* 1 is black, without `most`; written as text */
    size_t channels;
} netpbm;

static bool refuse(netpbm *n, const char *why) {
    n->picture->status = e2_fail(n->picture->error, E2STR_ERROR_IMAGE, "%s: %s", n->picture->kind, why);
    return false;
}

static bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }
static bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

bool e2_is_netpbm(const uint8_t *data, size_t size) {
    return size >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' && (is_space(data[2]) || data[2] == '#');
}

/* Blanks, and comments from # to the end of a line. */
static void skip_blanks(netpbm *n) {
    const e2_picture *p = n->picture;
    bool comment = false;
    for (; n->at < p->size; n->at++) {
        const uint8_t byte = p->data[n->at];
        if (byte == '#') comment = true;
        if (byte == '\n' || byte == '\r') comment = false;
        if (!comment && !is_space(byte)) return;
    }
}

/* The next number, of up to `digits` digits; more are another number, or wrong. */
static bool read_number(netpbm *n, int digits, uint32_t *value) {
    const e2_picture *p = n->picture;
    skip_blanks(n);
    if (n->at == p->size) return refuse(n, "truncated");
    if (!is_digit(p->data[n->at])) return refuse(n, "there is no number where one must be");
    for (*value = 0; digits && n->at < p->size && is_digit(p->data[n->at]); digits--)
        *value = *value * 10 + (p->data[n->at++] - (uint32_t)'0');
    return true;
}

static bool read_header(netpbm *n) {
    uint32_t width, height;
    if (!read_number(n, 9, &width) || !read_number(n, 9, &height)) return false;
    if (!e2_picture_size(n->picture, width, height)) return false;
    n->most = 1;
    if (!n->bits && !read_number(n, 9, &n->most)) return false;
    if (n->most < 1 || n->most > 65535) return refuse(n, "the largest value is not 1 to 65535");
    if (n->text) return true;
    if (n->at == n->picture->size) return refuse(n, "truncated");
    return is_space(n->picture->data[n->at++]) || refuse(n, "no blank before the pixels");
}

/* All rows must be there before memory is taken for them; text is one byte a sample at least. */
static bool check_rows(netpbm *n) {
    const e2_picture *p = n->picture;
    size_t row = p->width * n->channels, wanted;
    if (n->bits && !n->text) row = (row + 7) / 8;
    if (n->most > 255 && !n->text) row *= 2;
    return (e2_mul(row, p->height, &wanted) && wanted <= p->size - n->at) || refuse(n, "truncated");
}

static bool read_sample(netpbm *n, uint32_t *value) {
    const uint8_t *data = n->picture->data;
    if (n->text) return read_number(n, n->bits ? 1 : 9, value);
    *value = data[n->at++];
    if (n->most > 255) *value = *value << 8 | data[n->at++];
    return true;
}

static bool read_row(netpbm *n, uint8_t *to) {
    const size_t samples = n->picture->width * n->channels;
    for (size_t i = 0; i < samples; i++) {
        uint32_t value;
        if (!read_sample(n, &value)) return false;
        if (value > n->most) return refuse(n, "a value is larger than the largest");
        to[i] = (uint8_t)((value * 255 + n->most / 2) / n->most);
        if (n->bits) to[i] ^= 255;
    }
    return true;
}

static void read_packed_row(netpbm *n, uint8_t *to) {
    const uint8_t *from = n->picture->data + n->at;
    const uint32_t width = n->picture->width;
    for (uint32_t x = 0; x < width; x++) to[x] = from[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
    n->at += (width + 7) / 8;
}

void e2_decode_netpbm(e2_picture *picture) {
    static const char *const kinds[] = {"PBM", "PGM", "PPM"};
    const int kind = picture->data[1] - '1';
    netpbm n = {
        .picture = picture, .at = 2, .bits = kind % 3 == 0, .text = kind < 3, .channels = kind % 3 == 2 ? 3 : 1};
    picture->kind = kinds[kind % 3];
    if (!read_header(&n) || !check_rows(&n) || !e2_picture_allocate(picture, n.channels)) return;
    uint8_t *to = picture->pixels;
    for (uint32_t y = 0; y < picture->height; y++, to += picture->width * n.channels) {
        if (n.bits && !n.text)
            read_packed_row(&n, to);
        else if (!read_row(&n, to))
            return;
    }
}
