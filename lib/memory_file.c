/* SPDX-License-Identifier: MIT */
#include "memory_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX          "e2str.pool.memory."
#define KEY_LAST_ID     E2_MEMORY_FILE_LAST_ID
#define KEY_STRENGTH    PREFIX "strength"
#define KEY_LETTERS     PREFIX "letter_case"
#define KEY_REPORT      PREFIX "report"
#define KEY_TOKENS      PREFIX "tokens"
#define KEY_CHARACTERS  PREFIX "characters"
#define KEY_SILENT      PREFIX "silent"
#define KEY_EXAMPLES    PREFIX "step_examples"
#define KEY_OFFSETS     PREFIX "step_offsets"
#define KEY_TARGETS     PREFIX "step_targets"
#define KEY_GATE        PREFIX "gate"
#define KEY_DOMAIN      PREFIX "domain"
#define KEY_VERDICTS    E2_MEMORY_FILE_VERDICTS
#define KEY_DOUBTS      PREFIX "verdict_doubts"
#define TENSOR_FEATURES "memory.features"
#define TENSOR_ERRORS   "memory.errors"

static bool any_of(e2_string name, const char *const *known, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (e2_string_is(name, known[i])) return true;
    return false;
}

bool e2_memory_file_key(e2_string key) {
    static const char *const keys[] = {KEY_LAST_ID,    KEY_STRENGTH, KEY_LETTERS,  KEY_REPORT,  KEY_TOKENS,
                                       KEY_CHARACTERS, KEY_SILENT,   KEY_EXAMPLES, KEY_OFFSETS, KEY_TARGETS,
                                       KEY_GATE,       KEY_DOMAIN,   KEY_VERDICTS, KEY_DOUBTS};
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
    e2_gguf_write_u32(writer, KEY_LETTERS, memory->letters);
    e2_gguf_write_value(writer, KEY_STRENGTH, E2_KV_F32, &memory->strength);
    e2_gguf_write_array(writer, KEY_REPORT, E2_KV_U64, report, REPORT_COUNTS);
    e2_gguf_write_array(writer, KEY_TOKENS, E2_KV_U32, memory->tokens, n->columns);
    write_members(writer, KEY_CHARACTERS, E2_KV_U32, &memory->characters->code, n->characters,
                  sizeof *memory->characters);
    e2_gguf_write_array(writer, KEY_SILENT, E2_KV_U32, memory->silent, n->silent);
    write_members(writer, KEY_EXAMPLES, E2_KV_U64, &steps->example, n->steps, sizeof *steps);
    write_members(writer, KEY_OFFSETS, E2_KV_U32, &steps->offset, n->steps, sizeof *steps);
    write_members(writer, KEY_TARGETS, E2_KV_U32, &steps->target, n->steps, sizeof *steps);
    e2_gguf_write_value(writer, KEY_GATE, E2_KV_F32, &memory->gate);
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
    const e2_tensor *features, *errors; /* NULL without steps */
} lists;

static e2str_status find_halves(const reader *r, const char *name, uint64_t columns, uint64_t rows,
                                const e2_tensor **tensor) {
    const e2_tensor *t = *tensor = e2_gguf_tensor(r->gguf, name);
    if (!rows && !t) return E2STR_OK;
    if (!t) return e2_fail(r->error, E2STR_ERROR_FORMAT, "tensor %s is missing", name);
    if (t->type != E2_F16 || t->dims[0] != columns || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1)
        return e2_fail(r->error, E2STR_ERROR_FORMAT, "tensor %s is not F16 [%" PRIu64 ", %" PRIu64 "]", name, columns,
                       rows);
    return E2STR_OK;
}

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
    status = find_halves(r, TENSOR_FEATURES, r->model->memory.features, n->steps, &l->features);
    return status ? status : find_halves(r, TENSOR_ERRORS, n->columns, n->steps, &l->errors);
}

static bool ascending(const uint32_t *values, uint32_t n, uint32_t limit) {
    for (uint32_t i = 0; i < n; i++)
        if (values[i] >= limit || (i && values[i] <= values[i - 1])) return false;
    return true;
}

static bool is_new(const e2str_model *model, uint32_t code) {
    bool scalar = code && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
    return scalar && e2_tokenizer_kind_of(model->tokenizer) == E2_TOKENIZER_CHARACTERS &&
           e2_tokenizer_character(model->tokenizer, code) == E2_NO_TOKEN &&
           e2_tokenizer_stand_in(model->tokenizer, code) != E2_NO_TOKEN;
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
    /* They ascend, so that the first new character's place tells the others'. */
    if (n->characters &&
        (n->columns < n->characters || memory->tokens[n->columns - n->characters] != model->decoder.vocabulary))
        return fault(r, "a new character has no column");
    return E2STR_OK;
}

/* What learning counts, counted again. */
static e2str_status check_report(const reader *r, const uint64_t counts[REPORT_COUNTS], const e2str_memory *memory) {
    const e2_memory_counts *n = &memory->counts;
    const e2str_memory_report *report = &memory->report;
    bool right = report->examples <= n->verdicts && report->doubtful == n->verdicts - report->examples &&
                 report->characters >= n->steps && counts[3] == n->columns - n->characters &&
                 counts[4] == n->characters && counts[5] == n->silent && report->checked <= report->examples &&
                 report->right_without <= report->checked && report->right_with <= report->checked;
    return right ? E2STR_OK : fault(r, "its report does not agree with it");
}

static e2str_status check_domain(const reader *r, const float *domain) {
    double square = 0.0;
    bool none = true;
    for (size_t i = 0; i < r->model->vision.width; i++) {
        square += (double)domain[i] * domain[i];
        none &= domain[i] == 0.0f;
    }
    return none || fabs(square - 1.0) <= 2e-3 ? E2STR_OK : fault(r, "its domain is no direction");
}

/* Every example up to last_id that it looked at is in the file: removing one forgets it. */
static e2str_status check_verdicts(const reader *r, const e2str_memory *memory, uint64_t last_id) {
    size_t at = 0;
    for (uint32_t i = 0; i < memory->counts.verdicts; i++) {
        const e2_memory_verdict *v = &memory->verdicts[i];
        while (at < r->count && r->ids[at] < v->example) at++;
        if (at == r->count || r->ids[at++] != v->example || !(v->doubt >= 0.0f && v->doubt <= 1.0f))
            return fault(r, "what it found of an example is out of range or order");
    }
    if (!memory->counts.verdicts || memory->verdicts[memory->counts.verdicts - 1].example > last_id)
        return fault(r, "it looked at examples behind its last one");
    for (at = 0; at < r->count && r->ids[at] < last_id;) at++;
    if (at == r->count || r->ids[at] != last_id) return fault(r, "its last example is not in the pool");
    return E2STR_OK;
}

/* Ids are of the file's examples and do not descend. */
static e2str_status check_steps(const reader *r, const e2str_memory *memory, uint64_t last_id) {
    size_t at = 0;
    for (uint32_t i = 0; i < memory->counts.steps; i++) {
        const e2_memory_step *step = &memory->steps[i];
        while (at < r->count && r->ids[at] < step->example) at++;
        if (at == r->count || r->ids[at] != step->example || step->example > last_id ||
            step->target >= memory->counts.columns || (step->offset != UINT32_MAX && step->offset > r->label_sizes[at]))
            return fault(r, "a step is not one of an example in the pool");
    }
    return E2STR_OK;
}

static e2str_status read_halves(const reader *r, const e2_tensor *tensor, uint16_t *values) {
    if (!tensor) return E2STR_OK;
    memcpy(values, tensor->data, tensor->bytes);
    for (size_t i = 0; i < tensor->elements; i++)
        if ((values[i] & 0x7C00) == 0x7C00)
            return e2_fail(r->error, E2STR_ERROR_FORMAT, "tensor %s: a value is not finite",
                           e2_show(tensor->name).text);
    return E2STR_OK;
}

static e2str_status fill(const reader *r, const lists *l, uint64_t last_id, e2str_memory *memory) {
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
    if (!status) status = check_report(r, report, memory);
    if (!status) status = check_domain(r, memory->domain);
    if (!status) status = check_verdicts(r, memory, last_id);
    if (!status) status = check_steps(r, memory, last_id);
    if (!status) status = read_halves(r, l->features, memory->features);
    if (!status) status = read_halves(r, l->errors, memory->errors);
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
    float strength, gate;
    uint32_t letters = 0;
    *memory = NULL;
    *last_id = 0;
    if (!(model->memory.hidden_scale > 0.0f)) return fault(&r, "the model has no memory statistics");
    e2str_status status = e2_gguf_u64(gguf, KEY_LAST_ID, last_id, error);
    if (!status) status = e2_gguf_f32(gguf, KEY_STRENGTH, &strength, error);
    if (!status) status = e2_gguf_u32(gguf, KEY_LETTERS, &letters, error);
    if (!status && letters >= E2_LETTER_CASES) status = fault(&r, "its case of letters is not known");
    if (!status) status = e2_gguf_f32(gguf, KEY_GATE, &gate, error);
    if (!status && !(gate >= -1.0f && gate <= 1.0f)) status = fault(&r, "its gate is not from -1 to 1");
    if (!status && !(strength >= 0.0f && strength <= 4.0f)) status = fault(&r, "its strength is not from 0 to 4");
    if (!status) status = find_lists(&r, &l, &n);
    if (status) return status;
    e2str_memory *made = e2_memory_new(model, n);
    if (!made) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's memory");
    made->strength = made->report.strength = strength;
    made->gate = gate;
    made->letters = (e2_letter_case)letters;
    made->report.letter_case = letters;
    status = fill(&r, &l, *last_id, made);
    if (!status) status = finish(&r, made);
    if (status)
        e2_memory_release(made);
    else
        *memory = made;
    return status;
}
