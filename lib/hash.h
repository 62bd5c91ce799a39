/* SPDX-License-Identifier: MIT */
/* XXH64 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md): the checksum of model and pool files. Not cryptographic. */
#ifndef E2_HASH_H
#define E2_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct e2_hash {
    uint64_t lanes[4];
    uint64_t total;   /* bytes so far */
    uint8_t tail[32]; /* bytes not yet in a lane */
    uint32_t tail_size;
} e2_hash;

void e2_hash_begin(e2_hash *hash); /* seed 0 */
void e2_hash_add(e2_hash *hash, const void *data, size_t size);
uint64_t e2_hash_end(const e2_hash *hash);

/* Number n, from 0, of the random ones that SplitMix64 makes of a seed. */
static inline uint64_t e2_splitmix64(uint64_t seed, uint64_t n) {
    uint64_t z = seed + 0x9e3779b97f4a7c15 * (n + 1);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#endif
