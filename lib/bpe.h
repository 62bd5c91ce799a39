/* Byte-level BPE (docs/model.md, section 10): split into pieces as GPT-2 does, then merge each piece's bytes by
 * rank. */
#ifndef E2_BPE_H
#define E2_BPE_H

#include "vocabulary.h"

/* Two neighbouring tokens that become one. */
typedef struct e2_merge {
    uint64_t pair; /* left id << 32 | right id */
    uint32_t rank; /* the lowest goes first */
    uint32_t result;
} e2_merge;

typedef struct e2_bpe {
    uint32_t byte_tokens[256]; /* the token of a single byte, or E2_NO_TOKEN */
    e2_merge *merges;          /* by pair */
    size_t n_merges;
    char *bytes; /* what the tokens write, one after the other */
} e2_bpe;

/* Reads tokenizer.ggml.merges and checks every token's spelling. vocabulary->tokens of ordinary tokens become their raw
 * bytes, inside bpe->bytes. On failure e2_bpe_free is still needed. */
e2str_status e2_bpe_open(const e2_gguf *gguf, e2_vocabulary *vocabulary, e2_bpe *bpe, e2str_error *error);
void e2_bpe_free(e2_bpe *bpe);

/* text: valid UTF-8 whose every byte has a token, below 2^31 bytes. ids: room for `size`; *count: how many were
 * written. MEMORY. */
e2str_status e2_bpe_encode(const e2_bpe *bpe, const char *text, size_t size, uint32_t *ids, size_t *count,
                           e2str_error *error);

/* Where the piece that starts at `start` < size ends. */
size_t e2_bpe_piece_end(const char *text, size_t size, size_t start);

#endif
