/*
 * libe2str - reads the text in cropped word images, and gets better on a new domain by being shown examples.
 *
 * SPDX-License-Identifier: MIT
 *
 * This header is the manual. It has eight parts: errors, model, images, prompt pool, memory,
 * constraints, reading, streams.
 *
 * The library implements E2STR (arXiv 2311.13120). An image is cut into patches, a vision transformer turns them into
 * visual tokens (in some models a resampler makes them fewer), and a small language decoder with gated cross-attention
 * writes the text. A prompt pool keeps the visual tokens and labels of examples. For each query the most similar
 * examples are put before it as a prompt, or the pool learns from all of them how this domain's characters look and
 * changes the output layer by that. The model's weights never change, so an empty pool reads exactly like no pool, and
 * removing an example undoes adding it.
 *
 * A complete program (link with `pkg-config --cflags --libs e2str`):
 *
 *     #include <e2str.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         e2str_error error = {0};
 *         char path[4096];
 *         e2str_model *model = NULL;
 *         e2str_session *session = NULL;
 *         e2str_result *result = NULL;
 *         e2str_image image = {0};
 *         e2str_status status = e2str_default_model_path(path, sizeof path, &error);
 *         if (!status) status = e2str_model_open(path, NULL, &model, &error);
 *         if (!status) status = e2str_session_new(model, NULL, &session, &error);
 *         if (!status) status = e2str_result_new(&result, &error);
 *         if (!status) status = e2str_image_load("word.png", NULL, &image, &error);
 *         if (!status) status = e2str_read(session, &image, NULL, NULL, result, &error);
 *         if (!status)
 *             printf("%s\t%.3f\n", e2str_result_text(result), e2str_result_score(result));
 *         else
 *             fprintf(stderr, "%s: %s\n", e2str_status_name(status), error.message);
 *         e2str_image_free(&image);
 *         e2str_result_free(result);
 *         e2str_session_free(session);
 *         e2str_model_close(model);
 *         return status ? 1 : 0;
 *     }
 *
 * Threads. A model is immutable: any number of threads may use it at once. A session and a result belong to one thread
 * at a time: make one of each per thread. A pool may be used by any number of threads at once, adding and removing
 * included; a read that has begun keeps the examples it chose. No call waits for another session's work. The library
 * starts no threads unless a session is asked for more than one; these belong to the session. (OpenBLAS, where it
 * multiplies, has its own: e2str_products.) Create sessions after fork(): in a child, a session of more than one thread
 * that it inherited can be freed and nothing else; models can be used, pools and other sessions too if no other thread
 * was in a call with them. Signals are the host's: the threads of a session take none.
 *
 * Ownership. What a *_new, *_open or *_load function gives is the caller's, to be handed to the matching *_free or
 * *_close, all of which accept NULL. A model must outlive its sessions and pools. Nothing passed in is kept after the
 * call, except the memory given to e2str_model_open_memory. On failure an output pointer is set to NULL. A model must
 * also outlive the memories and prompts that come of its pools.
 *
 * Two opens of the same file, in the same precision and on the same kernels, are one model to sessions, pools, prompts
 * and memories: they may be mixed (told by the files' checksums); each still needs the model it was made with. MISMATCH
 * otherwise.
 *
 * Options. Each options structure is filled by its init and passed by pointer; NULL means all defaults. Its first
 * member is the size that the structure had where the caller was compiled: leave it alone. Structures only grow, at the
 * end: what the structure of an older program lacks has its default, what this library does not know of a newer one's
 * must be 0 (else UNSUPPORTED), and nothing is written behind either. The init macros pass that size; from another
 * language call the *_init_size function with the size of your structure. The structures that are answers
 * (e2str_model_info, e2str_memory_report, ...) are the same: init them before the call.
 *
 * Text is UTF-8. Sizes are in bytes unless said otherwise. The library prints nothing, never ends the process, and
 * changes no process-wide setting. Results are deterministic: the same input on the same CPU level and the same
 * OpenBLAS gives the same bits, while the caller's thread rounds to nearest, as it does unless it asks for something
 * else. (With another rounding mode the last bits differ, with other threads also by their number; flushing of denormal
 * numbers changes nothing.)
 *
 * Stability. While the major version is 0, a minor version may change the interface; the soname carries both numbers.
 */
#ifndef E2STR_H
#define E2STR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version: Makefile, pkg-config, CMake, packages and Python take it from these three lines (CONTRIBUTING.md). */
#define E2STR_VERSION_MAJOR 0
#define E2STR_VERSION_MINOR 1
#define E2STR_VERSION_PATCH 0
/* One number that grows with the version, for #if: 10203 is 1.2.3. */
#define E2STR_VERSION_NUMBER (E2STR_VERSION_MAJOR * 10000 + E2STR_VERSION_MINOR * 100 + E2STR_VERSION_PATCH)

#if defined(__GNUC__) || defined(__clang__)
#define E2STR_API __attribute__((visibility("default")))
#else
#define E2STR_API
#endif

/* ------------------------------------------------------------------------------------------------------- errors -- */

/* Every call that can fail returns one of these; 0 is success. Numbers never change their meaning. */
typedef enum e2str_status {
    E2STR_OK = 0,
    E2STR_ERROR_ARGUMENT = 1,    /* a NULL where none may be, or an option outside its documented range */
    E2STR_ERROR_MEMORY = 2,      /* out of memory */
    E2STR_ERROR_IO = 3,          /* a file cannot be opened, read, written or renamed */
    E2STR_ERROR_FORMAT = 4,      /* a model, pool or lexicon file is damaged or not such a file */
    E2STR_ERROR_UNSUPPORTED = 5, /* a well-formed file asks for what this version does not know, or a call for what the
                                    model file or this build has not */
    E2STR_ERROR_MISMATCH = 6,    /* a pool, session and model that do not belong together */
    E2STR_ERROR_IMAGE = 7,       /* an image cannot be decoded */
    E2STR_ERROR_LIMIT = 8,       /* larger than a documented limit: image size, prompt length, counts in a file, work;
                                    a number that is not finite */
    E2STR_ERROR_LABEL = 9,       /* a label is empty, not UTF-8, or has characters that neither model nor memory can
                                    write */
    E2STR_ERROR_FULL = 10,       /* the pool's byte cap leaves no room for this example */
    E2STR_ERROR_NOT_FOUND =
        11, /* no example with that id is in the pool, or there is nothing of the kind, such as a memory */
    E2STR_ERROR_CONFLICT = 12 /* a pool file was changed by somebody else since it was loaded or saved */
} e2str_status;

/* A message that names what went wrong (the file, the tensor, the character). Every `error` parameter may be NULL.
 * Written only when a call fails; always NUL-terminated. Long messages are cut in the middle, where paths end: the
 * reason stays. */
#define E2STR_ERROR_SIZE 256
typedef struct e2str_error {
    char message[E2STR_ERROR_SIZE];
} e2str_error;

E2STR_API const char *e2str_version(void);                    /* "0.1.0", of the library in use */
E2STR_API uint32_t e2str_version_number(void);                /* its E2STR_VERSION_NUMBER */
E2STR_API const char *e2str_status_name(e2str_status status); /* "ok", "argument", "memory", ...; never NULL */

/* The level of kernels that a model opened now would use: the best that CPU and operating system can run, but not above
 * the one that the environment variable E2STR_CPU names. Unset or empty, it caps nothing. Levels, in ascending order,
 * are "ref" (plain C), on x86-64 "avx2", "avx512", "avx512_vnni", "avx512_bf16", on AArch64 "neon", "neon_dot",
 * "neon_i8mm", "neon_bf16". With any other value of E2STR_CPU this is "unknown", and e2str_model_open fails with
 * ARGUMENT and lists the known ones. */
E2STR_API const char *e2str_cpu_name(void);

/* -------------------------------------------------------------------------------------------------------- model -- */

typedef struct e2str_model e2str_model;

/* Called with one line (no newline) worth knowing but not an error; `user` is what the options gave. It may be called
 * from any thread that uses the model. */
typedef void (*e2str_log_fn)(void *user, const char *message);

/* How matrix products are computed. The matrices are packed from whatever type the file has into the one that is asked
 * for; activations are rounded (BF16) or quantised (INT8) to it, sums are exact integers or f32. The same file, CPU
 * level and precision give the same bits; another precision gives others. */
typedef enum e2str_precision {
    E2STR_PRECISION_FILE = 0, /* as the file's types: BF16 in bf16, Q8_0 in int8, F32 and F16 in f32 */
    E2STR_PRECISION_F32 = 1,  /* in f32, weights expanded: for comparing */
    E2STR_PRECISION_AUTO = 2, /* the one of F32, BF16 and INT8 that is fastest at the CPU level
                                 (docs/performance.md, with what it costs in accuracy); F32 for a file whose matrices
                                 are F32. e2str_model_info says which; asking for that one gives the same bits */
    E2STR_PRECISION_INT8 = 3, /* 8 bits with a scale per row */
    E2STR_PRECISION_BF16 = 4
} e2str_precision;

/* Who multiplies matrices. OpenBLAS (libopenblas.so.0) is no part of this library: it is opened where it multiplies,
 * and stays in the process then. It has threads of its own (OPENBLAS_NUM_THREADS says how many), needs address space
 * for each, and multiplies in f32, whatever the weights; the bits are those of its version and CPU, and depend on the
 * number of rows, so reads are not put together in groups. */
typedef enum e2str_products {
    E2STR_PRODUCTS_AUTO = 0,     /* OpenBLAS where e2str_cpu_name is "ref" and E2STR_CPU is not set, if it can be
                                    opened (a line in the log says if not); otherwise our kernels */
    E2STR_PRODUCTS_OPENBLAS = 1, /* OpenBLAS; IO if it cannot be opened, UNSUPPORTED in a static program */
    E2STR_PRODUCTS_OWN = 2       /* our kernels */
} e2str_products;

#define E2STR_MAX_OPERATIONS ((uint64_t)1 << 36) /* default of e2str_model_options.max_operations */

typedef struct e2str_model_options {
    size_t size;
    e2str_log_fn log; /* default NULL: silent */
    void *log_user;
    e2str_precision precision; /* default E2STR_PRECISION_AUTO */
    e2str_products products;   /* default E2STR_PRODUCTS_AUTO */
    uint64_t max_operations;   /* multiplications that reading one image (48 tokens, no examples) may take, known from
                                  the metadata; a group of images may hold a 1,024th as many numbers. A model that asks
                                  for more is refused (LIMIT) before its weights are read. Default
                                  E2STR_MAX_OPERATIONS, twice what a model of the paper's size takes */
    uint32_t threads;          /* that pack weights while the model is opened, 1 (default) to 256; they end with that,
                                  and change no bit of the model */
} e2str_model_options;
E2STR_API void e2str_model_options_init_size(e2str_model_options *options, size_t size);
#define e2str_model_options_init(options) e2str_model_options_init_size((options), sizeof(e2str_model_options))

/* Opens a GGUF v3 file with architecture "e2str" (docs/model-format.md). Matrices are read one by one and packed for
 * the kernels of this CPU. Nothing is mapped, and nothing of the file is used later: it may be replaced, cut or deleted
 * at any time. If that happens during the call, it fails (IO, FORMAT). A weight that is not finite is refused (FORMAT).
 * The environment variable E2STR_CPU caps the level of the kernels (e2str_cpu_name); an unknown value is an ARGUMENT
 * error that lists the known ones. With E2STR_CPU=ref, plain C multiplies: the same bits on every machine.
 * Errors: IO, FORMAT, UNSUPPORTED, LIMIT, MEMORY, ARGUMENT. */
E2STR_API e2str_status e2str_model_open(const char *path, const e2str_model_options *options, e2str_model **model,
                                        e2str_error *error);

/* Where the shipped model is: what the environment variable E2STR_MODEL says, there or not; else e2str-small.gguf below
 * the library (../share/e2str, ../../share/e2str, in the build tree ../weights), in the same places below the program,
 * or in the folder that `make install` was told. 4096 bytes are always enough. LIMIT: more than capacity; IO: nowhere,
 * the message lists the folders. In the shell: pkg-config --variable=model e2str. */
E2STR_API e2str_status e2str_default_model_path(char *path, size_t capacity, e2str_error *error);

/* The same from memory, which must stay unchanged until e2str_model_close and be aligned to 4 bytes. */
E2STR_API e2str_status e2str_model_open_memory(const void *data, size_t size, const e2str_model_options *options,
                                               e2str_model **model, e2str_error *error);

typedef struct e2str_model_info {
    size_t size;
    char name[64];       /* general.name of the file, cut to fit; may be "" */
    uint64_t parameters; /* weights, each tensor counted once */
    uint64_t file_bytes;
    uint32_t image_width; /* every image is brought to this size, in pixels; of free widths the largest: max_width */
    uint32_t image_height;
    uint32_t visual_tokens; /* rows that e2str_encode writes per image, of free widths at most (e2str_visual_tokens) */
    uint32_t visual_width;  /* columns of a visual token; also the length of a retrieval key */
    uint32_t vision_layers;
    uint32_t resampler_layers; /* 0: the decoder reads the vision tokens themselves */
    uint32_t decoder_layers;
    uint32_t decoder_width;
    uint32_t vocabulary;       /* number of text tokens, special ones included */
    uint32_t positions;        /* most tokens in prompt and answer together */
    const char *tokenizer;     /* "bpe" or "characters" */
    uint32_t segment_stride;   /* 0: positions count through; otherwise each image's text has this many of its
                                  own: positions / segment_stride - 1 examples fit, of segment_stride - 3 tokens */
    float min_similarity;      /* -1..1: examples less similar are left out unless a read says otherwise */
    uint32_t memory;           /* 1: the file has what a pool needs to learn (e2str_pool_learn); otherwise 0 */
    uint32_t trim;             /* 1: pictures are trimmed unless their view says otherwise; otherwise 0 */
    e2str_precision precision; /* of the products: what was asked for, or what E2STR_PRECISION_AUTO chose */
    uint32_t calibrated;       /* 1: e2str_result_confidence is a probability; 0: it is the score */
    uint32_t places;           /* 1: the file has a patch head, so reads can tell where characters lie; otherwise 0 */
    uint32_t min_width; /* pixels. Below max_width: widths are free, an image keeps its shape between these two, and */
    uint32_t max_width; /* costs by its width. The same: every image is stretched to it */
} e2str_model_info;
E2STR_API e2str_status e2str_model_get_info(const e2str_model *model, e2str_model_info *info, e2str_error *error);
E2STR_API void e2str_model_info_init_size(e2str_model_info *info, size_t size);
#define e2str_model_info_init(info) e2str_model_info_init_size((info), sizeof(e2str_model_info))

/* 64-bit checksum (XXH64, seed 0) of the whole model file: what binds a pool file to its model. For a model from memory
 * the first call computes it. */
E2STR_API uint64_t e2str_model_checksum(const e2str_model *model);

E2STR_API void e2str_model_close(e2str_model *model);

/* All scratch memory for one thread's encoding and reading, and the threads that help it. Memory is taken here and at
 * the first reads; a read that needs no more than an earlier one allocates nothing. */
typedef struct e2str_session e2str_session;

#define E2STR_MAX_THREADS 256
#define E2STR_MAX_SPIN    1000000

typedef struct e2str_session_options {
    size_t size;
    uint32_t threads; /* that work on one call, the caller's included; 1 to 256, default 1. Results are the same */
    /* How many microseconds a thread that waits for another looks on before it sleeps; 0 to E2STR_MAX_SPIN, default 0.
     * Being woken takes 10 to 50: with a few hundred here, a call's many short steps are shared, too, and one image is
     * read sooner. Each thread then keeps a CPU busy that long after every step and call: not for a machine whose CPUs
     * others want, nor for more threads than it has CPUs. Results are the same. */
    uint64_t spin_microseconds;
} e2str_session_options;
E2STR_API void e2str_session_options_init_size(e2str_session_options *options, size_t size);
#define e2str_session_options_init(options) e2str_session_options_init_size((options), sizeof(e2str_session_options))

/* Errors: ARGUMENT, MEMORY (a thread cannot be started, too). */
E2STR_API e2str_status e2str_session_new(const e2str_model *model, const e2str_session_options *options,
                                         e2str_session **session, e2str_error *error);
E2STR_API size_t e2str_session_bytes(const e2str_session *session);
E2STR_API void e2str_session_free(e2str_session *session);

/* ------------------------------------------------------------------------------------------------------- images -- */

typedef enum e2str_format { E2STR_GREY = 1, E2STR_RGB = 3, E2STR_RGBA = 4, E2STR_BGR = 5 } e2str_format;

/* Even or slowly changing borders round the ink are left out before a picture is read. In doubt they are not: where the
 * border is textured, or there is no ink. */
typedef enum e2str_trim {
    E2STR_TRIM_OF_MODEL = 0, /* as the model was tuned: e2str_model_info.trim */
    E2STR_TRIM_NEVER = 1,
    E2STR_TRIM_ALWAYS = 2
} e2str_trim;

/* A view of 8-bit pixels in the caller's memory: fill the members up to `rotate`, leave `owned` 0, choose `trim`.
 * Row y starts at pixels + y * stride; within it pixel x at x * (1, 3 or 4). `stride` may be
 * negative (bottom-up images, `pixels` then points to the top row) and is at least the row's width in size.
 * `rotate` turns the picture clockwise by 0, 90, 180 or 270 degrees before it is read: a line of text that runs
 * upwards needs 90. With E2STR_ROTATE_AUTO a read tries those that shape and scores ask for, 0 and 180 first (of
 * pictures 1.5 times as high as wide 90 and 270), and gives the best by score, as e2str_result_area says: some 1.2
 * times the time of a plain read for an upright word, 2.0 to 2.1 times for others (docs/crops.md). A constraint has no
 * say in that; the word is read once more with it then. Width and height are 1 to 16,384.
 * Alpha (not premultiplied) is composed over white, but over black if what can be seen is light: with every pixel's
 * alpha as its weight, lighter than half. A picture of which more than three quarters can be seen (alpha 64 and above)
 * has paper of its own, and the background is like that: white behind light, black behind dark. With alpha 255
 * throughout RGBA reads exactly as RGB. */
#define E2STR_ROTATE_AUTO UINT32_MAX
typedef struct e2str_image {
    const uint8_t *pixels;
    uint32_t width; /* pixels, as stored (before `rotate`) */
    uint32_t height;
    ptrdiff_t stride; /* bytes from a row to the next one */
    e2str_format format;
    uint32_t rotate;
    void *owned; /* set by e2str_image_load; e2str_image_free releases it */
    e2str_trim trim;
} e2str_image;

/* The part of a picture that was read: a rectangle in its pixels as stored, and how it was turned. */
typedef struct e2str_area {
    uint32_t x, y; /* of the left upper pixel, from 0 */
    uint32_t width, height;
    uint32_t rotate; /* clockwise, after the rectangle was cut out: 0, 90, 180 or 270 */
} e2str_area;

/* How a file is decoded. The limits are checked from its header, before there are pixels. */
typedef struct e2str_image_limits {
    size_t size;
    uint64_t max_pixels;         /* default 64 * 1024 * 1024 */
    uint32_t max_side;           /* default 16384, which is also the most */
    uint32_t max_scans;          /* default 100; progressive JPEG scans */
    uint32_t ignore_orientation; /* 1: leave the picture as it is stored; default 0: turned and mirrored as EXIF says */
    e2str_log_fn log;            /* default NULL: silent; called, at most once a file, before the load returns */
    void *log_user;
} e2str_image_limits;
E2STR_API void e2str_image_limits_init_size(e2str_image_limits *limits, size_t size);
#define e2str_image_limits_init(limits) e2str_image_limits_init_size((limits), sizeof(e2str_image_limits))

/* Decodes a file, told by its content, to RGB or grey, as browsers do it:
 * - PNG of every kind. Alpha, palettes with alpha and transparent colours are composed as in e2str_image.
 * - JPEG: baseline, progressive, arithmetic; grey, YCbCr, RGB, CMYK, YCCK. In CMYK 255 is no ink, as Adobe writes it; a
 *   file without Adobe's marker that would be all but black that way is read the other way.
 * - BMP without compression: 1, 2, 4, 8, 16, 24, 32 bits, masks, alpha where a mask names it, either direction.
 * - PBM, PGM and PPM, as text or bytes (P1 to P6), values up to 65535.
 *
 * EXIF orientation (JPEG; chunk eXIf of PNG) is applied, all eight kinds; EXIF data that make no sense are passed over.
 *
 * A file with a harmless fault is read, and `log` told: JPEG with bytes before a marker, an unknown revision or
 * transform, a wrong range of coefficients in a sequential scan; JPEG or PNG whose end is missing or damaged, but no
 * row. Where rows are missing the file is truncated: an error.
 *
 * `path` may be a pipe or FIFO: it is read to its end, which waits for whoever writes. Files may have 512 MiB.
 * *image must not own pixels yet; all its members are set, `rotate` and `trim` to 0.
 *
 * Errors: IO, IMAGE (damaged, truncated, no such format), UNSUPPORTED (compressed BMP), LIMIT, MEMORY, ARGUMENT. */
E2STR_API e2str_status e2str_image_load(const char *path, const e2str_image_limits *limits, e2str_image *image,
                                        e2str_error *error);
E2STR_API e2str_status e2str_image_load_memory(const void *data, size_t size, const e2str_image_limits *limits,
                                               e2str_image *image, e2str_error *error);
E2STR_API void e2str_image_free(e2str_image *image); /* frees owned pixels and zeroes the structure; NULL is fine */

/* Cuts a quadrangle out of a picture, as detectors of text give them, and pulls it straight by perspective.
 * corners: x and y of the left upper, right upper, right lower and left lower corner of the text, as it is read, in
 * pixels of the picture as it is stored, where the left upper pixel reaches from 0 to 1. They may lie outside, by at
 * most the picture's own width and height: there its edge pixels go on.
 * width, height: of the cut, in pixels; 0: the longer of the two edges that run that way, rounded. With corners on
 * pixels' edges, that of a rectangle has the picture's own pixels. Values between pixels are bicubic (a = -0.75); where
 * the cut is smaller than what it shows, all pixels that one of it covers are averaged (a shrinking below 1/64 looks
 * at 64 x 64 places of them). It takes time by the larger of both areas.
 * *cut owns its pixels, grey or RGB (alpha is composed first, as for a view of the rectangle around the corners);
 * `rotate` and `trim` are the picture's. *cut must not own pixels yet.
 * Errors: ARGUMENT (a number that is not finite, corners too far outside, counter-clockwise (mirrored), an angle that
 * is not between 3 and 177 degrees or an edge below half a pixel; the message says which), LIMIT (a side above 16,384
 * or more than 2^26 pixels), MEMORY. */
E2STR_API e2str_status e2str_image_cut(const e2str_image *image, const float *corners, uint32_t width, uint32_t height,
                                       e2str_image *cut, e2str_error *error);
/* Where a point of such a cut of width x height pixels, such as a corner of an e2str_box, lies in the picture.
 * ARGUMENT: width or height is 0, corners that e2str_image_cut refuses in any picture, a point that is not in the cut.
 */
E2STR_API e2str_status e2str_image_cut_point(const float *corners, uint32_t width, uint32_t height, float x, float y,
                                             float *picture_x, float *picture_y, e2str_error *error);

/* How many visual tokens the model makes of an image: visual_tokens of its e2str_model_info where widths are fixed or
 * the model has a resampler, otherwise as many as the shape of what is read of the image asks for. ARGUMENT
 * (E2STR_ROTATE_AUTO, too), MEMORY. */
E2STR_API e2str_status e2str_visual_tokens(const e2str_model *model, const e2str_image *image, uint32_t *tokens,
                                           e2str_error *error);

/* Visual tokens and retrieval keys of n images, for the caller's own search or clustering.
 * tokens: the images' one after another, each [e2str_visual_tokens of it][visual_width] floats, or NULL; keys:
 * [n][visual_width] floats of unit length (mean of the tokens; docs/model.md, section 7), or NULL. An image's numbers
 * do not depend on the others. Errors: ARGUMENT (E2STR_ROTATE_AUTO, too: ask a read), LIMIT (a number is not finite),
 * MEMORY. */
E2STR_API e2str_status e2str_encode(e2str_session *session, const e2str_image *images, size_t n, float *tokens,
                                    float *keys, e2str_error *error);

/* -------------------------------------------------------------------------------------------------- prompt pool -- */

typedef struct e2str_pool e2str_pool;

typedef enum e2str_storage { E2STR_STORE_F16 = 1, E2STR_STORE_F32 = 2 } e2str_storage;

#define E2STR_INDEX_FROM 65536

typedef struct e2str_pool_options {
    size_t size;
    uint64_t max_bytes;    /* cap for e2str_pool_bytes and the cache together; default 0 = none */
    e2str_storage storage; /* of visual tokens; default E2STR_STORE_F16. Keys are always f32 */
    uint64_t cache_bytes;  /* for what reads have computed of examples and will need again; gives way to examples under
                              max_bytes, changes no result, is not saved; default 64 MiB */
    uint64_t unmapped;     /* of an archive. 1: it is not mapped, its parts are read where they are needed, which is
                              slower; default 0 */
    uint64_t index_from;   /* examples from which on the nearest are found by an index; default E2STR_INDEX_FROM;
                              UINT64_MAX: never. An index scans one bit for each number of a key in place of the key and
                              compares some hundred examples exactly, so at least 99 % of the nearest 2 are found
                              (docs/scale.md#nearest), and all of them where there are no more examples than that.
                              What it finds depends on the examples alone, not on earlier calls or threads. It takes a
                              bit for each number and 8 bytes an example, beside max_bytes: 32 bytes where keys have
                              192 numbers; of a pool in an archive they lie in the file (one without them is compared
                              exactly until e2str_pool_save_archive writes it anew). Keys of more than 4,096 numbers
                              are always compared exactly */
} e2str_pool_options;
E2STR_API void e2str_pool_options_init_size(e2str_pool_options *options, size_t size);
#define e2str_pool_options_init(options) e2str_pool_options_init_size((options), sizeof(e2str_pool_options))

E2STR_API e2str_status e2str_pool_new(const e2str_model *model, const e2str_pool_options *options, e2str_pool **pool,
                                      e2str_error *error);

/* Encodes the image once and keeps its visual tokens, key and label; the pixels are not kept. With
 * E2STR_ROTATE_AUTO it is read all four ways before, and turned as the read nearest to the label was. The example
 * counts from the next read on.
 * `session` must belong to the pool's model. label_size may be SIZE_MAX for a NUL-terminated label.
 * Ids start at 1, are never used twice in the life of a pool (its file included) and stay the same after a reload.
 * Errors: LABEL (empty, not UTF-8, outside the alphabet where the model file has nothing to learn new characters with,
 * with a BPE tokenizer a special string such as "<image>" in it), LIMIT (longer than 4,096 bytes or than the model's
 * positions allow; visual tokens not finite, or too large for f16), FULL, MISMATCH, ARGUMENT, MEMORY. */
E2STR_API e2str_status e2str_pool_add(e2str_pool *pool, e2str_session *session, const e2str_image *image,
                                      const char *label, size_t label_size, uint64_t *id, e2str_error *error);
E2STR_API e2str_status e2str_pool_remove(e2str_pool *pool, uint64_t id, e2str_error *error); /* NOT_FOUND */
E2STR_API void e2str_pool_clear(e2str_pool *pool);
E2STR_API size_t e2str_pool_count(const e2str_pool *pool);
E2STR_API uint64_t e2str_pool_bytes(const e2str_pool *pool); /* memory of all examples */

/* Ids in the order in which they were added; writes at most `capacity`, returns how many there are. */
E2STR_API size_t e2str_pool_ids(const e2str_pool *pool, uint64_t *ids, size_t capacity);

/* Copies the label, NUL-terminated, cut at `capacity`; *label_size (may be NULL) is its full length without NUL. */
E2STR_API e2str_status e2str_pool_label(const e2str_pool *pool, uint64_t id, char *label, size_t capacity,
                                        size_t *label_size, e2str_error *error);

/* Copies an example's retrieval key, visual_width floats of unit length. NOT_FOUND. */
E2STR_API e2str_status e2str_pool_key(const e2str_pool *pool, uint64_t id, float *key, e2str_error *error);

/* The nearest min(k, count) examples to a unit-length key of visual_width floats, most similar first, by dot product
 * (cosine; docs/model.md, section 7); ties: the lower id first. Examples below min_similarity, -1 to 1, are left out
 * (-1: none are). They are found as the pool's options say (index_from). Errors: ARGUMENT (a key or limit that is not
 * a number, too), MEMORY. ids and similarities have room for k; *found says how many were written. The caller's thread
 * searches alone; a read finds the same and shares its search over the session's threads. */
E2STR_API e2str_status e2str_pool_nearest(const e2str_pool *pool, const float *key, size_t k, float min_similarity,
                                          uint64_t *ids, float *similarities, size_t *found, e2str_error *error);

/* One file with a checksum over all of it, written beside `path` and renamed over it only when it is complete and on
 * the disk. On failure the old file stays, with one exception: if the directory cannot be brought to the disk in the
 * end, the new file is in place, but might not be after a loss of power; that is an IO error whose message says so.
 * Save refuses (CONFLICT) to replace the file that the pool was loaded from, or saved to last, if somebody else has
 * changed it since: load it again and repeat the change, or overwrite it all the same. Where file systems have locks
 * (flock), two processes that save at once cannot both succeed; a lock that somebody keeps for seconds is a CONFLICT,
 * too. The file that is replaced keeps its owner, group and permissions (not set-user-ID and the like); where they
 * cannot be kept, or there are access lists, nobody gains a right. Symbolic links are followed; one that leads nowhere
 * is refused. A process that is killed meanwhile, also by SIGXFSZ (a host that ignores it gets an IO error), leaves the
 * old file and a temporary one that the next save into this directory removes.
 * Load reads such a file whole before it looks at it; what becomes of it later does not matter (an archive, see below,
 * it maps). It refuses a file made with another model (MISMATCH) or larger than options->max_bytes (FULL); the storage
 * is the file's, not the options'.
 * The precision and the CPU level that its visual tokens were made under are not asked for: another one reads them too,
 * though it would have made slightly other ones. Interrupted system calls are continued. */
E2STR_API e2str_status e2str_pool_save(const e2str_pool *pool, const char *path, e2str_error *error);
E2STR_API e2str_status e2str_pool_overwrite(const e2str_pool *pool, const char *path, e2str_error *error);
E2STR_API e2str_status e2str_pool_load(const e2str_model *model, const char *path, const e2str_pool_options *options,
                                       e2str_pool **pool, e2str_error *error);
E2STR_API void e2str_pool_free(e2str_pool *pool);

/* Archives: pool files that are mapped, not loaded, for pools of up to millions of examples (docs/archive-format.md).
 * e2str_pool_load opens both kinds, told by their first bytes. Of an archive it looks at the directory and the memory
 * only: the rest stays on the disk, is shared by all processes that use it, and is touched for what is used: keys by a
 * search, label and visual tokens of the examples that a read chooses. All calls work on such a pool, and give the same
 * bits as with all examples in memory. What is added, removed and learnt lies in memory until it is saved.
 *
 * e2str_pool_save to the path that an archive was loaded from (by this name or through a link) appends what is new, and
 * costs what that costs. It is there whole or not at all, after a loss of power, too; if the last sync fails, an IO
 * error says that it is not known which. CONFLICT as for other files; IO or FORMAT where the file cannot be read or is
 * damaged. One that was taken away is written anew. Other processes that have the archive open are
 * not disturbed: they see the state that they opened, until e2str_pool_refresh. e2str_pool_overwrite writes all of it
 * anew, as does e2str_pool_save_archive, and e2str_pool_save to another path writes the other kind, for which all
 * examples come to memory. e2str_pool_learn reads their visual tokens one by one, all of them at each call.
 *
 * Blocks have checksums, which are checked when a block is first used: a damaged one is FORMAT from the call that needs
 * it (e2str_pool_ids gives 0 for such an example, e2str_pool_nearest and reads fail), and all others go on.
 * e2str_pool_bytes counts what was added and not saved. max_bytes of the options is a cap for that and the cache.
 *
 * Mapped memory has one danger: a file that somebody cuts short under a process kills it by SIGBUS when it touches what
 * is gone, and so does a disk that fails. The library never does the former: it appends, or puts a new file into the
 * place of the old. Where others may (a file on a network that they write to with other tools), set
 * e2str_pool_options.unmapped: then it is an IO or FORMAT error. Where memory cannot be mapped, as large files in
 * processes of 32 bits, this is done by itself. */
typedef struct e2str_archive_options {
    size_t size;
    uint32_t without_tokens; /* 1: visual tokens, nearly all of the size, are left out. Such examples are found and
                                listed, but stand in no prompt: reads pass over them (a memory acts as before), and what
                                needs their tokens (prompts by id, learning, the other kind of file) is UNSUPPORTED.
                                Default 0 */
} e2str_archive_options;
E2STR_API void e2str_archive_options_init_size(e2str_archive_options *options, size_t size);
#define e2str_archive_options_init(options) e2str_archive_options_init_size((options), sizeof(e2str_archive_options))

/* Writes the whole pool, of either kind, as a new archive, and puts it into the place of `path` as e2str_pool_save does
 * with its files, with the same promises and errors. The pool lies in it from then on. To the path of its own archive
 * this is compaction: what was removed, or written more than once, takes no room any more. */
E2STR_API e2str_status e2str_pool_save_archive(e2str_pool *pool, const char *path, const e2str_archive_options *options,
                                               e2str_error *error);

/* Takes what others have saved since into a pool that lies in an archive; reads that have begun keep what they have. If
 * there is nothing new, or the pool lies in no archive, nothing happens. CONFLICT: there is something new, and the pool
 * has changes of its own that are not saved, such as other threads make meanwhile, too. Errors as of e2str_pool_load;
 * the pool is as before then. */
E2STR_API e2str_status e2str_pool_refresh(e2str_pool *pool, e2str_error *error);

/* Checks every checksum, label, key and visual token of the archive that the pool lies in. FORMAT: the message says
 * what is damaged. Of other pools everything was checked when they were loaded: OK. */
E2STR_API e2str_status e2str_pool_verify(const e2str_pool *pool, e2str_error *error);

typedef struct e2str_pool_info {
    size_t size;
    uint64_t examples;
    uint64_t added;        /* of these in memory: all, or, of a pool in an archive, those not saved yet */
    e2str_storage storage; /* of the visual tokens */
    uint32_t archive;      /* 1: the pool lies in an archive; 0: the rest is 0 */
    uint32_t mapped;       /* 1: it is mapped */
    uint64_t segments;     /* runs of examples in it: at most some 60 and one for each 65,536 examples */
    uint64_t file_bytes;
    uint64_t unused_bytes;   /* about as many would be saved by writing it anew */
    uint64_t without_tokens; /* examples of the pool in it that have no visual tokens */
} e2str_pool_info;
E2STR_API e2str_status e2str_pool_get_info(const e2str_pool *pool, e2str_pool_info *info, e2str_error *error);
E2STR_API void e2str_pool_info_init_size(e2str_pool_info *info, size_t size);
#define e2str_pool_info_init(info) e2str_pool_info_init_size((info), sizeof(e2str_pool_info))

/* ------------------------------------------------------------------------------------------------------- memory -- */

/* A pool acts in two ways. Its nearest examples stand before a query as a prompt: that finds words that come again. And
 * its memory, once learnt, changes the model's output layer by what every character of every example showed: that acts
 * on words that are in no example, costs next to nothing per read, and is undone when it is forgotten
 * (docs/in-context.md).
 *
 * e2str_pool_learn makes the memory from the examples that are in the pool at that moment, replacing the one before;
 * reads with the pool then use it. Adding an example does not change it until the next learning. Removing one forgets a
 * memory that was learnt from it: nothing of an example is left when it is gone. The memory depends on the examples
 * only, not on the order of calls before, threads, or what was removed: the same bits each time. The pool's file
 * has it, too.
 *
 * Labels may hold characters that the model has no token for (at most 256 different ones in a pool): the memory learns
 * them, from some 20 occurrences each. How labels are written is learnt as well: characters that the model sees but the
 * labels leave out, such as dashes on number plates, are read and not shown, and where the labels have all letters in
 * one case against what the model reads, so has the text.
 *
 * A memory acts where a picture is of the kind of its examples, by its retrieval key. To the letters and digits of
 * other domains it does next to nothing; the case and punctuation of pictures that look alike may change by more
 * (docs/accuracy.md).
 */

#define E2STR_STRENGTH_CHECKED (-1.0f)

typedef struct e2str_learn_options {
    size_t size;
    float strength; /* 0 to 4: of what is added; 1 is what was learnt. Default E2STR_STRENGTH_CHECKED: the pool's
                       examples, read held out, decide between 1 and 0. With 0 only the way of writing is left */
    uint32_t keep_doubtful; /* 1: learn from labels that contradict both readings of their picture, too; default 0 */
} e2str_learn_options;
E2STR_API void e2str_learn_options_init_size(e2str_learn_options *options, size_t size);
#define e2str_learn_options_init(options) e2str_learn_options_init_size((options), sizeof(e2str_learn_options))

/* What learning found. Counts of words read right are of exact matches among `checked` examples, each read by a memory
 * that was learnt without it. */
typedef struct e2str_memory_report {
    size_t size;
    uint64_t examples;       /* learnt from */
    uint64_t doubtful;       /* left out: the label contradicts the picture */
    uint64_t characters;     /* of their labels, ends included */
    uint32_t tokens;         /* different ones */
    uint32_t new_characters; /* that the model has no token for */
    uint32_t silent;         /* characters that the labels leave out */
    uint32_t letter_case;    /* of all letters shown: 0 as read, 1 capitals, 2 small letters */
    float strength;          /* in use; 0: off, since it does not help its own examples */
    uint64_t checked;        /* examples read held out; 0: too few to check */
    uint64_t right_without;
    uint64_t right_with;
} e2str_memory_report;
E2STR_API void e2str_memory_report_init_size(e2str_memory_report *report, size_t size);
#define e2str_memory_report_init(report) e2str_memory_report_init_size((report), sizeof(e2str_memory_report))

/* Of more than some 8,000 characters (1,300 words) examples of rare characters are learnt from, those that the model
 * reads worst, and of the others some for their likes. All are read, once as long as they are in memory (rows of an
 * archive each time): learning again costs what is new, and the solution. They take some 1 KB each meanwhile. Errors:
 * UNSUPPORTED (the model file lacks memory statistics, which weights/train/memory.py adds; a row of an archive lacks
 * visual tokens), MISMATCH, LIMIT, MEMORY; of an archive IO, FORMAT. The pool keeps its former memory then. With no
 * examples the pool forgets. Other threads may read with it meanwhile. */
E2STR_API e2str_status e2str_pool_learn(e2str_pool *pool, e2str_session *session, const e2str_learn_options *options,
                                        e2str_error *error);
E2STR_API void e2str_pool_forget(e2str_pool *pool); /* the memory, not the examples */
E2STR_API e2str_status e2str_pool_report(const e2str_pool *pool, e2str_memory_report *report,
                                         e2str_error *error); /* NOT_FOUND: nothing learnt */

/* How little the reads of an example's picture agree with its label, by the model alone or by a memory of the other
 * examples, whichever agrees more: 1 less the probability that they give to each of its characters, in the (geometric)
 * mean; 0..1. From the last learning; high values are mostly typing errors in labels. NOT_FOUND: no such example, or
 * nothing learnt of it. */
E2STR_API e2str_status e2str_pool_doubt(const e2str_pool *pool, uint64_t id, float *doubt, e2str_error *error);

/* The memory as it is now, apart from its pool: immutable, for any number of sessions of the same model; it stays when
 * the pool learns anew or goes. For servers that hold many memories and no examples. NOT_FOUND: nothing learnt. */
typedef struct e2str_memory e2str_memory;
E2STR_API e2str_status e2str_pool_memory(const e2str_pool *pool, e2str_memory **memory, e2str_error *error);
E2STR_API uint64_t e2str_memory_bytes(const e2str_memory *memory);
E2STR_API void e2str_memory_free(e2str_memory *memory);

/* A prepared prompt: the same examples for every read, run through the decoder once instead of at each read. Immutable;
 * any number of sessions of the same model may read with it at once. It does not change when the pool does, and may
 * outlive it. ids: in the order in which they stand in the prompt, at most E2STR_MAX_EXAMPLES; reads put the most
 * similar example first.
 * Errors: ARGUMENT, NOT_FOUND, MISMATCH, LIMIT (no position left for an answer), MEMORY. */
typedef struct e2str_prompt e2str_prompt;
E2STR_API e2str_status e2str_prompt_new(e2str_session *session, const e2str_pool *pool, const uint64_t *ids, size_t n,
                                        e2str_prompt **prompt, e2str_error *error);
E2STR_API size_t e2str_prompt_bytes(const e2str_prompt *prompt);
E2STR_API void e2str_prompt_free(e2str_prompt *prompt);

/* -------------------------------------------------------------------------------------------------- constraints -- */

/* What a text may be, where that is known: a field of digits, a date, a serial number, one of a list of names
 * (docs/constraints.md). A search then writes nothing else: at every step it leaves out the tokens after which no text
 * that fits can be finished within options.max_tokens. (With a BPE model that is reckoned at one token per byte; where
 * fitting texts are longer, raise max_tokens.) What is compared is the text that the caller gets: characters that a
 * memory leaves out pass freely, and letters count in the case in which a memory shows them.
 *
 * All of what is given must hold. The whole text is meant, never a part of it. */
typedef struct e2str_constraint e2str_constraint;

#define E2STR_MAX_LENGTH 255
#define E2STR_MAX_BONUS  100

/* The caller's word on a finished text that fits otherwise (check digits, say): not 0 accepts it. `text` has `size`
 * bytes and need not end in a NUL. It must answer the same each time, may be called for texts that are not the answer
 * in the end, from any thread that reads, and from several at once; it must not use the session that calls it. Texts
 * that are refused are dropped and the search goes on: options.beams says among how many it can choose. */
typedef int (*e2str_accept_fn)(void *user, const char *text, size_t size);

typedef struct e2str_constraint_options {
    size_t size;
    const char *characters;   /* that may occur, like the inside of a class: "0-9.,"; default NULL: all */
    const char *pattern;      /* of the whole text: "[A-Z]{2}[0-9]{6}"; default NULL: any text */
    const char *lexicon;      /* entries, one per line; the text must be one of them. Default NULL: none */
    size_t lexicon_size;      /* bytes of it; default 0; SIZE_MAX: up to its NUL */
    const char *lexicon_path; /* a file of the same, instead; default NULL */
    float lexicon_bonus;      /* 0 (default): the text must be an entry; B up to 100: it need not, but one that is none
                                 counts as e^B times less likely than it is when texts are compared */
    uint32_t ignore_case;     /* 1: letters of ASCII, Latin-1 and Latin Extended-A fit in either case; default 0 */
    uint32_t min_length;      /* in characters (code points), 0 to 255; default 0 */
    uint32_t max_length;      /* the same; default 0: no limit */
    e2str_accept_fn accept;   /* default NULL: every text that fits is accepted */
    void *accept_user;
} e2str_constraint_options;
E2STR_API void e2str_constraint_options_init_size(e2str_constraint_options *options, size_t size);
#define e2str_constraint_options_init(options)                                                                         \
    e2str_constraint_options_init_size((options), sizeof(e2str_constraint_options))

/* Immutable, of no model: any number of threads, sessions and models may read with it at once; it must outlive these
 * reads. Strings are not kept. ARGUMENT: nothing given, a fault in the pattern (the message says at which character and
 * what), or no text that fits; FORMAT: a lexicon that is not UTF-8; IO: its file; LIMIT: more than 4096 bytes of
 * pattern, 32 groups in groups, a count above 255, more than 8192 states or 2^20 transitions of its automaton, 64 MiB
 * or 2^22 entries of a lexicon or 255 characters of an entry; MEMORY. */
E2STR_API e2str_status e2str_constraint_new(const e2str_constraint_options *options, e2str_constraint **constraint,
                                            e2str_error *error);
/* 1 if a text fits (SIZE_MAX: it ends at its NUL), asking `accept` as well; otherwise 0. With a bonus any text fits
 * that has the pattern, characters and length. */
E2STR_API int e2str_constraint_matches(const e2str_constraint *constraint, const char *text, size_t size);
E2STR_API size_t e2str_constraint_bytes(const e2str_constraint *constraint);
E2STR_API void e2str_constraint_free(e2str_constraint *constraint);

/* ------------------------------------------------------------------------------------------------------ reading -- */

#define E2STR_MAX_EXAMPLES        64
#define E2STR_MAX_BEAMS           16
#define E2STR_MAX_ALTERNATIVES    8
#define E2STR_MAX_INFLUENCES      16
#define E2STR_K_DEFAULT           UINT32_MAX
#define E2STR_K_EXAMPLES          8
#define E2STR_SIMILARITY_OF_MODEL (-2.0f)

/* The caller's own search, instead of the pool's: proposes at most `most` examples for a query whose retrieval key has
 * `width` numbers, in any order: writes their ids, and to *found how many. The read compares them exactly and takes the
 * nearest k of them, so a search that comes near is good enough. `most` is 4 k. Ids that the pool has not (any more)
 * and those that come twice are passed over. It is called once for each picture and way up that is read, by any thread
 * that reads, by several at once, and must not use their sessions; the pool may be used. What it returns other than
 * E2STR_OK is what the read returns; more than `most`, or no status, is an ARGUMENT error. */
typedef e2str_status (*e2str_nearest_fn)(void *user, const float *key, size_t width, size_t most, uint64_t *ids,
                                         size_t *found);

typedef struct e2str_read_options {
    size_t size;
    uint32_t k; /* examples put before the query, the nearest ones; 0..64. Default E2STR_K_DEFAULT: 2, but none
                   where a memory of E2STR_K_EXAMPLES or more is there to read with, which does more.
                   Without a pool: none */
    float min_similarity;     /* examples less similar than this are left out: -1 (none are) to 1, or the default
                                 E2STR_SIMILARITY_OF_MODEL: what the model was tuned to */
    const uint64_t *examples; /* instead of the nearest k: these ids, in the order in which they stand in the prompt */
    size_t n_examples;        /* 0..64; 0 = use the nearest k */
    const e2str_prompt *prompt; /* instead of both: a prepared prompt; the pool then gives its memory only.
                                   Default NULL */
    uint32_t beams;             /* 1 = greedy (default), 2..16 = beam search (docs/model.md, section 6) */
    uint32_t max_tokens;        /* at most to write, end token included; 1 or more, default 48; never above positions */
    uint32_t alternatives;      /* per character, 0..8; default 0 */
    uint32_t clean_up;          /* 1: drop the blank in " .", " n't" and the like, as HF tokenizers do; default 0 */
    const e2str_memory *memory; /* instead of the pool's; default NULL: the pool's, if it has learnt */
    float memory_factor;        /* 0 to 4, of the memory's own strength: 0 reads without it; default 1 */
    uint32_t influences;        /* per character, 0..16: the examples' characters that moved it most; default 0 */
    uint32_t memory_everywhere; /* 1: the memory is for every picture, for callers who know that all are of its domain;
                                   default 0: only where the picture looks like it */
    uint32_t places;     /* 1: find where each character lies (e2str_result_box); default 0. UNSUPPORTED where the model
                            file has no patch head (e2str_model_info.places) */
    float reject_below;  /* 0..1: a result with less confidence says that it is rejected; default 0: none is */
    float textless_from; /* 0..1: from this probability that there is no text on, the text is empty; default 0.5. Above
                            1 (to 2): never, and not with a constraint: what it leaves need not look like the picture */
    const e2str_constraint *constraint; /* what the text may be; default NULL: anything. Not with clean_up */
    uint32_t attention; /* 1: keep where the decoder looked (e2str_result_attention): the answer goes through it once
                           more; default 0. UNSUPPORTED where the model has a resampler: its visual tokens have no
                           places */
    float second_look;  /* 0..1: a reading with less confidence is looked at once more, with examples of the pool that
                           show the characters between which it hesitated (k of them, or 2 where k is 0); another text
                           replaces it where it is the likelier with both readings' examples taken together
                           (docs/two-looks.md). Not where an example that stood before it has its text as label.
                           Default 0: never. UNSUPPORTED with a prepared prompt or examples that are given */
    e2str_nearest_fn nearest; /* proposes the examples that the nearest k are taken of; default NULL: the
                                 pool's own search. Not asked with `examples`, a prompt or k = 0 */
    void *nearest_user;
} e2str_read_options;
E2STR_API void e2str_read_options_init_size(e2str_read_options *options, size_t size);
#define e2str_read_options_init(options) e2str_read_options_init_size((options), sizeof(e2str_read_options))

/* Holds what one read found. Reusable: each read replaces what it held. Strings and numbers that it hands out live
 * until the next read into it or e2str_result_free. */
typedef struct e2str_result e2str_result;
E2STR_API e2str_status e2str_result_new(e2str_result **result, e2str_error *error);
E2STR_API void e2str_result_free(e2str_result *result);

/* Reads one image. pool may be NULL. Errors: ARGUMENT, MISMATCH (pool or session of another model), NOT_FOUND (an id in
 * options.examples), LIMIT (the prompt leaves no position for an answer; what the model makes of the image is not
 * finite), MEMORY. On failure the result is empty. */
E2STR_API e2str_status e2str_read(e2str_session *session, const e2str_image *image, const e2str_pool *pool,
                                  const e2str_read_options *options, e2str_result *result, e2str_error *error);

/* Reads n images, several at a time, which is faster than one by one; results[i] is what e2str_read gives for
 * images[i], bit for bit. All arguments are checked before the first image is read; the results must be different ones
 * (ARGUMENT). On failure all are empty. */
E2STR_API e2str_status e2str_read_batch(e2str_session *session, const e2str_image *images, size_t n,
                                        const e2str_pool *pool, const e2str_read_options *options,
                                        e2str_result *const *results, e2str_error *error);

E2STR_API const char *e2str_result_text(const e2str_result *result); /* NUL-terminated UTF-8; "" when empty */
E2STR_API size_t e2str_result_text_size(const e2str_result *result); /* bytes without the NUL */

/* exp of the mean log-probability of the tokens written, the end token included: 0..1, independent of length.
 * It is the model's own estimate, not calibrated: a high score on a picture without text proves nothing. */
E2STR_API float e2str_result_score(const e2str_result *result);

/* Probability, 0..1, that letters and digits of the text are right, but for case: calibrated on drawn words by
 * parameters in the model file (docs/confidence.md); where e2str_model_info.calibrated is 0, the score. 0 if truncated;
 * of a text that is empty because the picture has none, e2str_result_textless. */
E2STR_API float e2str_result_confidence(const e2str_result *result);

/* Probability, 0..1, that the picture has no text, by what the patch head sees of the text that was read. From
 * options.textless_from on the text is empty, without characters and tokens; score and
 * end_probability stay those of what was read first. 0 where the file has no patch head or is not calibrated, and where
 * a memory acts, which may know characters that the head does not. */
E2STR_API float e2str_result_textless(const e2str_result *result);

/* With options.second_look: 0 if the picture was not looked at again; 1 if the second reading left the text as it was:
 * then nothing else of the result differs from a read without it; 2 if it changed the text: then all is of the second
 * reading, the examples, too. */
E2STR_API int e2str_result_second_look(const e2str_result *result);

/* 1 if the confidence is less than options.reject_below; the text is there nevertheless. Otherwise 0. */
E2STR_API int e2str_result_rejected(const e2str_result *result);

/* 1 if the text was cut at the limit of new tokens, before the model wrote its end token; otherwise 0. */
E2STR_API int e2str_result_truncated(const e2str_result *result);

/* Probability that the text ends where it does. 0 if truncated. Kept apart from the characters. */
E2STR_API float e2str_result_end_probability(const e2str_result *result);

/* 1 if no text that the search met fits the constraint: what the result holds is then the reading without it.
 * Otherwise 0. Scores and probabilities are the model's own with a constraint as well, not shared out anew among what
 * may be: a text that the picture does not show is written where nothing else may be, but its score is low. */
E2STR_API int e2str_result_unmatched(const e2str_result *result);

/* Characters are Unicode code points. A token of a BPE model may hold several characters, or part of one: a character's
 * probability is the product over the tokens that hold any of its bytes, so with a character tokenizer it is simply its
 * token's. Bytes that are no valid UTF-8 become U+FFFD and count as one character each. */
typedef struct e2str_character {
    size_t offset; /* of its first byte in the text */
    size_t length; /* bytes */
    float probability;
} e2str_character;
E2STR_API size_t e2str_result_characters(const e2str_result *result);
E2STR_API e2str_status e2str_result_character(const e2str_result *result, size_t index, e2str_character *character,
                                              e2str_error *error);

/* Where a character lies, with options.places: in pixels of the picture as it is stored, 0 to its width and height.
 * Along the line of text the edges are those of the character's own room, which touches its neighbours' or leaves a
 * gap; across it the box is as high as what was read. Characters come in order and do not overlap; those of one token
 * share its room evenly. With `rotate` 90 or 270 lines run from top to bottom in the stored picture, so top and bottom
 * are the edges. Errors: ARGUMENT, NOT_FOUND (read without options.places). */
typedef struct e2str_box {
    float left, top, right, bottom;
    float evidence; /* how much more the patch there looks like this character than like none, at most: a difference of
                       logits, -32..32; below 0 it is not to be seen */
} e2str_box;
E2STR_API e2str_status e2str_result_box(const e2str_result *result, size_t index, e2str_box *box, e2str_error *error);

/* Where the decoder looked when it wrote a character, with options.attention: the weights of its last cross-attention
 * (docs/model.md, section 4), as means over the heads, on the patches of the area that was read, upright as the network
 * sees it: row-major [rows][columns], 0..1 each. They sum to 1, or to less where the images of examples are seen, too.
 * They live as long as the result's strings. Errors: ARGUMENT, NOT_FOUND (read without options.attention). */
E2STR_API e2str_status e2str_result_attention(const e2str_result *result, size_t index, const float **weights,
                                              uint32_t *rows, uint32_t *columns, e2str_error *error);

/* The tokens that were most likely where character `index` begins, the one written included, best first; the end token
 * is "" . A character that begins inside a token has none. Up to options.alternatives. With a constraint they are
 * those of the model all the same, whether they may be or not, and what was written need not be among them. */
E2STR_API size_t e2str_result_alternatives(const e2str_result *result, size_t index);
E2STR_API e2str_status e2str_result_alternative(const e2str_result *result, size_t index, size_t rank,
                                                const char **text, float *probability, e2str_error *error);

/* Which part of the picture was read. ARGUMENT: nothing was read into the result. */
E2STR_API e2str_status e2str_result_area(const e2str_result *result, e2str_area *area, e2str_error *error);

/* The examples that stood in the prompt, in the order in which they stood (of the nearest k the most similar comes
 * first), with their cosine similarity to the query. */
E2STR_API size_t e2str_result_examples(const e2str_result *result);
E2STR_API e2str_status e2str_result_example(const e2str_result *result, size_t index, uint64_t *id, float *similarity,
                                            e2str_error *error);

/* What the memory did to character `index`: the logit that it added to the token that was written (all examples
 * together; 0 without a memory), and, with options.influences, the characters of examples that did most of it, the
 * strongest first. The amounts of all characters of all examples sum to the total. Only where a token begins; otherwise
 * 0 and none. */
typedef struct e2str_influence {
    uint64_t example; /* id */
    size_t offset;    /* bytes, of the character in the example's label; the label's size: its end; SIZE_MAX: of a
                         character that the label leaves out */
    float amount;     /* logit; below 0: against */
} e2str_influence;
E2STR_API float e2str_result_memory(const e2str_result *result, size_t index);
E2STR_API size_t e2str_result_influences(const e2str_result *result, size_t index);
E2STR_API e2str_status e2str_result_influence(const e2str_result *result, size_t index, size_t rank,
                                              e2str_influence *influence, e2str_error *error);

/* Tokens as the decoder wrote them, special tokens and the end token left out. A new character of the memory
 * counts from the vocabulary on. For tests and research. */
E2STR_API size_t e2str_result_tokens(const e2str_result *result, const uint32_t **tokens);

/* ------------------------------------------------------------------------------------------------------ streams -- */

/* Reading that does not end, with a correction now and then, and a pool that looks after itself (docs/stream.md). A
 * stream reads with a pool and a session, and hands out a ticket with each read. Whoever finds out later what the
 * picture says judges the read by its ticket: it is confirmed, or corrected. Corrections become examples; what is there
 * already adds nothing, and where a picture's label contradicts an older one, one of them goes. The pool learns again
 * after a share of it has changed. It stays below a cap: the examples that help least go, but never the last one that
 * has some character in its label. And where reads that are judged come out worse than those before them, that is told.
 *
 * A stream belongs to one thread at a time, with its session. Other threads may read with the pool meanwhile, and may
 * change it. Pool, session and model must outlive the stream. The same calls in the same order give the same bits. */
typedef struct e2str_stream e2str_stream;

#define E2STR_MAX_TICKETS 65536
#define E2STR_MIN_WINDOW  10
#define E2STR_MAX_WINDOW  100000

/* Which examples go when the pool is above its cap. */
typedef enum e2str_drop {
    E2STR_DROP_LEAST_USEFUL = 0, /* after drift those from before it; then labels that learning leaves out; then those
                                    that the model or the memory of the others reads best: e2str_pool_doubt */
    E2STR_DROP_OLDEST = 1,
    E2STR_DROP_RANDOM = 2,    /* by options.seed */
    E2STR_DROP_LEAST_USED = 3 /* those that did least for reads that were judged: e2str_stream_use */
} e2str_drop;

/* What becomes of a correction that contradicts an example of the same picture. */
typedef enum e2str_contradiction {
    E2STR_NEWER_WINS = 0, /* the older example goes */
    E2STR_OLDER_WINS = 1  /* the correction is not added */
} e2str_contradiction;

/* Whether reads that turn out right become examples. */
typedef enum e2str_add_right {
    E2STR_ADD_RIGHT_WITH_ROOM = 0, /* while the pool is below its cap */
    E2STR_ADD_RIGHT_ALWAYS = 1,
    E2STR_ADD_RIGHT_NEVER = 2
} e2str_add_right;

typedef struct e2str_stream_options {
    size_t size;
    uint64_t max_examples; /* cap for the pool's examples; default 1000; 0: none */
    uint64_t max_bytes;    /* cap for e2str_pool_bytes, which examples that lie in an archive do not go for; default 0:
                              none. The pool's own must be larger, or be none */
    e2str_drop drop;       /* default E2STR_DROP_LEAST_USEFUL */
    e2str_contradiction contradiction; /* default E2STR_NEWER_WINS */
    float learn_share;    /* 0 to 1: the pool learns again when this share of it has changed; this share of a cap is
                             made free at once, too. Default 0.1 */
    uint32_t learn_least; /* examples, but no fewer; 1 or more; default 5 */
    e2str_add_right add_right; /* default E2STR_ADD_RIGHT_WITH_ROOM; what was wrong always does */
    uint32_t max_tickets;      /* open at most, 1 to E2STR_MAX_TICKETS: of more the oldest are closed; default 256 */
    uint64_t ticket_bytes;     /* memory of all tickets, pixels included: the same. Default 64 MiB */
    uint32_t window; /* judged reads that are compared with up to four times as many before them to notice drift,
                        E2STR_MIN_WINDOW to E2STR_MAX_WINDOW; default 50 */
    uint64_t seed;   /* of E2STR_DROP_RANDOM; default 1 */
} e2str_stream_options;
E2STR_API void e2str_stream_options_init_size(e2str_stream_options *options, size_t size);
#define e2str_stream_options_init(options) e2str_stream_options_init_size((options), sizeof(e2str_stream_options))

/* Over a pool as it is, empty or not; the pool is not changed before a read is judged. What is known of the use of its
 * examples begins here. ARGUMENT, MISMATCH, MEMORY. */
E2STR_API e2str_status e2str_stream_new(e2str_pool *pool, e2str_session *session, const e2str_stream_options *options,
                                        e2str_stream **stream, e2str_error *error);
E2STR_API void e2str_stream_free(e2str_stream *stream); /* not the pool, nor the session */

/* Reads as e2str_read with the stream's pool does, and gives a ticket, 1 or more, each number once. A copy of the
 * pixels is kept until the read is judged or its ticket is closed to make room; of a picture that is larger than
 * ticket_bytes the ticket is 0: it cannot be judged. Where removed examples made the pool forget, reads go on with the
 * memory as it was until the pool has learnt again. Errors: those of e2str_read. */
E2STR_API e2str_status e2str_stream_read(e2str_stream *stream, const e2str_image *image,
                                         const e2str_read_options *options, e2str_result *result, uint64_t *ticket,
                                         e2str_error *error);

typedef enum e2str_outcome {
    E2STR_OUTCOME_NONE = 0,     /* no example was made of it: it was right (options.add_right), or rightly empty */
    E2STR_OUTCOME_ADDED = 1,    /* it is an example */
    E2STR_OUTCOME_REPEATED = 2, /* an example of this picture says the same */
    E2STR_OUTCOME_REPLACED = 3, /* an example of this picture said something else, and is gone */
    E2STR_OUTCOME_REFUSED = 4   /* the same, and it stays (E2STR_OLDER_WINS) */
} e2str_outcome;

/* What came of a judgement. */
typedef struct e2str_correction {
    size_t size;
    e2str_outcome outcome;
    uint32_t right;        /* 1: what was read is what the correction says; otherwise 0 */
    uint64_t id;           /* of the example that has this picture and text; 0: there is none */
    uint64_t other;        /* of REPLACED and REFUSED: the example that was contradicted, the most similar of several */
    uint64_t dropped;      /* examples that went for the cap */
    uint32_t learnt;       /* 1: the pool has learnt again; otherwise 0 */
    e2str_status learning; /* OK, or why that failed (the message is in `error`): the correction counts all the same,
                              and the pool tries again when as much has changed once more */
    uint32_t drift;        /* 1: drift was noticed with this one; otherwise 0 */
} e2str_correction;
E2STR_API void e2str_correction_init_size(e2str_correction *correction, size_t size);
#define e2str_correction_init(correction) e2str_correction_init_size((correction), sizeof(e2str_correction))

/* Judges a read: correct says what the picture says (text_size may be SIZE_MAX for a NUL-terminated text), confirm that
 * it was read right. Either closes the ticket. A text that is rightly empty counts, but is never an example: labels are
 * not empty. answer may be NULL. While the call runs the pool may have one example more than its cap. Errors: NOT_FOUND
 * (no such ticket is open), FULL (above the cap, and too many of its examples are the last one with some character),
 * those of e2str_pool_add, but not of learning (answer.learning): what failed was not judged, the ticket stays open,
 * and the pool has no example more or less. */
E2STR_API e2str_status e2str_stream_correct(e2str_stream *stream, uint64_t ticket, const char *text, size_t text_size,
                                            e2str_correction *answer, e2str_error *error);
E2STR_API e2str_status e2str_stream_confirm(e2str_stream *stream, uint64_t ticket, e2str_correction *answer,
                                            e2str_error *error);

/* Learns now what has changed, if anything has and the model can; errors as e2str_pool_learn. Save does so, too, before
 * it saves the pool (e2str_pool_save). The file has no tickets and no uses. */
E2STR_API e2str_status e2str_stream_learn(e2str_stream *stream, e2str_error *error);
E2STR_API e2str_status e2str_stream_save(e2str_stream *stream, const char *path, e2str_error *error);

typedef struct e2str_stream_report {
    size_t size;
    uint64_t reads;        /* so far, as all that follows but for what says otherwise */
    uint64_t judged;       /* of them */
    uint64_t right;        /* of those: exactly, before anything was learnt of them */
    uint64_t added;        /* examples that came */
    uint64_t repeated;     /* corrections that were there already */
    uint64_t contradicted; /* corrections that contradicted an example */
    uint64_t dropped;      /* examples that went for the cap */
    uint64_t learnt;       /* times that the pool learnt */
    uint64_t examples;     /* in the pool now */
    uint64_t bytes;        /* of them */
    uint64_t changes;      /* now: examples that came and went since the pool learnt */
    uint64_t tickets;      /* now open */
    float recent;          /* share that was right, 0..1, of the last `window` judged reads */
    float before;          /* of up to four times as many before them, since drift was noticed; 0: none */
    uint64_t drifts;       /* times that drift was noticed: recent was below before by 3.5 deviations */
    uint64_t drift_at;     /* the last time: `judged`, before and recent */
    float drift_from;
    float drift_to;
} e2str_stream_report;
E2STR_API void e2str_stream_report_init_size(e2str_stream_report *report, size_t size);
#define e2str_stream_report_init(report) e2str_stream_report_init_size((report), sizeof(e2str_stream_report))
E2STR_API e2str_status e2str_stream_get_report(const e2str_stream *stream, e2str_stream_report *report,
                                               e2str_error *error);

/* What an example did, by the memory, for reads that were judged: the logits that it added to characters that were
 * right, less those of wrong ones (of the E2STR_MAX_INFLUENCES that did most to each). Each judged read makes all
 * before it count for 1 % less. 0: nothing is known. NOT_FOUND: no such example in the pool. */
E2STR_API e2str_status e2str_stream_use(const e2str_stream *stream, uint64_t id, float *amount, e2str_error *error);

#ifdef __cplusplus
}
#endif
#endif
