/* SPDX-License-Identifier: MIT */
#include "exif.h"

#include <stdbool.h>
#include <string.h>

enum { TIFF_HEADER = 8, ENTRY = 12, ORIENTATION = 0x0112, TYPE_SHORT = 3 };

/* `at` + 2, or + 4, bytes are there. */
static uint32_t u16(const uint8_t *data, size_t at, bool little) {
    return little ? data[at] | (uint32_t)data[at + 1] << 8 : (uint32_t)data[at] << 8 | data[at + 1];
}

static uint32_t u32(const uint8_t *data, size_t at, bool little) {
    const uint32_t first = u16(data, at, little), second = u16(data, at + 2, little);
    return little ? second << 16 | first : first << 16 | second;
}

/* The first directory: a count, then entries of tag, type, count and value. */
uint32_t e2_exif_orientation(const uint8_t *data, size_t size) {
    static const uint8_t exif[] = {'E', 'x', 'i', 'f', 0, 0};
    if (size >= sizeof exif && !memcmp(data, exif, sizeof exif)) {
        data += sizeof exif;
        size -= sizeof exif;
    }
    if (size < TIFF_HEADER) return 0;
    const bool little = data[0] == 'I';
    if (data[0] != data[1] || (!little && data[0] != 'M') || u16(data, 2, little) != 42) return 0;
    const size_t directory = u32(data, 4, little);
    if (directory > size || size - directory < 2) return 0;
    const size_t there = (size - directory - 2) / ENTRY, count = u16(data, directory, little);
    for (size_t i = 0; i < count && i < there; i++) {
        const size_t entry = directory + 2 + i * ENTRY;
        if (u16(data, entry, little) != ORIENTATION) continue;
        const uint32_t value = u16(data, entry + 8, little);
        return u16(data, entry + 2, little) == TYPE_SHORT && value >= 1 && value <= 8 ? value : 0;
    }
    return 0;
}
