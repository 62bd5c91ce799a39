/* SPDX-License-Identifier: MIT */
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

#define TOKENS   "tokenizer.ggml.tokens"
#define SPECIALS "e2str.tokenizer.special_token_ids"

#define MAX_TOKENS        1048576u
#define MAX_SPECIALS      4096u              /* a label is searched for each of them */
#define MAX_SPECIAL_BYTES ((size_t)64 << 10) /* of all of them */

/* Compares the bytes of left and right together with `text`, shorter first. */
static int compare_joined(e2_string left, e2_string right, e2_string text) {
    size_t head = left.size < text.size ? left.size : text.size;
    int order = head ? memcmp(left.data, text.data, head) : 0;
    if (order) return order;
    if (head < left.size) return 1;
    size_t rest = text.size - head, tail = right.size < rest ? right.size : rest;
    order = tail ? memcmp(right.data, text.data + head, tail) : 0;
    return order ? order : (right.size > rest) - (right.size < rest);
}

static int compare_entries(const void *a, const void *b) {
    const e2_vocabulary_entry *left = a, *right = b;
    int order = compare_joined(left->text, (e2_string){0}, right->text);
    return order ? order : (left->token > right->token) - (left->token < right->token);
}

uint32_t e2_vocabulary_find(const e2_vocabulary *vocabulary, e2_string left, e2_string right) {
    size_t low = 0, high = vocabulary->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_joined(left, right, vocabulary->sorted[middle].text);
        if (!order) return vocabulary->sorted[middle].token;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return E2_NO_TOKEN;
}

static e2str_status read_tokens(const e2_gguf *gguf, e2_vocabulary *vocabulary, e2str_error *error) {
    const e2_kv *array;
    e2str_status status = e2_gguf_array(gguf, TOKENS, E2_KV_STRING, &array, error);
    if (status) return status;
    size_t count = array->count;
    if (!count) return e2_fail(error, E2STR_ERROR_FORMAT, TOKENS ": no tokens");
    if (count > MAX_TOKENS)
        return e2_fail(error, E2STR_ERROR_LIMIT, TOKENS ": %zu tokens, at most %u", count, MAX_TOKENS);
    vocabulary->count = count;
    vocabulary->tokens = e2_alloc(count, sizeof *vocabulary->tokens);
    vocabulary->special = calloc(count, sizeof *vocabulary->special);
    vocabulary->sorted = e2_alloc(count, sizeof *vocabulary->sorted);
    if (!vocabulary->tokens || !vocabulary->special || !vocabulary->sorted)
        return e2_fail(error, E2STR_ERROR_MEMORY, TOKENS ": out of memory for %zu tokens", count);
    const uint8_t *cursor = array->data;
    for (size_t i = 0; i < count; i++) {
        e2_string text = e2_gguf_next_string(&cursor);
        if (!text.size) return e2_fail(error, E2STR_ERROR_FORMAT, TOKENS ": token %zu is empty", i);
        vocabulary->tokens[i] = text;
        vocabulary->sorted[i] = (e2_vocabulary_entry){text, (uint32_t)i};
    }
    return E2STR_OK;
}

static e2str_status sort_tokens(e2_vocabulary *vocabulary, e2str_error *error) {
    qsort(vocabulary->sorted, vocabulary->count, sizeof *vocabulary->sorted, compare_entries);
    for (size_t i = 1; i < vocabulary->count; i++) {
        const e2_vocabulary_entry *a = &vocabulary->sorted[i - 1], *b = &vocabulary->sorted[i];
        if (!compare_joined(a->text, (e2_string){0}, b->text))
            return e2_fail(error, E2STR_ERROR_FORMAT, TOKENS ": tokens %u and %u are both '%s'", a->token, b->token,
                           e2_show(a->text).text);
    }
    return E2STR_OK;
}

static e2str_status read_specials(const e2_gguf *gguf, e2_vocabulary *vocabulary, e2str_error *error) {
    const e2_kv *array = e2_gguf_kv(gguf, SPECIALS);
    bool is_signed = array && array->type == E2_KV_ARRAY && array->element == E2_KV_I32;
    e2str_status status = e2_gguf_array(gguf, SPECIALS, is_signed ? E2_KV_I32 : E2_KV_U32, &array, error);
    if (status) return status;
    if (array->count > MAX_SPECIALS)
        return e2_fail(error, E2STR_ERROR_LIMIT, SPECIALS ": %zu ids, at most %u", array->count, MAX_SPECIALS);
    vocabulary->specials = e2_alloc(array->count, sizeof *vocabulary->specials);
    if (!vocabulary->specials) return e2_fail(error, E2STR_ERROR_MEMORY, SPECIALS ": out of memory");
    vocabulary->n_specials = array->count;
    size_t total = 0;
    for (size_t i = 0; i < array->count; i++) {
        const uint8_t *bytes = array->data + 4 * i;
        uint32_t id = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
        if (id >= vocabulary->count)
            return e2_fail(error, E2STR_ERROR_FORMAT, SPECIALS ": id %lld is not one of the %zu tokens",
                           is_signed ? (long long)(int32_t)id : (long long)id, vocabulary->count);
        total += vocabulary->tokens[id].size; /* each is inside the file, and they are few */
        if (total > MAX_SPECIAL_BYTES)
            return e2_fail(error, E2STR_ERROR_LIMIT, SPECIALS ": special tokens of more than %zu bytes together",
                           MAX_SPECIAL_BYTES);
        vocabulary->specials[i] = id;
        vocabulary->special[id] = true;
    }
    return E2STR_OK;
}

e2str_status e2_vocabulary_open(const e2_gguf *gguf, e2_vocabulary *vocabulary, e2str_error *error) {
    *vocabulary = (e2_vocabulary){0};
    e2str_status status = read_tokens(gguf, vocabulary, error);
    if (!status) status = sort_tokens(vocabulary, error);
    if (!status) status = read_specials(gguf, vocabulary, error);
    return status;
}

void e2_vocabulary_free(e2_vocabulary *vocabulary) {
    free(vocabulary->tokens);
    free(vocabulary->special);
    free(vocabulary->sorted);
    free(vocabulary->specials);
    *vocabulary = (e2_vocabulary){0};
}
