/* SPDX-License-Identifier: MIT */
#include "path.h"

#include <string.h>

#include "unicode.h"

#define NONE UINT32_MAX

/* ---------------------------------------------------------------------------------------------------- symbols -- */

/* Code point of a symbol; 0 for tokens that are not one character. */
static uint32_t code_of(const e2str_model *model, uint32_t symbol) {
    uint32_t code = 0;
    if (symbol & E2_NEW_CHARACTER) return symbol & ~E2_NEW_CHARACTER;
    e2_string bytes = e2_token_bytes(model->tokenizer, symbol);
    return e2_utf8_next(bytes.data, bytes.size, &code) == bytes.size ? code : 0;
}

static bool is_word(uint32_t code) {
    e2_class class = e2_unicode_class(code);
    return class == E2_CLASS_LETTER || class == E2_CLASS_NUMBER;
}

/* A character that is neither letter nor digit. */
static bool is_sign(uint32_t code) { return code && !is_word(code); }

/* The label's characters, new ones included; for BPE its tokens. */
static uint32_t label_steps(const e2str_model *model, const e2_example *example, e2_path_step *steps) {
    uint32_t n = 0;
    bool bpe = e2_tokenizer_kind_of(model->tokenizer) == E2_TOKENIZER_BPE;
    for (size_t at = 0; bpe && n < example->n_ids; n++) {
        steps[n] = (e2_path_step){example->ids[n], (uint32_t)at};
        at += e2_token_bytes(model->tokenizer, example->ids[n]).size;
    }
    for (size_t at = 0, length; !bpe && at < example->label_size; at += length) {
        uint32_t code;
        length = e2_utf8_next(example->label + at, example->label_size - at, &code);
        if (!length) break; /* checked when it was added */
        uint32_t token = e2_tokenizer_character(model->tokenizer, code);
        steps[n++] = (e2_path_step){token == E2_NO_TOKEN ? code | E2_NEW_CHARACTER : token, (uint32_t)at};
    }
    return n;
}

/* -------------------------------------------------------------------------------------------------- alignment -- */

/* The tables of the dynamic program: costs [n + 1][m + 1] in tenths. */
typedef struct table {
    const uint32_t *read;
    const e2_path_step *label;
    const uint32_t *read_codes, *label_codes;
    uint32_t n, m;
    uint32_t *costs;
} table;

/* A letter goes with a letter, a sign with a sign, where nothing else decides. */
static uint32_t change(const table *t, uint32_t i, uint32_t j) {
    uint32_t read = t->read_codes[i], label = t->label_codes[j];
    if (t->read[i] == t->label[j].symbol) return 0;
    if (read && e2_unicode_small(read) == e2_unicode_small(label)) return 3;
    return is_word(read) == is_word(label) ? 11 : 12;
}

static uint32_t *cost(const table *t, uint32_t i, uint32_t j) { return &t->costs[(size_t)i * (t->m + 1) + j]; }

static void fill(const table *t) {
    for (uint32_t i = 0; i <= t->n; i++)
        for (uint32_t j = 0; j <= t->m; j++) {
            uint32_t best = i || j ? UINT32_MAX : 0;
            if (i && j) best = *cost(t, i - 1, j - 1) + change(t, i - 1, j - 1);
            if (i && *cost(t, i - 1, j) + 10 < best) best = *cost(t, i - 1, j) + 10;
            if (j && *cost(t, i, j - 1) + 10 < best) best = *cost(t, i, j - 1) + 10;
            *cost(t, i, j) = best;
        }
}

/* Back from the end: a change where it is as good as anything, then a character more in the reading, then in the label.
 */
static uint32_t walk_back(const table *t, e2_aligned *pairs) {
    uint32_t n = 0, i = t->n, j = t->m;
    while (i || j) {
        uint32_t here = *cost(t, i, j);
        if (i && j && here == *cost(t, i - 1, j - 1) + change(t, i - 1, j - 1)) {
            i--, j--;
            pairs[n++] = (e2_aligned){t->read[i], t->label[j]};
        } else if (i && here == *cost(t, i - 1, j) + 10) {
            pairs[n++] = (e2_aligned){t->read[--i], {NONE, NONE}};
        } else {
            pairs[n++] = (e2_aligned){NONE, t->label[--j]};
        }
    }
    for (uint32_t a = 0, b = n; a + 1 < b; a++) {
        e2_aligned kept = pairs[a];
        pairs[a] = pairs[--b];
        pairs[b] = kept;
    }
    return n;
}

bool e2_align(e2_arena *arena, const e2str_model *model, const uint32_t *reading, uint32_t n, const e2_example *example,
              e2_alignment *alignment) {
    bool bpe = e2_tokenizer_kind_of(model->tokenizer) == E2_TOKENIZER_BPE;
    size_t most = bpe ? example->n_ids : example->label_size;
    alignment->pairs = e2_arena_alloc(arena, n + most, sizeof *alignment->pairs);
    e2_arena_mark mark = e2_arena_begin(arena);
    e2_path_step *label = e2_arena_alloc(arena, most, sizeof *label);
    if (!alignment->pairs || !label) return false;
    uint32_t m = label_steps(model, example, label);
    uint32_t *codes = e2_arena_alloc(arena, (size_t)n + m, sizeof *codes);
    uint32_t *costs = e2_arena_alloc(arena, ((size_t)n + 1) * ((size_t)m + 1), sizeof *costs);
    if (!codes || !costs) return false;
    for (uint32_t i = 0; i < n; i++) codes[i] = code_of(model, reading[i]);
    for (uint32_t j = 0; j < m; j++) codes[n + j] = code_of(model, label[j].symbol);
    table t = {reading, label, codes, codes + n, n, m, costs};
    fill(&t);
    alignment->n = walk_back(&t, alignment->pairs);
    e2_arena_release(arena, mark);
    return true;
}

bool e2_alignment_is_equal(const e2_alignment *alignment) {
    for (uint32_t i = 0; i < alignment->n; i++)
        if (alignment->pairs[i].read != alignment->pairs[i].label.symbol) return false;
    return true;
}

/* -------------------------------------------------------------------------------------------------- conventions -- */

bool e2_silent_tokens(e2_arena *arena, const e2str_model *model, const e2_alignment *alignments, size_t count,
                      uint32_t **tokens, uint32_t *n) {
    uint32_t vocabulary = model->decoder.vocabulary;
    *n = 0;
    *tokens = e2_arena_alloc(arena, vocabulary, sizeof **tokens);
    e2_arena_mark mark = e2_arena_begin(arena);
    size_t *seen = e2_arena_alloc(arena, vocabulary, 2 * sizeof *seen), *gone = seen + vocabulary;
    if (!*tokens || !seen) return false;
    memset(seen, 0, 2 * vocabulary * sizeof *seen);
    for (size_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < alignments[i].n; j++) {
            const e2_aligned *pair = &alignments[i].pairs[j];
            if (pair->read == NONE) continue;
            seen[pair->read]++;
            gone[pair->read] += pair->label.symbol == NONE;
        }
    for (uint32_t token = 0; token < vocabulary; token++)
        if (gone[token] >= 2 && 10 * gone[token] >= 7 * seen[token] && is_sign(code_of(model, token)))
            (*tokens)[(*n)++] = token;
    e2_arena_release(arena, mark);
    return true;
}

static bool is_small(uint32_t code) { return e2_unicode_capital(code) != code; }
static bool is_capital(uint32_t code) { return e2_unicode_small(code) != code; }

/* The same letter, but read in one case and labelled in the other. */
static bool differs_in_case(const e2str_model *model, const e2_aligned *pair) {
    if (pair->read == NONE || pair->label.symbol == NONE || pair->read == pair->label.symbol) return false;
    uint32_t read = code_of(model, pair->read), label = code_of(model, pair->label.symbol);
    return read && e2_unicode_small(read) == e2_unicode_small(label);
}

e2_letter_case e2_case_of_labels(const e2str_model *model, const e2_alignment *alignments, size_t count) {
    size_t small = 0, capital = 0, raised = 0, lowered = 0, raised_in = 0, lowered_in = 0;
    for (size_t i = 0; i < count; i++) {
        size_t up = 0, down = 0;
        for (uint32_t j = 0; j < alignments[i].n; j++) {
            const e2_aligned *pair = &alignments[i].pairs[j];
            uint32_t label = pair->label.symbol == NONE ? 0 : code_of(model, pair->label.symbol);
            small += is_small(label);
            capital += is_capital(label);
            if (!differs_in_case(model, pair)) continue;
            up += is_capital(label);
            down += is_small(label);
        }
        raised += up;
        lowered += down;
        raised_in += up > 0;
        lowered_in += down > 0;
    }
    if (!small && raised >= 2 && raised_in >= 2) return E2_CAPITALS;
    return !capital && lowered >= 2 && lowered_in >= 2 ? E2_SMALL_LETTERS : E2_AS_READ;
}

static bool holds(const uint32_t *list, uint32_t n, uint32_t wanted) {
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == wanted) return true;
    return false;
}

/* Whether most letters of a reading are small. */
static bool reads_small(const e2str_model *model, const e2_alignment *alignment) {
    size_t small = 0, capital = 0;
    for (uint32_t i = 0; i < alignment->n; i++) {
        uint32_t read = alignment->pairs[i].read, code = read == NONE ? 0 : code_of(model, read);
        small += is_small(code);
        capital += is_capital(code);
    }
    return small > capital;
}

/* A letter of the label in the case that is read: of this very letter, or of most of the word. */
static uint32_t as_read(const e2str_model *model, const e2_aligned *pair, bool small) {
    uint32_t symbol = pair->label.symbol, code = code_of(model, symbol);
    if (differs_in_case(model, pair)) return pair->read;
    if (pair->read == symbol || !code || (!is_small(code) && !is_capital(code))) return symbol;
    code = small ? e2_unicode_small(code) : e2_unicode_capital(code);
    uint32_t token = e2_tokenizer_character(model->tokenizer, code);
    return token == E2_NO_TOKEN ? symbol : token;
}

bool e2_path_make(e2_arena *arena, const e2str_model *model, const e2_alignment *alignment, const e2_example *example,
                  const e2_conventions *conventions, uint32_t most, e2_path *path) {
    bool small = reads_small(model, alignment);
    path->n = 0;
    path->steps = e2_arena_alloc(arena, (size_t)alignment->n + 1, sizeof *path->steps);
    if (!path->steps) return false;
    for (uint32_t i = 0; i < alignment->n && path->n + 1 < most; i++) {
        const e2_aligned *pair = &alignment->pairs[i];
        e2_path_step *step = &path->steps[path->n];
        if (pair->label.symbol != NONE) {
            bool free_case = conventions->letters != E2_AS_READ;
            *step = (e2_path_step){free_case ? as_read(model, pair, small) : pair->label.symbol, pair->label.offset};
        } else if (holds(conventions->silent, conventions->n_silent, pair->read)) {
            *step = (e2_path_step){pair->read, NONE};
        } else {
            continue;
        }
        path->n++;
    }
    path->steps[path->n++] = (e2_path_step){e2_tokenizer_end(model->tokenizer), (uint32_t)example->label_size};
    return true;
}
