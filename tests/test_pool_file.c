/* SPDX-License-Identifier: MIT */
/* Pool files: what is saved comes back; damaged files are refused; a failed save changes nothing. */
#define _XOPEN_SOURCE 700 /* mkdtemp, setrlimit */
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
    size_t values = (size_t)f.model->visual_tokens * FIXTURE_KEY;
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
    assert_int_equal(e2_gguf_complete(&gguf, NULL), E2STR_OK);
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
    assert_true(tokens->dims[1] == f.model->visual_tokens && tokens->dims[2] == 3);
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

static void test_cut_files(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(E2STR_STORE_F16, 2);
    save(pool);
    e2str_pool_free(pool);
    bytes file = read_all(path);
    e2str_error error;
    assert_int_equal(fixture_load(&f, file.data, file.size, &error), E2STR_OK);
    for (size_t size = 0; size < file.size; size++) {
        error.message[0] = 0;
        assert_int_equal(fixture_load(&f, file.data, size, &error), E2STR_ERROR_FORMAT);
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
        e2str_status status = fixture_load(&f, file.data, file.size, &error);
        *byte ^= flip;
        if (status != E2STR_ERROR_FORMAT && status != E2STR_ERROR_UNSUPPORTED)
            fail_msg("byte %zu flipped by %02x: %s, %s", i / sizeof flips, flip, e2str_status_name(status),
                     error.message);
    }
    assert_int_equal(fixture_load(&f, file.data, file.size, NULL), E2STR_OK);
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
    assert_int_equal(e2str_pool_save(pool, link, NULL), E2STR_ERROR_CONFLICT); /* not what was saved there */
    assert_int_equal(e2str_pool_overwrite(pool, link, NULL), E2STR_OK);
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
        TEST(test_not_files),
        TEST(test_full_disk),
        TEST(test_directory_without_rights),
        TEST(test_permissions_and_links),
    };
    return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
