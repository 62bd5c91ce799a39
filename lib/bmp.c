/* SPDX-License-Identifier: MIT */
/* Windows and OS/2 bitmaps without compression: 1, 2, 4 and 8 bits with a palette, 16, 24 and 32 bits with masks. */
#include "picture.h"

#include <string.h>

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, V3_HEADER = 56 };
enum { BI_RGB = 0, BI_RLE8 = 1, BI_RLE4 = 2, BI_BITFIELDS = 3, BI_ALPHABITFIELDS = 6 };

/* A channel of a pixel of 16 or 32 bits: its 8 highest bits at most, and what they mean. */
typedef struct channel {
    uint32_t shift, mask;
    uint8_t values[256];
} channel;

typedef struct bmp {
    e2_picture *picture;
    uint32_t header;     /* bytes of the second header: which version it is */
    size_t colors, rows; /* where the palette and the pixels begin */
    uint32_t bits, compression, palette_entry;
    bool top_down;
    size_t stride;
    uint8_t palette[256][3]; /* R, G, B; black where the file has no entry */
    channel channels[4];     /* R, G, B, alpha; mask 0: the file has no alpha */
} bmp;

static uint32_t u16(const uint8_t *bytes) { return bytes[0] | (uint32_t)bytes[1] << 8; }
static uint32_t u32(const uint8_t *bytes) { return u16(bytes) | u16(bytes + 2) << 16; }

static bool refuse(bmp *b, e2str_status status, const char *why) {
    b->picture->status = e2_fail(b->picture->error, status, "BMP: %s", why);
    return false;
}

bool e2_is_bmp(const uint8_t *data, size_t size) {
    if (size < FILE_HEADER + 4 || data[0] != 'B' || data[1] != 'M') return false;
    const uint32_t header = u32(data + FILE_HEADER);
    return header == CORE_HEADER || (header >= INFO_HEADER && header <= 124);
}

static bool read_size(bmp *b, const uint8_t *header) {
    const bool core = b->header == CORE_HEADER;
    const uint32_t width = core ? u16(header + 4) : u32(header + 4), height = core ? u16(header + 6) : u32(header + 8);
    b->top_down = !core && height >> 31;
    if (!core && width >> 31) return refuse(b, E2STR_ERROR_IMAGE, "negative width");
    return e2_picture_size(b->picture, width, b->top_down ? 0u - height : height);
}

static bool read_header(bmp *b) {
    const uint8_t *data = b->picture->data, *header = data + FILE_HEADER;
    b->header = u32(header);
    b->rows = u32(data + 10);
    b->colors = FILE_HEADER + (size_t)b->header;
    if (b->colors > b->picture->size) return refuse(b, E2STR_ERROR_IMAGE, "truncated");
    if (!read_size(b, header)) return false;
    const bool core = b->header == CORE_HEADER;
    b->bits = core ? u16(header + 10) : u16(header + 14);
    b->compression = core ? BI_RGB : u32(header + 16);
    b->palette_entry = core ? 3 : 4;
    if (b->compression == BI_RLE8 || b->compression == BI_RLE4)
        return refuse(b, E2STR_ERROR_UNSUPPORTED, "run-length compression is not read");
    const bool masks = b->compression == BI_BITFIELDS || b->compression == BI_ALPHABITFIELDS;
    if (b->compression != BI_RGB && !masks) return refuse(b, E2STR_ERROR_UNSUPPORTED, "unknown compression");
    const bool deep = b->bits == 16 || b->bits == 32;
    const bool flat = b->bits == 1 || b->bits == 2 || b->bits == 4 || b->bits == 8 || b->bits == 24;
    if (!deep && !flat) return refuse(b, E2STR_ERROR_IMAGE, "bits per pixel are not 1, 2, 4, 8, 16, 24 or 32");
    if (masks && !deep) return refuse(b, E2STR_ERROR_IMAGE, "masks without 16 or 32 bits per pixel");
    return true;
}

/* All rows must be there before memory is taken for them; the last one may lack its padding. */
static bool check_rows(bmp *b) {
    const e2_picture *p = b->picture;
    const size_t row = ((size_t)p->width * b->bits + 7) / 8;
    size_t wanted;
    b->stride = (row + 3) / 4 * 4;
    if (b->rows < FILE_HEADER + (size_t)b->header) return refuse(b, E2STR_ERROR_IMAGE, "pixels inside the header");
    if (!e2_mul(b->stride, p->height - 1, &wanted) || !e2_add(wanted, row, &wanted) ||
        !e2_add(wanted, b->rows, &wanted) || wanted > p->size)
        return refuse(b, E2STR_ERROR_IMAGE, "truncated");
    return true;
}

static void read_palette(bmp *b) {
    const e2_picture *p = b->picture;
    const size_t there = (p->size - b->colors) / b->palette_entry, most = (size_t)1 << b->bits;
    size_t count = b->header >= INFO_HEADER ? u32(p->data + FILE_HEADER + 32) : 0;
    if (!count || count > most) count = most;
    for (size_t i = 0; i < count && i < there; i++) {
        const uint8_t *entry = p->data + b->colors + i * b->palette_entry;
        for (int c = 0; c < 3; c++) b->palette[i][c] = entry[2 - c];
    }
}

/* False: the mask has holes. */
static bool make_channel(channel *to, uint32_t mask) {
    *to = (channel){0};
    if (!mask) return true;
    while (!(mask >> to->shift & 1)) to->shift++;
    to->mask = mask >> to->shift;
    if (to->mask & (to->mask + 1)) return false;
    for (; to->mask > 255; to->mask >>= 1) to->shift++;
    for (uint32_t i = 0; i <= to->mask; i++) to->values[i] = (uint8_t)((i * 255 + to->mask / 2) / to->mask);
    return true;
}

/* The masks follow the oldest header, and are a part of the later ones. Alpha counts only where a mask says so. */
static bool read_masks(bmp *b) {
    uint32_t masks[4] = {0xff0000, 0xff00, 0xff, 0};
    const e2_picture *p = b->picture;
    if (b->bits == 16) masks[0] = 0x7c00, masks[1] = 0x3e0, masks[2] = 0x1f;
    if (b->compression != BI_RGB) {
        const size_t count = b->compression == BI_ALPHABITFIELDS || b->header >= V3_HEADER ? 4 : 3;
        const size_t at = FILE_HEADER + INFO_HEADER;
        if (p->size - at < 4 * count) return refuse(b, E2STR_ERROR_IMAGE, "truncated");
        for (size_t i = 0; i < count; i++) masks[i] = u32(p->data + at + 4 * i);
    }
    for (int c = 0; c < 4; c++)
        if (!make_channel(&b->channels[c], masks[c])) return refuse(b, E2STR_ERROR_IMAGE, "a mask has holes");
    return true;
}

static uint8_t channel_of(const channel *from, uint32_t pixel) {
    return from->values[pixel >> from->shift & from->mask];
}

static void read_row(const bmp *b, const uint8_t *from, uint8_t *to) {
    const uint32_t width = b->picture->width, bits = b->bits;
    const size_t channels = b->picture->format == E2STR_RGBA ? 4 : 3;
    for (uint32_t x = 0; x < width; x++, to += channels) {
        if (bits <= 8) {
            const size_t at = (size_t)x * bits;
            const uint32_t index = from[at / 8] >> (8 - bits - at % 8) & ((1u << bits) - 1);
            memcpy(to, b->palette[index], 3);
        } else if (bits == 24) {
            for (int c = 0; c < 3; c++) to[c] = from[3 * (size_t)x + 2 - c];
        } else {
            const uint32_t pixel = bits == 16 ? u16(from + 2 * (size_t)x) : u32(from + 4 * (size_t)x);
            for (size_t c = 0; c < channels; c++) to[c] = channel_of(&b->channels[c], pixel);
        }
    }
}

/* Many a program leaves alpha 0 throughout and means that nothing is transparent. */
static void mend_alpha(e2_picture *picture) {
    const size_t bytes = (size_t)picture->width * picture->height * 4;
    for (size_t i = 3; i < bytes; i += 4)
        if (picture->pixels[i]) return;
    for (size_t i = 3; i < bytes; i += 4) picture->pixels[i] = 255;
}

void e2_decode_bmp(e2_picture *picture) {
    bmp b = {.picture = picture};
    picture->kind = "BMP";
    if (!read_header(&b) || !check_rows(&b)) return;
    if (b.bits <= 8)
        read_palette(&b);
    else if (b.bits != 24 && !read_masks(&b))
        return;
    if (!e2_picture_allocate(picture, b.channels[3].mask ? 4 : 3)) return;
    const size_t row = (size_t)picture->width * (b.channels[3].mask ? 4 : 3);
    for (uint32_t y = 0; y < picture->height; y++) {
        const uint32_t stored = b.top_down ? y : picture->height - 1 - y;
        read_row(&b, picture->data + b.rows + stored * b.stride, picture->pixels + y * row);
    }
    if (picture->format == E2STR_RGBA) mend_alpha(picture);
}
