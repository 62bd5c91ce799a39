/* SPDX-License-Identifier: MIT */
/* Scratch memory of a session: allocated in stack order, grows when needed, kept for the next read. */
#ifndef E2_ARENA_H
#define E2_ARENA_H

#include <stddef.h>

typedef struct e2_arena_block e2_arena_block;

typedef struct e2_arena {
    e2_arena_block *first;   /* blocks in the order they are filled */
    e2_arena_block *current; /* NULL: nothing allocated */
} e2_arena;

/* Everything allocated since a mark is given back by e2_arena_release. */
typedef struct e2_arena_mark {
    e2_arena_block *block;
    size_t used;
} e2_arena_mark;

/* count * size bytes aligned to 64, contents undefined; NULL on overflow or when memory is out. */
void *e2_arena_alloc(e2_arena *arena, size_t count, size_t size);
static inline float *e2_arena_floats(e2_arena *arena, size_t count) {
    return e2_arena_alloc(arena, count, sizeof(float));
}
e2_arena_mark e2_arena_begin(const e2_arena *arena);
void e2_arena_release(e2_arena *arena, e2_arena_mark mark);
size_t e2_arena_bytes(const e2_arena *arena);
void e2_arena_free(e2_arena *arena);

#endif
