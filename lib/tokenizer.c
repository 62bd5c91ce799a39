/* SPDX-License-Identifier: MIT */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "bpe.h"
#include "unicode.h"

#define MAX_LABEL ((size_t)4096)

struct e2_tokenizer {
    e2_tokenizer_kind kind;
    e2_vocabulary vocabulary;
    uint32_t bos, end, padding, image;
    e2_bpe bpe; /* zero for characters */
};

/* ---- opening ---- */

static e2str_status read_kind(const e2_gguf *gguf, e2_tokenizer_kind *kind, e2str_error *error) {
    e2_string model;
    e2str_status status = e2_gguf_string(gguf, "tokenizer.ggml.model", &model, error);
    if (status) return status;
    if (e2_string_is(model, "gpt2"))
        *kind = E2_TOKENIZER_BPE;
    else if (e2_string_is(model, "characters"))
        *kind = E2_TOKENIZER_CHARACTERS;
    else
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "tokenizer.ggml.model: '%s' is neither gpt2 nor characters",
                       e2_show(model).text);
    return E2STR_OK;
}

static e2str_status read_special(const e2_gguf *gguf, const e2_vocabulary *vocabulary, const char *key, uint32_t *token,
                                 e2str_error *error) {
    e2str_status status = e2_gguf_u32(gguf, key, token, error);
    if (status) return status;
    if (*token >= vocabulary->count)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s: id %u is not one of the %zu tokens", key, *token,
                       vocabulary->count);
    if (!vocabulary->special[*token])
        return e2_fail(error, E2STR_ERROR_FORMAT, "%s: id %u is not in e2str.tokenizer.special_token_ids", key, *token);
    return E2STR_OK;
}

static e2str_status read_special_ids(const e2_gguf *gguf, e2_tokenizer *t, e2str_error *error) {
    const e2_vocabulary *vocabulary = &t->vocabulary;
    e2str_status status = read_special(gguf, vocabulary, "tokenizer.ggml.bos_token_id", &t->bos, error);
    if (!status) status = read_special(gguf, vocabulary, "tokenizer.ggml.eos_token_id", &t->end, error);
    if (!status) status = read_special(gguf, vocabulary, "tokenizer.ggml.padding_token_id", &t->padding, error);
    if (!status) status = read_special(gguf, vocabulary, "e2str.tokenizer.image_token_id", &t->image, error);
    if (status) return status;
    if (t->image == t->bos || t->image == t->end || t->image == t->padding)
        return e2_fail(error, E2STR_ERROR_FORMAT,
                       "e2str.tokenizer.image_token_id: id %u is also the bos, eos or padding token", t->image);
    return E2STR_OK;
}

static e2str_status check_characters(const e2_vocabulary *vocabulary, e2str_error *error) {
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (vocabulary->special[i]) continue;
        e2_string text = vocabulary->tokens[i];
        uint32_t code = 0;
        if (e2_utf8_next(text.data, text.size, &code) != text.size || code == 0)
            return e2_fail(error, E2STR_ERROR_FORMAT, "tokenizer.ggml.tokens: token %zu '%s' is not one character", i,
                           e2_show(text).text);
    }
    return E2STR_OK;
}

e2str_status e2_tokenizer_open(const e2_gguf *gguf, e2_tokenizer **tokenizer, e2str_error *error) {
    *tokenizer = NULL;
    e2_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return e2_fail(error, E2STR_ERROR_MEMORY, "tokenizer: out of memory");
    e2str_status status = read_kind(gguf, &t->kind, error);
    if (!status) status = e2_vocabulary_open(gguf, &t->vocabulary, error);
    if (!status) status = read_special_ids(gguf, t, error);
    if (!status) {
        if (t->kind == E2_TOKENIZER_BPE)
            status = e2_bpe_open(gguf, &t->vocabulary, &t->bpe, error);
        else
            status = check_characters(&t->vocabulary, error);
    }
    if (status) {
        e2_tokenizer_free(t);
        return status;
    }
    *tokenizer = t;
    return E2STR_OK;
}

void e2_tokenizer_free(e2_tokenizer *tokenizer) {
    if (!tokenizer) return;
    e2_vocabulary_free(&tokenizer->vocabulary);
    e2_bpe_free(&tokenizer->bpe);
    free(tokenizer);
}

e2_tokenizer_kind e2_tokenizer_kind_of(const e2_tokenizer *tokenizer) { return tokenizer->kind; }
uint32_t e2_tokenizer_size(const e2_tokenizer *tokenizer) { return (uint32_t)tokenizer->vocabulary.count; }
uint32_t e2_tokenizer_bos(const e2_tokenizer *tokenizer) { return tokenizer->bos; }
uint32_t e2_tokenizer_end(const e2_tokenizer *tokenizer) { return tokenizer->end; }
uint32_t e2_tokenizer_padding(const e2_tokenizer *tokenizer) { return tokenizer->padding; }
uint32_t e2_tokenizer_image(const e2_tokenizer *tokenizer) { return tokenizer->image; }

bool e2_tokenizer_is_special(const e2_tokenizer *tokenizer, uint32_t token) {
    return tokenizer->vocabulary.special[token];
}

e2_string e2_token_bytes(const e2_tokenizer *tokenizer, uint32_t token) {
    return tokenizer->vocabulary.special[token] ? (e2_string){"", 0} : tokenizer->vocabulary.tokens[token];
}

/* ---- labels ---- */

/* The id of one character, or E2_NO_TOKEN. For BPE: of its first byte, when all its bytes have tokens. */
static uint32_t character_token(const e2_tokenizer *t, const char *text, size_t length) {
    if (!text[0]) return E2_NO_TOKEN;
    if (t->kind == E2_TOKENIZER_CHARACTERS) {
        uint32_t token = e2_vocabulary_find(&t->vocabulary, (e2_string){text, length}, (e2_string){"", 0});
        return token != E2_NO_TOKEN && !t->vocabulary.special[token] ? token : E2_NO_TOKEN;
    }
    for (size_t i = 0; i < length; i++)
        if (t->bpe.byte_tokens[(uint8_t)text[i]] == E2_NO_TOKEN) return E2_NO_TOKEN;
    return t->bpe.byte_tokens[(uint8_t)text[0]];
}

uint32_t e2_tokenizer_character(const e2_tokenizer *tokenizer, uint32_t code) {
    char text[4];
    if (tokenizer->kind != E2_TOKENIZER_CHARACTERS) return E2_NO_TOKEN;
    return character_token(tokenizer, text, e2_utf8_put(code, text));
}

uint32_t e2_tokenizer_stand_in(const e2_tokenizer *tokenizer, uint32_t code) {
    static const char neutral[] = "oO0-";
    uint32_t base = (uint8_t)e2_unicode_base(code);
    uint32_t token = base ? e2_tokenizer_character(tokenizer, base) : E2_NO_TOKEN;
    for (const char *c = neutral; token == E2_NO_TOKEN && *c; c++)
        token = e2_tokenizer_character(tokenizer, (uint8_t)*c);
    for (uint32_t i = 0; token == E2_NO_TOKEN && i < tokenizer->vocabulary.count; i++)
        if (!tokenizer->vocabulary.special[i]) token = i;
    return token;
}

/* Checks every character; ids (room for `size`) gets the tokens of a characters tokenizer. */
static e2str_status encode_characters(const e2_tokenizer *t, const char *text, size_t size, bool stand_ins,
                                      uint32_t *ids, size_t *count, e2str_error *error) {
    *count = 0;
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code;
        length = e2_utf8_next(text + at, size - at, &code);
        if (!length) return e2_fail(error, E2STR_ERROR_LABEL, "label: not UTF-8 at byte %zu", at);
        uint32_t token = character_token(t, text + at, length);
        if (token == E2_NO_TOKEN && stand_ins && code && t->kind == E2_TOKENIZER_CHARACTERS)
            token = e2_tokenizer_stand_in(t, code);
        if (token == E2_NO_TOKEN)
            return e2_fail(error, E2STR_ERROR_LABEL, "label: U+%04X at byte %zu is not in the model's alphabet",
                           (unsigned)code, at);
        ids[(*count)++] = token;
    }
    return E2STR_OK;
}

/* The tokenizer that the weights were trained with reads special strings as single tokens: no label may hold one. */
static e2str_status refuse_specials(const e2_vocabulary *vocabulary, const char *text, size_t size,
                                    e2str_error *error) {
    for (size_t i = 0; i < vocabulary->n_specials; i++) {
        e2_string special = vocabulary->tokens[vocabulary->specials[i]];
        const char *at = text, *end = text + size;
        while ((size_t)(end - at) >= special.size &&
               (at = memchr(at, special.data[0], (size_t)(end - at) - special.size + 1))) {
            if (!memcmp(at, special.data, special.size))
                return e2_fail(error, E2STR_ERROR_LABEL, "label: holds the special string '%s' at byte %zu",
                               e2_show(special).text, (size_t)(at - text));
            at++;
        }
    }
    return E2STR_OK;
}

e2str_status e2_tokenize(const e2_tokenizer *tokenizer, const char *text, size_t size, bool stand_ins, uint32_t **ids,
                         size_t *count, e2str_error *error) {
    *ids = NULL;
    *count = 0;
    if (!size) return e2_fail(error, E2STR_ERROR_LABEL, "label: empty");
    if (size > MAX_LABEL) return e2_fail(error, E2STR_ERROR_LIMIT, "label: %zu bytes, at most %zu", size, MAX_LABEL);
    uint32_t *found = e2_alloc(size, sizeof *found);
    if (!found) return e2_fail(error, E2STR_ERROR_MEMORY, "label: out of memory");
    e2str_status status = encode_characters(tokenizer, text, size, stand_ins, found, count, error);
    if (tokenizer->kind == E2_TOKENIZER_BPE) {
        if (!status) status = refuse_specials(&tokenizer->vocabulary, text, size, error);
        if (!status) status = e2_bpe_encode(&tokenizer->bpe, text, size, found, count, error);
    }
    if (status) {
        free(found);
        *count = 0;
        return status;
    }
    *ids = found;
    return E2STR_OK;
}

/* ---- clean-up ---- */

size_t e2_clean_up(char *text, size_t size) {
    /* One pass over the whole text for each, in this order; each drops the blanks of what it finds. */
    static const char *const patterns[] = {" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        size_t length = strlen(patterns[i]), kept = 0;
        for (size_t at = 0; at < size;) {
            if (size - at < length || memcmp(text + at, patterns[i], length)) {
                text[kept++] = text[at++];
                continue;
            }
            for (size_t j = 0; j < length; j++)
                if (patterns[i][j] != ' ') text[kept++] = patterns[i][j];
            at += length;
        }
        size = kept;
    }
    return size;
}
