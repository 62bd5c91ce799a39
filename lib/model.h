/* SPDX-License-Identifier: MIT */
/* A model: its sizes from the metadata, its matrices packed for the kernels, its small tables copied. Immutable once it
 * is open. */
#ifndef E2_MODEL_H
#define E2_MODEL_H

#include <pthread.h>

#include "gemm.h"
#include "gguf.h"
#include "image.h"
#include "kernels.h"
#include "threads.h"
#include "tokenizer.h"

typedef enum e2_activation { E2_GELU, E2_QUICK_GELU, E2_RELU } e2_activation;

/* y = x W^T + b. The weights are either packed for our kernels or, where the BLAS is the faster, as they are. */
typedef struct e2_linear {
    e2_matrix matrix;    /* packed; panels NULL: see weight */
    const float *weight; /* [out][in] row-major f32, or NULL when packed */
    const float *bias;   /* [out], or NULL */
    uint32_t in, out;
} e2_linear;

typedef struct e2_norm {
    const float *weight, *bias; /* [width] */
} e2_norm;

/* A convolution of 3 x 3 pixels, zeros around the image, and GELU. */
typedef struct e2_convolution {
    e2_linear linear;                     /* in = 9 * channels, order (dy, dx, channel) */
    uint32_t stride_height, stride_width; /* 1 or 2 */
} e2_convolution;

#define E2_STEM_LAYERS 8 /* at most */

/* A transformer block, of vision or decoder: x += out(attention(norm1(x))); x += down(activation(up(norm2(x)))) */
typedef struct e2_block {
    e2_norm norm1;
    e2_linear qkv, out; /* qkv: [3 * width, width]: rows of query, key, value */
    e2_norm norm2;
    e2_linear up, down;
} e2_block;

/* Vision transformer (docs/model.md, section 2). */
typedef struct e2_vision {
    uint32_t patch_height, patch_width, width, layers, heads, feed_forward;
    uint32_t grid_height, grid_width; /* image / patch; of free widths the most columns */
    uint32_t patches;                 /* grid_height * grid_width */
    e2_activation activation;         /* GELU or QUICK_GELU */
    bool class_token, norm_post;
    float epsilon;
    uint32_t stem_layers;                /* 0: patches are cut from the pixels */
    size_t stem_numbers;                 /* that the largest of them makes of an image */
    e2_convolution stem[E2_STEM_LAYERS]; /* the strides' products are patch_height and patch_width */
    e2_linear patch;              /* in = 3 * patch_height * patch_width, order (c, dy, dx); or the stem's channels */
    const float *class_embedding; /* [width], or NULL without class token */
    const float *positions;       /* [class_token + patches, width]; row y and column x at y * grid_width + x */
    e2_block *blocks;
    e2_norm post; /* when norm_post */
} e2_vision;

/* Perceiver resampler (docs/model.md, section 3); layers == 0: none. */
typedef struct e2_resampler_layer {
    e2_norm norm_media, norm_latents;
    e2_linear query, key_value, out; /* key_value: [2 * heads * head_size, width], keys first */
    e2_norm norm_ff;
    e2_linear up, down;
} e2_resampler_layer;

typedef struct e2_resampler {
    uint32_t layers, latents, heads, head_size, feed_forward;
    float epsilon;
    const float *latent_table; /* [latents, width] */
    e2_resampler_layer *blocks;
    e2_norm norm;
} e2_resampler;

/* Decoder with gated cross-attention (docs/model.md, sections 4 and 5). */
typedef struct e2_cross {
    e2_norm norm;
    e2_linear query, key_value, out;         /* key_value: [2 * heads * head_size, vision width], keys first */
    float attention_gate, feed_forward_gate; /* tanh already applied */
    e2_norm norm_ff;
    e2_linear up, down;
} e2_cross;

typedef struct e2_decoder_layer {
    const e2_cross *cross; /* before the block, or NULL */
    e2_block block;
} e2_decoder_layer;

typedef struct e2_decoder {
    uint32_t width, layers, heads, feed_forward, vocabulary;
    uint32_t positions, position_offset; /* the table has positions + position_offset rows */
    uint32_t segment_stride;             /* positions from one image's text to the next; 0: they count through */
    e2_activation activation;
    float epsilon;
    uint32_t cross_every, cross_layers, cross_heads, cross_head_size, cross_feed_forward;
    uint32_t attended_layers, attended_width; /* the last cross-attentions, whose attended vectors are features */
    bool only_immediate_media;                /* text sees its latest image only; otherwise all images so far */
    const e2_tensor *position_table;          /* [positions + position_offset, width]; rows: e2_tensor_row */
    e2_linear output;         /* token table [vocabulary, width]: hidden -> logits, and the embeddings */
    e2_cross *crosses;        /* [cross_layers] */
    e2_decoder_layer *blocks; /* [layers] */
    e2_norm norm;
} e2_decoder;

/* What the pool's memory needs of the model (docs/in-context.md); hidden_scale 0: the file does not have it. */
typedef struct e2_memory_statistics {
    float hidden_scale;
    float strength;           /* of the penalty that learning puts on what changes ordinary text */
    float gate_from, gate_to; /* no memory below, all of it above, -1..1; a memory's own gate is between */
    uint32_t features;        /* decoder width + attended_width + 1 */
    e2_linear whitening;      /* W [features, features], symmetric: W W = (S + epsilon I)^-1 */
    const float *key_mean;    /* [vision width]: of retrieval keys of ordinary images */
    e2_linear key_whitening;  /* the same as W for retrieval keys, [vision width, vision width] */
} e2_memory_statistics;

/* Names the token under each patch, the padding token where there is none (docs/model.md, section 12). */
typedef struct e2_patch_head {
    const float *weight; /* [vocabulary][vision width], or NULL: the file has none */
    const float *bias;   /* [vocabulary] */
} e2_patch_head;

/* Text states fused with what they see of the picture (docs/model.md, section 14). D: decoder width, W: vision width.
 */
typedef struct e2_fusion {
    e2_linear visual;                /* [D, W]; its `out` 0, as all else: the file has none */
    e2_linear query, key_value, out; /* [D, D], [2D, D] with keys first, [D, D] */
    e2_linear gate;                  /* [D, 2D]: of [state; seen] */
} e2_fusion;

/* Of the confidence (docs/model.md, section 13). */
#define E2_CONFIDENCE_WEIGHTS 6
#define E2_TEXTLESS_WEIGHTS   2
typedef struct e2_calibration {
    bool there;
    float weights[E2_CONFIDENCE_WEIGHTS], textless[E2_TEXTLESS_WEIGHTS];
} e2_calibration;

struct e2str_model {
    e2_gguf gguf;
    e2str_log_fn log;
    void *log_user;
    e2_kernels kernels[1];     /* of this CPU; one, so that `kernels` points to it */
    e2str_precision precision; /* of products; never AUTO once the tensors are bound */
    bool blas;                 /* matrix products by OpenBLAS, on f32 weights that are not packed */
    e2_blas openblas;          /* open where `blas` is true */
    e2_image_config image;
    e2_vision vision;
    e2_resampler resampler;
    e2_decoder decoder;
    e2_memory_statistics memory;
    e2_patch_head head;
    e2_fusion fusion;
    e2_calibration calibration;
    bool key_from_vision_tokens; /* retrieval key: mean of vision tokens, not of the resampler's latents */
    float min_similarity;        /* examples less similar are left out unless a read says otherwise */
    uint32_t visual_tokens;      /* visual tokens per image: latents or patches, of free widths the most */
    e2_tokenizer *tokenizer;
    uint64_t parameters;
    char name[64];
    void **owned; /* expanded weights and tables, freed by close */
    size_t n_owned, owned_capacity;
    pthread_mutex_t checksum_lock;
    bool checksum_known;
    uint64_t checksum;
};

/* Patches across an image, which the caller has checked. */
static inline uint32_t e2_columns(const e2str_model *model, const e2str_image *image) {
    return e2_image_width(image, &model->image) / model->vision.patch_width;
}

/* Vision tokens of an image of so many columns, and visual tokens. */
static inline uint32_t e2_patches(const e2str_model *model, uint32_t columns) {
    return model->vision.grid_height * columns;
}
static inline uint32_t e2_visual_tokens(const e2str_model *model, uint32_t columns) {
    return model->resampler.layers ? model->resampler.latents : e2_patches(model, columns);
}

/* Rows of an image in the vision transformer. */
static inline size_t e2_vision_rows(const e2str_model *model, uint32_t columns) {
    return (size_t)e2_patches(model, columns) + model->vision.class_token;
}

/* Whether images differ in their number of visual tokens. */
static inline bool e2_tokens_vary(const e2str_model *model) {
    return model->image.min_width && !model->resampler.layers;
}

/* The two steps of opening, after the file itself: sizes and tokenizer, then weights. Messages name key or tensor. */
e2str_status e2_model_read_config(e2str_model *model, e2str_error *error);
e2str_status e2_model_bind_tensors(e2str_model *model, e2_threads *threads, e2str_error *error);

/* MISMATCH unless a pool file that names this checksum was made with the model. */
e2str_status e2_model_check_pool(const e2str_model *model, uint64_t made_with, e2str_error *error);
/* MISMATCH, of the session and `what`, unless both models are of the same file and compute the same bits. */
e2str_status e2_models_check(const e2str_model *session, const e2str_model *other, const char *what,
                             e2str_error *error);
/* Between them: LIMIT when reading an image would take more than `most` multiplications, or memory for more than
 * most / E2_OPERATIONS_PER_NUMBER numbers. */
#define E2_OPERATIONS_PER_NUMBER 1024
e2str_status e2_model_check_work(const e2str_model *model, uint64_t most, e2str_error *error);

/* Rows of images that are worth reading together: so many sequences that loading a weight is cheap beside using it, so
 * few that what they look at stays near. Fewer are encoded at a time: one image already keeps the products busy, and
 * what lies between two of them has to fit the cache of one core. Each image alone where a batch would not give the
 * same bits. */
#define E2_BATCH_ROWS  1024
#define E2_ENCODE_ROWS 192

/* Whether an image of `more` rows goes together with those before it, of `rows` in all, where `most` may. */
static inline bool e2_batch_takes(const e2str_model *model, size_t rows, size_t more, size_t most) {
    return rows == 0 || (!model->blas && rows <= most && more <= most - rows);
}

void e2_log(const e2str_model *model, const char *format, ...) E2_PRINTF(2, 3);

#endif
