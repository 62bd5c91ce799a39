#include "prompt.h"

static size_t prompt_length(const e2_choice *choices, size_t n) {
    size_t length = 2;
    for (size_t i = 0; i < n; i++) length += 2 + (size_t)choices[i].example->n_ids;
    return length;
}

static void append(e2_prompt *prompt, uint32_t token, uint32_t images, const uint32_t *slots) {
    uint32_t i = prompt->n++;
    prompt->rows[i] = (e2_decoder_row){
        .token = token, .position = i, .images = images, .slot = i, .context = slots, .n_context = i + 1};
}

static void append_all(const e2str_model *model, const e2_choice *choices, size_t n, const uint32_t *slots,
                       e2_prompt *prompt) {
    uint32_t image = e2_tokenizer_image(model->tokenizer), end = e2_tokenizer_end(model->tokenizer);
    append(prompt, e2_tokenizer_bos(model->tokenizer), 0, slots);
    for (size_t i = 0; i < n; i++) {
        const e2_example *example = choices[i].example;
        uint32_t images = (uint32_t)i + 1;
        append(prompt, image, images, slots);
        for (uint32_t j = 0; j < example->n_ids; j++) append(prompt, example->ids[j], images, slots);
        append(prompt, end, images, slots);
    }
    append(prompt, image, (uint32_t)n + 1, slots);
}

static bool project_media(const e2str_model *model, const e2_choice *choices, size_t n, const float *tokens,
                          e2_media *media, e2_arena *arena) {
    e2_arena_mark mark = e2_arena_begin(arena);
    float *buffer = n ? e2_arena_floats(arena, (size_t)model->media_tokens * model->vision.width) : NULL;
    if (n && !buffer) return false;
    for (size_t i = 0; i < n; i++)
        e2_media_set(model, media, (uint32_t)i, e2_example_tokens(model, choices[i].example, buffer));
    e2_media_set(model, media, (uint32_t)n, tokens);
    e2_arena_release(arena, mark);
    return true;
}

e2str_status e2_prompt_build(const e2str_model *model, const e2_choice *choices, size_t n_choices, const float *tokens,
                             e2_prompt *prompt, e2_arena *arena, e2str_error *error) {
    size_t length = prompt_length(choices, n_choices);
    if (length >= model->decoder.positions)
        return e2_fail(error, E2STR_ERROR_LIMIT,
                       "a prompt of %zu tokens (%zu examples) leaves no room for an answer in the model's %u positions",
                       length, n_choices, model->decoder.positions);
    uint32_t *slots = e2_arena_alloc(arena, length, sizeof *slots);
    *prompt = (e2_prompt){.rows = e2_arena_alloc(arena, length, sizeof *prompt->rows)};
    if (!slots || !prompt->rows || !e2_media_new(model, (uint32_t)n_choices + 1, &prompt->media, arena) ||
        !project_media(model, choices, n_choices, tokens, &prompt->media, arena))
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a prompt of %zu tokens", length);
    for (uint32_t i = 0; i < length; i++) slots[i] = i;
    append_all(model, choices, n_choices, slots, prompt);
    return E2STR_OK;
}
