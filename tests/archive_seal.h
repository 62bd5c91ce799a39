/* SPDX-License-Identifier: MIT */
/* Makes the checksums of a changed archive right again, as far as the places lie in it: so that the checks behind them
 * are met. Written from docs/archive-format.md, not from the library. */
#ifndef ARCHIVE_SEAL_H
#define ARCHIVE_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "hash.h"

static inline uint64_t seal_u64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline void seal_put(uint8_t *at, uint64_t value) { memcpy(at, &value, sizeof value); }

static inline bool seal_inside(size_t size, uint64_t at, uint64_t count, uint64_t each) {
    return at <= size && count <= (size - at) / each;
}

static inline uint64_t seal_hash(const uint8_t *data, size_t size) {
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, data, size);
    return e2_hash_end(&hash);
}

/* Two checksums for each 256 rows; those of their codes: below. */
static inline void seal_groups(uint8_t *file, size_t size, const uint8_t *entry, size_t width) {
    uint64_t rows = seal_u64(entry), rows_at = seal_u64(entry + 32), keys_at = seal_u64(entry + 56);
    uint64_t sums_at = seal_u64(entry + 64);
    for (uint64_t first = 0; first < rows; first += 256) {
        uint64_t n = rows - first < 256 ? rows - first : 256, labels = 0, label_at = 0;
        const uint8_t *row = file + rows_at + first * 40;
        for (uint64_t i = 0; i < n; i++) {
            uint32_t bytes;
            memcpy(&bytes, row + i * 40 + 36, sizeof bytes);
            if (!i) label_at = seal_u64(row + 24);
            labels += bytes;
        }
        e2_hash hash;
        e2_hash_begin(&hash);
        e2_hash_add(&hash, row, (size_t)n * 40);
        if (seal_inside(size, label_at, labels, 1)) e2_hash_add(&hash, file + label_at, (size_t)labels);
        seal_put(file + sums_at + first / 16, e2_hash_end(&hash));
        const uint8_t *keys = file + keys_at + first * width * 4;
        seal_put(file + sums_at + first / 16 + 8, seal_hash(keys, (size_t)n * width * 4));
    }
}

static inline void seal_entry(uint8_t *file, size_t size, uint8_t *entry, size_t width) {
    uint64_t rows = seal_u64(entry), sums_at = seal_u64(entry + 64), removed_at = seal_u64(entry + 80);
    uint64_t groups = rows / 256 + !!(rows % 256);
    if (seal_inside(size, seal_u64(entry + 32), rows, 40) && seal_inside(size, sums_at, groups, 16)) {
        if (seal_inside(size, seal_u64(entry + 56), rows, width * 4)) seal_groups(file, size, entry, width);
        seal_put(entry + 72, seal_hash(file + sums_at, (size_t)groups * 16));
    }
    uint64_t codes_at = seal_u64(entry + 112), blocks = rows / 64 + !!(rows % 64), block = 64 * ((width + 7) / 8 + 8);
    if (codes_at && seal_inside(size, codes_at, blocks, block) &&
        seal_inside(size, codes_at + blocks * block, groups, 8)) {
        uint8_t *sums = file + codes_at + blocks * block;
        for (uint64_t group = 0; group < groups; group++) {
            uint64_t left = blocks - 4 * group, n = left < 4 ? left : 4;
            seal_put(sums + 8 * group, seal_hash(file + codes_at + 4 * group * block, (size_t)(n * block)));
        }
        seal_put(entry + 120, seal_hash(sums, (size_t)groups * 8));
    }
    if (removed_at && rows < size && seal_inside(size, removed_at, (rows + 7) / 8, 1))
        seal_put(entry + 88, seal_hash(file + removed_at, (size_t)(rows + 7) / 8));
}

static inline void seal_directory(uint8_t *file, size_t size, uint64_t at, uint64_t bytes, size_t width) {
    uint8_t *directory = file + at;
    uint64_t memory_at = seal_u64(directory + 16), memory_size = seal_u64(directory + 24);
    if (memory_at && seal_inside(size, memory_at, memory_size, 1))
        seal_put(directory + 32, seal_hash(file + memory_at, (size_t)memory_size));
    for (uint64_t entry = 128; entry + 128 <= bytes; entry += 128) seal_entry(file, size, directory + entry, width);
}

/* width: of keys. The file gets this model's checksum. */
static inline void archive_seal(uint8_t *file, size_t size, size_t width, uint64_t model) {
    if (size < 12288) return;
    seal_put(file + 24, model);
    seal_put(file + 56, seal_hash(file, 56));
    for (size_t at = 4096; at <= 8192; at += 4096) {
        uint64_t directory_at = seal_u64(file + at + 24), bytes = seal_u64(file + at + 32);
        if (bytes >= 128 && seal_inside(size, directory_at, bytes, 1)) {
            seal_directory(file, size, directory_at, bytes, width);
            seal_put(file + at + 40, seal_hash(file + directory_at, (size_t)bytes));
        }
        seal_put(file + at + 56, seal_hash(file + at, 56));
    }
}

#endif
