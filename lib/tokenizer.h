/* SPDX-License-Identifier: MIT */
/* Text <-> token ids: byte-level BPE with merges (docs/model.md, section 10), or one token per character. */
#ifndef E2_TOKENIZER_H
#define E2_TOKENIZER_H

#include "vocabulary.h"

typedef enum e2_tokenizer_kind { E2_TOKENIZER_BPE, E2_TOKENIZER_CHARACTERS } e2_tokenizer_kind;

typedef struct e2_tokenizer e2_tokenizer;

/* Reads the tokenizer keys of a model file (docs/model-format.md). Strings stay in the file, which must outlive it.
 * FORMAT, UNSUPPORTED, LIMIT, MEMORY: the message names the key and entry. */
e2str_status e2_tokenizer_open(const e2_gguf *gguf, e2_tokenizer **tokenizer, e2str_error *error);
void e2_tokenizer_free(e2_tokenizer *tokenizer);

e2_tokenizer_kind e2_tokenizer_kind_of(const e2_tokenizer *tokenizer);
uint32_t e2_tokenizer_size(const e2_tokenizer *tokenizer);                   /* number of tokens */
uint32_t e2_tokenizer_bos(const e2_tokenizer *tokenizer);                    /* first token of every prompt */
uint32_t e2_tokenizer_end(const e2_tokenizer *tokenizer);                    /* <|endofchunk|>: ends a label */
uint32_t e2_tokenizer_padding(const e2_tokenizer *tokenizer);                /* no token; to the patch head: no text */
uint32_t e2_tokenizer_image(const e2_tokenizer *tokenizer);                  /* <image>: stands for the visual tokens */
bool e2_tokenizer_is_special(const e2_tokenizer *tokenizer, uint32_t token); /* writes no text */

/* A label's ids, without BOS, <image> or end. *ids is malloc'ed, the caller frees it. stand_ins: a character outside
 * the alphabet of a characters tokenizer gets the token that stands in for it instead of an error. LABEL: empty, not
 * UTF-8, a character outside the alphabet (U+0000 always is), with BPE a literal special string; the message names what
 * and where. LIMIT: more than 1 MiB. MEMORY. */
e2str_status e2_tokenize(const e2_tokenizer *tokenizer, const char *text, size_t size, bool stand_ins, uint32_t **ids,
                         size_t *count, e2str_error *error);

/* The token of a character, or E2_NO_TOKEN (with BPE: always). */
uint32_t e2_tokenizer_character(const e2_tokenizer *tokenizer, uint32_t code);

/* Of a characters tokenizer: the token of the character in the alphabet that looks most like this one, or of any. */
uint32_t e2_tokenizer_stand_in(const e2_tokenizer *tokenizer, uint32_t code);

/* The raw bytes that a token writes: a pointer into the file or the tokenizer's own table. Size 0 for special tokens.
 * The bytes of one BPE token need not be whole UTF-8 characters. */
e2_string e2_token_bytes(const e2_tokenizer *tokenizer, uint32_t token);

/* The clean-up of HF tokenizers (docs/model.md, section 6), in place; returns the new size. */
size_t e2_clean_up(char *text, size_t size);

#endif
