/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "error.h"

/* AddressSanitizer is told what of a block is handed out, with a gap behind each piece: an arena hides nothing from it.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#if defined(WATCHED) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define GAP 64
#else
#define GAP                               0
#define ASAN_POISON_MEMORY_REGION(a, n)   ((void)(a), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(a, n) ((void)(a), (void)(n))
#endif

#define ALIGNMENT   64
#define FIRST_BLOCK ((size_t)1 << 20)

struct e2_arena_block {
    e2_arena_block *next;
    size_t size, used;
    uint8_t *data; /* aligned; behind this header in the same allocation */
};

static e2_arena_block *block_new(size_t size) {
    size_t bytes;
    if (!e2_add(size, sizeof(e2_arena_block) + ALIGNMENT, &bytes)) return NULL;
    e2_arena_block *block = malloc(bytes);
    if (!block) return NULL;
    uintptr_t data = ((uintptr_t)(block + 1) + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    *block = (e2_arena_block){.size = size, .data = (uint8_t *)data};
    ASAN_POISON_MEMORY_REGION(block->data, block->size);
    return block;
}

void *e2_arena_alloc(e2_arena *arena, size_t count, size_t size) {
    size_t wanted, bytes;
    if (!e2_mul(count, size, &wanted) || !e2_add(wanted, ALIGNMENT - 1 + GAP, &bytes)) return NULL;
    bytes &= ~(size_t)(ALIGNMENT - 1);
    e2_arena_block *block = arena->current ? arena->current : arena->first;
    while (block && block->size - block->used < bytes && block->next) block = block->next;
    if (!block || block->size - block->used < bytes) {
        /* Twice the last block's size: a session settles on a few blocks. */
        size_t usual = block ? block->size * 2 : FIRST_BLOCK;
        e2_arena_block *fresh = block_new(usual > bytes ? usual : bytes);
        if (!fresh) return NULL;
        if (block)
            block->next = fresh;
        else
            arena->first = fresh;
        block = fresh;
    }
    void *result = block->data + block->used;
    ASAN_UNPOISON_MEMORY_REGION(result, wanted);
    block->used += bytes;
    arena->current = block;
    return result;
}

e2_arena_mark e2_arena_begin(const e2_arena *arena) {
    return (e2_arena_mark){arena->current, arena->current ? arena->current->used : 0};
}

void e2_arena_release(e2_arena *arena, e2_arena_mark mark) {
    for (e2_arena_block *block = mark.block ? mark.block->next : arena->first; block; block = block->next) {
        ASAN_POISON_MEMORY_REGION(block->data, block->used);
        block->used = 0;
    }
    if (mark.block) {
        ASAN_POISON_MEMORY_REGION(mark.block->data + mark.used, mark.block->used - mark.used);
        mark.block->used = mark.used;
    }
    arena->current = mark.block;
}

size_t e2_arena_bytes(const e2_arena *arena) {
    size_t bytes = 0;
    for (const e2_arena_block *block = arena->first; block; block = block->next)
        bytes += block->size + sizeof *block + ALIGNMENT;
    return bytes;
}

void e2_arena_free(e2_arena *arena) {
    for (e2_arena_block *block = arena->first, *next; block; block = next) {
        next = block->next;
        ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
        free(block);
    }
    *arena = (e2_arena){0};
}
