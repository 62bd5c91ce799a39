/* Pool files: what is saved comes back; damaged and hostile files are refused; a failed save changes nothing. */
#define _XOPEN_SOURCE 700 /* mkdtemp, setrlimit, realpath */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hash.h"
#include "pool_fixture.h"

static fixture f, other;
static char directory[64], path[96];

static int open_fixtures(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/pool.gguf", directory);
    return fixture_open(&f, NULL) || fixture_open(&other, &(tiny_model_options){.seed = 5});
}

/* Names in the directory, without . and .. */
static size_t entries(void) {
    DIR *open_directory = opendir(directory);
    size_t n = 0;
    assert_non_null(open_directory);
    while (readdir(open_directory)) n++;
    closedir(open_directory);
    return n - 2;
}

static int empty_directory(void **state) {
    (void)state;
    DIR *open_directory = opendir(directory);
    if (!open_directory) return 1;
    for (struct dirent *entry; (entry = readdir(open_directory));) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) remove(name);
    }
    closedir(open_directory);
    return 0;
}

static int close_fixtures(void **state) {
    empty_directory(state);
    rmdir(directory);
    fixture_close(&f);
    fixture_close(&other);
    return 0;
}

static e2str_pool *new_pool(e2str_storage storage, size_t examples) {
    static const char *const labels[] = {"one", "Two", "33333", "x"};
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    options.storage = storage;
    assert_int_equal(e2str_pool_new(f.model, &options, &pool, NULL), E2STR_OK);
    for (size_t i = 0; i < examples; i++) {
        uint64_t id;
        assert_int_equal(e2str_pool_add(pool, f.session, &f.images[i], labels[i % 4], SIZE_MAX, &id, NULL), E2STR_OK);
    }
    return pool;
}

static void save(const e2str_pool *pool) {
    e2str_error error = {0};
    if (e2str_pool_save(pool, path, &error)) fail_msg("%s", error.message);
}

static e2str_pool *load(void) {
    e2str_pool *pool = NULL;
    e2str_error error = {0};
    if (e2str_pool_load(f.model, path, NULL, &pool, &error)) fail_msg("%s", error.message);
    return pool;
}

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

static bytes read_all(const char *name) {
    bytes file = {malloc(1 << 20), 0};
    FILE *stream = fopen(name, "rb");
    assert_true(file.data && stream);
    file.size = fread(file.data, 1, 1 << 20, stream);
    fclose(stream);
    assert_in_range(file.size, 1, (1 << 20) - 1);
    return file;
}

static void write_all(const char *name, const void *data, size_t size) {
    FILE *stream = fopen(name, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(data, 1, size, stream), size);
    fclose(stream);
}

/* ------------------------------------------------------------------------------------------------ round trip -- */

static void check_same(const e2str_pool *a, const e2str_pool *b) {
    size_t values = (size_t)f.model->media_tokens * FIXTURE_KEY;
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->storage, b->storage);
    assert_int_equal(a->next_id, b->next_id);
    assert_int_equal(e2str_pool_bytes(a), e2str_pool_bytes(b));
    for (size_t i = 0; i < a->count; i++) {
        const e2_example *x = a->examples[i], *y = b->examples[i];
        assert_int_equal(x->id, y->id);
        assert_string_equal(x->label, y->label);
        assert_int_equal(x->label_size, y->label_size);
        assert_int_equal(x->n_ids, y->n_ids);
        assert_memory_equal(x->ids, y->ids, x->n_ids * sizeof *x->ids);
        assert_memory_equal(x->key, y->key, FIXTURE_KEY * sizeof *x->key);
        assert_memory_equal(x->tokens, y->tokens, values * (a->storage == E2STR_STORE_F16 ? 2 : 4));
    }
}

static void check_same_nearest(const e2str_pool *a, const e2str_pool *b) {
    uint64_t ids[2][4];
    float key[FIXTURE_KEY], similarities[2][4];
    size_t found[2];
    assert_int_equal(e2str_encode(f.session, &f.images[9], 1, NULL, key, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_nearest(a, key, 4, -1, ids[0], similarities[0], &found[0], NULL), E2STR_OK);
    assert_int_equal(e2str_pool_nearest(b, key, 4, -1, ids[1], similarities[1], &found[1], NULL), E2STR_OK);
    assert_int_equal(found[0], found[1]);
    assert_memory_equal(ids[0], ids[1], found[0] * sizeof **ids);
    assert_memory_equal(similarities[0], similarities[1], found[0] * sizeof **similarities);
}

static void round_trip(e2str_storage storage, size_t examples) {
    e2str_pool *pool = new_pool(storage, examples);
    (void)e2str_pool_remove(pool, 2, NULL);
    (void)e2str_pool_remove(pool, examples, NULL); /* the last id must not come back */
    save(pool);
    e2str_pool *loaded = load();
    check_same(pool, loaded);
    check_same_nearest(pool, loaded);
    bytes first = read_all(path);
    save(loaded);
    bytes second = read_all(path);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    uint64_t id;
    assert_int_equal(e2str_pool_add(loaded, f.session, &f.images[0], "new", 3, &id, NULL), E2STR_OK);
    assert_int_equal(id, examples + 1);
    assert_int_equal(entries(), 1);
    free(first.data);
    free(second.data);
    e2str_pool_free(pool);
    e2str_pool_free(loaded);
}

static void test_round_trip(void **state) {
    (void)state;
    round_trip(E2STR_STORE_F16, 7);
    round_trip(E2STR_STORE_F32, 7);
    round_trip(E2STR_STORE_F16, 1); /* empty, but for the next id */
    round_trip(E2STR_STORE_F32, 0);
}

/* docs/pool-format.md, without our own idea of the checksum. */
static void test_layout(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 3);
    save(pool);
    e2_gguf gguf;
    assert_int_equal(e2_gguf_open(path, &gguf, NULL), E2STR_OK);
    assert_true(e2_string_is(gguf.kvs[0].key, "general.architecture"));
    assert_true(e2_string_is(gguf.kvs[1].key, "e2str.pool.checksum"));
    uint64_t stored, model;
    memcpy(&stored, gguf.kvs[1].data, sizeof stored);
    bytes file = read_all(path);
    memset(file.data + (gguf.kvs[1].data - gguf.data), 0, sizeof stored);
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, file.data, file.size);
    assert_true(e2_hash_end(&hash) == stored);
    assert_int_equal(e2_gguf_u64(&gguf, "e2str.pool.model_checksum", &model, NULL), E2STR_OK);
    assert_true(model == e2str_model_checksum(f.model));
    const e2_tensor *keys = e2_gguf_tensor(&gguf, "keys"), *tokens = e2_gguf_tensor(&gguf, "tokens");
    assert_true(keys && keys->type == E2_F32 && keys->dims[0] == FIXTURE_KEY && keys->dims[1] == 3);
    assert_true(tokens && tokens->type == E2_F16 && tokens->dims[0] == FIXTURE_KEY);
    assert_true(tokens->dims[1] == f.model->media_tokens && tokens->dims[2] == 3);
    e2_gguf_close(&gguf);
    free(file.data);
    e2str_pool_free(pool);
}

static void test_load_limits(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F32, 3), *loaded;
    e2str_error error = {0};
    save(pool);
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.max_bytes = e2str_pool_bytes(pool);
    assert_int_equal(e2str_pool_load(f.model, path, &options, &loaded, NULL), E2STR_OK);
    assert_int_equal(loaded->storage, E2STR_STORE_F32); /* the file's */
    uint64_t id;
    assert_int_equal(e2str_pool_add(loaded, f.session, &f.images[0], "new", 3, &id, NULL), E2STR_ERROR_FULL);
    e2str_pool_free(loaded);
    options.max_bytes--;
    assert_int_equal(e2str_pool_load(f.model, path, &options, &loaded, &error), E2STR_ERROR_FULL);
    assert_null(loaded);
    assert_non_null(strstr(error.message, path));
    e2str_pool_free(pool);
}

static void test_wrong_model(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 1), *loaded = pool;
    e2str_error error = {0};
    char number[20];
    save(pool);
    assert_int_equal(e2str_pool_load(other.model, path, NULL, &loaded, &error), E2STR_ERROR_MISMATCH);
    assert_null(loaded);
    snprintf(number, sizeof number, "%016llx", (unsigned long long)e2str_model_checksum(f.model));
    assert_non_null(strstr(error.message, number));
    snprintf(number, sizeof number, "%016llx", (unsigned long long)e2str_model_checksum(other.model));
    assert_non_null(strstr(error.message, number));
    e2str_pool_free(pool);
}

/* --------------------------------------------------------------------------------------------------- damage -- */

static e2str_status load_bytes(const uint8_t *data, size_t size, e2str_error *error) {
    e2_gguf gguf;
    e2str_pool *pool = NULL;
    uint8_t *copy = malloc(size ? size : 1); /* exactly as large: a sanitizer sees the byte after it */
    assert_non_null(copy);
    memcpy(copy, data, size);
    e2str_status status = e2_gguf_open_memory(copy, size, &gguf, error);
    if (!status) {
        status = e2_pool_from_gguf(f.model, &gguf, NULL, &pool, error);
        e2_gguf_close(&gguf);
    }
    assert_true(!status == (pool != NULL));
    e2str_pool_free(pool);
    free(copy);
    return status;
}

static void test_cut_files(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 2);
    save(pool);
    e2str_pool_free(pool);
    bytes file = read_all(path);
    e2str_error error;
    assert_int_equal(load_bytes(file.data, file.size, &error), E2STR_OK);
    for (size_t size = 0; size < file.size; size++) {
        error.message[0] = 0;
        assert_int_equal(load_bytes(file.data, size, &error), E2STR_ERROR_FORMAT);
        assert_true(error.message[0] != 0);
    }
    for (size_t size = 0; size < file.size; size += 64) { /* the same through the file system */
        e2str_pool *loaded;
        write_all(path, file.data, size);
        assert_int_equal(e2str_pool_load(f.model, path, NULL, &loaded, &error), E2STR_ERROR_FORMAT);
        assert_null(loaded);
        assert_non_null(strstr(error.message, path));
    }
    free(file.data);
}

/* Any changed byte is noticed; in the header it may look like another version or type. */
static void test_flipped_bytes(void **state) {
    (void)state;
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 2);
    save(pool);
    e2str_pool_free(pool);
    bytes file = read_all(path);
    for (size_t i = 0; i < file.size * sizeof flips; i++) {
        uint8_t *byte = &file.data[i / sizeof flips], flip = flips[i % sizeof flips];
        e2str_error error = {0};
        *byte ^= flip;
        e2str_status status = load_bytes(file.data, file.size, &error);
        *byte ^= flip;
        if (status != E2STR_ERROR_FORMAT && status != E2STR_ERROR_UNSUPPORTED)
            fail_msg("byte %zu flipped by %02x: %s, %s", i / sizeof flips, flip, e2str_status_name(status),
                     error.message);
    }
    assert_int_equal(load_bytes(file.data, file.size, NULL), E2STR_OK);
    free(file.data);
}

/* --------------------------------------------------------------------------------------------- hostile files -- */

/* A file of two examples that loads, but for what a case changes. */
typedef struct recipe {
    const char *architecture, *storage, *extra_key, *extra_tensor;
    uint32_t version;
    uint64_t next_id, ids[2];
    size_t n_ids, n_labels;
    e2_string labels[2];
    bool narrow_checksum, no_checksum, no_version, no_model, narrow_ids, no_ids, no_labels, no_keys, no_tokens;
    bool no_next_id;
    e2_type token_type;
    uint64_t key_dims[2], token_dims[3];
    float key[FIXTURE_KEY];
    uint16_t token;
} recipe;

#define TOKENS 32 /* of the tiny model */

static recipe good(void) {
    return (recipe){.architecture = "e2str-pool",
                    .storage = "f16",
                    .version = 1,
                    .next_id = 8,
                    .ids = {3, 7},
                    .n_ids = 2,
                    .n_labels = 2,
                    .labels = {{"ab", 2}, {"c", 1}},
                    .token_type = E2_F16,
                    .key_dims = {FIXTURE_KEY, 2},
                    .token_dims = {FIXTURE_KEY, TOKENS, 2},
                    .key = {1},
                    .token = 0x3c00};
}

static e2str_status to_bytes(void *user, const void *data, size_t size, e2str_error *error) {
    (void)error;
    bytes *to = user;
    assert_in_range(to->size + size, 0, 1 << 20);
    memcpy(to->data + to->size, data, size);
    to->size += size;
    return E2STR_OK;
}

static void write_tensors(e2_gguf_writer *writer, const recipe *r, const float *keys, const void *tokens) {
    const void *key_pieces[] = {keys}, *token_pieces[] = {tokens};
    size_t key_bytes = (size_t)(r->key_dims[0] * r->key_dims[1]) * 4;
    size_t token_bytes = (size_t)(r->token_dims[0] * r->token_dims[1] * r->token_dims[2]);
    token_bytes *= r->token_type == E2_F32 ? 4 : 2;
    if (!r->no_keys) e2_gguf_write_tensor(writer, "keys", E2_F32, 2, r->key_dims, key_pieces, 1, key_bytes);
    if (!r->no_tokens)
        e2_gguf_write_tensor(writer, "tokens", r->token_type, 3, r->token_dims, token_pieces, 1, token_bytes);
    if (r->extra_tensor)
        e2_gguf_write_tensor(writer, r->extra_tensor, E2_F32, 2, r->key_dims, key_pieces, 1, key_bytes);
}

static void write_metadata(e2_gguf_writer *writer, const recipe *r) {
    e2_string architecture = {r->architecture, strlen(r->architecture)}, storage = {r->storage, strlen(r->storage)};
    const uint32_t narrow[2] = {3, 7};
    e2_gguf_write_string(writer, "general.architecture", architecture);
    if (r->narrow_checksum)
        e2_gguf_write_u32(writer, "e2str.pool.checksum", 0);
    else if (!r->no_checksum)
        e2_gguf_write_u64(writer, "e2str.pool.checksum", 0);
    if (!r->no_version) e2_gguf_write_u32(writer, "e2str.pool.version", r->version);
    if (!r->no_model) e2_gguf_write_u64(writer, "e2str.pool.model_checksum", e2str_model_checksum(f.model));
    if (!r->no_next_id) e2_gguf_write_u64(writer, "e2str.pool.next_id", r->next_id);
    e2_gguf_write_string(writer, "e2str.pool.storage", storage);
    if (r->narrow_ids)
        e2_gguf_write_u32_array(writer, "e2str.pool.ids", narrow, 2);
    else if (!r->no_ids)
        e2_gguf_write_u64_array(writer, "e2str.pool.ids", r->ids, r->n_ids);
    if (!r->no_labels) e2_gguf_write_string_array(writer, "e2str.pool.labels", r->labels, r->n_labels);
    if (r->extra_key) e2_gguf_write_u32(writer, r->extra_key, 1);
}

/* Gives a file the right checksum again, so that the checks behind it are met. What is no GGUF file stays as it is. */
static void seal(bytes file) {
    e2_gguf gguf;
    if (e2_gguf_open_memory(file.data, file.size, &gguf, NULL)) return;
    const e2_kv *kv = e2_gguf_kv(&gguf, "e2str.pool.checksum");
    if (kv && kv->type == E2_KV_U64) {
        uint64_t checksum = e2_pool_checksum(&gguf, kv);
        memcpy(file.data + (kv->data - gguf.data), &checksum, sizeof checksum);
    }
    e2_gguf_close(&gguf);
}

static bytes bake(const recipe *r) {
    static float keys[3 * FIXTURE_KEY];
    static uint32_t tokens[3 * FIXTURE_KEY * TOKENS]; /* enough for f32 */
    bytes file = {malloc(1 << 20), 0};
    e2_gguf_writer *writer = e2_gguf_writer_new();
    e2str_error error = {0};
    for (size_t i = 0; i < 3 * FIXTURE_KEY; i++)
        keys[i] = i / FIXTURE_KEY == 1 ? r->key[i % FIXTURE_KEY] : !(i % FIXTURE_KEY);
    memset(tokens, 0, sizeof tokens);
    if (r->token_type == E2_F16) memcpy((char *)tokens + 2 * (2 * FIXTURE_KEY * TOKENS - 1), &r->token, 2);
    if (r->token_type == E2_F32) tokens[2 * FIXTURE_KEY * TOKENS - 1] = (uint32_t)r->token << 16;
    write_metadata(writer, r);
    write_tensors(writer, r, keys, tokens);
    assert_non_null(file.data);
    if (e2_gguf_writer_finish(writer, to_bytes, &file, &error)) fail_msg("%s", error.message);
    e2_gguf_writer_free(writer);
    seal(file);
    return file;
}

static void expect(const char *what, recipe r, e2str_status expected, const char *message) {
    bytes file = bake(&r);
    e2str_error error = {{0}};
    e2str_status status = load_bytes(file.data, file.size, &error);
    free(file.data);
    if (status != expected || (message && !strstr(error.message, message)))
        fail_msg("%s: expected %s with \"%s\", got %s: %s", what, e2str_status_name(expected), message ? message : "",
                 e2str_status_name(status), error.message);
}

#define CASE(change, status, message)                                                                                  \
    do {                                                                                                               \
        recipe r = good();                                                                                             \
        change;                                                                                                        \
        expect(#change, r, E2STR_##status, message);                                                                   \
    } while (0)

static void test_hostile_metadata(void **state) {
    (void)state;
    CASE((void)0, OK, NULL);
    CASE(r.architecture = "e2str", ERROR_FORMAT, "not a pool file");
    CASE(r.no_checksum = true, ERROR_FORMAT, "e2str.pool.checksum");
    CASE(r.narrow_checksum = true, ERROR_FORMAT, "e2str.pool.checksum");
    CASE(r.no_version = true, ERROR_FORMAT, "e2str.pool.version");
    CASE(r.version = 2, ERROR_UNSUPPORTED, "version 2");
    CASE(r.version = 0, ERROR_UNSUPPORTED, "version 0");
    CASE(r.no_model = true, ERROR_FORMAT, "e2str.pool.model_checksum");
    CASE(r.extra_key = "e2str.pool.compression", ERROR_UNSUPPORTED, "e2str.pool.compression");
    CASE(r.extra_key = "general.quantization_version", OK, NULL);
    CASE(r.storage = "bf16", ERROR_UNSUPPORTED, "bf16");
    CASE(r.no_next_id = true, ERROR_FORMAT, "e2str.pool.next_id");
    CASE(r.next_id = 0, ERROR_FORMAT, "e2str.pool.next_id");
    CASE(r.next_id = 7, ERROR_FORMAT, "id 7");
    CASE(r.next_id = UINT64_MAX, OK, NULL);
    CASE(r.ids[0] = 0, ERROR_FORMAT, "id 0");
    CASE(r.ids[0] = 7, ERROR_FORMAT, "id 7");
    CASE(r.ids[0] = UINT64_MAX, ERROR_FORMAT, "id 18446744073709551615");
    CASE((r.ids[0] = 5, r.ids[1] = 4), ERROR_FORMAT, "id 4");
    CASE(r.narrow_ids = true, ERROR_FORMAT, "e2str.pool.ids");
    CASE(r.no_ids = true, ERROR_FORMAT, "e2str.pool.ids");
    CASE(r.n_ids = 1, ERROR_FORMAT, "1 ids but 2 labels");
    CASE(r.n_labels = 1, ERROR_FORMAT, "2 ids but 1 labels");
    CASE(r.no_labels = true, ERROR_FORMAT, "e2str.pool.labels");
    CASE(r.labels[1].size = 0, ERROR_FORMAT, "example 7");
    CASE(r.labels[0].data = "a!", ERROR_FORMAT, "example 3");
    CASE((r.labels[0] = (e2_string){"a\xc3\xa9", 3}), ERROR_FORMAT, "example 3");
    static char longest[60];
    memset(longest, 'a', sizeof longest);
    CASE((r.labels[0] = (e2_string){longest, 59}), OK, NULL);
    CASE((r.labels[0] = (e2_string){longest, 60}), ERROR_FORMAT, "60 tokens");
}

static void test_hostile_tensors(void **state) {
    (void)state;
    CASE(r.no_keys = true, ERROR_FORMAT, "tensor keys is missing");
    CASE(r.no_tokens = true, ERROR_FORMAT, "tensor tokens is missing");
    CASE(r.extra_tensor = "more", ERROR_UNSUPPORTED, "tensor more");
    CASE((r.key_dims[0] = 2, r.key_dims[1] = FIXTURE_KEY), ERROR_FORMAT, "tensor keys is F32 [2, 16");
    CASE(r.key_dims[0] = 8, ERROR_FORMAT, "tensor keys is F32 [8, 2");
    CASE(r.key_dims[1] = 1, ERROR_FORMAT, "tensor keys is F32 [16, 1");
    CASE(r.key_dims[1] = 3, ERROR_FORMAT, "tensor keys is F32 [16, 3");
    CASE(r.token_dims[2] = 1, ERROR_FORMAT, "tensor tokens is F16 [16, 32, 1");
    CASE(r.token_dims[2] = 3, ERROR_FORMAT, "tensor tokens is F16 [16, 32, 3");
    CASE((r.token_dims[0] = 32, r.token_dims[1] = 16), ERROR_FORMAT, "tensor tokens is F16 [32, 16, 2");
    CASE(r.token_dims[1] = 31, ERROR_FORMAT, "tensor tokens is F16 [16, 31, 2");
    CASE(r.token_type = E2_F32, ERROR_FORMAT, "tensor tokens is F32");
    CASE(r.storage = "f32", ERROR_FORMAT, "tensor tokens is F16");
    CASE((r.storage = "f32", r.token_type = E2_F32), OK, NULL);
    CASE((r.n_ids = 0, r.n_labels = 0), ERROR_FORMAT, "empty");
    CASE((r.n_ids = 0, r.n_labels = 0, r.no_keys = r.no_tokens = true), OK, NULL);
    CASE(r.token = 0x7c00, ERROR_FORMAT, "not finite");
    CASE(r.token = 0x7e01, ERROR_FORMAT, "not finite");
    CASE(r.token = 0xfc00, ERROR_FORMAT, "not finite");
    CASE(r.token = 0xfbff, OK, NULL);
    CASE((r.storage = "f32", r.token_type = E2_F32, r.token = 0x7f80), ERROR_FORMAT, "not finite");
    CASE((r.storage = "f32", r.token_type = E2_F32, r.token = 0x7fc0), ERROR_FORMAT, "not finite");
    CASE(r.key[0] = 0, ERROR_FORMAT, "length");
    CASE(r.key[0] = 1.002f, ERROR_FORMAT, "length");
    CASE(r.key[0] = 0.998f, ERROR_FORMAT, "length");
    CASE(r.key[0] = -0.9995f, OK, NULL);
    CASE(r.key[3] = NAN, ERROR_FORMAT, "length");
    CASE(r.key[3] = INFINITY, ERROR_FORMAT, "length");
}

/* general.alignment 1 lets tensors begin anywhere: floats there could not be used in place. */
static void test_odd_alignment(void **state) {
    (void)state;
    const size_t data = 2 * FIXTURE_KEY * 4 + 2 * FIXTURE_KEY * TOKENS * 2;
    size_t odd = 0;
    for (size_t label = 1; label <= 4; label++) {
        recipe r = good();
        r.extra_key = "general.alignment"; /* with the value 1 */
        r.labels[0] = (e2_string){"abcd", label};
        for (size_t padding = 0; padding < 32; padding++) {
            bytes file = bake(&r);
            uint8_t *start = file.data + file.size - data;
            memmove(start - padding, start, data);
            file.size -= padding;
            e2str_error error = {0};
            seal(file);
            (void)load_bytes(file.data, file.size, &error);
            odd += strstr(error.message, "not aligned") != NULL;
            free(file.data);
        }
    }
    assert_int_equal(odd, 3); /* of four labels, one leaves the tensors at a multiple of 4 */
}

/* Every number of the metadata in turn becomes something large or small, under a right checksum: no crash, no lie. */
static void test_hostile_numbers(void **state) {
    (void)state;
    static const uint64_t values[] = {0, 1, 0x7fffffff, 0xffffffff, (uint64_t)1 << 61, UINT64_MAX};
    recipe r = good();
    bytes file = bake(&r);
    size_t metadata = file.size - (2 * FIXTURE_KEY * 4 + 2 * FIXTURE_KEY * TOKENS * 2);
    for (size_t at = 8; at + 8 <= metadata; at++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            uint8_t *copy = malloc(file.size);
            assert_non_null(copy);
            memcpy(copy, file.data, file.size);
            memcpy(copy + at, &values[i], 8);
            seal((bytes){copy, file.size});
            (void)load_bytes(copy, file.size, NULL);
            free(copy);
        }
    }
    free(file.data);
}

/* ----------------------------------------------------------------------------------------------- failed saves -- */

static void test_not_files(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 1), *loaded;
    e2str_error error = {0};
    char name[128];
    const char *const missing[] = {"", "/nowhere/pool.gguf", "/tmp/", "/", "."};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        assert_int_equal(e2str_pool_save(pool, missing[i], NULL), E2STR_ERROR_IO);
    assert_int_equal(e2str_pool_save(pool, directory, &error), E2STR_ERROR_IO);
    assert_non_null(strstr(error.message, directory));
    assert_non_null(strstr(error.message, "directory"));
    assert_int_equal(e2str_pool_save(NULL, path, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_save(pool, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_load(f.model, directory, NULL, &loaded, NULL), E2STR_ERROR_IO);
    assert_int_equal(e2str_pool_load(f.model, path, NULL, &loaded, &error), E2STR_ERROR_IO);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(e2str_pool_load(NULL, path, NULL, &loaded, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_load(f.model, NULL, NULL, &loaded, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_load(f.model, path, NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
    snprintf(name, sizeof name, "%s/fifo", directory);
    assert_int_equal(mkfifo(name, 0600), 0);
    assert_int_equal(e2str_pool_save(pool, name, &error), E2STR_ERROR_IO);
    struct stat info;
    assert_int_equal(stat(name, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    snprintf(name, sizeof name, "%s/fifo/pool", directory);
    assert_int_equal(e2str_pool_save(pool, name, NULL), E2STR_ERROR_IO);
    assert_int_equal(entries(), 1);
    e2str_pool_free(pool);
}

static void check_untouched(bytes before) {
    bytes after = read_all(path);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.data, before.data, after.size);
    assert_int_equal(entries(), 1);
    free(after.data);
}

/* Runs in a child, which it may limit as it likes: exits with 0 when saving failed as it should. */
static int status_of_child(const e2str_pool *pool, void (*limit)(size_t), size_t argument) {
    pid_t child = fork();
    if (child == 0) {
        e2str_error error = {0};
        limit(argument);
        e2str_status status = e2str_pool_save(pool, path, &error);
        _exit(status == E2STR_ERROR_IO && strstr(error.message, path) ? 0 : 1 + (int)status);
    }
    int status = -1;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

/* What a full disk does, too: a write that fails half-way. */
static void limit_file_size(size_t size) {
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){size, size});
}

static void test_full_disk(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 1);
    save(pool);
    bytes before = read_all(path);
    uint64_t id;
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[1], "two", 3, &id, NULL), E2STR_OK);
    for (size_t size = 0; size < before.size + 1024; size += 500) {
        assert_int_equal(status_of_child(pool, limit_file_size, size), 0);
        check_untouched(before);
    }
    save(pool);
    e2str_pool *loaded = load();
    check_same(pool, loaded);
    e2str_pool_free(loaded);
    e2str_pool_free(pool);
    free(before.data);
}

/* Root may write anywhere, so the child is somebody else. */
static void lose_rights(size_t unused) {
    (void)unused;
    if (geteuid() == 0 && (setgid(65534) || setuid(65534))) _exit(100);
}

static void test_directory_without_rights(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 1);
    save(pool);
    bytes before = read_all(path);
    assert_int_equal(chmod(directory, 0555), 0);
    int status = status_of_child(pool, lose_rights, 0);
    assert_int_equal(chmod(directory, 0700), 0);
    assert_int_equal(status, 0);
    check_untouched(before);
    free(before.data);
    e2str_pool_free(pool);
}

static mode_t mode_of(const char *name) {
    struct stat info;
    assert_int_equal(lstat(name, &info), 0);
    return info.st_mode & 07777;
}

static void test_permissions_and_links(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 1);
    mode_t mask = umask(027);
    save(pool);
    assert_int_equal(mode_of(path), 0640);
    assert_int_equal(chmod(path, 0606), 0);
    save(pool);
    assert_int_equal(mode_of(path), 0606); /* kept, against the umask */
    umask(mask);

    char link[128], at[256];
    snprintf(link, sizeof link, "%s/link", directory);
    assert_int_equal(symlink("pool.gguf", link), 0);
    assert_int_equal(unlink(path), 0);
    write_all(path, "old", 3);
    assert_int_equal(e2str_pool_save(pool, link, NULL), E2STR_OK);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    e2str_pool_free(load());

    assert_non_null(getcwd(at, sizeof at)); /* a name without a directory */
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(unlink("pool.gguf"), 0);
    e2str_status status = e2str_pool_save(pool, "pool.gguf", NULL);
    assert_int_equal(chdir(at), 0);
    assert_int_equal(status, E2STR_OK);
    e2str_pool_free(load());
    assert_int_equal(entries(), 2);
    e2str_pool_free(pool);
}

#define TEST(name) cmocka_unit_test_setup(name, empty_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_layout),
        TEST(test_load_limits),
        TEST(test_wrong_model),
        TEST(test_cut_files),
        TEST(test_flipped_bytes),
        TEST(test_hostile_metadata),
        TEST(test_hostile_tensors),
        TEST(test_odd_alignment),
        TEST(test_hostile_numbers),
        TEST(test_not_files),
        TEST(test_full_disk),
        TEST(test_directory_without_rights),
        TEST(test_permissions_and_links),
    };
    return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
