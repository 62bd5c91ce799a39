/* SPDX-License-Identifier: MIT */
/* Tokenizers: golden ids from tests/golden/bpe.py, merge order, characters, clean-up, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpe.h"
#include "tokenizer.h"
#include "unicode.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define S(literal)                                                                                                     \
    { literal, sizeof(literal) - 1 }

/* ---- a GGUF file with nothing but a tokenizer, in memory ---- */

typedef struct buffer {
    uint8_t data[1 << 16];
    size_t size;
} buffer;

static void put(buffer *b, const void *data, size_t size) {
    assert_true(b->size + size <= sizeof b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_number(buffer *b, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) put(b, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_string(buffer *b, const char *data, size_t size) {
    put_number(b, size, 8);
    put(b, data, size);
}

static void put_key(buffer *b, const char *key, e2_kv_type type) {
    put_string(b, key, strlen(key));
    put_number(b, type, 4);
    b->data[16]++; /* number of keys */
}

static void put_strings(buffer *b, const char *key, const e2_string *strings, size_t count) {
    put_key(b, key, E2_KV_ARRAY);
    put_number(b, E2_KV_STRING, 4);
    put_number(b, count, 8);
    for (size_t i = 0; i < count; i++) put_string(b, strings[i].data, strings[i].size);
}

static void put_u32(buffer *b, const char *key, uint32_t value) {
    put_key(b, key, E2_KV_U32);
    put_number(b, value, 4);
}

#define MOST   300
#define ABSENT UINT32_MAX

typedef struct description {
    const char *model;
    e2_string tokens[MOST], merges[MOST];
    size_t n_tokens, n_merges;
    uint32_t bos, eos, padding, image; /* ABSENT: leave the key out */
    e2_kv_type specials_type;          /* of the elements */
    uint32_t specials[8];
    size_t n_specials;
    bool no_tokens, no_merges, no_specials;
} description;

static e2str_status open_description(const description *d, e2_tokenizer **tokenizer, e2_gguf *gguf,
                                     e2str_error *error) {
    static buffer b; /* the tokenizer's strings stay in it */
    b.size = 0;
    put(&b, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    put_key(&b, "tokenizer.ggml.model", E2_KV_STRING);
    put_string(&b, d->model, strlen(d->model));
    if (!d->no_tokens) put_strings(&b, "tokenizer.ggml.tokens", d->tokens, d->n_tokens);
    if (!d->no_merges) put_strings(&b, "tokenizer.ggml.merges", d->merges, d->n_merges);
    if (d->bos != ABSENT) put_u32(&b, "tokenizer.ggml.bos_token_id", d->bos);
    if (d->eos != ABSENT) put_u32(&b, "tokenizer.ggml.eos_token_id", d->eos);
    if (d->padding != ABSENT) put_u32(&b, "tokenizer.ggml.padding_token_id", d->padding);
    if (d->image != ABSENT) put_u32(&b, "e2str.tokenizer.image_token_id", d->image);
    if (!d->no_specials) {
        put_key(&b, "e2str.tokenizer.special_token_ids", E2_KV_ARRAY);
        put_number(&b, d->specials_type, 4);
        put_number(&b, d->n_specials, 8);
        for (size_t i = 0; i < d->n_specials; i++) put_number(&b, d->specials[i], 4);
    }
    while (b.size % 32) put_number(&b, 0, 1);
    assert_int_equal(e2_gguf_open_memory(b.data, b.size, gguf, error), E2STR_OK);
    return e2_tokenizer_open(gguf, tokenizer, error);
}

/* Tokens 0 to 3 are special, 4 to 10 are a b ab aba é(2 bytes of it); BPE. */
static description bpe_description(void) {
    return (description){.model = "gpt2",
                         .tokens = {S("<s>"), S("</s>"), S("<pad>"), S("<image>"), S("a"), S("b"), S("ab"), S("aba"),
                                    S("Ã"), S("©"), S("Ġ")},
                         .n_tokens = 11,
                         .merges = {S("ab a"), S("a b"), S("Ã ©")},
                         .n_merges = 2,
                         .bos = 0,
                         .eos = 1,
                         .padding = 2,
                         .image = 3,
                         .specials_type = E2_KV_U32,
                         .specials = {0, 1, 2, 3},
                         .n_specials = 4};
}

/* The same specials; 4 to 9 are < p a > é 猫. */
static description character_description(void) {
    description d = bpe_description();
    const e2_string tokens[] = {S("<"), S("p"), S("a"), S(">"), S("é"), S("猫")};
    d.model = "characters";
    memcpy(d.tokens + 4, tokens, sizeof tokens);
    d.n_tokens = 10;
    d.no_merges = true;
    d.specials_type = E2_KV_I32;
    return d;
}

/* ---- checks ---- */

static void check_ids(const e2_tokenizer *t, const char *text, size_t size, const uint32_t *expected, size_t n) {
    e2str_error error = {0};
    uint32_t *ids;
    size_t count, at = 0;
    e2str_status status = e2_tokenize(t, text, size, false, &ids, &count, &error);
    if (status) fail_msg("'%.*s': %s", (int)size, text, error.message);
    bool same = count == n && !memcmp(ids, expected, n * sizeof *ids);
    if (!same) fail_msg("'%.*s': %zu ids, first %u; expected %zu", (int)size, text, count, count ? ids[0] : 0, n);
    for (size_t i = 0; i < count; i++) {
        e2_string bytes = e2_token_bytes(t, ids[i]);
        assert_true(at + bytes.size <= size);
        assert_memory_equal(bytes.data, text + at, bytes.size);
        at += bytes.size;
    }
    assert_int_equal(at, size);
    free(ids);
}

static void check_refused(const e2_tokenizer *t, const char *text, size_t size, e2str_status expected,
                          const char *message) {
    e2str_error error = {0};
    uint32_t *ids = (uint32_t *)1;
    size_t count = 1;
    assert_int_equal(e2_tokenize(t, text, size, false, &ids, &count, &error), expected);
    assert_string_equal(error.message, message);
    assert_null(ids);
    assert_int_equal(count, 0);
}

/* One line of tokenizer.txt: hexadecimal bytes, tab, ids. */
static size_t parse_hex(const char *line, char *text) {
    size_t size = 0;
    for (unsigned byte; sscanf(line, "%2x", &byte) == 1; line += 2) text[size++] = (char)byte;
    return size;
}

static size_t parse_ids(const char *line, uint32_t *ids) {
    size_t n = 0;
    int used;
    for (unsigned id; sscanf(line, "%u%n", &id, &used) == 1; line += used) ids[n++] = id;
    return n;
}

static void golden(void **state) {
    (void)state;
    e2_gguf gguf;
    e2_tokenizer *t;
    e2str_error error = {0};
    if (e2_gguf_open("tests/golden/tokenizer.gguf", &gguf, &error)) fail_msg("%s", error.message);
    if (e2_tokenizer_open(&gguf, &t, &error)) fail_msg("%s", error.message);
    assert_int_equal(e2_tokenizer_kind_of(t), E2_TOKENIZER_BPE);
    assert_int_equal(e2_tokenizer_size(t), 600);
    assert_int_equal(e2_tokenizer_bos(t), 2);
    assert_int_equal(e2_tokenizer_end(t), 598);
    assert_int_equal(e2_tokenizer_image(t), 599);
    FILE *file = fopen("tests/golden/tokenizer.txt", "r");
    assert_non_null(file);
    static char line[8192], text[4096];
    static uint32_t ids[4096];
    size_t strings = 0;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#') continue;
        char *tab = strchr(line, '\t');
        assert_non_null(tab);
        *tab = 0;
        size_t size = parse_hex(line, text), n = parse_ids(tab + 1, ids);
        check_ids(t, text, size, ids, n);
        strings++;
    }
    assert_int_equal(strings, 600);
    fclose(file);
    check_refused(t, "a<|endofchunk|>", 15, E2STR_ERROR_LABEL,
                  "label: holds the special string '<|endofchunk|>' at byte 1");
    e2_tokenizer_free(t);
    e2_gguf_close(&gguf);
}

/* The pair of rank 0 appears only by merging the one of rank 1, whose other occurrences still go first. */
static void merge_order(void **state) {
    (void)state;
    description d = bpe_description();
    e2_gguf gguf;
    e2_tokenizer *t;
    assert_int_equal(open_description(&d, &t, &gguf, NULL), E2STR_OK);
    check_ids(t, "abab", 4, (uint32_t[]){6, 6}, 2);
    check_ids(t, "aba", 3, (uint32_t[]){7}, 1);
    check_ids(t, "ababa", 5, (uint32_t[]){6, 7}, 2);
    check_ids(t, "baa", 3, (uint32_t[]){5, 4, 4}, 3);
    check_ids(t, "a \xC3\xA9", 4, (uint32_t[]){4, 10, 8, 9}, 4);
    e2_tokenizer_free(t);
    e2_gguf_close(&gguf);
}

/* Pieces of a megabyte: a time that grows with their square would not end. */
static void long_pieces(void **state) {
    (void)state;
    static const char letters[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static char spelled[6][140];
    description d = bpe_description();
    d.n_merges = 6;
    d.n_tokens = 5;
    for (size_t i = 0, half = 1; i < 6; i++, half *= 2) {
        snprintf(spelled[i], sizeof spelled[i], "%.*s %.*s", (int)half, letters, (int)half, letters);
        d.merges[i] = (e2_string){spelled[i], 2 * half + 1};
        d.tokens[d.n_tokens++] = (e2_string){letters, 2 * half};
    }
    e2_gguf gguf;
    e2_tokenizer *t;
    e2str_error error = {0};
    if (open_description(&d, &t, &gguf, &error)) fail_msg("%s", error.message);
    size_t size = (size_t)4096;
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'a', size + 1);
    uint32_t *ids;
    size_t count;
    assert_int_equal(e2_tokenize(t, text, size, false, &ids, &count, &error), E2STR_OK);
    assert_int_equal(count, size / 64);
    for (size_t i = 0; i < count; i++) assert_int_equal(ids[i], 10);
    free(ids);
    check_refused(t, text, size + 1, E2STR_ERROR_LIMIT, "label: 4097 bytes, at most 4096");
    free(text);
    e2_tokenizer_free(t);
    e2_gguf_close(&gguf);
}

static void characters(void **state) {
    (void)state;
    description d = character_description();
    e2_gguf gguf;
    e2_tokenizer *t;
    assert_int_equal(open_description(&d, &t, &gguf, NULL), E2STR_OK);
    assert_int_equal(e2_tokenizer_kind_of(t), E2_TOKENIZER_CHARACTERS);
    assert_int_equal(e2_tokenizer_size(t), 10);
    check_ids(t, "aé猫p", 7, (uint32_t[]){6, 8, 9, 5}, 4);
    check_ids(t, "<pa>", 4, (uint32_t[]){4, 5, 6, 7}, 4);
    for (uint32_t token = 0; token < 10; token++) {
        assert_int_equal(e2_tokenizer_is_special(t, token), token < 4);
        assert_int_equal(e2_token_bytes(t, token).size > 0, token >= 4);
    }
    check_refused(t, "", 0, E2STR_ERROR_LABEL, "label: empty");
    check_refused(t, "aéb", 4, E2STR_ERROR_LABEL, "label: U+0062 at byte 3 is not in the model's alphabet");
    check_refused(t, "a\0", 2, E2STR_ERROR_LABEL, "label: U+0000 at byte 1 is not in the model's alphabet");
    check_refused(t, "a\xF0\x9F\x98\x80", 5, E2STR_ERROR_LABEL,
                  "label: U+1F600 at byte 1 is not in the model's alphabet");
    check_refused(t, "aé", 2, E2STR_ERROR_LABEL, "label: not UTF-8 at byte 1");
    e2_tokenizer_free(t);
    e2_gguf_close(&gguf);
}

static void bpe_labels(void **state) {
    (void)state;
    description d = bpe_description();
    e2_gguf gguf;
    e2_tokenizer *t;
    assert_int_equal(open_description(&d, &t, &gguf, NULL), E2STR_OK);
    assert_int_equal(e2_token_bytes(t, 3).size, 0);
    check_refused(t, "", 0, E2STR_ERROR_LABEL, "label: empty");
    check_refused(t, "ab\xFF", 3, E2STR_ERROR_LABEL, "label: not UTF-8 at byte 2");
    check_refused(t, "ab\0a", 4, E2STR_ERROR_LABEL, "label: U+0000 at byte 2 is not in the model's alphabet");
    check_refused(t, "aé\xC3\xA8", 5, E2STR_ERROR_LABEL, "label: U+00E8 at byte 3 is not in the model's alphabet");
    e2_tokenizer_free(t);
    e2_gguf_close(&gguf);

    const e2_string letters[] = {S("<"), S("/"), S("s"), S(">"), S("p"), S("a"), S("d")};
    memcpy(d.tokens + 4, letters, sizeof letters);
    d.no_merges = false;
    d.n_merges = 0;
    assert_int_equal(open_description(&d, &t, &gguf, NULL), E2STR_OK);
    check_ids(t, "<pad", 4, (uint32_t[]){4, 8, 9, 10}, 4);
    check_refused(t, "<<pad>", 6, E2STR_ERROR_LABEL, "label: holds the special string '<pad>' at byte 1");
    check_refused(t, "aa</s>a", 7, E2STR_ERROR_LABEL, "label: holds the special string '</s>' at byte 2");
    check_refused(t, "<s>", 3, E2STR_ERROR_LABEL, "label: holds the special string '<s>' at byte 0");
    e2_tokenizer_free(t);
    e2_gguf_close(&gguf);
}

/* ---- metadata that is refused ---- */

static void check_bad(const description *d, e2str_status expected, const char *message) {
    e2_gguf gguf;
    e2_tokenizer *t = (e2_tokenizer *)1;
    e2str_error error = {0};
    e2str_status status = open_description(d, &t, &gguf, &error);
    if (status != expected || !strstr(error.message, message))
        fail_msg("%s '%s', expected '%s'", e2str_status_name(status), error.message, message);
    assert_null(t);
    e2_gguf_close(&gguf);
}

#define BAD(base, change, status, message)                                                                             \
    do {                                                                                                               \
        description d = base();                                                                                        \
        change;                                                                                                        \
        check_bad(&d, E2STR_ERROR_##status, message);                                                                  \
    } while (0)
#define BAD_BPE(change, message)        BAD(bpe_description, change, FORMAT, message)
#define BAD_CHARACTERS(change, message) BAD(character_description, change, FORMAT, message)
#define TEXT(literal)                   ((e2_string)S(literal))

static void bad_tokens(void **state) {
    (void)state;
    BAD(bpe_description, d.model = "llama", UNSUPPORTED, "tokenizer.ggml.model: 'llama'");
    BAD_BPE(d.no_tokens = true, "tokenizer.ggml.tokens");
    BAD_BPE(d.n_tokens = 0, "tokenizer.ggml.tokens: no tokens");
    BAD_BPE(d.tokens[5] = TEXT(""), "tokenizer.ggml.tokens: token 5 is empty");
    BAD_BPE(d.tokens[9] = TEXT("ab"), "tokenizer.ggml.tokens: tokens 6 and 9 are both 'ab'");
    BAD_BPE(d.tokens[10] = TEXT("<s>"), "tokenizer.ggml.tokens: tokens 0 and 10 are both '<s>'");
    BAD_BPE(d.tokens[10] = TEXT(" "), "token 10 ' ' is not in the spelling of byte-level BPE");
    BAD_BPE(d.tokens[10] = TEXT("a\u0144"), "token 10 'a\u0144' is not in the spelling"); /* one past the last */
    /* what a terminal would obey or hide is escaped */
    BAD_BPE(d.tokens[10] = TEXT("a\u00AD"), "token 10 'a\\xc2\\xad' is not in the spelling");
    BAD_BPE(d.tokens[10] = TEXT("a\xFF"), "token 10 'a\\xff' is not in the spelling");
    BAD_BPE(d.tokens[10] = TEXT("\x1B[2J "), "token 10 '\\x1b[2J ' is not in the spelling");
    BAD_CHARACTERS(d.tokens[5] = TEXT("pp"), "tokenizer.ggml.tokens: token 5 'pp' is not one character");
    BAD_CHARACTERS(d.tokens[5] = TEXT("\xC3"), "token 5 '\\xc3' is not one character");
    BAD_CHARACTERS(d.tokens[5] = TEXT("\0"), "token 5 '\\x00' is not one character");
    BAD_CHARACTERS(d.tokens[5] = TEXT("猫"), "tokens 5 and 9 are both '猫'");
}

static void bad_merges(void **state) {
    (void)state;
    BAD_BPE(d.no_merges = true, "tokenizer.ggml.merges");
    const e2_string shapes[] = {S(""), S("ab"), S(" ab"), S("ab "), S("a  b"), S("a b "), S("a b a"), S(" ")};
    for (size_t i = 0; i < COUNT(shapes); i++)
        BAD_BPE(d.merges[1] = shapes[i], "is not two tokens with one blank between");
    BAD_BPE(d.merges[1] = TEXT("x b"), "tokenizer.ggml.merges: entry 1: 'x' is not a token");
    BAD_BPE(d.merges[1] = TEXT("a x"), "tokenizer.ggml.merges: entry 1: 'x' is not a token");
    BAD_BPE(d.merges[1] = TEXT("b a"), "tokenizer.ggml.merges: entry 1: 'ba' is not a token");
    BAD_BPE(d.merges[1] = TEXT("<s> a"), "tokenizer.ggml.merges: entry 1: '<s>' is a special token");
    BAD_BPE((d.tokens[1] = TEXT("aa"), d.merges[1] = TEXT("a a")), "entry 1: 'aa' is a special token");
    BAD_BPE(d.merges[1] = d.merges[0], "tokenizer.ggml.merges: entries 0 and 1 are the same");
}

static void bad_specials(void **state) {
    (void)state;
    BAD_BPE(d.no_specials = true, "e2str.tokenizer.special_token_ids");
    BAD_BPE(d.specials_type = E2_KV_F32, "e2str.tokenizer.special_token_ids");
    BAD_BPE(d.specials[2] = 11, "e2str.tokenizer.special_token_ids: id 11 is not one of the 11 tokens");
    BAD_CHARACTERS(d.specials[2] = (uint32_t)-1, "special_token_ids: id -1 is not one of the 10 tokens");
    BAD_BPE(d.bos = ABSENT, "tokenizer.ggml.bos_token_id");
    BAD_BPE(d.eos = ABSENT, "tokenizer.ggml.eos_token_id");
    BAD_BPE(d.padding = ABSENT, "tokenizer.ggml.padding_token_id");
    BAD_BPE(d.image = ABSENT, "e2str.tokenizer.image_token_id");
    BAD_BPE(d.bos = 11, "tokenizer.ggml.bos_token_id: id 11 is not one of the 11 tokens");
    BAD_BPE(d.bos = 4, "tokenizer.ggml.bos_token_id: id 4 is not in e2str.tokenizer.special_token_ids");
    BAD_BPE(d.eos = 4, "tokenizer.ggml.eos_token_id: id 4 is not in");
    BAD_BPE(d.padding = 4, "tokenizer.ggml.padding_token_id: id 4 is not in");
    BAD_BPE(d.image = 4, "e2str.tokenizer.image_token_id: id 4 is not in");
    BAD_BPE(d.image = d.eos, "e2str.tokenizer.image_token_id: id 1 is also");
}

/* ---- parts ---- */

static void utf8(void **state) {
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char text[4];
        size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (size_t i = size; i-- > 1;) text[i] = (char)(0x80 | (code >> 6 * (size - 1 - i) & 0x3F));
        text[0] = (char)(size == 1 ? code : (0xF00u >> size & 0xFF) | code >> 6 * (size - 1));
        uint32_t found = 0;
        size_t expected = code >= 0xD800 && code < 0xE000 ? 0 : size;
        if (e2_utf8_next(text, size, &found) != expected || (expected && found != code)) fail_msg("U+%04X", code);
        assert_int_equal(e2_utf8_next(text, size - 1, NULL), 0);
    }
    static const char *const invalid[] = {"\x80",
                                          "\xBF",
                                          "\xC0\x80",
                                          "\xC1\xBF",
                                          "\xC3\x28",
                                          "\xE0\x9F\xBF",
                                          "\xE2\x28\xA1",
                                          "\xE2\x82\x28",
                                          "\xF0\x8F\xBF\xBF",
                                          "\xF0\x9F\x98\x28",
                                          "\xF4\x90\x80\x80",
                                          "\xF5\x80\x80\x80",
                                          "\xF8\x88\x80\x80\x80",
                                          "\xFE",
                                          "\xFF"};
    for (size_t i = 0; i < COUNT(invalid); i++) assert_int_equal(e2_utf8_next(invalid[i], strlen(invalid[i]), NULL), 0);
    assert_int_equal(e2_utf8_next("ab", 2, NULL), 1);
}

static void classes(void **state) {
    (void)state;
    static const struct {
        uint32_t code;
        e2_class class;
    } cases[] = {
        {0, E2_CLASS_OTHER},        {'\t', E2_CLASS_SPACE},    {0x0E, E2_CLASS_OTHER},    {0x1C, E2_CLASS_OTHER},
        {0x1F, E2_CLASS_OTHER},     {' ', E2_CLASS_SPACE},     {'/', E2_CLASS_OTHER},     {'0', E2_CLASS_NUMBER},
        {'9', E2_CLASS_NUMBER},     {':', E2_CLASS_OTHER},     {'A', E2_CLASS_LETTER},    {'_', E2_CLASS_OTHER},
        {'z', E2_CLASS_LETTER},     {0x85, E2_CLASS_SPACE},    {0xA0, E2_CLASS_SPACE},    {0xB2, E2_CLASS_NUMBER},
        {0xD7, E2_CLASS_OTHER},     {0x301, E2_CLASS_OTHER},   {0x3B1, E2_CLASS_LETTER},  {0x660, E2_CLASS_NUMBER},
        {0x180E, E2_CLASS_OTHER},   {0x200B, E2_CLASS_OTHER},  {0x2028, E2_CLASS_SPACE},  {0x2167, E2_CLASS_NUMBER},
        {0x3000, E2_CLASS_SPACE},   {0x4E00, E2_CLASS_LETTER}, {0xE000, E2_CLASS_OTHER},  {0x1F600, E2_CLASS_OTHER},
        {0x3134A, E2_CLASS_LETTER}, {0x3134B, E2_CLASS_OTHER}, {0x10FFFF, E2_CLASS_OTHER}};
    for (size_t i = 0; i < COUNT(cases); i++)
        if (e2_unicode_class(cases[i].code) != cases[i].class) fail_msg("U+%04X", cases[i].code);
    /* General category counts of Unicode 14.0.0, from `unicodedata` */
    size_t counts[4] = {0};
    for (uint32_t code = 0; code < 0x110000; code++) counts[e2_unicode_class(code)]++;
    assert_int_equal(counts[E2_CLASS_LETTER], 131756);
    assert_int_equal(counts[E2_CLASS_NUMBER], 1791);
    assert_int_equal(counts[E2_CLASS_SPACE], 25);
}

/* '|' marks where one piece ends and the next begins, as in ByteBPE.split. */
static void pieces(void **state) {
    (void)state;
    static const char *const cases[] = {
        "it|'s| time", "we|'ll| '|ve|'ve|'d", "''|s|'|S|'re", "  | a",      " a|  ",   " a|\n|b",
        "a|\n| b",     "a|1|b|22|!!",         " ...| 9| x",   " '|s",       "\t|\t|a", "a|\u3000|b",
        " |\u00A0|b",  "a| \x1C|b",           "e|\u0301|e",   "日本|12|語", "  ",      "'''|t"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[64], found[64];
        size_t size = 0, n = 0;
        for (const char *c = cases[i]; *c; c++)
            if (*c != '|') text[size++] = *c;
        for (size_t at = 0, end; at < size; at = end) {
            end = e2_bpe_piece_end(text, size, at);
            assert_in_range(end, at + 1, size);
            if (at) found[n++] = '|';
            memcpy(found + n, text + at, end - at);
            n += end - at;
        }
        found[n] = 0;
        assert_string_equal(found, cases[i]);
    }
}

static void clean_up(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"plain text", "plain text"},
                                           {"a . b ? c ! d , e", "a. b? c! d, e"},
                                           {"do n't I 'm it 's we 've they 're", "don't I'm it's we've they're"},
                                           {"a ' b", "a'b"},
                                           {"a ' ' b", "a'' b"}, /* the second has lost its blank to the first */
                                           {"  .", " ."},
                                           {" ' s", "'s"},
                                           {"a ' .b", "a '.b"}, /* " ." goes before " ' " */
                                           {"a ' 's", "a''s"},
                                           {" nt ve re s m", " nt ve re s m"},
                                           {" ", " "},
                                           {"é .", "é."}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[64];
        size_t size = strlen(cases[i][0]);
        memcpy(text, cases[i][0], size);
        size = e2_clean_up(text, size);
        text[size] = 0;
        assert_string_equal(text, cases[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),     cmocka_unit_test(merge_order),  cmocka_unit_test(long_pieces),
        cmocka_unit_test(characters), cmocka_unit_test(bpe_labels),   cmocka_unit_test(bad_tokens),
        cmocka_unit_test(bad_merges), cmocka_unit_test(bad_specials), cmocka_unit_test(utf8),
        cmocka_unit_test(classes),    cmocka_unit_test(pieces),       cmocka_unit_test(clean_up)};
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
