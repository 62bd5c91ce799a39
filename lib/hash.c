/* SPDX-License-Identifier: MIT */
#include "hash.h"

#include <string.h>

#define PRIME1 0x9E3779B185EBCA87u
#define PRIME2 0xC2B2AE3D27D4EB4Fu
#define PRIME3 0x165667B19E3779F9u
#define PRIME4 0x85EBCA77C2B2AE63u
#define PRIME5 0x27D4EB2F165667C5u

static uint64_t rotate(uint64_t x, unsigned bits) { return x << bits | x >> (64 - bits); }

/* The hash is defined on little-endian words, as the files are. */
static uint32_t word32(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t word64(const uint8_t *p) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word; /* spelled out, it becomes eight loads inside a loop */
    memcpy(&word, p, sizeof word);
    return word;
#else
    return word32(p) | (uint64_t)word32(p + 4) << 32;
#endif
}

static uint64_t round64(uint64_t lane, uint64_t word) { return rotate(lane + word * PRIME2, 31) * PRIME1; }

/* Stripes of 32 bytes; returns the first byte not used. */
static const uint8_t *stripes(uint64_t lanes[4], const uint8_t *data, size_t size) {
    uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
    for (; size >= 32; size -= 32, data += 32) {
        a = round64(a, word64(data));
        b = round64(b, word64(data + 8));
        c = round64(c, word64(data + 16));
        d = round64(d, word64(data + 24));
    }
    lanes[0] = a, lanes[1] = b, lanes[2] = c, lanes[3] = d;
    return data;
}

void e2_hash_begin(e2_hash *hash) { *hash = (e2_hash){.lanes = {PRIME1 + PRIME2, PRIME2, 0, 0 - PRIME1}}; }

void e2_hash_add(e2_hash *hash, const void *data, size_t size) {
    if (!size) return;
    const uint8_t *bytes = data;
    hash->total += size;
    if (hash->tail_size) {
        size_t room = sizeof hash->tail - hash->tail_size, taken = size < room ? size : room;
        memcpy(hash->tail + hash->tail_size, bytes, taken);
        hash->tail_size += (uint32_t)taken;
        if (hash->tail_size < sizeof hash->tail) return;
        stripes(hash->lanes, hash->tail, sizeof hash->tail);
        bytes += taken, size -= taken;
    }
    const uint8_t *rest = stripes(hash->lanes, bytes, size);
    hash->tail_size = (uint32_t)(size - (size_t)(rest - bytes));
    memcpy(hash->tail, rest, hash->tail_size);
}

static uint64_t merge_lanes(const uint64_t lanes[4]) {
    uint64_t h = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (int i = 0; i < 4; i++) h = (h ^ round64(0, lanes[i])) * PRIME1 + PRIME4;
    return h;
}

uint64_t e2_hash_end(const e2_hash *hash) {
    uint64_t h = hash->total >= 32 ? merge_lanes(hash->lanes) : PRIME5;
    h += hash->total;
    const uint8_t *p = hash->tail;
    uint32_t left = hash->tail_size;
    for (; left >= 8; left -= 8, p += 8) h = rotate(h ^ round64(0, word64(p)), 27) * PRIME1 + PRIME4;
    for (; left >= 4; left -= 4, p += 4) h = rotate(h ^ word32(p) * PRIME1, 23) * PRIME2 + PRIME3;
    for (; left; left--, p++) h = rotate(h ^ *p * PRIME5, 11) * PRIME1;
    h = (h ^ h >> 33) * PRIME2;
    h = (h ^ h >> 29) * PRIME3;
    return h ^ h >> 32;
}
