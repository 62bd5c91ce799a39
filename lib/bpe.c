#include "bpe.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

#define MERGES     "tokenizer.ggml.merges"
#define MAX_MERGES 1048576u

/* ---- GPT-2's visible bytes: printable Latin-1 as it is, the other 68 bytes as U+0100 and up, in order ---- */

static uint32_t visible_code(uint8_t byte) {
    if (byte <= 32) return 256u + byte;
    if (byte >= 127 && byte <= 160) return 256u + 33 + (byte - 127u);
    if (byte == 173) return 256u + 67;
    return byte;
}

/* The byte that a visible character stands for, or -1. */
static int visible_byte(uint32_t code) {
    if ((code >= 33 && code <= 126) || (code >= 161 && code <= 255 && code != 173)) return (int)code;
    if (code >= 256 && code < 256 + 33) return (int)code - 256;
    if (code >= 256 + 33 && code < 256 + 67) return (int)code - 256 - 33 + 127;
    return code == 256 + 67 ? 173 : -1;
}

/* ---- opening ---- */

static void find_bytes(const e2_vocabulary *vocabulary, e2_bpe *bpe) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t code = visible_code((uint8_t)byte);
        bool ascii = code < 0x80; /* otherwise two bytes of UTF-8: it is below U+0800 */
        char spelling[2] = {(char)(ascii ? code : 0xC0 | code >> 6), (char)(0x80 | (code & 0x3F))};
        uint32_t token = e2_vocabulary_find(vocabulary, (e2_string){spelling, ascii ? 1 : 2}, (e2_string){0});
        bpe->byte_tokens[byte] = token != E2_NO_TOKEN && !vocabulary->special[token] ? token : E2_NO_TOKEN;
    }
}

static int compare_merges(const void *a, const void *b) {
    const e2_merge *left = a, *right = b;
    if (left->pair != right->pair) return left->pair < right->pair ? -1 : 1;
    return (left->rank > right->rank) - (left->rank < right->rank);
}

static e2str_status find_ordinary(const e2_vocabulary *vocabulary, e2_string left, e2_string right, size_t rank,
                                  uint32_t *token, e2str_error *error) {
    *token = e2_vocabulary_find(vocabulary, left, right);
    if (*token != E2_NO_TOKEN && !vocabulary->special[*token]) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_FORMAT, MERGES ": entry %zu: '%s%s' is %s", rank, e2_show(left).text,
                   e2_show(right).text, *token == E2_NO_TOKEN ? "not a token" : "a special token");
}

static e2str_status parse_merge(const e2_vocabulary *vocabulary, e2_string text, size_t rank, e2_merge *merge,
                                e2str_error *error) {
    const char *end = text.data + text.size;
    const char *blank = text.size ? memchr(text.data, ' ', text.size) : NULL;
    if (!blank || blank == text.data || blank + 1 == end || memchr(blank + 1, ' ', (size_t)(end - blank - 1)))
        return e2_fail(error, E2STR_ERROR_FORMAT, MERGES ": entry %zu '%s' is not two tokens with one blank between",
                       rank, e2_show(text).text);
    e2_string left = {text.data, (size_t)(blank - text.data)}, right = {blank + 1, (size_t)(end - blank - 1)};
    uint32_t left_token, right_token;
    e2str_status status = find_ordinary(vocabulary, left, (e2_string){"", 0}, rank, &left_token, error);
    if (!status) status = find_ordinary(vocabulary, right, (e2_string){"", 0}, rank, &right_token, error);
    if (!status) status = find_ordinary(vocabulary, left, right, rank, &merge->result, error);
    if (status) return status;
    merge->pair = (uint64_t)left_token << 32 | right_token;
    merge->rank = (uint32_t)rank;
    return E2STR_OK;
}

static e2str_status read_merges(const e2_gguf *gguf, const e2_vocabulary *vocabulary, e2_bpe *bpe, e2str_error *error) {
    const e2_kv *array;
    e2str_status status = e2_gguf_array(gguf, MERGES, E2_KV_STRING, &array, error);
    if (status) return status;
    size_t count = array->count;
    if (count > MAX_MERGES)
        return e2_fail(error, E2STR_ERROR_LIMIT, MERGES ": %zu entries, at most %u", count, MAX_MERGES);
    bpe->merges = e2_alloc(count, sizeof *bpe->merges);
    if (!bpe->merges) return e2_fail(error, E2STR_ERROR_MEMORY, MERGES ": out of memory for %zu entries", count);
    bpe->n_merges = count;
    const uint8_t *cursor = array->data;
    for (size_t i = 0; i < count && !status; i++)
        status = parse_merge(vocabulary, e2_gguf_next_string(&cursor), i, &bpe->merges[i], error);
    if (status) return status;
    qsort(bpe->merges, count, sizeof *bpe->merges, compare_merges);
    for (size_t i = 1; i < count; i++) {
        const e2_merge *a = &bpe->merges[i - 1], *b = &bpe->merges[i];
        if (a->pair == b->pair)
            return e2_fail(error, E2STR_ERROR_FORMAT, MERGES ": entries %u and %u are the same", a->rank, b->rank);
    }
    return E2STR_OK;
}

/* Turns the spelling of each ordinary token into the bytes it writes, which are never more than its spelling has. */
static e2str_status spell_out(e2_vocabulary *vocabulary, e2_bpe *bpe, e2str_error *error) {
    size_t total = 0;
    for (size_t i = 0; i < vocabulary->count; i++) total += vocabulary->tokens[i].size; /* parts of one file */
    char *out = bpe->bytes = e2_alloc(total, 1);
    if (!out) return e2_fail(error, E2STR_ERROR_MEMORY, "tokenizer.ggml.tokens: out of memory");
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (vocabulary->special[i]) continue;
        e2_string spelling = vocabulary->tokens[i];
        const char *first = out;
        for (size_t at = 0, length; at < spelling.size; at += length) {
            uint32_t code;
            length = e2_utf8_next(spelling.data + at, spelling.size - at, &code);
            int byte = length ? visible_byte(code) : -1;
            if (byte < 0)
                return e2_fail(error, E2STR_ERROR_FORMAT,
                               "tokenizer.ggml.tokens: token %zu '%s' is not in the spelling of byte-level BPE", i,
                               e2_show(spelling).text);
            *out++ = (char)byte;
        }
        vocabulary->tokens[i] = (e2_string){first, (size_t)(out - first)};
    }
    return E2STR_OK;
}

e2str_status e2_bpe_open(const e2_gguf *gguf, e2_vocabulary *vocabulary, e2_bpe *bpe, e2str_error *error) {
    *bpe = (e2_bpe){0};
    find_bytes(vocabulary, bpe);
    e2str_status status = read_merges(gguf, vocabulary, bpe, error);
    return status ? status : spell_out(vocabulary, bpe, error);
}

void e2_bpe_free(e2_bpe *bpe) {
    free(bpe->merges);
    free(bpe->bytes);
    *bpe = (e2_bpe){0};
}

/* ---- pieces: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ ---- */

static size_t contraction(const char *text, size_t size) {
    if (size < 2 || text[0] != '\'') return 0;
    if (strchr("stmd", text[1]) && text[1]) return 2;
    if (size < 3) return 0;
    bool three = !memcmp(text + 1, "re", 2) || !memcmp(text + 1, "ve", 2) || !memcmp(text + 1, "ll", 2);
    return three ? 3 : 0;
}

static e2_class class_at(const char *text, size_t size, size_t at, size_t *length) {
    uint32_t code = 0;
    *length = e2_utf8_next(text + at, size - at, &code);
    return e2_unicode_class(code);
}

size_t e2_bpe_piece_end(const char *text, size_t size, size_t start) {
    size_t length = contraction(text + start, size - start);
    if (length) return start + length;
    e2_class class = class_at(text, size, start, &length);
    size_t end = start + length, last = start;
    if (text[start] == ' ' && end < size) {
        e2_class next = class_at(text, size, end, &length);
        if (next != E2_CLASS_SPACE) class = next;
    }
    while (end < size && class_at(text, size, end, &length) == class) {
        last = end;
        end += length;
    }
    /* \s+(?!\S): of several blanks before a word the last one is left to it. */
    return class == E2_CLASS_SPACE && end < size && last > start ? last : end;
}

/* ---- merging ---- */

#define NONE UINT32_MAX

typedef struct symbol {
    uint32_t token;
    uint32_t previous, next; /* in the list of what is left, or NONE */
    const e2_merge *merge;   /* of this symbol and the next, or NULL; NULL too once merged into the previous */
} symbol;

/* The pairs of one piece that can be merged, lowest rank first, then leftmost: a binary heap of rank << 32 | position.
 * Entries are not taken out when their pair changes: a symbol's merge tells whether they still hold. The text of the
 * pair at a position only grows, so no entry comes twice, and a piece of n bytes sees at most 3 n of them. */
typedef struct merger {
    const e2_bpe *bpe;
    symbol *symbols;
    uint64_t *heap;
    size_t heap_size;
    uint32_t *batch; /* positions */
} merger;

static void heap_push(merger *m, uint64_t entry) {
    size_t i = m->heap_size++;
    for (; i && entry < m->heap[(i - 1) / 2]; i = (i - 1) / 2) m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = entry;
}

static uint64_t heap_pop(merger *m) {
    uint64_t top = m->heap[0], moved = m->heap[--m->heap_size];
    size_t i = 0;
    for (size_t child = 1; child < m->heap_size; child = 2 * i + 1) {
        if (child + 1 < m->heap_size && m->heap[child + 1] < m->heap[child]) child++;
        if (moved <= m->heap[child]) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = moved;
    return top;
}

static const e2_merge *find_merge(const e2_bpe *bpe, uint32_t left, uint32_t right) {
    uint64_t pair = (uint64_t)left << 32 | right;
    size_t low = 0, high = bpe->n_merges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bpe->merges[middle].pair == pair) return &bpe->merges[middle];
        if (bpe->merges[middle].pair < pair)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Looks up the pair that starts at `position` and queues it. */
static void consider(merger *m, uint32_t position) {
    symbol *s = &m->symbols[position];
    s->merge = s->next == NONE ? NULL : find_merge(m->bpe, s->token, m->symbols[s->next].token);
    if (s->merge) heap_push(m, (uint64_t)s->merge->rank << 32 | position);
}

static void merge_at(merger *m, uint32_t position) {
    symbol *s = &m->symbols[position], *gone = &m->symbols[s->next];
    s->token = s->merge->result;
    s->next = gone->next;
    gone->merge = NULL;
    if (s->next != NONE) m->symbols[s->next].previous = position;
    consider(m, position);
    if (s->previous != NONE) consider(m, s->previous);
}

/* Every occurrence of the best pair is merged, left to right, before a pair that this makes is looked at, even if that
 * one's rank is lower: as in the reference. */
static void merge_piece(merger *m) {
    while (m->heap_size) {
        uint32_t rank = (uint32_t)(m->heap[0] >> 32);
        size_t n = 0;
        while (m->heap_size && m->heap[0] >> 32 == rank) {
            uint32_t position = (uint32_t)heap_pop(m);
            if (m->symbols[position].merge && m->symbols[position].merge->rank == rank) m->batch[n++] = position;
        }
        for (size_t i = 0; i < n; i++)
            if (m->symbols[m->batch[i]].merge) merge_at(m, m->batch[i]); /* not if it overlapped the one before */
    }
}

static size_t encode_piece(merger *m, const char *text, size_t size, uint32_t *ids) {
    for (size_t i = 0; i < size; i++)
        m->symbols[i] = (symbol){.token = m->bpe->byte_tokens[(uint8_t)text[i]],
                                 .previous = i ? (uint32_t)i - 1 : NONE,
                                 .next = i + 1 < size ? (uint32_t)i + 1 : NONE};
    m->heap_size = 0;
    for (size_t i = 0; i < size; i++) consider(m, (uint32_t)i);
    merge_piece(m);
    size_t n = 0;
    for (uint32_t at = 0; at != NONE; at = m->symbols[at].next) ids[n++] = m->symbols[at].token;
    return n;
}

e2str_status e2_bpe_encode(const e2_bpe *bpe, const char *text, size_t size, uint32_t *ids, size_t *count,
                           e2str_error *error) {
    size_t longest = 0;
    for (size_t at = 0, end; at < size; at = end) {
        end = e2_bpe_piece_end(text, size, at);
        if (end - at > longest) longest = end - at;
    }
    merger m = {.bpe = bpe,
                .symbols = e2_alloc(longest, sizeof(symbol)),
                .heap = e2_alloc(longest, 3 * sizeof(uint64_t)),
                .batch = e2_alloc(longest, sizeof(uint32_t))};
    e2str_status status = E2STR_OK;
    *count = 0;
    if (!m.symbols || !m.heap || !m.batch) status = e2_fail(error, E2STR_ERROR_MEMORY, "label: out of memory");
    for (size_t at = 0, end; !status && at < size; at = end) {
        end = e2_bpe_piece_end(text, size, at);
        *count += encode_piece(&m, text + at, end - at, ids + *count);
    }
    free(m.symbols);
    free(m.heap);
    free(m.batch);
    return status;
}
