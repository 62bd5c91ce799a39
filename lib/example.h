/* SPDX-License-Identifier: MIT */
/* Examples: what a pool keeps of a labelled image. Refcounted blocks that never change once they are in a pool. */
#ifndef E2_EXAMPLE_H
#define E2_EXAMPLE_H

#include <stdatomic.h>

#include "model.h"

/* A label and its tokens. */
typedef struct e2_label {
    const char *text; /* the caller's, need not be NUL-terminated */
    size_t size;
    uint32_t *ids; /* malloc'ed */
    uint32_t n_ids;
} e2_label;

/* LABEL as e2_tokenize; LIMIT when BOS, the example and a query after it leave no position for an answer. */
e2str_status e2_label_read(const e2str_model *model, const char *text, size_t size, e2_label *label,
                           e2str_error *error);
void e2_label_free(e2_label *label);

/* The keys and values of one image's visual tokens for the decoder's cross-attention (e2_projection_values floats),
 * kept so that reads need not compute them again. A cache: a pool may drop it at any time, a reader's reference
 * outlives that. */
typedef struct e2_projection {
    atomic_uint references;
    uint64_t bytes;
    float *values;
} e2_projection;

/* references = 1; NULL when memory is out. */
e2_projection *e2_projection_new(size_t values);
e2_projection *e2_projection_retain(e2_projection *projection); /* returns it; NULL is fine */
void e2_projection_release(e2_projection *projection);          /* NULL is fine */

/* Immutable once it is in a pool; a reader that holds a reference may use it after it was removed. */
typedef struct e2_example {
    atomic_uint references;
    uint64_t id;
    uint64_t bytes; /* of the whole block and its row in a pool's keys: what e2str_pool_bytes counts */
    e2str_storage storage;
    uint32_t n_tokens; /* visual tokens */
    void *tokens;      /* [n_tokens][vision width], uint16_t (f16) or float; 64-byte aligned; NULL: left out */
    float *key;        /* [vision width], unit length */
    uint32_t *ids;     /* the label's tokens */
    uint32_t n_ids;
    char *label; /* NUL-terminated */
    size_t label_size;
    e2_projection *projection;            /* or NULL; guarded by the pool's lock */
    _Atomic(struct e2_reading *) reading; /* what the model reads of it alone; NULL until that was asked */
    _Atomic uint64_t judged;              /* its loss on a path, with a name of that (thin.c); 0: none is known */
} e2_example;

typedef struct e2_reading {
    uint32_t n;
    uint32_t tokens[]; /* without the end */
} e2_reading;

/* Gives the example its reading (malloc'ed, taken over); lets it go if it has one by now. */
void e2_example_keep_reading(e2_example *example, e2_reading *fresh);

/* An image's n visual tokens [n][vision width], in f32 or as a storage says, and its retrieval key. */
typedef struct e2_encoded {
    const void *tokens;
    uint32_t n;
    const float *key;
} e2_encoded;

/* Makes an example outside any pool, references = 1: copies everything given. Tokens in f32, stored as `storage`.
 * MEMORY; LIMIT when a token is not finite in that storage or the key not of unit length (within 1e-3): whatever is in
 * a pool can be saved and loaded again. */
e2str_status e2_example_new(const e2str_model *model, e2str_storage storage, const e2_encoded *image,
                            const e2_label *label, e2_example **example, e2str_error *error);
/* The same from tokens that are stored as `storage` already. image->tokens NULL: an example without them, whose
 * `tokens` is NULL, for what asks for labels and keys. */
e2str_status e2_example_new_stored(const e2str_model *model, e2str_storage storage, const e2_encoded *image,
                                   const e2_label *label, e2_example **example, e2str_error *error);
e2_example *e2_example_retain(e2_example *example); /* returns it */
void e2_example_release(e2_example *example);       /* frees at the last reference; NULL is fine */

/* The visual tokens as f32: a pointer into the example, or converted into `buffer` [n_tokens * vision width]. */
const float *e2_example_tokens(const e2str_model *model, const e2_example *example, float *buffer);

#endif
