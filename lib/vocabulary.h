/* The tokens of a model file: their strings, which of them are special, and the way from a string to its id. */
#ifndef E2_VOCABULARY_H
#define E2_VOCABULARY_H

#include "gguf.h"

#define E2_NO_TOKEN UINT32_MAX

typedef struct e2_vocabulary_entry {
    e2_string text;
    uint32_t token;
} e2_vocabulary_entry;

typedef struct e2_vocabulary {
    size_t count;
    e2_string *tokens;           /* by id; in the file */
    bool *special;               /* by id: writes no text */
    e2_vocabulary_entry *sorted; /* by bytes: binary search, whose cost no file can drive up as it can a hash table's */
    uint32_t *specials;          /* ids, as listed in the file */
    size_t n_specials;
} e2_vocabulary;

/* Reads and checks tokenizer.ggml.tokens and e2str.tokenizer.special_token_ids. FORMAT, LIMIT, MEMORY name the key and
 * entry. On failure e2_vocabulary_free is still needed; fine on a zeroed one. */
e2str_status e2_vocabulary_open(const e2_gguf *gguf, e2_vocabulary *vocabulary, e2str_error *error);
void e2_vocabulary_free(e2_vocabulary *vocabulary);

/* The token whose string is left and right together (right may be empty), or E2_NO_TOKEN. */
uint32_t e2_vocabulary_find(const e2_vocabulary *vocabulary, e2_string left, e2_string right);

#endif
