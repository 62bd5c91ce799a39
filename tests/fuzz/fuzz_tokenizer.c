/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a tokenizer and a text. The first byte says of which kind; then come lines of tokens to an empty one,
 * lines of merges to an empty one, and the text. What is encoded must decode to the same bytes.
 */
#include "../tiny_model.h"
#include "bpe.h"
#include "input.h"
#include "tokenizer.h"

#define MOST 400

static size_t take_lines(input *in, e2_string *lines, size_t count) {
    for (;;) {
        size_t length;
        const char *line = take_line(in, 200, &length);
        if (!length) return count;
        if (count < MOST) lines[count++] = (e2_string){line, length};
    }
}

/* The file that says so: the first four tokens are the special ones, and with bit 1 all single bytes come next. */
static uint8_t *describe(uint8_t flags, input *in, size_t *size) {
    static e2_string tokens[MOST], merges[MOST];
    static char bytes[256];
    static const char *const keys[] = {"tokenizer.ggml.padding_token_id", "tokenizer.ggml.bos_token_id",
                                       "tokenizer.ggml.eos_token_id", "e2str.tokenizer.image_token_id"};
    size_t count = 0;
    if (flags & 4)
        for (; count < 4; count++) tokens[count] = (e2_string){&"<p><b><e><i>"[3 * count], 3};
    for (int i = 33; flags & 2 && i < 127; i++) {
        bytes[i] = (char)i;
        tokens[count++] = (e2_string){&bytes[i], 1};
    }
    size_t n_tokens = take_lines(in, tokens, count), n_merges = take_lines(in, merges, 0);
    tiny_builder b = {.writer = tiny_checked(e2_gguf_writer_new())};
    tiny_string(&b, "tokenizer.ggml.model", flags & 1 ? "gpt2" : "characters");
    e2_gguf_write_string_array(b.writer, "tokenizer.ggml.tokens", tokens, n_tokens);
    if (flags & 1) e2_gguf_write_string_array(b.writer, "tokenizer.ggml.merges", merges, n_merges);
    for (uint32_t i = 0; i < 4; i++) e2_gguf_write_u32(b.writer, keys[i], i);
    e2_gguf_write_array(b.writer, "e2str.tokenizer.special_token_ids", E2_KV_U32, (const uint32_t[]){0, 1, 2, 3}, 4);
    require(!e2_gguf_writer_finish(b.writer, tiny_sink, &b, NULL));
    e2_gguf_writer_free(b.writer);
    *size = b.size;
    return b.file;
}

static void encode(const e2_tokenizer *tokenizer, const char *text, size_t size, bool stand_ins) {
    uint32_t *ids = NULL;
    size_t count = 0, at = 0;
    e2str_error error = {""};
    e2str_status status = e2_tokenize(tokenizer, text, size, stand_ins, &ids, &count, &error);
    check_status(status, &error);
    for (size_t i = 0; !status && i < count; i++) {
        e2_string bytes = e2_token_bytes(tokenizer, ids[i]);
        require(ids[i] < e2_tokenizer_size(tokenizer) && !e2_tokenizer_is_special(tokenizer, ids[i]));
        if (!stand_ins) require(bytes.size <= size - at && !memcmp(text + at, bytes.data, bytes.size));
        at += bytes.size;
    }
    if (!status && !stand_ins) require(at == size);
    if (!status) free(ids);
}

static void clean_up(const char *text, size_t size) {
    char *copy = tiny_checked(malloc(size + 1));
    memcpy(copy, text, size);
    size_t shorter = e2_clean_up(copy, size);
    require(shorter <= size && is_utf8(copy, shorter) == is_utf8(text, size));
    free(copy);
    for (size_t at = 0, end; is_utf8(text, size) && at < size; at = end) {
        end = e2_bpe_piece_end(text, size, at);
        require(end > at && end <= size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    uint8_t flags = take(&in);
    size_t file_size;
    uint8_t *file = describe(flags, &in, &file_size);
    e2_gguf gguf;
    e2_tokenizer *tokenizer;
    e2str_error error = {""};
    require(!e2_gguf_open_memory(file, file_size, &gguf, NULL));
    e2str_status status = e2_tokenizer_open(&gguf, &tokenizer, &error);
    check_status(status, &error);
    const char *text = in.size ? (const char *)in.data : "";
    if (!status) {
        encode(tokenizer, text, in.size, false);
        if (!(flags & 1)) encode(tokenizer, text, in.size, true);
        for (uint32_t i = 0; i < e2_tokenizer_size(tokenizer); i++)
            require(!e2_tokenizer_is_special(tokenizer, i) == !!e2_token_bytes(tokenizer, i).size);
        e2_tokenizer_free(tokenizer);
    }
    clean_up(text, in.size);
    e2_gguf_close(&gguf);
    free(file);
    return 0;
}
