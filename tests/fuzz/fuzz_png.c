/* SPDX-License-Identifier: MIT */
/* Fuzz target: any bytes as the chunks of a PNG file: signature and checksums are made right, so that what lies behind
 * them is met. */
#include "decode.h"

static uint32_t crc(const uint8_t *data, size_t size) {
    uint32_t sum = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        sum ^= data[i];
        for (int bit = 0; bit < 8; bit++) sum = sum & 1 ? sum >> 1 ^ 0xEDB88320 : sum >> 1;
    }
    return ~sum;
}

static void put(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 8) return 0;
    uint8_t *file = malloc(size);
    require(file != NULL);
    memcpy(file, data, size);
    memcpy(file, "\x89PNG\r\n\x1A\n", 8);
    for (size_t at = 8; size - at >= 12;) { /* length, name, data, checksum */
        size_t length = (size_t)file[at] << 24 | (size_t)file[at + 1] << 16 | (size_t)file[at + 2] << 8 | file[at + 3];
        if (length > size - at - 12) break;
        put(file + at + 8 + length, crc(file + at + 4, length + 4));
        at += length + 12;
    }
    decode(file, size);
    free(file);
    return 0;
}
