/* SPDX-License-Identifier: MIT */
/* Reading GGUF v3: every number of the file is checked against the bytes that are there before it is used. */
#include "gguf.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

#define VERSION           3
#define DEFAULT_ALIGNMENT 32
#define MAX_ALIGNMENT     65536

/* The fewest bytes that one entry takes: what bounds the counts of the header. */
#define MIN_KV      (8 + 4 + 1)         /* key size, type, a value of one byte */
#define MIN_TENSOR  (8 + 4 + 8 + 4 + 8) /* name size, number of dimensions, one dimension, type, offset */
#define MAX_ENTRIES ((uint64_t)1 << 24)

typedef struct reader {
    const uint8_t *at;
    size_t left;
    e2_gguf *gguf;
} reader;

/* ------------------------------------------------------------------------------------------------------ strings -- */

bool e2_string_is(e2_string string, const char *text) {
    return string.size == strlen(text) && memcmp(string.data, text, string.size) == 0;
}

/* Bytes of the character at text[0..size) if it can be printed without changing what stands around it: not a control,
 * nor what turns the direction of the text or cannot be seen. 0 otherwise. */
static size_t printable(const char *text, size_t size) {
    uint32_t code = 0;
    size_t length = e2_utf8_next(text, size, &code);
    bool hidden = (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
                  (code >= 0x2060 && code <= 0x206F) || code == 0xAD || code == 0x61C || code == 0xFEFF ||
                  (code >= 0xFFF0 && code <= 0xFFFF) || code >= 0xE0000;
    if (!length || hidden || code < 0x20 || (code >= 0x7F && code <= 0xA0) || code == '\\') return 0;
    return length;
}

e2_shown e2_show(e2_string string) {
    static const char hex[] = "0123456789abcdef";
    e2_shown shown = {{0}};
    size_t used = 0, most = sizeof shown.text - 4; /* room for "..." */
    for (size_t i = 0, length; i < string.size; i += length ? length : 1) {
        unsigned char byte = (unsigned char)string.data[i];
        length = printable(string.data + i, string.size - i);
        if (used + (length ? length : 4) > most) {
            memcpy(shown.text + used, "...", 4);
            break;
        }
        const char escaped[] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
        memcpy(shown.text + used, length ? string.data + i : escaped, length ? length : 4);
        used += length ? length : 4;
    }
    return shown;
}

/* ------------------------------------------------------------------------------------------------- taking bytes -- */

/* Everything that is looked at went through here: then it is in memory, and is not read again. */
static bool skip(reader *from, size_t size) {
    if (size > from->left || !e2_gguf_load(from->gguf, (size_t)(from->at - from->gguf->data) + size)) return false;
    from->at += size;
    from->left -= size;
    return true;
}

static bool take(reader *from, void *value, size_t size) {
    const uint8_t *at = from->at;
    if (!skip(from, size)) return false;
    memcpy(value, at, size);
    return true;
}

static bool take_string(reader *from, e2_string *string) {
    uint64_t size;
    if (!take(from, &size, sizeof size) || size > from->left) return false;
    *string = (e2_string){(const char *)from->at, (size_t)size};
    return skip(from, (size_t)size);
}

/* ----------------------------------------------------------------------------------------------- header and names --
 */

static e2str_status read_header(reader *from, uint64_t *n_tensors, uint64_t *n_kvs, e2str_error *error) {
    char magic[4];
    uint32_t version;
    if (!from->left) return e2_fail(error, E2STR_ERROR_FORMAT, "the file is empty");
    if (!take(from, magic, sizeof magic)) return e2_fail(error, E2STR_ERROR_FORMAT, "not a GGUF file: too short");
    if (memcmp(magic, "FUGG", 4) == 0) return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "a big-endian GGUF file");
    if (memcmp(magic, "GGUF", 4) != 0) return e2_fail(error, E2STR_ERROR_FORMAT, "not a GGUF file");
    if (!take(from, &version, sizeof version))
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file ends inside the GGUF header");
    if (version && version % 65536 == 0) return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "a big-endian GGUF file");
    if (version != VERSION)
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "GGUF version %u; only %d is supported", version, VERSION);
    if (!take(from, n_tensors, 8) || !take(from, n_kvs, 8))
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file ends inside the GGUF header");
    if (*n_kvs > from->left / MIN_KV || *n_tensors > from->left / MIN_TENSOR)
        return e2_fail(error, E2STR_ERROR_FORMAT,
                       "%llu keys and %llu tensors announced, more than the %zu bytes after the header can hold",
                       (unsigned long long)*n_kvs, (unsigned long long)*n_tensors, from->left);
    if (*n_kvs > MAX_ENTRIES || *n_tensors > MAX_ENTRIES)
        return e2_fail(error, E2STR_ERROR_LIMIT, "more than %llu keys or tensors", (unsigned long long)MAX_ENTRIES);
    return E2STR_OK;
}

static int compare_strings(const e2_string *a, const e2_string *b) {
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int compare_names(const void *a, const void *b) {
    return compare_strings(*(const e2_string *const *)a, *(const e2_string *const *)b);
}

/* Sorts pointers to the names of `count` entries of entry_size bytes, which begin with their name. */
static e2str_status sort_names(const void *entries, size_t count, size_t entry_size, const char *what,
                               const e2_string ***order, e2str_error *error) {
    const e2_string **names = e2_alloc(count, sizeof *names);
    if (!names) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the list of %ss", what);
    *order = names;
    for (size_t i = 0; i < count; i++) names[i] = (const void *)((const char *)entries + i * entry_size);
    if (count) qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count; i++)
        if (compare_strings(names[i - 1], names[i]) == 0)
            return e2_fail(error, E2STR_ERROR_FORMAT, "%s %s occurs twice", what, e2_show(*names[i]).text);
    return E2STR_OK;
}

static const void *find(const e2_string *const *order, size_t count, const char *name) {
    const e2_string wanted = {name, strlen(name)}, *key = &wanted;
    const e2_string *const *found = count ? bsearch(&key, order, count, sizeof *order, compare_names) : NULL;
    return found ? *found : NULL;
}

const e2_kv *e2_gguf_kv(const e2_gguf *gguf, const char *key) { return find(gguf->kv_order, gguf->n_kvs, key); }

const e2_tensor *e2_gguf_tensor(const e2_gguf *gguf, const char *name) {
    return find(gguf->tensor_order, gguf->n_tensors, name);
}

/* ----------------------------------------------------------------------------------------------------- metadata -- */

size_t e2_kv_size(uint32_t type) {
    switch (type) {
    case E2_KV_U8:
    case E2_KV_I8:
    case E2_KV_BOOL:
        return 1;
    case E2_KV_U16:
    case E2_KV_I16:
        return 2;
    case E2_KV_U32:
    case E2_KV_I32:
    case E2_KV_F32:
        return 4;
    case E2_KV_U64:
    case E2_KV_I64:
    case E2_KV_F64:
        return 8;
    default:
        return 0;
    }
}

/* Goes over kv->count values of one type and checks them. */
static e2str_status read_values(reader *from, uint32_t type, e2_kv *kv, e2str_error *error) {
    size_t size = e2_kv_size(type), bytes;
    bool inside = true;
    kv->data = from->at;
    if (type == E2_KV_STRING) {
        e2_string string;
        inside = kv->count <= from->left / 8;
        for (size_t i = 0; inside && i < kv->count; i++) inside = take_string(from, &string);
    } else if (size) {
        inside = e2_mul(kv->count, size, &bytes) && skip(from, bytes);
    } else {
        return e2_fail(error, E2STR_ERROR_FORMAT, "key %s has the unknown type %u", e2_show(kv->key).text, type);
    }
    if (!inside)
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file ends inside the value of key %s", e2_show(kv->key).text);
    kv->bytes = (size_t)(from->at - kv->data);
    for (size_t i = 0; type == E2_KV_BOOL && i < kv->count; i++)
        if (kv->data[i] > 1)
            return e2_fail(error, E2STR_ERROR_FORMAT, "key %s has the value %u, neither true nor false",
                           e2_show(kv->key).text, kv->data[i]);
    return E2STR_OK;
}

static e2str_status read_kv(reader *from, size_t index, e2_kv *kv, e2str_error *error) {
    uint32_t type, element;
    uint64_t count;
    if (!take_string(from, &kv->key) || !take(from, &type, sizeof type))
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file ends inside key %zu", index);
    kv->type = (e2_kv_type)type;
    kv->count = 1;
    if (type != E2_KV_ARRAY) return read_values(from, type, kv, error);
    if (!take(from, &element, sizeof element) || !take(from, &count, sizeof count) || count > from->left)
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file ends inside the array of key %s", e2_show(kv->key).text);
    if (element == E2_KV_ARRAY)
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "key %s is an array of arrays", e2_show(kv->key).text);
    kv->element = (e2_kv_type)element;
    kv->count = (size_t)count;
    return read_values(from, element, kv, error);
}

static e2str_status read_kvs(reader *from, size_t count, e2_gguf *gguf, e2str_error *error) {
    gguf->kvs = e2_alloc(count, sizeof *gguf->kvs);
    if (!gguf->kvs) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for %zu keys", count);
    for (; gguf->n_kvs < count; gguf->n_kvs++) {
        e2_kv *kv = &gguf->kvs[gguf->n_kvs];
        *kv = (e2_kv){0};
        e2str_status status = read_kv(from, gguf->n_kvs, kv, error);
        if (status) return status;
    }
    return sort_names(gguf->kvs, count, sizeof *gguf->kvs, "key", &gguf->kv_order, error);
}

static e2str_status read_alignment(const e2_gguf *gguf, size_t *alignment, e2str_error *error) {
    uint32_t value = 0;
    *alignment = DEFAULT_ALIGNMENT;
    if (!e2_gguf_kv(gguf, "general.alignment")) return E2STR_OK;
    e2str_status status = e2_gguf_u32(gguf, "general.alignment", &value, error);
    if (status) return status;
    if (!value || value > MAX_ALIGNMENT || (value & (value - 1)))
        return e2_fail(error, E2STR_ERROR_FORMAT, "general.alignment is %u, not a power of two up to %d", value,
                       MAX_ALIGNMENT);
    *alignment = value;
    return E2STR_OK;
}

/* ------------------------------------------------------------------------------------------------------ tensors -- */

static e2str_status read_shape(e2_tensor *tensor, e2str_error *error) {
    e2_shown name = e2_show(tensor->name);
    size_t block, block_bytes;
    if (!e2_type_block(tensor->type, &block, &block_bytes))
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "tensor %s has the unknown type %u", name.text,
                       (unsigned)tensor->type);
    tensor->elements = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++) {
        uint64_t dim = tensor->dims[i];
        if (!dim)
            return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s has no elements: dimension %u is 0", name.text, i);
        if (dim > SIZE_MAX || !e2_mul(tensor->elements, (size_t)dim, &tensor->elements))
            return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s has more elements than memory could hold", name.text);
    }
    if (tensor->dims[0] % block)
        return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s has rows of %llu elements, not whole blocks of %zu (%s)",
                       name.text, (unsigned long long)tensor->dims[0], block, e2_type_name(tensor->type));
    if (!e2_mul(tensor->elements / block, block_bytes, &tensor->bytes))
        return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s has more bytes than memory could hold", name.text);
    return E2STR_OK;
}

/* One entry of the tensor list; its place in the data section goes to *offset. */
static e2str_status read_tensor(reader *from, size_t index, e2_tensor *tensor, uint64_t *offset, e2str_error *error) {
    uint32_t type;
    for (size_t i = 0; i < E2_MAX_DIMS; i++) tensor->dims[i] = 1;
    if (!take_string(from, &tensor->name))
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file ends inside the name of tensor %zu", index);
    e2_shown name = e2_show(tensor->name);
    bool inside = take(from, &tensor->n_dims, sizeof tensor->n_dims);
    if (inside && (tensor->n_dims < 1 || tensor->n_dims > E2_MAX_DIMS))
        return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s has %u dimensions, not 1 to %d", name.text, tensor->n_dims,
                       E2_MAX_DIMS);
    if (!inside || !take(from, tensor->dims, tensor->n_dims * sizeof *tensor->dims) ||
        !take(from, &type, sizeof type) || !take(from, offset, sizeof *offset))
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file ends inside the entry of tensor %s", name.text);
    tensor->type = (e2_type)type;
    return read_shape(tensor, error);
}

/* Gives the tensors their data: the offsets, kept in `offsets`, count from `start` and must ascend without overlap. */
static e2str_status place_tensors(e2_gguf *gguf, const uint64_t *offsets, size_t start, size_t alignment,
                                  e2str_error *error) {
    size_t room = gguf->size > start ? gguf->size - start : 0, end = 0;
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        e2_tensor *tensor = &gguf->tensors[i];
        e2_shown name = e2_show(tensor->name);
        uint64_t offset = offsets[i];
        if (offset % alignment)
            return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s is at offset %llu, which is not a multiple of %zu",
                           name.text, (unsigned long long)offset, alignment);
        if (offset > room || tensor->bytes > room - (size_t)offset)
            return e2_fail(error, E2STR_ERROR_FORMAT,
                           "the data of tensor %s (%zu bytes at %llu) go beyond the file's end", name.text,
                           tensor->bytes, (unsigned long long)offset);
        if (offset < end)
            return e2_fail(error, E2STR_ERROR_FORMAT, "the data of tensor %s overlap those of an earlier one",
                           name.text);
        tensor->offset = start + (size_t)offset;
        tensor->data = gguf->data + tensor->offset;
        end = (size_t)offset + tensor->bytes;
    }
    size_t padding = (alignment - end % alignment) % alignment;
    if (room > end && room - end > padding)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%zu bytes follow the end of the data", room - end - padding);
    return E2STR_OK;
}

static e2str_status read_tensors(reader *from, size_t count, e2_gguf *gguf, e2str_error *error) {
    size_t alignment;
    e2str_status status = read_alignment(gguf, &alignment, error);
    if (status) return status;
    gguf->tensors = e2_alloc(count, sizeof *gguf->tensors);
    uint64_t *offsets = e2_alloc(count, sizeof *offsets);
    if (!gguf->tensors || !offsets) status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for %zu tensors", count);
    for (; !status && gguf->n_tensors < count; gguf->n_tensors++)
        status = read_tensor(from, gguf->n_tensors, &gguf->tensors[gguf->n_tensors], &offsets[gguf->n_tensors], error);
    if (!status) status = sort_names(gguf->tensors, count, sizeof *gguf->tensors, "tensor", &gguf->tensor_order, error);
    if (!status) {
        size_t used = (size_t)(from->at - gguf->data);
        status = place_tensors(gguf, offsets, used + (alignment - used % alignment) % alignment, alignment, error);
    }
    free(offsets);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- opening -- */

e2str_status e2_gguf_parse(e2_gguf *gguf, e2str_error *error) {
    reader from = {gguf->data, gguf->size, gguf};
    uint64_t n_tensors = 0, n_kvs = 0;
    e2str_status status = read_header(&from, &n_tensors, &n_kvs, error);
    if (!status) status = read_kvs(&from, (size_t)n_kvs, gguf, error);
    if (!status) status = read_tensors(&from, (size_t)n_tensors, gguf, error);
    gguf->metadata = (size_t)(from.at - gguf->data);
    return status;
}

e2str_status e2_gguf_open_memory(const void *data, size_t size, e2_gguf *gguf, e2str_error *error) {
    *gguf = (e2_gguf){.data = data, .size = size};
    if (!data) return e2_fail(error, E2STR_ERROR_ARGUMENT, "data is NULL");
    e2str_status status = e2_gguf_parse(gguf, error);
    if (status) e2_gguf_close(gguf);
    return status;
}

/* ----------------------------------------------------------------------------------------------- typed look-ups -- */

static e2str_status expect(const e2_gguf *gguf, const char *key, e2_kv_type type, const e2_kv **kv,
                           e2str_error *error) {
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    *kv = e2_gguf_kv(gguf, key);
    if (!*kv) return e2_fail(error, E2STR_ERROR_FORMAT, "key %s is missing", key);
    if ((*kv)->type != type)
        return e2_fail(error, E2STR_ERROR_FORMAT, "key %s has type %s, not %s", key, names[(*kv)->type], names[type]);
    return E2STR_OK;
}

/* The value of an integer of any width; false: not an integer, or negative. */
static bool unsigned_value(const e2_kv *kv, uint64_t *value) {
    size_t size = e2_kv_size(kv->type);
    bool is_signed = kv->type == E2_KV_I8 || kv->type == E2_KV_I16 || kv->type == E2_KV_I32 || kv->type == E2_KV_I64;
    if (!size || kv->type == E2_KV_F32 || kv->type == E2_KV_F64 || kv->type == E2_KV_BOOL) return false;
    *value = 0;
    memcpy(value, kv->data, size); /* little-endian */
    return !(is_signed && kv->data[size - 1] >> 7);
}

e2str_status e2_gguf_u64(const e2_gguf *gguf, const char *key, uint64_t *value, e2str_error *error) {
    const e2_kv *kv = e2_gguf_kv(gguf, key);
    if (!kv) return e2_fail(error, E2STR_ERROR_FORMAT, "key %s is missing", key);
    if (!unsigned_value(kv, value))
        return e2_fail(error, E2STR_ERROR_FORMAT, "key %s is not an integer of 0 or more", key);
    return E2STR_OK;
}

e2str_status e2_gguf_u32(const e2_gguf *gguf, const char *key, uint32_t *value, e2str_error *error) {
    uint64_t wide = 0;
    e2str_status status = e2_gguf_u64(gguf, key, &wide, error);
    if (status) return status;
    if (wide > UINT32_MAX)
        return e2_fail(error, E2STR_ERROR_FORMAT, "key %s is %llu, out of range", key, (unsigned long long)wide);
    *value = (uint32_t)wide;
    return E2STR_OK;
}

e2str_status e2_gguf_f32(const e2_gguf *gguf, const char *key, float *value, e2str_error *error) {
    const e2_kv *kv;
    e2str_status status = expect(gguf, key, E2_KV_F32, &kv, error);
    if (!status) memcpy(value, kv->data, sizeof *value);
    return status;
}

e2str_status e2_gguf_bool(const e2_gguf *gguf, const char *key, bool *value, e2str_error *error) {
    const e2_kv *kv;
    e2str_status status = expect(gguf, key, E2_KV_BOOL, &kv, error);
    if (!status) *value = *kv->data;
    return status;
}

e2str_status e2_gguf_string(const e2_gguf *gguf, const char *key, e2_string *value, e2str_error *error) {
    const e2_kv *kv;
    e2str_status status = expect(gguf, key, E2_KV_STRING, &kv, error);
    if (status) return status;
    const uint8_t *cursor = kv->data;
    *value = e2_gguf_next_string(&cursor);
    return E2STR_OK;
}

e2str_status e2_gguf_array(const e2_gguf *gguf, const char *key, e2_kv_type element, const e2_kv **array,
                           e2str_error *error) {
    e2str_status status = expect(gguf, key, E2_KV_ARRAY, array, error);
    if (status) return status;
    if ((*array)->element != element)
        return e2_fail(error, E2STR_ERROR_FORMAT, "key %s is an array of another type", key);
    return E2STR_OK;
}

e2_string e2_gguf_next_string(const uint8_t **cursor) {
    uint64_t size;
    memcpy(&size, *cursor, sizeof size);
    e2_string string = {(const char *)*cursor + 8, (size_t)size};
    *cursor += 8 + size;
    return string;
}
