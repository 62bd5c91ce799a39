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

#endif
