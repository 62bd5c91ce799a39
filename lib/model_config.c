/* SPDX-License-Identifier: MIT */
/* The metadata of a model file: the tables below are docs/model-format.md's, one line per key. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "model.h"
#include "unicode.h"

#define MAX_LAYERS  4096 /* also of attention heads */
#define MAX_WIDTH   65536
#define MAX_TOKENS  1048576 /* positions */
#define MAX_PATCHES 16384   /* also of latents */
#define MAX_IMAGE   4096
#define MAX_STRIDE  2
#define MAX_NUMBERS (1u << 26) /* that a layer of the stem makes of an image */

typedef struct field {
    const char *key;
    e2str_status (*read)(const e2_gguf *gguf, const struct field *entry, void *value, e2str_error *error);
    size_t offset;        /* of the value in e2str_model */
    uint32_t least, most; /* of a number; `most` is the number of choices of a word */
    const char *const *choices;
} field;

/* ----------------------------------------------------------------------------------------------------- readers -- */

static e2str_status number(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    uint32_t found = 0;
    e2str_status status = e2_gguf_u32(gguf, entry->key, &found, error);
    if (status) return status;
    if (found < entry->least)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s is %u, less than %u", entry->key, found, entry->least);
    if (found > entry->most)
        return e2_fail(error, E2STR_ERROR_LIMIT, "%s is %u, more than %u", entry->key, found, entry->most);
    memcpy(value, &found, sizeof found);
    return E2STR_OK;
}

/* 0 when the key is not there. */
static e2str_status optional(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    return e2_gguf_kv(gguf, entry->key) ? number(gguf, entry, value, error) : E2STR_OK;
}

static e2str_status flag(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    return e2_gguf_bool(gguf, entry->key, value, error);
}

/* false when the key is not there. */
static e2str_status optional_flag(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    return e2_gguf_kv(gguf, entry->key) ? flag(gguf, entry, value, error) : E2STR_OK;
}

static e2str_status epsilon(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    float found = 0;
    e2str_status status = e2_gguf_f32(gguf, entry->key, &found, error);
    if (status) return status;
    if (!isfinite(found) || found <= 0)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s is %g, not a positive number", entry->key, (double)found);
    memcpy(value, &found, sizeof found);
    return E2STR_OK;
}

/* 0 when the key is not there. */
static e2str_status optional_scale(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    return e2_gguf_kv(gguf, entry->key) ? epsilon(gguf, entry, value, error) : E2STR_OK;
}

/* -1, nothing is too far, when the key is not there. */
static e2str_status similarity(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    float found = -1.0f;
    e2str_status status = e2_gguf_kv(gguf, entry->key) ? e2_gguf_f32(gguf, entry->key, &found, error) : E2STR_OK;
    if (status) return status;
    if (!(found >= -1.0f && found <= 1.0f))
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s is %g, not from -1 to 1", entry->key, (double)found);
    memcpy(value, &found, sizeof found);
    return E2STR_OK;
}

/* `most` numbers, finite. */
static e2str_status several(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    const e2_kv *array = NULL;
    e2str_status status = e2_gguf_array(gguf, entry->key, E2_KV_F32, &array, error);
    if (status) return status;
    if (array->count != entry->most)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s has %zu numbers, not %u", entry->key, array->count, entry->most);
    float *found = value;
    memcpy(found, array->data, array->count * sizeof *found);
    for (size_t i = 0; i < array->count; i++)
        if (!isfinite(found[i]))
            return e2_fail(error, E2STR_ERROR_FORMAT, "%s has the value %g", entry->key, (double)found[i]);
    return E2STR_OK;
}

/* Three numbers; `least` 1: they must be positive. */
static e2str_status triple(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    const e2_kv *array = NULL;
    float found[3];
    e2str_status status = e2_gguf_array(gguf, entry->key, E2_KV_F32, &array, error);
    if (status) return status;
    if (array->count != 3)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s has %zu numbers, not 3", entry->key, array->count);
    memcpy(found, array->data, sizeof found);
    for (size_t i = 0; i < 3; i++)
        if (!isfinite(found[i]) || (entry->least && found[i] <= 0))
            return e2_fail(error, E2STR_ERROR_FORMAT, "%s has the value %g", entry->key, (double)found[i]);
    memcpy(value, found, sizeof found);
    return E2STR_OK;
}

#define STEM_CHANNELS "e2str.vision.stem.channels"

/* A number for each layer of the stem: `value` is a member of the first e2_convolution. */
static e2str_status per_layer(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    const e2_kv *array = e2_gguf_kv(gguf, entry->key), *channels = e2_gguf_kv(gguf, STEM_CHANNELS);
    bool is_signed = array && array->type == E2_KV_ARRAY && array->element == E2_KV_I32;
    e2str_status status = e2_gguf_array(gguf, entry->key, is_signed ? E2_KV_I32 : E2_KV_U32, &array, error);
    if (status) return status;
    if (array->count < 1 || array->count > E2_STEM_LAYERS)
        return e2_fail(error, array->count ? E2STR_ERROR_LIMIT : E2STR_ERROR_FORMAT, "%s has %zu numbers, not 1 to %d",
                       entry->key, array->count, E2_STEM_LAYERS);
    if (array->count != channels->count)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s has %zu numbers, " STEM_CHANNELS " has %zu", entry->key,
                       array->count, channels->count);
    for (size_t i = 0; i < array->count; i++) {
        uint32_t found;
        memcpy(&found, array->data + i * sizeof found, sizeof found);
        if (found < entry->least || (is_signed && found > INT32_MAX))
            return e2_fail(error, E2STR_ERROR_FORMAT, "%s has a number less than %u", entry->key, entry->least);
        if (found > entry->most)
            return e2_fail(error, E2STR_ERROR_LIMIT, "%s has the number %u, more than %u", entry->key, found,
                           entry->most);
        memcpy((char *)value + i * sizeof(e2_convolution), &found, sizeof found);
    }
    return E2STR_OK;
}

static e2str_status choose(const e2_gguf *gguf, const field *entry, uint32_t *chosen, e2str_error *error) {
    e2_string word = {0};
    e2str_status status = e2_gguf_string(gguf, entry->key, &word, error);
    if (status) return status;
    for (*chosen = 0; *chosen < entry->most; ++*chosen)
        if (e2_string_is(word, entry->choices[*chosen])) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "%s is \"%s\", which is not supported", entry->key,
                   e2_show(word).text);
}

/* One of two words: false for the first. */
static e2str_status either(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    uint32_t chosen = 0;
    e2str_status status = choose(gguf, entry, &chosen, error);
    if (!status) *(bool *)value = chosen != 0;
    return status;
}

static e2str_status activation(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    uint32_t chosen = 0;
    e2str_status status = choose(gguf, entry, &chosen, error);
    if (!status) *(e2_activation *)value = (e2_activation)chosen;
    return status;
}

static e2str_status version(const e2_gguf *gguf, const field *entry, void *value, e2str_error *error) {
    (void)value;
    uint32_t found = 0;
    e2str_status status = e2_gguf_u32(gguf, entry->key, &found, error);
    if (status || found == 1) return status;
    return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "%s is %u; only 1 is supported", entry->key, found);
}

/* ------------------------------------------------------------------------------------------------------ tables -- */

static const char *const activations[] = {[E2_GELU] = "gelu", [E2_QUICK_GELU] = "quick_gelu", [E2_RELU] = "relu"};
static const char *const channels[] = {"rgb", "bgr"};
static const char *const keys[] = {"latents", "vision_tokens"};

#define AT(member) offsetof(e2str_model, member)

/* clang-format off */
static const field fields[] = {
    {"e2str.version",                    version,    0,                                0, 0,           NULL},
    {"e2str.image.height",               number,     AT(image.height),                 1, MAX_IMAGE,   NULL},
    {"e2str.image.width",                number,     AT(image.width),                  1, MAX_IMAGE,   NULL},
    {"e2str.image.min_width",            optional,   AT(image.min_width),              1, MAX_IMAGE,   NULL},
    {"e2str.image.channels",             either,     AT(image.bgr),                    0, 2,           channels},
    {"e2str.image.mean",                 triple,     AT(image.mean),                   0, 0,           NULL},
    {"e2str.image.std",                  triple,     AT(image.std),                    1, 0,           NULL},
    {"e2str.image.trim",                 optional_flag, AT(image.trim),                0, 0,           NULL},
    {"e2str.vision.patch_height",        number,     AT(vision.patch_height),          1, MAX_IMAGE,   NULL},
    {"e2str.vision.patch_width",         number,     AT(vision.patch_width),           1, MAX_IMAGE,   NULL},
    {"e2str.vision.width",               number,     AT(vision.width),                 1, MAX_WIDTH,   NULL},
    {"e2str.vision.layers",              number,     AT(vision.layers),                1, MAX_LAYERS,  NULL},
    {"e2str.vision.heads",               number,     AT(vision.heads),                 1, MAX_LAYERS,  NULL},
    {"e2str.vision.feed_forward",        number,     AT(vision.feed_forward),          1, MAX_WIDTH,   NULL},
    {"e2str.vision.activation",          activation, AT(vision.activation),            0, 2,           activations},
    {"e2str.vision.class_token",         flag,       AT(vision.class_token),           0, 0,           NULL},
    {"e2str.vision.norm_post",           flag,       AT(vision.norm_post),             0, 0,           NULL},
    {"e2str.vision.epsilon",             epsilon,    AT(vision.epsilon),               0, 0,           NULL},
    {"e2str.resampler.layers",           number,     AT(resampler.layers),             0, MAX_LAYERS,  NULL},
    {"e2str.decoder.width",              number,     AT(decoder.width),                1, MAX_WIDTH,   NULL},
    {"e2str.decoder.layers",             number,     AT(decoder.layers),               1, MAX_LAYERS,  NULL},
    {"e2str.decoder.heads",              number,     AT(decoder.heads),                1, MAX_LAYERS,  NULL},
    {"e2str.decoder.feed_forward",       number,     AT(decoder.feed_forward),         1, MAX_WIDTH,   NULL},
    {"e2str.decoder.activation",         activation, AT(decoder.activation),           0, 3,           activations},
    {"e2str.decoder.positions",          number,     AT(decoder.positions),            1, MAX_TOKENS,  NULL},
    {"e2str.decoder.position_offset",    number,     AT(decoder.position_offset),      0, MAX_TOKENS,  NULL},
    {"e2str.decoder.segment_stride",     optional,   AT(decoder.segment_stride),       0, MAX_TOKENS,  NULL},
    {"e2str.decoder.epsilon",            epsilon,    AT(decoder.epsilon),              0, 0,           NULL},
    {"e2str.cross.every",                number,     AT(decoder.cross_every),          1, MAX_LAYERS,  NULL},
    {"e2str.cross.heads",                number,     AT(decoder.cross_heads),          1, MAX_LAYERS,  NULL},
    {"e2str.cross.head_size",            number,     AT(decoder.cross_head_size),      1, MAX_WIDTH,   NULL},
    {"e2str.cross.feed_forward",         number,     AT(decoder.cross_feed_forward),   1, MAX_WIDTH,   NULL},
    {"e2str.cross.only_immediate_media", flag,       AT(decoder.only_immediate_media), 0, 0,           NULL},
    {"e2str.retrieval.key",              either,     AT(key_from_vision_tokens),       0, 2,           keys},
    {"e2str.retrieval.min_similarity",   similarity, AT(min_similarity),               0, 0,           NULL},
    {"e2str.memory.hidden_scale",        optional_scale, AT(memory.hidden_scale),      0, 0,           NULL},
    {"e2str.memory.strength",            optional_scale, AT(memory.strength),          0, 0,           NULL},
    {"e2str.memory.gate_from",           similarity, AT(memory.gate_from),             0, 0,           NULL},
    {"e2str.memory.gate_to",             similarity, AT(memory.gate_to),               0, 0,           NULL},
};

static const field resampler_fields[] = { /* read when there are resampler layers */
    {"e2str.resampler.latents",          number,     AT(resampler.latents),            1, MAX_PATCHES, NULL},
    {"e2str.resampler.heads",            number,     AT(resampler.heads),              1, MAX_LAYERS,  NULL},
    {"e2str.resampler.head_size",        number,     AT(resampler.head_size),          1, MAX_WIDTH,   NULL},
    {"e2str.resampler.feed_forward",     number,     AT(resampler.feed_forward),       1, MAX_WIDTH,   NULL},
    {"e2str.resampler.epsilon",          epsilon,    AT(resampler.epsilon),            0, 0,           NULL},
};

static const field stem_fields[] = { /* read when one of them is there */
    {STEM_CHANNELS,                      per_layer,  AT(vision.stem[0].linear.out),    1, MAX_WIDTH,   NULL},
    {"e2str.vision.stem.stride_height",  per_layer,  AT(vision.stem[0].stride_height), 1, MAX_STRIDE,  NULL},
    {"e2str.vision.stem.stride_width",   per_layer,  AT(vision.stem[0].stride_width),  1, MAX_STRIDE,  NULL},
};

static const field calibration_fields[] = { /* read when one of them is there */
    {"e2str.confidence.weights",         several,    AT(calibration.weights),   0, E2_CONFIDENCE_WEIGHTS, NULL},
    {"e2str.confidence.textless",        several,    AT(calibration.textless),  0, E2_TEXTLESS_WEIGHTS,   NULL},
};

static const char *const tokenizer_keys[] = {"e2str.tokenizer.image_token_id", "e2str.tokenizer.special_token_ids"};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static e2str_status read_fields(e2str_model *model, const field *table, size_t count, e2str_error *error) {
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < count; i++)
        status = table[i].read(&model->gguf, &table[i], (char *)model + table[i].offset, error);
    return status;
}

/* What is optional as a whole is there when one of its keys is: then all must be. */
static e2str_status read_together(e2str_model *model, const field *table, size_t count, bool *there,
                                  e2str_error *error) {
    for (size_t i = 0; i < count; i++) *there |= e2_gguf_kv(&model->gguf, table[i].key) != NULL;
    return *there ? read_fields(model, table, count, error) : E2STR_OK;
}

static e2str_status read_stem(e2str_model *model, e2str_error *error) {
    bool there = false;
    e2str_status status = read_together(model, stem_fields, COUNT(stem_fields), &there, error);
    if (there && !status) model->vision.stem_layers = (uint32_t)e2_gguf_kv(&model->gguf, STEM_CHANNELS)->count;
    return status;
}

static bool is_field(e2_string key, const field *table, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (e2_string_is(key, table[i].key)) return true;
    return false;
}

static bool is_known(e2_string key) {
    for (size_t i = 0; i < COUNT(tokenizer_keys); i++)
        if (e2_string_is(key, tokenizer_keys[i])) return true;
    return is_field(key, fields, COUNT(fields)) || is_field(key, resampler_fields, COUNT(resampler_fields)) ||
           is_field(key, stem_fields, COUNT(stem_fields)) ||
           is_field(key, calibration_fields, COUNT(calibration_fields));
}

/* A key of ours that this version does not know would change what the model means. */
static e2str_status refuse_unknown(const e2_gguf *gguf, e2str_error *error) {
    for (size_t i = 0; i < gguf->n_kvs; i++) {
        e2_string key = gguf->kvs[i].key;
        if (key.size >= 6 && memcmp(key.data, "e2str.", 6) == 0 && !is_known(key))
            return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "the key %s is not known", e2_show(key).text);
    }
    return E2STR_OK;
}

/* ------------------------------------------------------------------------------------------------------ checks -- */

/* "part" must be a whole number of "whole": says so with the keys' names. */
static e2str_status divides(uint32_t part, const char *part_key, uint32_t whole, const char *whole_key,
                            e2str_error *error) {
    if (whole % part == 0) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_FORMAT, "%s (%u) does not divide %s (%u)", part_key, part, whole_key, whole);
}

static e2str_status check_inner(uint32_t heads, uint32_t head_size, const char *part, e2str_error *error) {
    if ((uint64_t)heads * head_size <= MAX_WIDTH) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_LIMIT, "%s.heads x %s.head_size is %u x %u, more than %d", part, part, heads,
                   head_size, MAX_WIDTH);
}

static e2str_status check_vision(e2_image_config *image, e2_vision *v, e2str_error *error) {
    e2str_status status =
        divides(v->patch_height, "e2str.vision.patch_height", image->height, "e2str.image.height", error);
    if (!status) status = divides(v->patch_width, "e2str.vision.patch_width", image->width, "e2str.image.width", error);
    if (!status) status = divides(v->heads, "e2str.vision.heads", v->width, "e2str.vision.width", error);
    if (status) return status;
    if (image->min_width) {
        image->width_step = v->patch_width;
        status = divides(v->patch_width, "e2str.vision.patch_width", image->min_width, "e2str.image.min_width", error);
        if (status) return status;
        if (image->min_width > image->width)
            return e2_fail(error, E2STR_ERROR_FORMAT, "e2str.image.min_width is %u, e2str.image.width only %u",
                           image->min_width, image->width);
    }
    v->grid_height = image->height / v->patch_height;
    v->grid_width = image->width / v->patch_width;
    v->patches = v->grid_height * v->grid_width;
    if (v->patches > MAX_PATCHES)
        return e2_fail(error, E2STR_ERROR_LIMIT, "the image is cut into %u patches, more than %d", v->patches,
                       MAX_PATCHES);
    return E2STR_OK;
}

static e2str_status check_product(uint32_t product, const char *side, uint32_t patch, e2str_error *error) {
    if (product == patch) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_FORMAT,
                   "e2str.vision.stem.stride_%s makes patches of %u, e2str.vision.patch_%s is %u", side, product, side,
                   patch);
}

/* The layers' columns follow from the channels before them; their strides must make up the patch. */
static e2str_status check_stem(const e2_image_config *image, e2_vision *v, e2str_error *error) {
    uint32_t height = 1, width = 1; /* of the pixels that one output pixel stands for */
    for (uint32_t i = 0; i < v->stem_layers; i++) {
        e2_convolution *layer = &v->stem[i];
        layer->linear.in = 9 * (i ? layer[-1].linear.out : 3);
        height *= layer->stride_height;
        width *= layer->stride_width;
        size_t rows = image->height / height, columns = image->width / width, numbers;
        if (!e2_mul(rows * columns, layer->linear.out, &numbers) || numbers > MAX_NUMBERS)
            return e2_fail(error, E2STR_ERROR_LIMIT,
                           STEM_CHANNELS ": layer %u gives %zu x %zu x %u numbers, more than %u", i, rows, columns,
                           layer->linear.out, MAX_NUMBERS);
        if (numbers > v->stem_numbers) v->stem_numbers = numbers;
    }
    if (!v->stem_layers) return E2STR_OK;
    e2str_status status = check_product(height, "height", v->patch_height, error);
    return status ? status : check_product(width, "width", v->patch_width, error);
}

static e2str_status check_decoder(e2_decoder *d, e2str_error *error) {
    e2str_status status = divides(d->heads, "e2str.decoder.heads", d->width, "e2str.decoder.width", error);
    if (!status) status = check_inner(d->cross_heads, d->cross_head_size, "e2str.cross", error);
    if (status) return status;
    if (d->segment_stride && (d->segment_stride < 4 || d->segment_stride > d->positions))
        return e2_fail(error, E2STR_ERROR_FORMAT, "e2str.decoder.segment_stride is %u, not 4 to %u positions",
                       d->segment_stride, d->positions);
    d->cross_layers = d->layers / d->cross_every;
    if (!d->cross_layers)
        return e2_fail(error, E2STR_ERROR_FORMAT, "e2str.cross.every is %u, but there are only %u decoder layers",
                       d->cross_every, d->layers);
    d->attended_layers = d->cross_layers < 2 ? d->cross_layers : 2;
    d->attended_width = d->attended_layers * d->cross_heads * d->cross_head_size;
    return E2STR_OK;
}

/* All of the memory's keys or none. */
static e2str_status check_memory(const e2_gguf *gguf, const e2_memory_statistics *m, e2str_error *error) {
    static const char *const names[] = {"e2str.memory.hidden_scale", "e2str.memory.strength", "e2str.memory.gate_from",
                                        "e2str.memory.gate_to"};
    size_t found = 0, missing = 0;
    for (size_t i = 0; i < COUNT(names); i++)
        if (e2_gguf_kv(gguf, names[i]))
            found++;
        else
            missing = i;
    if (found && found < COUNT(names))
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s is missing, other keys of the memory are there", names[missing]);
    if (m->gate_from > m->gate_to)
        return e2_fail(error, E2STR_ERROR_FORMAT, "e2str.memory.gate_from (%g) is above gate_to (%g)",
                       (double)m->gate_from, (double)m->gate_to);
    return E2STR_OK;
}

static e2str_status check_architecture(const e2_gguf *gguf, e2str_error *error) {
    e2_string architecture = {0};
    e2str_status status = e2_gguf_string(gguf, "general.architecture", &architecture, error);
    if (status || e2_string_is(architecture, "e2str")) return status;
    return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "general.architecture is \"%s\", not \"e2str\"",
                   e2_show(architecture).text);
}

/* Whole characters that fit; what could harm a terminal becomes '?'. */
static e2str_status read_name(e2str_model *model, e2str_error *error) {
    e2_string name = {0};
    if (!e2_gguf_kv(&model->gguf, "general.name")) return E2STR_OK;
    e2str_status status = e2_gguf_string(&model->gguf, "general.name", &name, error);
    if (status) return status;
    for (size_t at = 0, used = 0, length; at < name.size; at += length) {
        uint32_t code = 0;
        length = e2_utf8_next(name.data + at, name.size - at, &code);
        bool plain = length && code >= 0x20 && !(code >= 0x7f && code < 0xa0);
        size_t written = plain ? length : 1;
        if (used + written >= sizeof model->name) break;
        memcpy(model->name + used, plain ? name.data + at : "?", written);
        used += written;
        if (!length) length = 1;
    }
    return E2STR_OK;
}

static e2str_status open_tokenizer(e2str_model *model, e2str_error *error) {
    e2str_status status = e2_tokenizer_open(&model->gguf, &model->tokenizer, error);
    if (!status) model->decoder.vocabulary = e2_tokenizer_size(model->tokenizer);
    return status;
}

e2str_status e2_model_read_config(e2str_model *model, e2str_error *error) {
    e2str_status status = check_architecture(&model->gguf, error);
    if (!status) status = read_fields(model, fields, COUNT(fields), error);
    if (!status) status = read_stem(model, error);
    if (!status)
        status = read_together(model, calibration_fields, COUNT(calibration_fields), &model->calibration.there, error);
    if (!status && model->resampler.layers) {
        status = read_fields(model, resampler_fields, COUNT(resampler_fields), error);
        if (!status) status = check_inner(model->resampler.heads, model->resampler.head_size, "e2str.resampler", error);
    }
    if (!status) status = refuse_unknown(&model->gguf, error);
    if (!status) status = check_vision(&model->image, &model->vision, error);
    if (!status) status = check_stem(&model->image, &model->vision, error);
    if (!status) status = check_decoder(&model->decoder, error);
    if (!status) status = check_memory(&model->gguf, &model->memory, error);
    if (!status) status = read_name(model, error);
    if (!status) status = open_tokenizer(model, error);
    model->memory.features = model->decoder.width + model->decoder.attended_width + 1;
    model->visual_tokens = model->resampler.layers ? model->resampler.latents : model->vision.patches;
    return status;
}
