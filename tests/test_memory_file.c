/* SPDX-License-Identifier: MIT */
/* Pool files with a memory: what is saved comes back bit for bit; what nobody saved is refused, under a right checksum.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "memory_fixture.h"

#define PREFIX "e2str.pool.memory."

static fixture f;
static char directory[64], path[96];

static int set_up(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/pool.gguf", directory);
    return memory_open(&f, (tiny_model_options){.alphabet = "abc-"});
}

static int tear_down(void **state) {
    (void)state;
    fixture_close(&f);
    remove(path);
    return rmdir(directory);
}

/* Ten examples, with new characters and a gap in the ids; one more that came after learning. */
static e2str_pool *taught(void) {
    static const char *const words[] = {"a\xe2\x82\xac", "bc", "c\xc3\xa9", "abc", "b-a"};
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < 11; i++) memory_add(&f, pool, i, words[i % 5]);
    assert_int_equal(e2str_pool_remove(pool, 4, NULL), E2STR_OK);
    memory_learn(&f, pool);
    memory_add(&f, pool, 12, "cab");
    assert_true(pool->memory->counts.characters == 2 && pool->memory->counts.steps > 20);
    return pool;
}

static uint8_t *save(const e2str_pool *pool, size_t *size) {
    e2str_error error = {""};
    if (e2str_pool_save(pool, path, &error)) fail_msg("%s", error.message);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *data = tiny_checked(malloc(1 << 20));
    *size = fread(data, 1, 1 << 20, file);
    fclose(file);
    assert_in_range(*size, 1, (1 << 20) - 1);
    return data;
}

/* -------------------------------------------------------------------------------------------------- round trip -- */

static void assert_same_reads(const e2str_pool *a, const e2str_pool *b) {
    e2str_result *x = memory_result(), *y = memory_result();
    for (size_t image = 0; image < FIXTURE_IMAGES; image++) {
        e2str_read_options options = memory_options((uint32_t)image % 3, 1 + (uint32_t)image % 2);
        memory_read(&f, image, a, &options, x);
        memory_read(&f, image, b, &options, y);
        assert_same(x, y);
    }
    e2str_result_free(x);
    e2str_result_free(y);
}

static void a_memory_comes_back(void **state) {
    (void)state;
    size_t sizes[2];
    e2str_pool *pool = taught(), *loaded;
    uint8_t *files[2] = {save(pool, &sizes[0])};
    e2str_error error = {""};
    if (e2str_pool_load(f.model, path, NULL, &loaded, &error)) fail_msg("%s", error.message);
    files[1] = save(loaded, &sizes[1]);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(files[0], files[1], sizes[0]);
    assert_same_reads(pool, loaded);
    e2str_memory_report reports[2];
    for (size_t i = 0; i < 2; i++) {
        memset(&reports[i], 0, sizeof reports[i]);
        e2str_memory_report_init(&reports[i]);
        assert_int_equal(e2str_pool_report(i ? loaded : pool, &reports[i], NULL), E2STR_OK);
    }
    assert_memory_equal(&reports[0], &reports[1], sizeof reports[0]);
    for (uint64_t id = 0; id <= 13; id++) {
        float doubts[2] = {-1, -1};
        e2str_status status = e2str_pool_doubt(pool, id, &doubts[0], NULL);
        assert_int_equal(e2str_pool_doubt(loaded, id, &doubts[1], NULL), status);
        assert_int_equal(status, id >= 1 && id <= 11 && id != 4 ? E2STR_OK : E2STR_ERROR_NOT_FOUND);
        assert_true(doubts[0] == doubts[1]);
    }
    assert_int_equal(e2str_pool_remove(loaded, 12, NULL), E2STR_OK); /* came after learning */
    assert_non_null(loaded->memory);
    assert_int_equal(e2str_pool_remove(loaded, 11, NULL), E2STR_OK);
    assert_null(loaded->memory);
    free(files[0]);
    free(files[1]);
    e2str_pool_free(pool);
    e2str_pool_free(loaded);
}

/* Without a memory the file is as it always was, so that older programs read it. */
static void the_version_says_whether_there_is_one(void **state) {
    (void)state;
    e2str_pool *pool = taught(), *loaded;
    for (uint32_t version = 2; version >= 1; version--) {
        size_t size, keys = 0;
        uint32_t found = 0;
        e2_gguf gguf;
        free(save(pool, &size));
        assert_int_equal(e2_gguf_open(path, &gguf, NULL), E2STR_OK);
        assert_int_equal(e2_gguf_complete(&gguf, NULL), E2STR_OK);
        assert_int_equal(e2_gguf_u32(&gguf, "e2str.pool.version", &found, NULL), E2STR_OK);
        for (size_t i = 0; i < gguf.n_kvs; i++)
            keys += gguf.kvs[i].key.size > strlen(PREFIX) && !memcmp(gguf.kvs[i].key.data, PREFIX, strlen(PREFIX));
        assert_int_equal(found, version);
        assert_int_equal(keys > 0, version == 2);
        assert_int_equal(gguf.n_tensors, version == 2 ? 4 : 2);
        e2_gguf_close(&gguf);
        assert_int_equal(e2str_pool_load(f.model, path, NULL, &loaded, NULL), E2STR_OK);
        assert_int_equal(loaded->memory != NULL, version == 2);
        e2str_pool_free(loaded);
        e2str_pool_forget(pool);
    }
    e2str_pool_free(pool);
}

/* ----------------------------------------------------------------------------------------------------- changes -- */

static e2str_status to_buffer(void *user, const void *data, size_t size, e2str_error *error) {
    return tiny_sink(user, data, size, error);
}

typedef enum what { LEAVE_OUT, OTHER_TYPE, SHORTER, LONGER, SET, ADD } what;

/* One thing that is different in a file. */
typedef struct change {
    const char *name; /* key or tensor */
    what what;
    size_t index;   /* of the number that is set */
    uint64_t value; /* its bits, of the array's type */
} change;

static const change *of(const change *changes, size_t n, e2_string name) {
    for (size_t i = 0; i < n; i++)
        if (e2_string_is(name, changes[i].name)) return &changes[i];
    return NULL;
}

static char *copy_name(e2_string name, char text[128]) {
    assert_in_range(name.size, 1, 127);
    memcpy(text, name.data, name.size);
    text[name.size] = 0;
    return text;
}

static void write_strings(e2_gguf_writer *writer, const e2_kv *kv, const char *key) {
    e2_string strings[32];
    const uint8_t *cursor = kv->data;
    assert_in_range(kv->count, 0, 32);
    for (size_t i = 0; i < kv->count; i++) strings[i] = e2_gguf_next_string(&cursor);
    e2_gguf_write_string_array(writer, key, strings, kv->count);
}

static void write_kv(e2_gguf_writer *writer, const e2_kv *kv, const change *c) {
    char key[128];
    copy_name(kv->key, key);
    bool array = kv->type == E2_KV_ARRAY;
    e2_kv_type type = array ? kv->element : kv->type;
    size_t size = e2_kv_size(type), count = kv->count;
    if (c && c->what == LEAVE_OUT) return;
    if (c && c->what == OTHER_TYPE) {
        if (array)
            e2_gguf_write_u32(writer, key, 1);
        else
            e2_gguf_write_string(writer, key, (e2_string){"x", 1});
        return;
    }
    if (kv->type == E2_KV_STRING) {
        uint64_t length;
        memcpy(&length, kv->data, sizeof length);
        e2_gguf_write_string(writer, key, (e2_string){(const char *)kv->data + 8, (size_t)length});
        return;
    }
    if (type == E2_KV_STRING) {
        write_strings(writer, kv, key);
        return;
    }
    uint8_t *values = tiny_checked(calloc(count + 2, size));
    memcpy(values, kv->data, count * size);
    if (c && c->what == SET) {
        assert_true(c->index < count);
        memcpy(values + c->index * size, &c->value, size);
    }
    if (c && c->what == SHORTER) assert_true(count-- > 0);
    if (c && c->what == LONGER) memcpy(values + count * size, values + (count ? count - 1 : 0) * size, size), count++;
    if (array)
        e2_gguf_write_array(writer, key, type, values, count);
    else
        e2_gguf_write_value(writer, key, type, values);
    free(values);
}

/* Tensors borrow their data until the file is written. */
static void *write_tensor(e2_gguf_writer *writer, const e2_tensor *tensor, const change *c) {
    char name[128];
    copy_name(tensor->name, name);
    if (c && c->what == LEAVE_OUT) return NULL;
    size_t size = tensor->bytes / tensor->elements, elements = tensor->elements;
    uint64_t dims[4];
    memcpy(dims, tensor->dims, sizeof dims);
    e2_type type = tensor->type;
    uint32_t n_dims = tensor->n_dims;
    uint8_t *data = tiny_checked(calloc(2 * elements + dims[0], size));
    memcpy(data, tensor->data, tensor->bytes);
    if (c && c->what == SET) memcpy(data + c->index * size, &c->value, size);
    if (c && c->what == OTHER_TYPE) type = E2_F32, size = 4;
    if (c && c->what == SHORTER) dims[1]--;
    if (c && c->what == LONGER) dims[0]++;
    elements = 1;
    for (uint32_t i = 0; i < n_dims; i++) elements *= (size_t)dims[i];
    const void *pieces[] = {data};
    e2_gguf_write_tensor(writer, name, type, n_dims, dims, pieces, 1, elements * size);
    return data;
}

static void seal(const e2str_model *model, uint8_t *file, size_t size) {
    e2_gguf gguf;
    assert_int_equal(e2_gguf_open_memory(file, size, &gguf, NULL), E2STR_OK);
    const e2_kv *made_with = e2_gguf_kv(&gguf, "e2str.pool.model_checksum");
    const e2_kv *checksum = e2_gguf_kv(&gguf, "e2str.pool.checksum");
    uint64_t value = e2str_model_checksum(model);
    if (made_with) memcpy(file + (made_with->data - gguf.data), &value, sizeof value);
    value = e2_pool_checksum(&gguf, checksum);
    memcpy(file + (checksum->data - gguf.data), &value, sizeof value);
    e2_gguf_close(&gguf);
}

/* The file again with n changes, sealed. */
static uint8_t *changed(const uint8_t *file, size_t size, const change *changes, size_t n, size_t *new_size) {
    e2_gguf gguf;
    tiny_builder to = {.writer = tiny_checked(e2_gguf_writer_new())};
    void *blocks[8] = {NULL};
    e2str_error error = {""};
    assert_int_equal(e2_gguf_open_memory(file, size, &gguf, NULL), E2STR_OK);
    for (size_t i = 0; i < gguf.n_kvs; i++) write_kv(to.writer, &gguf.kvs[i], of(changes, n, gguf.kvs[i].key));
    for (size_t i = 0; i < n; i++)
        if (changes[i].what == ADD) e2_gguf_write_u32(to.writer, changes[i].name, (uint32_t)changes[i].value);
    assert_in_range(gguf.n_tensors, 0, 8);
    for (size_t i = 0; i < gguf.n_tensors; i++)
        blocks[i] = write_tensor(to.writer, &gguf.tensors[i], of(changes, n, gguf.tensors[i].name));
    if (e2_gguf_writer_finish(to.writer, to_buffer, &to, &error)) fail_msg("%s", error.message);
    e2_gguf_writer_free(to.writer);
    for (size_t i = 0; i < gguf.n_tensors; i++) free(blocks[i]);
    e2_gguf_close(&gguf);
    seal(f.model, to.file, to.size);
    *new_size = to.size;
    return to.file;
}

static e2str_status load_changed(const uint8_t *file, size_t size, const change *changes, size_t n,
                                 e2str_error *error) {
    size_t new_size;
    uint8_t *other = changed(file, size, changes, n, &new_size);
    error->message[0] = 0;
    e2str_status status = fixture_load(&f, other, new_size, error);
    free(other);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- refusals -- */

static void every_key_is_needed_with_its_type(void **state) {
    (void)state;
    size_t size, keys = 0;
    e2str_pool *pool = taught();
    uint8_t *file = save(pool, &size);
    e2_gguf gguf;
    e2str_error error;
    assert_int_equal(e2_gguf_open_memory(file, size, &gguf, NULL), E2STR_OK);
    assert_int_equal(load_changed(file, size, NULL, 0, &error), E2STR_OK);
    for (size_t i = 0; i < gguf.n_kvs; i++) {
        char name[128];
        copy_name(gguf.kvs[i].key, name);
        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) continue;
        keys++;
        for (what w = LEAVE_OUT; w <= OTHER_TYPE; w++) {
            e2str_status status = load_changed(file, size, &(change){name, w, 0, 0}, 1, &error);
            if (status != E2STR_ERROR_FORMAT || !strstr(error.message, name))
                fail_msg("%s, %d: %s: %s", name, (int)w, e2str_status_name(status), error.message);
        }
        for (what w = SHORTER; w <= LONGER && gguf.kvs[i].type == E2_KV_ARRAY; w++) {
            if (w == SHORTER && gguf.kvs[i].count == 0) continue;
            e2str_status status = load_changed(file, size, &(change){name, w, 0, 0}, 1, &error);
            if (status != E2STR_ERROR_FORMAT || !error.message[0])
                fail_msg("%s, %d: %s: %s", name, (int)w, e2str_status_name(status), error.message);
        }
    }
    assert_in_range(keys, 12, 40);
    static const char *const tensors[] = {"memory.features", "memory.errors"};
    for (size_t i = 0; i < 2; i++)
        for (what w = LEAVE_OUT; w <= LONGER; w++) {
            e2str_status status = load_changed(file, size, &(change){tensors[i], w, 0, 0}, 1, &error);
            if (status != E2STR_ERROR_FORMAT || !strstr(error.message, tensors[i]))
                fail_msg("%s, %d: %s: %s", tensors[i], (int)w, e2str_status_name(status), error.message);
        }
    e2_gguf_close(&gguf);
    free(file);
    e2str_pool_free(pool);
}

static uint64_t bits(float value) {
    uint32_t number;
    memcpy(&number, &value, sizeof number);
    return number;
}

static void numbers_are_checked(void **state) {
    (void)state;
    size_t size;
    e2str_pool *pool = taught();
    const e2str_memory *m = pool->memory;
    const e2_memory_counts n = m->counts;
    uint8_t *file = save(pool, &size);
    uint32_t vocabulary = f.model->decoder.vocabulary;
    const uint32_t first_code = m->characters[0].code;
    assert_true(first_code == 0xE9 && n.verdicts == 10 && n.columns >= 4);
    float large = 0.0f;
    size_t axis = 0;
    for (size_t i = 0; i < FIXTURE_KEY; i++)
        if (fabsf(m->domain[i]) > large) large = fabsf(m->domain[i]), axis = i;
    const change cases[] = {
        {PREFIX "strength", SET, 0, bits(-0.1f)},
        {PREFIX "strength", SET, 0, bits(4.1f)},
        {PREFIX "strength", SET, 0, bits(NAN)},
        {PREFIX "gate", SET, 0, bits(1.5f)},
        {PREFIX "gate", SET, 0, bits(NAN)},
        {PREFIX "letter_case", SET, 0, E2_LETTER_CASES},
        {PREFIX "letter_case", SET, 0, UINT32_MAX},
        {PREFIX "last_id", SET, 0, 0},
        {PREFIX "last_id", SET, 0, 10},
        {PREFIX "last_id", SET, 0, UINT64_MAX},
        {PREFIX "report", SET, 0, 9}, /* learnt and left out are not all */
        {PREFIX "report", SET, 0, UINT64_MAX},
        {PREFIX "report", SET, 1, 1},
        {PREFIX "report", SET, 2, n.steps - 1},
        {PREFIX "report", SET, 3, n.columns - n.characters + 1},
        {PREFIX "report", SET, 3, ((uint64_t)1 << 32) + n.columns - n.characters},
        {PREFIX "report", SET, 4, n.characters + 1},
        {PREFIX "report", SET, 5, n.silent + 1},
        {PREFIX "report", SET, 6, 11},
        {PREFIX "report", SET, 7, UINT64_MAX},
        {PREFIX "report", SET, 8, 11},
        {PREFIX "tokens", SET, 0, m->tokens[1]},               /* twice */
        {PREFIX "tokens", SET, 1, 0},                          /* out of order */
        {PREFIX "tokens", SET, n.columns - 1, vocabulary + 2}, /* no such new character */
        {PREFIX "tokens", SET, n.columns - 1, UINT32_MAX},
        {PREFIX "characters", SET, 0, 'a'}, /* in the alphabet */
        {PREFIX "characters", SET, 0, 0},
        {PREFIX "characters", SET, 0, 0x20AC}, /* twice */
        {PREFIX "characters", SET, 0, 0x20AD}, /* out of order */
        {PREFIX "characters", SET, 1, 0xD800},
        {PREFIX "characters", SET, 1, 0xDFFF},
        {PREFIX "characters", SET, 1, 0x110000},
        {PREFIX "characters", SET, 1, UINT32_MAX},
        {PREFIX "step_examples", SET, 0, 0},
        {PREFIX "step_examples", SET, 0, 4}, /* removed long ago */
        {PREFIX "step_examples", SET, n.steps - 1, 13},
        {PREFIX "step_examples", SET, 0, UINT64_MAX},
        {PREFIX "step_examples", SET, n.steps / 2, 1}, /* out of order */
        {PREFIX "step_offsets", SET, 0, 5},            /* behind the label's end */
        {PREFIX "step_offsets", SET, n.steps - 1, UINT32_MAX - 1},
        {PREFIX "step_targets", SET, 0, n.columns},
        {PREFIX "step_targets", SET, 0, UINT32_MAX},
        {PREFIX "domain", SET, axis, 0}, /* too short */
        {PREFIX "domain", SET, axis, bits(2.0f)},
        {PREFIX "domain", SET, axis, bits(NAN)},
        {PREFIX "domain", SET, axis, bits(INFINITY)},
        {PREFIX "verdict_examples", SET, 0, 2}, /* twice */
        {PREFIX "verdict_examples", SET, 0, 0},
        {PREFIX "verdict_examples", SET, 2, 4}, /* removed long ago */
        {PREFIX "verdict_examples", SET, 9, 99},
        {PREFIX "verdict_doubts", SET, 0, bits(-0.01f)},
        {PREFIX "verdict_doubts", SET, 9, bits(1.01f)},
        {PREFIX "verdict_doubts", SET, 5, bits(NAN)},
        {"memory.features", SET, 0, 0x7C00},
        {"memory.features", SET, (size_t)n.steps * f.model->memory.features - 1, 0x7E01},
        {"memory.errors", SET, 0, 0xFC00},
        {"memory.errors", SET, (size_t)n.steps * n.columns - 1, 0x7FFF},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e2str_error error;
        e2str_status status = load_changed(file, size, &cases[i], 1, &error);
        if (status != E2STR_ERROR_FORMAT || !error.message[0])
            fail_msg("case %zu, %s[%zu] = %llx: %s: %s", i, cases[i].name, cases[i].index,
                     (unsigned long long)cases[i].value, e2str_status_name(status), error.message);
    }
    const change fine[] = {
        {PREFIX "strength", SET, 0, bits(0.5f)},
        {PREFIX "step_offsets", SET, 0, UINT32_MAX}, /* a silent character */
        {PREFIX "verdict_doubts", SET, 0, bits(1.0f)},
        {"memory.errors", SET, 0, 0x3C00},
        {"general.name", ADD, 0, 1},
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        e2str_error error;
        if (load_changed(file, size, &fine[i], 1, &error)) fail_msg("case %zu: %s", i, error.message);
    }
    free(file);
    e2str_pool_free(pool);
}

static void versions_are_kept_apart(void **state) {
    (void)state;
    size_t size;
    e2str_pool *pool = taught();
    uint8_t *file = save(pool, &size);
    e2str_error error;
    change version = {"e2str.pool.version", SET, 0, 1}; /* which knows no memory */
    assert_int_equal(load_changed(file, size, &version, 1, &error), E2STR_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, PREFIX));
    version.value = 5;
    assert_int_equal(load_changed(file, size, &version, 1, &error), E2STR_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "version 5"));
    const change extra = {PREFIX "colour", ADD, 0, 1};
    assert_int_equal(load_changed(file, size, &extra, 1, &error), E2STR_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, PREFIX "colour"));
    free(file);
    e2str_pool_forget(pool);
    file = save(pool, &size);
    version.value = 2;
    assert_int_equal(load_changed(file, size, &version, 1, &error), E2STR_ERROR_FORMAT);
    assert_non_null(strstr(error.message, PREFIX));
    version.value = 1;
    assert_int_equal(load_changed(file, size, &version, 1, &error), E2STR_OK);
    free(file);
    e2str_pool_free(pool);
}

/* A file says that it is of this model, which cannot learn: other alphabet and tensors are not even looked at. */
static void a_model_without_statistics_refuses_it(void **state) {
    (void)state;
    fixture plain;
    size_t size;
    assert_int_equal(fixture_open(&plain, &(tiny_model_options){.alphabet = "abc-\xc3\xa9\xe2\x82\xac"}), 0);
    e2str_pool *pool = taught(), *loaded = NULL;
    uint8_t *file = save(pool, &size);
    e2str_error error = {""};
    assert_int_equal(e2str_pool_load(plain.model, path, NULL, &loaded, &error), E2STR_ERROR_MISMATCH);
    assert_null(loaded);
    seal(plain.model, file, size);
    assert_int_equal(fixture_load(&plain, file, size, &error), E2STR_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "statistics"));
    free(file);
    e2str_pool_free(pool);
    fixture_close(&plain);
}

/* Every number of the metadata in turn becomes something large or small: no crash, and what loads can be read with. */
static void hostile_numbers(void **state) {
    (void)state;
    static const uint64_t values[] = {0, 1, 0x7fffffff, 0xffffffff, (uint64_t)1 << 61, UINT64_MAX};
    size_t size, loaded = 0;
    e2str_pool *pool = memory_pool(&f);
    memory_add(&f, pool, 0, "a\xe2\x82\xac");
    memory_add(&f, pool, 1, "b");
    memory_learn(&f, pool);
    uint8_t *file = save(pool, &size);
    e2_gguf gguf;
    assert_int_equal(e2_gguf_open_memory(file, size, &gguf, NULL), E2STR_OK);
    size_t end = (size_t)((const uint8_t *)gguf.tensors[0].data - file), begin = 0;
    for (size_t i = 0; i < gguf.n_kvs && !begin; i++)
        if (!memcmp(gguf.kvs[i].key.data, PREFIX, strlen(PREFIX)))
            begin = (size_t)((const uint8_t *)gguf.kvs[i].key.data - file);
    e2_gguf_close(&gguf);
    e2str_result *result = memory_result();
    for (size_t at = begin; at + 8 <= end; at++)
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            uint8_t *copy = tiny_checked(malloc(size));
            e2str_pool *other = NULL;
            memcpy(copy, file, size);
            memcpy(copy + at, &values[i], 1 + at % 8);
            if (e2_gguf_open_memory(copy, size, &gguf, NULL) == E2STR_OK) {
                const e2_kv *checksum = e2_gguf_kv(&gguf, "e2str.pool.checksum");
                uint64_t sum = e2_pool_checksum(&gguf, checksum);
                memcpy(copy + (checksum->data - gguf.data), &sum, sizeof sum);
                (void)e2_pool_from_gguf(f.model, &gguf, NULL, &other, NULL);
                e2_gguf_close(&gguf);
            }
            if (other) {
                e2str_read_options options = memory_options(1, 1);
                options.max_tokens = 3;
                memory_read(&f, 0, other, &options, result);
                loaded++;
            }
            e2str_pool_free(other);
            free(copy);
        }
    assert_true(loaded > 0); /* the strength, the offsets */
    e2str_result_free(result);
    free(file);
    e2str_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_memory_comes_back),
        cmocka_unit_test(the_version_says_whether_there_is_one),
        cmocka_unit_test(every_key_is_needed_with_its_type),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(versions_are_kept_apart),
        cmocka_unit_test(a_model_without_statistics_refuses_it),
        cmocka_unit_test(hostile_numbers),
    };
    return cmocka_run_group_tests_name("memory_file", tests, set_up, tear_down);
}
