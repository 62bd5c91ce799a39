#include "prompt.h"

#include <string.h>

e2str_status e2_prompt_measure(const e2str_model *model, const e2_prompt_parts *parts, uint32_t *length,
                               uint32_t *images, e2str_error *error) {
    size_t n = parts->prefix ? (size_t)parts->prefix->n + 1 : 2;
    for (size_t i = 0; i < parts->n_choices; i++) n += 2 + (size_t)parts->choices[i].example->n_ids;
    if (n >= model->decoder.positions)
        return e2_fail(error, E2STR_ERROR_LIMIT,
                       "a prompt of %zu tokens (%zu examples) leaves no room for an answer in the model's %u positions",
                       n, parts->prefix ? parts->prefix->n_choices : parts->n_choices, model->decoder.positions);
    *length = (uint32_t)n;
    /* Where text sees its latest image only, the prefix's images are no longer looked at. */
    *images = 1 + (uint32_t)(!parts->prefix ? parts->n_choices : parts->prefix->media ? parts->prefix->n_choices : 0);
    return E2STR_OK;
}

static void append(e2_prompt *prompt, uint32_t token, uint32_t images, const uint32_t *slots) {
    uint32_t position = prompt->length++;
    prompt->rows[prompt->n++] = (e2_decoder_row){.token = token,
                                                 .position = position,
                                                 .first_image = prompt->first_image,
                                                 .images = images,
                                                 .slot = slots[position],
                                                 .context = slots,
                                                 .n_context = position + 1};
}

static void append_examples(const e2str_model *model, const e2_prompt_parts *parts, const uint32_t *slots,
                            e2_prompt *prompt) {
    uint32_t image = e2_tokenizer_image(model->tokenizer), end = e2_tokenizer_end(model->tokenizer);
    append(prompt, e2_tokenizer_bos(model->tokenizer), 0, slots);
    for (size_t i = 0; i < parts->n_choices; i++) {
        const e2_example *example = parts->choices[i].example;
        uint32_t images = (uint32_t)i + 1;
        append(prompt, image, images, slots);
        for (uint32_t j = 0; j < example->n_ids; j++) append(prompt, example->ids[j], images, slots);
        append(prompt, end, images, slots);
    }
}

bool e2_prompt_rows(const e2_compute *compute, const e2str_model *model, const e2_prompt_parts *parts,
                    uint32_t first_image, uint32_t first_slot, e2_prompt *prompt) {
    uint32_t length, images;
    if (e2_prompt_measure(model, parts, &length, &images, NULL)) return false; /* measured before: cannot happen */
    uint32_t *slots = e2_arena_alloc(compute->arena, length, sizeof *slots);
    *prompt =
        (e2_prompt){.prefix = parts->prefix, .first_image = first_image, .images = images, .first_slot = first_slot};
    prompt->rows = e2_arena_alloc(compute->arena, length, sizeof *prompt->rows);
    if (!slots || !prompt->rows) return false;
    for (uint32_t i = 0; i < length; i++) slots[i] = first_slot + i;
    if (parts->prefix)
        prompt->length = parts->prefix->n;
    else
        append_examples(model, parts, slots, prompt);
    append(prompt, e2_tokenizer_image(model->tokenizer), images, slots);
    return true;
}

static bool example_media(const e2_compute *compute, const e2str_model *model, const e2_choice *choice,
                          const e2str_pool *pool, float *buffer, size_t index, e2_media *media) {
    if (choice->projection) {
        e2_media_put(model, media, index, choice->projection->values);
        return true;
    }
    if (!e2_media_set(compute, model, media, index, e2_example_tokens(model, choice->example, buffer))) return false;
    e2_projection *projection = pool ? e2_pool_projection_new(pool, e2_media_values(model)) : NULL;
    if (projection) {
        e2_media_get(model, media, index, projection->values);
        e2_pool_keep(pool, choice->example, projection);
    }
    return true;
}

bool e2_prompt_examples(const e2_compute *compute, const e2str_model *model, const e2_prompt_parts *parts,
                        const e2str_pool *pool, const e2_prompt *prompt, e2_media *media) {
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *buffer = e2_arena_floats(compute->arena, (size_t)model->media_tokens * model->vision.width);
    if (!buffer) return false;
    for (size_t i = 0; i < parts->n_choices; i++)
        if (!example_media(compute, model, &parts->choices[i], pool, buffer, prompt->first_image + i, media))
            return false;
    const e2str_prompt *prefix = parts->prefix;
    for (size_t i = 0; prefix && prefix->media && i < prefix->n_choices; i++)
        e2_media_put(model, media, prompt->first_image + i, prefix->media + i * e2_media_values(model));
    e2_arena_release(compute->arena, mark);
    return true;
}

bool e2_prompt_media(const e2_compute *compute, const e2str_model *model, const e2_prompt_parts *parts,
                     const e2str_pool *pool, const float *tokens, const e2_prompt *prompt, e2_media *media) {
    return e2_prompt_examples(compute, model, parts, pool, prompt, media) &&
           e2_media_set(compute, model, media, prompt->first_image + prompt->images - 1, tokens);
}

void e2_prompt_restore(const e2str_model *model, const e2_prompt *prompt, e2_kv_cache *cache) {
    const e2str_prompt *prefix = prompt->prefix;
    size_t width = model->decoder.width;
    for (size_t i = 0; prefix && i < model->decoder.layers; i++) {
        size_t to = (i * cache->slots + prompt->first_slot) * width, from = i * prefix->n * width;
        memcpy(cache->keys + to, prefix->keys + from, prefix->n * width * sizeof *cache->keys);
        memcpy(cache->values + to, prefix->values + from, prefix->n * width * sizeof *cache->values);
    }
}
