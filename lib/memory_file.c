#include "memory_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX          "e2str.pool.memory."
#define KEY_LAST_ID     PREFIX "last_id"
#define KEY_STRENGTH    PREFIX "strength"
#define KEY_REPORT      PREFIX "report"
#define KEY_TOKENS      PREFIX "tokens"
#define KEY_CHARACTERS  PREFIX "characters"
#define KEY_SILENT      PREFIX "silent"
#define KEY_EXAMPLES    PREFIX "step_examples"
#define KEY_OFFSETS     PREFIX "step_offsets"
#define KEY_TARGETS     PREFIX "step_targets"
#define KEY_DOMAIN      PREFIX "domain"
#define KEY_VERDICTS    PREFIX "verdict_examples"
#define KEY_DOUBTS      PREFIX "verdict_doubts"
#define TENSOR_FEATURES "memory.features"
#define TENSOR_ERRORS   "memory.errors"

static bool any_of(e2_string name, const char *const *known, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (e2_string_is(name, known[i])) return true;
    return false;
}

bool e2_memory_file_key(e2_string key) {
    static const char *const keys[] = {KEY_LAST_ID,  KEY_STRENGTH, KEY_REPORT,  KEY_TOKENS, KEY_CHARACTERS, KEY_SILENT,
                                       KEY_EXAMPLES, KEY_OFFSETS,  KEY_TARGETS, KEY_DOMAIN, KEY_VERDICTS,   KEY_DOUBTS};
    return any_of(key, keys, sizeof keys / sizeof *keys);
}

bool e2_memory_file_tensor(e2_string name) {
    static const char *const tensors[] = {TENSOR_FEATURES, TENSOR_ERRORS};
    return any_of(name, tensors, sizeof tensors / sizeof *tensors);
}

/* ------------------------------------------------------------------------------------------------------ writing -- */

/* The report's counts in the order of the structure. */
#define REPORT_COUNTS 9
static void pack_report(const e2str_memory_report *r, uint64_t counts[REPORT_COUNTS]) {
    const uint64_t values[REPORT_COUNTS] = {r->examples, r->doubtful, r->characters,    r->tokens,    r->new_characters,
                                            r->silent,   r->checked,  r->right_without, r->right_with};
    memcpy(counts, values, sizeof values);
}

static void unpack_report(const uint64_t counts[REPORT_COUNTS], e2str_memory_report *r) {
    r->examples = counts[0];
    r->doubtful = counts[1];
    r->characters = counts[2];
    r->tokens = (uint32_t)counts[3];
    r->new_characters = (uint32_t)counts[4];
    r->silent = (uint32_t)counts[5];
    r->checked = counts[6];
    r->right_without = counts[7];
    r->right_with = counts[8];
}

/* One member of an array of structures as a list of its own; writers copy lists. */
static void write_members(e2_gguf_writer *writer, const char *key, e2_kv_type type, const void *first, size_t n,
                          size_t size) {
    size_t each = e2_kv_size(type);
    char *list = e2_alloc(n, each);
    for (size_t i = 0; list && i < n; i++) memcpy(list + i * each, (const char *)first + i * size, each);
    if (list)
        e2_gguf_write_array(writer, key, type, list, n);
    else
        e2_gguf_writer_fail(writer, key);
    free(list);
}

void e2_memory_file_write_metadata(e2_gguf_writer *writer, const e2str_memory *memory, uint64_t last_id) {
    const e2_memory_counts *n = &memory->counts;
    const e2_memory_step *steps = memory->steps;
    const e2_memory_verdict *verdicts = memory->verdicts;
    uint64_t report[REPORT_COUNTS];
    pack_report(&memory->report, report);
    e2_gguf_write_u64(writer, KEY_LAST_ID, last_id);
    e2_gguf_write_value(writer, KEY_STRENGTH, E2_KV_F32, &memory->strength);
    e2_gguf_write_array(writer, KEY_REPORT, E2_KV_U64, report, REPORT_COUNTS);
    e2_gguf_write_array(writer, KEY_TOKENS, E2_KV_U32, memory->tokens, n->columns);
    write_members(writer, KEY_CHARACTERS, E2_KV_U32, &memory->characters->code, n->characters,
                  sizeof *memory->characters);
    e2_gguf_write_array(writer, KEY_SILENT, E2_KV_U32, memory->silent, n->silent);
    write_members(writer, KEY_EXAMPLES, E2_KV_U64, &steps->example, n->steps, sizeof *steps);
    write_members(writer, KEY_OFFSETS, E2_KV_U32, &steps->offset, n->steps, sizeof *steps);
    write_members(writer, KEY_TARGETS, E2_KV_U32, &steps->target, n->steps, sizeof *steps);
    e2_gguf_write_array(writer, KEY_DOMAIN, E2_KV_F32, memory->domain, memory->model->vision.width);
    write_members(writer, KEY_VERDICTS, E2_KV_U64, &verdicts->example, n->verdicts, sizeof *verdicts);
    write_members(writer, KEY_DOUBTS, E2_KV_F32, &verdicts->doubt, n->verdicts, sizeof *verdicts);
}

static void write_halves(e2_gguf_writer *writer, const char *name, const uint16_t *values, uint64_t columns,
                         uint64_t rows) {
    const uint64_t dims[] = {columns, rows};
    const void *piece = values;
    e2_gguf_write_tensor(writer, name, E2_F16, 2, dims, &piece, 1, columns * rows * sizeof *values);
}

void e2_memory_file_write_tensors(e2_gguf_writer *writer, const e2str_memory *memory) {
    const e2_memory_counts *n = &memory->counts;
    if (!n->steps) return; /* GGUF has no empty tensors */
    write_halves(writer, TENSOR_FEATURES, memory->features, memory->model->memory.features, n->steps);
    write_halves(writer, TENSOR_ERRORS, memory->errors, n->columns, n->steps);
}

/* ------------------------------------------------------------------------------------------------------ reading -- */

typedef struct reader {
    const e2_gguf *gguf;
    const e2str_model *model;
    const uint64_t *ids;
    const size_t *label_sizes;
    size_t count;
    e2str_error *error;
} reader;

static e2str_status fault(const reader *r, const char *what) {
    return e2_fail(r->error, E2STR_ERROR_FORMAT, "the pool's memory: %s", what);
}

static e2str_status list(const reader *r, const char *key, e2_kv_type type, const e2_kv **array, uint32_t *n) {
    e2str_status status = e2_gguf_array(r->gguf, key, type, array, r->error);
    if (status) return status;
    if ((*array)->count > UINT32_MAX / 2) return fault(r, "a list is too long");
    *n = (uint32_t)(*array)->count;
    return E2STR_OK;
}

static void read_members(const e2_kv *array, e2_kv_type type, void *first, size_t size) {
    size_t each = e2_kv_size(type);
    for (size_t i = 0; i < array->count; i++) memcpy((char *)first + i * size, array->data + i * each, each);
}

typedef struct lists {
    const e2_kv *report, *tokens, *characters, *silent, *examples, *offsets, *targets, *domain, *verdicts, *doubts;
} lists;

static e2str_status find_lists(const reader *r, lists *l, e2_memory_counts *n) {
    uint32_t report = 0, offsets = 0, targets = 0, domain = 0, doubts = 0;
    e2str_status status = list(r, KEY_REPORT, E2_KV_U64, &l->report, &report);
    if (!status) status = list(r, KEY_TOKENS, E2_KV_U32, &l->tokens, &n->columns);
    if (!status) status = list(r, KEY_CHARACTERS, E2_KV_U32, &l->characters, &n->characters);
    if (!status) status = list(r, KEY_SILENT, E2_KV_U32, &l->silent, &n->silent);
    if (!status) status = list(r, KEY_EXAMPLES, E2_KV_U64, &l->examples, &n->steps);
    if (!status) status = list(r, KEY_OFFSETS, E2_KV_U32, &l->offsets, &offsets);
    if (!status) status = list(r, KEY_TARGETS, E2_KV_U32, &l->targets, &targets);
    if (!status) status = list(r, KEY_DOMAIN, E2_KV_F32, &l->domain, &domain);
    if (!status) status = list(r, KEY_VERDICTS, E2_KV_U64, &l->verdicts, &n->verdicts);
    if (!status) status = list(r, KEY_DOUBTS, E2_KV_F32, &l->doubts, &doubts);
    if (status) return status;
    if (report != REPORT_COUNTS || offsets != n->steps || targets != n->steps || doubts != n->verdicts ||
        domain != r->model->vision.width)
        return fault(r, "its lists are of different length");
    if (n->characters > E2_MAX_NEW_CHARACTERS || n->silent > r->model->decoder.vocabulary || n->verdicts > r->count ||
        n->columns > r->model->decoder.vocabulary + n->characters)
        return fault(r, "a list is too long");
    return E2STR_OK;
}

static bool ascending(const uint32_t *values, uint32_t n, uint32_t limit) {
    for (uint32_t i = 0; i < n; i++)
        if (values[i] >= limit || (i && values[i] <= values[i - 1])) return false;
    return true;
}

static bool is_new(const e2str_model *model, uint32_t code) {
    bool scalar = code && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
    return scalar && e2_tokenizer_kind_of(model->tokenizer) == E2_TOKENIZER_CHARACTERS &&
           e2_tokenizer_character(model->tokenizer, code) == E2_NO_TOKEN;
}

static e2str_status check_tokens(const reader *r, e2str_memory *memory) {
    const e2_memory_counts *n = &memory->counts;
    const e2str_model *model = r->model;
    for (uint32_t i = 0; i < n->characters; i++) {
        uint32_t code = memory->characters[i].code;
        if (!is_new(model, code) || (i && code <= memory->characters[i - 1].code))
            return fault(r, "a new character is none, or out of order");
        memory->characters[i].fed = e2_tokenizer_stand_in(model->tokenizer, code);
    }
    if (!ascending(memory->tokens, n->columns, model->decoder.vocabulary + n->characters) ||
        !ascending(memory->silent, n->silent, model->decoder.vocabulary))
        return fault(r, "its tokens are not the model's, or out of order");
    return E2STR_OK;
}

/* Ids are of the file's examples and do not descend. */
static e2str_status check_steps(const reader *r, const e2str_memory *memory) {
    size_t at = 0;
    for (uint32_t i = 0; i < memory->counts.steps; i++) {
        const e2_memory_step *step = &memory->steps[i];
        while (at < r->count && r->ids[at] < step->example) at++;
        if (at == r->count || r->ids[at] != step->example || step->target >= memory->counts.columns ||
            (step->offset != UINT32_MAX && step->offset > r->label_sizes[at]))
            return fault(r, "a step is not one of an example in the pool");
        if (i && step->example < memory->steps[i - 1].example) return fault(r, "its steps are out of order");
    }
    for (uint32_t i = 0; i < memory->counts.verdicts; i++) {
        const e2_memory_verdict *v = &memory->verdicts[i];
        if (!(v->doubt >= 0.0f && v->doubt <= 1.0f) || (i && v->example <= memory->verdicts[i - 1].example))
            return fault(r, "what it found of an example is out of range or order");
    }
    return E2STR_OK;
}

static e2str_status read_halves(const reader *r, const char *name, uint64_t columns, uint64_t rows, uint16_t *values) {
    const e2_tensor *tensor = e2_gguf_tensor(r->gguf, name);
    if (!tensor) return e2_fail(r->error, E2STR_ERROR_FORMAT, "tensor %s is missing", name);
    if (tensor->type != E2_F16 || tensor->dims[0] != columns || tensor->dims[1] != rows || tensor->dims[2] != 1 ||
        tensor->dims[3] != 1)
        return e2_fail(r->error, E2STR_ERROR_FORMAT, "tensor %s is not F16 [%" PRIu64 ", %" PRIu64 "]", name, columns,
                       rows);
    memcpy(values, tensor->data, tensor->bytes);
    for (size_t i = 0; i < tensor->elements; i++)
        if ((values[i] & 0x7C00) == 0x7C00)
            return e2_fail(r->error, E2STR_ERROR_FORMAT, "tensor %s: a value is not finite", name);
    return E2STR_OK;
}

static e2str_status fill(const reader *r, const lists *l, e2str_memory *memory) {
    const e2_memory_counts *n = &memory->counts;
    uint64_t report[REPORT_COUNTS];
    memcpy(report, l->report->data, sizeof report);
    unpack_report(report, &memory->report);
    read_members(l->tokens, E2_KV_U32, memory->tokens, sizeof *memory->tokens);
    read_members(l->characters, E2_KV_U32, &memory->characters->code, sizeof *memory->characters);
    read_members(l->silent, E2_KV_U32, memory->silent, sizeof *memory->silent);
    read_members(l->examples, E2_KV_U64, &memory->steps->example, sizeof *memory->steps);
    read_members(l->offsets, E2_KV_U32, &memory->steps->offset, sizeof *memory->steps);
    read_members(l->targets, E2_KV_U32, &memory->steps->target, sizeof *memory->steps);
    read_members(l->domain, E2_KV_F32, memory->domain, sizeof *memory->domain);
    read_members(l->verdicts, E2_KV_U64, &memory->verdicts->example, sizeof *memory->verdicts);
    read_members(l->doubts, E2_KV_F32, &memory->verdicts->doubt, sizeof *memory->verdicts);
    e2str_status status = check_tokens(r, memory);
    for (size_t i = 0; !status && i < r->model->vision.width; i++)
        if (!(fabsf(memory->domain[i]) <= 1.001f)) status = fault(r, "its domain is no direction");
    if (!status) status = check_steps(r, memory);
    if (!status && n->steps)
        status = read_halves(r, TENSOR_FEATURES, r->model->memory.features, n->steps, memory->features);
    if (!status && n->steps) status = read_halves(r, TENSOR_ERRORS, n->columns, n->steps, memory->errors);
    return status;
}

static e2str_status finish(const reader *r, e2str_memory *memory) {
    e2_arena arena = {0};
    const e2_compute compute = {.model = r->model, .kernels = r->model->kernels, .arena = &arena};
    bool finite, ok = e2_memory_finish(&compute, memory, &finite);
    e2_arena_free(&arena);
    if (!ok) return e2_fail(r->error, E2STR_ERROR_MEMORY, "out of memory for the pool's memory");
    return finite ? E2STR_OK : fault(r, "its sums are not finite");
}

e2str_status e2_memory_file_read(const e2_gguf *gguf, const e2str_model *model, const uint64_t *ids,
                                 const size_t *label_sizes, size_t count, e2str_memory **memory, uint64_t *last_id,
                                 e2str_error *error) {
    reader r = {gguf, model, ids, label_sizes, count, error};
    lists l;
    e2_memory_counts n = {0};
    float strength;
    *memory = NULL;
    *last_id = 0;
    if (!e2_gguf_kv(gguf, KEY_LAST_ID)) return E2STR_OK;
    if (!(model->memory.hidden_scale > 0.0f)) return fault(&r, "the model has no memory statistics");
    e2str_status status = e2_gguf_u64(gguf, KEY_LAST_ID, last_id, error);
    if (!status) status = e2_gguf_f32(gguf, KEY_STRENGTH, &strength, error);
    if (!status && !(strength >= 0.0f && strength <= 4.0f)) status = fault(&r, "its strength is not from 0 to 4");
    if (!status) status = find_lists(&r, &l, &n);
    if (status) return status;
    e2str_memory *made = e2_memory_new(model, n);
    if (!made) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's memory");
    made->strength = made->report.strength = strength;
    status = fill(&r, &l, made);
    if (!status) status = finish(&r, made);
    if (status)
        e2_memory_release(made);
    else
        *memory = made;
    return status;
}
