/* A strict JSON parser (RFC 8259) with bounds, for what others write.
 *
 * SPDX-License-Identifier: MIT */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 64
#define JSON_MAX_NODES ((size_t)1 << 22)

typedef enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} json_kind;

/* A value. Those that an array or object holds stand behind it, each followed by what it holds itself; an object's are
 * its keys and values in turn. */
typedef struct json_node {
    json_kind kind;
    uint32_t count;   /* values in an array, pairs in an object */
    size_t next;      /* the node behind all that this one holds */
    double number;    /* finite */
    const char *text; /* of a string: UTF-8, unescaped, in the text that was parsed; it may hold NUL */
    size_t size;
} json_node;

typedef struct json_document {
    json_node *nodes; /* nodes[0] is the whole */
    size_t count, capacity;
} json_document;

/* The text is changed: strings are unescaped in place, and nodes point into it. false: *why (static) says what is wrong
 * at byte *at of the text; the document is empty then. */
bool json_parse(json_document *document, char *text, size_t size, const char **why, size_t *at);
void json_free(json_document *document);

/* The value of a key (the first one of that name); NULL: there is none, or the node is no object. */
const json_node *json_member(const json_document *document, const json_node *object, const char *key);

#endif
