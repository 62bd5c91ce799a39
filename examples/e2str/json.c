/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    json_document *document;
    char *text, *at, *end;
    const char *why;
} parser;

static bool fail(parser *p, const char *why) {
    if (!p->why) p->why = why;
    return false;
}

static void skip_blanks(parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) p->at++;
}

static bool is_next(const parser *p, char byte) { return p->at < p->end && *p->at == byte; }

static bool take(parser *p, char byte) {
    bool found = is_next(p, byte);
    p->at += found;
    return found;
}

/* An index: nodes move when there are more of them. */
static bool add_node(parser *p, json_kind kind, size_t *index) {
    json_document *d = p->document;
    if (d->count == JSON_MAX_NODES) return fail(p, "too many values");
    if (d->count == d->capacity) {
        size_t wanted = d->capacity ? 2 * d->capacity : 256;
        json_node *grown = realloc(d->nodes, wanted * sizeof *grown);
        if (!grown) return fail(p, "out of memory");
        d->nodes = grown;
        d->capacity = wanted;
    }
    *index = d->count++;
    d->nodes[*index] = (json_node){.kind = kind, .next = d->count};
    return true;
}

/* ---- strings ---- */

/* Length of the UTF-8 sequence at the place; 0: none. */
static size_t utf8_length(const parser *p) {
    const unsigned char *b = (const unsigned char *)p->at;
    size_t left = (size_t)(p->end - p->at);
    size_t length = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (!length || length > left) return 0;
    for (size_t i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80) return 0;
    bool overlong = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90);
    bool outside = (b[0] == 0xed && b[1] >= 0xa0) || (b[0] == 0xf4 && b[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

static bool hex4(parser *p, uint32_t *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        int c = p->at < p->end ? *p->at : 0;
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return fail(p, "no four hexadecimal digits behind \\u");
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

/* Behind "\u": the character, of one unit or a pair of surrogates, in UTF-8, which is shorter. */
static bool unescape_unit(parser *p, char **to) {
    uint32_t code, low;
    if (!hex4(p, &code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (!take(p, '\\') || !take(p, 'u')) return fail(p, "half a pair of surrogates");
        if (!hex4(p, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return fail(p, "half a pair of surrogates");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return fail(p, "half a pair of surrogates");
    }
    unsigned char *out = (unsigned char *)*to;
    if (code < 0x80) {
        *out++ = (unsigned char)code;
    } else if (code < 0x800) {
        *out++ = (unsigned char)(0xc0 | code >> 6);
        *out++ = (unsigned char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (unsigned char)(0xe0 | code >> 12);
        *out++ = (unsigned char)(0x80 | (code >> 6 & 63));
        *out++ = (unsigned char)(0x80 | (code & 63));
    } else {
        *out++ = (unsigned char)(0xf0 | code >> 18);
        *out++ = (unsigned char)(0x80 | (code >> 12 & 63));
        *out++ = (unsigned char)(0x80 | (code >> 6 & 63));
        *out++ = (unsigned char)(0x80 | (code & 63));
    }
    *to = (char *)out;
    return true;
}

static bool unescape(parser *p, char **to) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *found = p->at < p->end && *p->at ? strchr(names, *p->at) : NULL;
    if (found) {
        *(*to)++ = values[found - names];
        p->at++;
        return true;
    }
    if (!take(p, 'u')) return fail(p, "an unknown escape");
    return unescape_unit(p, to);
}

static bool parse_string(parser *p) {
    size_t index;
    if (!take(p, '"')) return fail(p, "no string where one has to be");
    char *text = p->at, *to = text;
    while (!is_next(p, '"')) {
        if (p->at == p->end) return fail(p, "a string without an end");
        if (take(p, '\\')) {
            if (!unescape(p, &to)) return false;
            continue;
        }
        size_t length = utf8_length(p);
        if (!length) return fail(p, "bytes that are no UTF-8");
        if ((unsigned char)*p->at < 0x20) return fail(p, "a control character in a string");
        memmove(to, p->at, length);
        to += length;
        p->at += length;
    }
    p->at++;
    if (!add_node(p, JSON_STRING, &index)) return false;
    p->document->nodes[index].text = text;
    p->document->nodes[index].size = (size_t)(to - text);
    return true;
}

/* ---- numbers and words ---- */

static bool digits(parser *p) {
    char *from = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
    return p->at > from || fail(p, "a digit is missing");
}

static bool parse_number(parser *p) {
    enum { LONGEST = 64 };
    size_t index;
    char *from = p->at, copy[LONGEST + 1];
    take(p, '-');
    if (!take(p, '0') && !digits(p)) return false;
    if (take(p, '.') && !digits(p)) return false;
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+')) take(p, '-');
        if (!digits(p)) return false;
    }
    size_t size = (size_t)(p->at - from);
    if (size > LONGEST) return fail(p, "a number of more than 64 characters");
    memcpy(copy, from, size);
    copy[size] = 0;
    double number = strtod(copy, NULL);
    if (!isfinite(number)) return fail(p, "a number out of range");
    if (!add_node(p, JSON_NUMBER, &index)) return false;
    p->document->nodes[index].number = number;
    return true;
}

static bool parse_word(parser *p, const char *word, json_kind kind) {
    size_t size = strlen(word), index;
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, word, size) != 0)
        return fail(p, "no value where one has to be");
    p->at += size;
    return add_node(p, kind, &index);
}

/* ---- what holds others ---- */

static bool parse_value(parser *p, int depth);

static bool parse_pair(parser *p, int depth) {
    skip_blanks(p);
    if (!parse_string(p)) return false;
    skip_blanks(p);
    if (!take(p, ':')) return fail(p, "no colon behind a key");
    return parse_value(p, depth);
}

static bool parse_list(parser *p, int depth, json_kind kind, char close) {
    size_t index;
    if (depth == JSON_MAX_DEPTH) return fail(p, "too deep");
    if (!add_node(p, kind, &index)) return false;
    p->at++;
    skip_blanks(p);
    uint32_t count = 0;
    for (bool first = true; !take(p, close); first = false) {
        if (!first && !take(p, ',')) return fail(p, "no comma between values");
        if (!(kind == JSON_OBJECT ? parse_pair(p, depth + 1) : parse_value(p, depth + 1))) return false;
        count++;
        skip_blanks(p);
    }
    p->document->nodes[index].count = count;
    p->document->nodes[index].next = p->document->count;
    return true;
}

static bool parse_value(parser *p, int depth) {
    skip_blanks(p);
    switch (p->at < p->end ? *p->at : 0) {
    case '{':
        return parse_list(p, depth, JSON_OBJECT, '}');
    case '[':
        return parse_list(p, depth, JSON_ARRAY, ']');
    case '"':
        return parse_string(p);
    case 't':
        return parse_word(p, "true", JSON_TRUE);
    case 'f':
        return parse_word(p, "false", JSON_FALSE);
    case 'n':
        return parse_word(p, "null", JSON_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return parse_number(p);
    default:
        return fail(p, p->at == p->end ? "it ends too early" : "no value where one has to be");
    }
}

bool json_parse(json_document *document, char *text, size_t size, const char **why, size_t *at) {
    *document = (json_document){0};
    parser p = {.document = document, .text = text, .at = text, .end = text + size};
    bool good = parse_value(&p, 0);
    skip_blanks(&p);
    if (good && p.at < p.end) good = fail(&p, "something behind its end");
    *why = p.why;
    *at = (size_t)(p.at - text);
    if (!good) json_free(document);
    return good;
}

void json_free(json_document *document) {
    free(document->nodes);
    *document = (json_document){0};
}

const json_node *json_member(const json_document *document, const json_node *object, const char *key) {
    if (object->kind != JSON_OBJECT) return NULL;
    size_t at = (size_t)(object - document->nodes) + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const json_node *name = &document->nodes[at];
        if (name->size == strlen(key) && !memcmp(name->text, key, name->size)) return name + 1;
        at = (name + 1)->next;
    }
    return NULL;
}
