/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a pool file. An input that begins with "GGUF" is the file; any other is a list of changes to a good
 * file: of odd size to one with a memory, of even size to one without. Either way the checksums are made right again,
 * so that the checks behind them are met.
 */
#include "../pool_fixture.h"
#include "input.h"
#include "memory_file.h"

#define MAX_CHANGES 16

static fixture f;

static const e2_string labels[] = {{"one", 3}, {"Tw\xc3\xb3", 4}}; /* the last character is new */

/* What two examples with the labels and the ids 2 and 5 teach. */
static e2str_memory *teach(void) {
    e2str_pool *pool;
    e2str_memory *memory;
    e2str_learn_options options;
    e2str_learn_options_init(&options);
    options.strength = 1.0f;
    require(e2str_pool_new(f.model, NULL, &pool, NULL) == E2STR_OK);
    for (uint64_t i = 1, id; i <= 5; i++) {
        const e2_string *label = &labels[i == 5];
        require(e2str_pool_add(pool, f.session, &f.images[i], label->data, label->size, &id, NULL) == E2STR_OK);
        if (i != 2 && i != 5) require(e2str_pool_remove(pool, id, NULL) == E2STR_OK);
    }
    require(e2str_pool_learn(pool, f.session, &options, NULL) == E2STR_OK);
    require(e2str_pool_memory(pool, &memory, NULL) == E2STR_OK);
    e2str_pool_free(pool);
    return memory;
}

/* Two examples, as e2str_pool_save would write them; memory may be NULL. */
static uint8_t *good_file(const e2str_memory *memory, size_t *size) {
    static float keys[2 * FIXTURE_KEY], tokens[2 * 32 * FIXTURE_KEY];
    const void *key_pieces[] = {keys}, *token_pieces[] = {tokens};
    require(f.model->visual_tokens == 32);
    keys[0] = keys[FIXTURE_KEY + 1] = 1;
    tiny_builder b = {.writer = tiny_checked(e2_gguf_writer_new())};
    tiny_string(&b, "general.architecture", "e2str-pool");
    e2_gguf_write_u64(b.writer, "e2str.pool.checksum", 0);
    e2_gguf_write_u32(b.writer, "e2str.pool.version", memory ? 2 : 1);
    e2_gguf_write_u64(b.writer, "e2str.pool.model_checksum", 0);
    e2_gguf_write_u64(b.writer, "e2str.pool.next_id", 9);
    tiny_string(&b, "e2str.pool.storage", "f32");
    e2_gguf_write_array(b.writer, "e2str.pool.ids", E2_KV_U64, (const uint64_t[]){2, 5}, 2);
    e2_gguf_write_string_array(b.writer, "e2str.pool.labels", labels, 2);
    if (memory) e2_memory_file_write_metadata(b.writer, memory, 5);
    e2_gguf_write_tensor(b.writer, "keys", E2_F32, 2, (const uint64_t[]){FIXTURE_KEY, 2}, key_pieces, 1, sizeof keys);
    e2_gguf_write_tensor(b.writer, "tokens", E2_F32, 3, (const uint64_t[]){FIXTURE_KEY, 32, 2}, token_pieces, 1,
                         sizeof tokens);
    if (memory) e2_memory_file_write_tensors(b.writer, memory);
    require(e2_gguf_writer_finish(b.writer, tiny_sink, &b, NULL) == E2STR_OK);
    e2_gguf_writer_free(b.writer);
    *size = b.size;
    return b.file;
}

static void set_u64(uint8_t *file, const e2_gguf *gguf, const char *key, uint64_t value) {
    const e2_kv *kv = e2_gguf_kv(gguf, key);
    if (kv && kv->type == E2_KV_U64) memcpy(file + (kv->data - gguf->data), &value, sizeof value);
}

/* The file is for this model and undamaged. */
static void seal(uint8_t *file, const e2_gguf *gguf) {
    set_u64(file, gguf, "e2str.pool.model_checksum", e2str_model_checksum(f.model));
    const e2_kv *checksum = e2_gguf_kv(gguf, "e2str.pool.checksum");
    if (checksum && checksum->type == E2_KV_U64)
        set_u64(file, gguf, "e2str.pool.checksum", e2_pool_checksum(gguf, checksum));
}

/* What loads can be used: listed, searched and put into a prompt. */
static void use(e2str_pool *pool) {
    uint64_t ids[2] = {0}, nearest[2], bytes = e2str_pool_bytes(pool);
    float key[FIXTURE_KEY] = {1}, similarities[2];
    size_t count = e2str_pool_ids(pool, ids, 2), found;
    char label[128];
    for (size_t i = 0; i < count && i < 2; i++) {
        require(ids[i] && e2str_pool_label(pool, ids[i], label, sizeof label, NULL, NULL) == E2STR_OK && label[0]);
    }
    require(e2str_pool_nearest(pool, key, 2, -1, nearest, similarities, &found, NULL) == E2STR_OK);
    require(found == (count < 2 ? count : 2) && (bytes != 0) == (count != 0));
    e2str_result *result = NULL;
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.k = 1;
    options.max_tokens = 2;
    options.alternatives = 2;
    options.influences = 2;
    require(e2str_result_new(&result, NULL) == E2STR_OK);
    e2str_status status = e2str_read(f.session, &f.images[0], pool, &options, result, NULL);
    require(!status || status == E2STR_ERROR_LIMIT); /* finite tokens can be huge */
    check_result(result);
    e2str_result_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static e2str_memory *memory;
    if (!f.model) {
        require(fixture_open(&f, &(tiny_model_options){.memory = true}) == 0);
        memory = teach();
    }
    uint8_t *file;
    if (size >= 4 && memcmp(data, "GGUF", 4) == 0) {
        file = tiny_checked(malloc(size));
        memcpy(file, data, size);
    } else {
        input in = {data, size};
        const e2str_memory *with = size % 2 ? memory : NULL;
        file = good_file(with, &size);
        for (int i = 0; i < MAX_CHANGES && in.size >= 4; i++) change_file(file, size, with ? 2048 : 512, &in);
    }
    e2_gguf gguf;
    e2str_pool *pool = NULL;
    e2str_error error = {""};
    if (e2_gguf_open_memory(file, size, &gguf, NULL) == E2STR_OK) {
        seal(file, &gguf);
        e2str_status status = e2_pool_from_gguf(f.model, &gguf, NULL, &pool, &error);
        require(status ? !pool && error.message[0] : pool && !error.message[0]);
        e2_gguf_close(&gguf);
        free(file); /* a pool has copies of its own */
        file = NULL;
        if (pool) use(pool);
    }
    e2str_pool_free(pool);
    free(file);
    return 0;
}
