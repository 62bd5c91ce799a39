/* GGUF: what the writer writes the reader reads; number conversions; files that are no files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gguf_values.h"

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

static e2str_status to_bytes(void *user, const void *data, size_t size, e2str_error *error) {
    (void)error;
    bytes *to = user;
    to->data = realloc(to->data, to->size + size);
    assert_non_null(to->data);
    memcpy(to->data + to->size, data, size);
    to->size += size;
    return E2STR_OK;
}

static e2_string text(const char *literal) { return (e2_string){literal, strlen(literal)}; }

/* A file with a value of every kind that the writer knows, and tensors of four types. */
static bytes sample(void) {
    static const float weights[6] = {1, -2, 3, 0.5f, 0, 6}, more[3] = {7, 8, 9};
    static const uint16_t halves[3] = {0x3c00, 0xc000, 0x3800}, brains[2] = {0x3f80, 0xc040};
    static uint8_t block[2][34];
    for (int i = 0; i < 2; i++) {
        block[i][0] = 0;
        block[i][1] = i ? 0x38 : 0x3c; /* scales 1 and 0.5 */
        for (int j = 0; j < 32; j++) block[i][2 + j] = (uint8_t)(int8_t)(i ? -j : j);
    }
    e2_gguf_writer *writer = e2_gguf_writer_new();
    e2_gguf_write_u32(writer, "n.u32", 0xfedcba98);
    e2_gguf_write_u64(writer, "n.u64", UINT64_MAX);
    write_f32(writer, "n.f32", -0.25f);
    write_bool(writer, "yes", true);
    write_bool(writer, "no", false);
    e2_gguf_write_string(writer, "word", text("caf\xc3\xa9"));
    e2_gguf_write_string(writer, "nothing", (e2_string){NULL, 0});
    e2_gguf_write_string_array(writer, "words", (const e2_string[]){text("a"), text(""), text("ccc")}, 3);
    e2_gguf_write_array(writer, "ids", E2_KV_U64, (const uint64_t[]){1, 1ull << 40}, 2);
    e2_gguf_write_array(writer, "small", E2_KV_U32, (const uint32_t[]){5, 6, 7}, 3);
    e2_gguf_write_array(writer, "mean", E2_KV_F32, (const float[]){0.5f}, 1);
    e2_gguf_write_tensor(writer, "pieces", E2_F32, 2, (const uint64_t[]){3, 3},
                         (const void *const[]){weights, weights + 3, more}, 3, 12);
    e2_gguf_write_tensor(writer, "halves", E2_F16, 1, (const uint64_t[]){3}, (const void *const[]){halves}, 1, 6);
    e2_gguf_write_tensor(writer, "brains", E2_BF16, 1, (const uint64_t[]){2}, (const void *const[]){brains}, 1, 4);
    e2_gguf_write_tensor(writer, "blocks", E2_Q8_0, 2, (const uint64_t[]){32, 2}, (const void *const[]){block}, 1, 68);
    bytes file = {0};
    assert_int_equal(e2_gguf_writer_finish(writer, to_bytes, &file, NULL), E2STR_OK);
    e2_gguf_writer_free(writer);
    return file;
}

static void round_trip_metadata(void **state) {
    (void)state;
    bytes file = sample();
    e2_gguf gguf;
    assert_int_equal(e2_gguf_open_memory(file.data, file.size, &gguf, NULL), E2STR_OK);
    assert_int_equal(gguf.n_kvs, 11);
    uint32_t u32;
    uint64_t u64;
    float f32;
    bool flag;
    e2_string string;
    const e2_kv *array;
    assert_int_equal(e2_gguf_u32(&gguf, "n.u32", &u32, NULL), E2STR_OK);
    assert_int_equal(u32, 0xfedcba98);
    assert_int_equal(e2_gguf_u64(&gguf, "n.u32", &u64, NULL), E2STR_OK);
    assert_int_equal(u64, 0xfedcba98);
    assert_int_equal(e2_gguf_u64(&gguf, "n.u64", &u64, NULL), E2STR_OK);
    assert_true(u64 == UINT64_MAX);
    assert_int_equal(e2_gguf_f32(&gguf, "n.f32", &f32, NULL), E2STR_OK);
    assert_true(f32 == -0.25f);
    assert_int_equal(e2_gguf_bool(&gguf, "yes", &flag, NULL), E2STR_OK);
    assert_true(flag);
    assert_int_equal(e2_gguf_bool(&gguf, "no", &flag, NULL), E2STR_OK);
    assert_false(flag);
    assert_int_equal(e2_gguf_string(&gguf, "word", &string, NULL), E2STR_OK);
    assert_true(e2_string_is(string, "caf\xc3\xa9"));
    assert_int_equal(e2_gguf_string(&gguf, "nothing", &string, NULL), E2STR_OK);
    assert_true(e2_string_is(string, ""));
    assert_int_equal(e2_gguf_array(&gguf, "words", E2_KV_STRING, &array, NULL), E2STR_OK);
    assert_int_equal(array->count, 3);
    const uint8_t *cursor = array->data;
    assert_true(e2_string_is(e2_gguf_next_string(&cursor), "a"));
    assert_true(e2_string_is(e2_gguf_next_string(&cursor), ""));
    assert_true(e2_string_is(e2_gguf_next_string(&cursor), "ccc"));
    assert_ptr_equal(cursor, array->data + array->bytes);
    assert_int_equal(e2_gguf_array(&gguf, "ids", E2_KV_U64, &array, NULL), E2STR_OK);
    assert_int_equal(array->count, 2);
    assert_int_equal(array->bytes, 16);
    assert_int_equal(e2_gguf_array(&gguf, "small", E2_KV_U32, &array, NULL), E2STR_OK);
    assert_int_equal(array->bytes, 12);
    assert_null(e2_gguf_kv(&gguf, "n.u3"));
    assert_null(e2_gguf_kv(&gguf, "n.u322"));
    assert_null(e2_gguf_tensor(&gguf, ""));
    e2_gguf_close(&gguf);
    e2_gguf_close(&gguf); /* fine on a zeroed one */
    free(file.data);
}

static void round_trip_tensors(void **state) {
    (void)state;
    static const float expected[9] = {1, -2, 3, 0.5f, 0, 6, 7, 8, 9};
    bytes file = sample();
    e2_gguf gguf;
    float out[64];
    assert_int_equal(e2_gguf_open_memory(file.data, file.size, &gguf, NULL), E2STR_OK);
    assert_int_equal(gguf.n_tensors, 4);
    assert_int_equal(file.size % 32, 0);
    const e2_tensor *tensor = e2_gguf_tensor(&gguf, "pieces");
    assert_int_equal(tensor->elements, 9);
    assert_int_equal(tensor->dims[1], 3);
    assert_int_equal(tensor->dims[2], 1);
    assert_memory_equal(tensor->data, expected, sizeof expected);
    e2_dequantize(tensor, 4, 3, out);
    assert_memory_equal(out, expected + 4, 12);
    for (size_t i = 0; i < gguf.n_tensors; i++)
        assert_int_equal(((const uint8_t *)gguf.tensors[i].data - file.data) % 32, 0);

    e2_dequantize(e2_gguf_tensor(&gguf, "halves"), 0, 3, out);
    assert_true(out[0] == 1 && out[1] == -2 && out[2] == 0.5f);
    e2_dequantize(e2_gguf_tensor(&gguf, "brains"), 1, 1, out);
    assert_true(out[0] == -3);
    e2_dequantize(e2_gguf_tensor(&gguf, "blocks"), 0, 64, out);
    for (int i = 0; i < 32; i++) assert_true(out[i] == (float)i && out[32 + i] == -0.5f * (float)i);
    e2_dequantize(e2_gguf_tensor(&gguf, "blocks"), 32, 32, out);
    assert_true(out[31] == -15.5f);
    e2_gguf_close(&gguf);
    free(file.data);
}

/* Every proper prefix of a file is refused, from a buffer of exactly its size (ASan sees a read beyond). */
static void every_truncation(void **state) {
    (void)state;
    bytes file = sample();
    for (size_t size = 0; size < file.size; size++) {
        if (size >= file.size - 28) break; /* only padding is missing from here on */
        uint8_t *part = malloc(size + !size);
        assert_non_null(part);
        memcpy(part, file.data, size);
        e2_gguf gguf;
        e2str_error error = {""};
        assert_int_equal(e2_gguf_open_memory(part, size, &gguf, &error), E2STR_ERROR_FORMAT);
        assert_true(error.message[0]);
        free(part);
    }
    free(file.data);
}

static void look_ups_name_the_key(void **state) {
    (void)state;
    bytes file = sample();
    e2_gguf gguf;
    e2str_error error;
    uint32_t u32;
    float f32;
    bool flag;
    e2_string string;
    const e2_kv *array;
    assert_int_equal(e2_gguf_open_memory(file.data, file.size, &gguf, NULL), E2STR_OK);
#define REFUSED(call, words)                                                                                           \
    do {                                                                                                               \
        assert_int_equal(call, E2STR_ERROR_FORMAT);                                                                    \
        assert_non_null(strstr(error.message, words));                                                                 \
    } while (0)
    REFUSED(e2_gguf_u32(&gguf, "absent", &u32, &error), "absent is missing");
    REFUSED(e2_gguf_u32(&gguf, "n.u64", &u32, &error), "n.u64 is 18446744073709551615, out of range");
    REFUSED(e2_gguf_u32(&gguf, "n.f32", &u32, &error), "n.f32");
    REFUSED(e2_gguf_u32(&gguf, "yes", &u32, &error), "yes");
    REFUSED(e2_gguf_f32(&gguf, "n.u32", &f32, &error), "n.u32 has type u32, not f32");
    REFUSED(e2_gguf_bool(&gguf, "word", &flag, &error), "word has type string, not bool");
    REFUSED(e2_gguf_string(&gguf, "words", &string, &error), "words has type array, not string");
    REFUSED(e2_gguf_array(&gguf, "ids", E2_KV_U32, &array, &error), "ids is an array of another type");
    REFUSED(e2_gguf_array(&gguf, "n.u32", E2_KV_U32, &array, &error), "n.u32 has type u32, not array");
#undef REFUSED
    e2_gguf_close(&gguf);
    free(file.data);
}

/* Integers of every width, by hand: the writer has only two. */
static void integers_of_any_width(void **state) {
    (void)state;
    static const struct {
        e2_kv_type type;
        size_t size;
        int64_t value;
        bool accepted;
    } cases[] = {{E2_KV_U8, 1, 200, true},         {E2_KV_I8, 1, 100, true},  {E2_KV_I8, 1, -1, false},
                 {E2_KV_U16, 2, 60000, true},      {E2_KV_I16, 2, -7, false}, {E2_KV_I16, 2, 30000, true},
                 {E2_KV_I32, 4, 1 << 30, true},    {E2_KV_I32, 4, -1, false}, {E2_KV_I64, 8, 4000000000, true},
                 {E2_KV_I64, 8, INT64_MIN, false}, {E2_KV_F64, 8, 0, false},  {E2_KV_BOOL, 1, 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t file[24 + 8 + 1 + 4 + 8] = "GGUF\3";
        file[16] = 1; /* one key, of one character */
        file[24] = 1;
        file[32] = 'k';
        file[33] = (uint8_t)cases[i].type;
        memcpy(file + 37, &cases[i].value, cases[i].size); /* little-endian */
        e2_gguf gguf;
        uint64_t value = 0;
        assert_int_equal(e2_gguf_open_memory(file, 37 + cases[i].size, &gguf, NULL), E2STR_OK);
        e2str_status status = e2_gguf_u64(&gguf, "k", &value, NULL);
        assert_int_equal(status, cases[i].accepted ? E2STR_OK : E2STR_ERROR_FORMAT);
        if (cases[i].accepted) assert_true((int64_t)value == cases[i].value);
        e2_gguf_close(&gguf);
    }
}

static float as_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static uint32_t as_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static void halves_survive(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        float value = e2_f16_to_f32((uint16_t)half);
        uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
        if (exponent == 31 && mantissa) {
            assert_true(isnan(value) && isnan(e2_f16_to_f32(e2_f32_to_f16(value))));
            continue;
        }
        double expected = exponent == 31 ? INFINITY
                          : exponent     ? ldexp(1024.0 + mantissa, (int)exponent - 25)
                                         : ldexp(mantissa, -24);
        assert_true((double)value == (half & 0x8000 ? -expected : expected));
        assert_int_equal(e2_f32_to_f16(value), half);
    }
}

/* Rounding against a search for the nearest half, at and around every midpoint between two neighbours. */
static void halves_round_to_even(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 0x7bff; half++) {
        float low = e2_f16_to_f32((uint16_t)half), high = e2_f16_to_f32((uint16_t)(half + 1));
        float middle = (low + high) / 2; /* exact: one more bit */
        uint32_t even = half & 1 ? half + 1 : half;
        assert_int_equal(e2_f32_to_f16(middle), even);
        assert_int_equal(e2_f32_to_f16(-middle), even | 0x8000);
        assert_int_equal(e2_f32_to_f16(nextafterf(middle, 0)), half);
        assert_int_equal(e2_f32_to_f16(nextafterf(middle, INFINITY)), half + 1);
    }
    assert_int_equal(e2_f32_to_f16(nextafterf(65520, 0)), 0x7bff);
    assert_int_equal(e2_f32_to_f16(65520), 0x7c00);
    assert_int_equal(e2_f32_to_f16(-1e30f), 0xfc00);
    assert_int_equal(e2_f32_to_f16(INFINITY), 0x7c00);
    assert_int_equal(e2_f32_to_f16(as_float(1)), 0);
    assert_int_equal(e2_f32_to_f16(-0.0f), 0x8000);
    assert_true(isnan(e2_f16_to_f32(e2_f32_to_f16(as_float(0x7f800001)))));
    assert_int_equal(as_bits(e2_f16_to_f32(0x8000)), 0x80000000);
}

static void refuse(const char *path, e2str_status expected, const char *words) {
    e2_gguf gguf;
    e2str_error error = {""};
    assert_int_equal(e2_gguf_open(path, &gguf, &error), expected);
    if (path) assert_ptr_equal(strstr(error.message, path), error.message);
    assert_non_null(strstr(error.message, words));
}

static void paths_that_are_no_files(void **state) {
    (void)state;
    char folder[] = "/tmp/e2str-gguf-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    refuse(NULL, E2STR_ERROR_ARGUMENT, "NULL");
    refuse(folder, E2STR_ERROR_IO, "is a directory");
    snprintf(path, sizeof path, "%s/missing.gguf", folder);
    refuse(path, E2STR_ERROR_IO, "No such file");
    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse(path, E2STR_ERROR_IO, "not a regular file");
    unlink(path);
    refuse("/dev/null", E2STR_ERROR_IO, "not a regular file");
    snprintf(path, sizeof path, "%s/empty.gguf", folder);
    FILE *empty = fopen(path, "wb");
    assert_non_null(empty);
    fclose(empty);
    refuse(path, E2STR_ERROR_FORMAT, "empty");
    unlink(path);
    rmdir(folder);
}

static void writer_checks_its_caller(void **state) {
    (void)state;
    static const float data[8];
    const struct {
        e2_type type;
        uint32_t n_dims;
        uint64_t dims[5];
        size_t piece_bytes;
    } cases[] = {
        {E2_F32, 1, {8}, 31},
        {E2_F32, 1, {0}, 0},
        {E2_F32, 0, {8}, 32},
        {E2_F32, 5, {8, 1, 1, 1, 1}, 32},
        {E2_Q8_0, 1, {8}, 8},
        {99, 1, {8}, 32},
        {E2_F32, 2, {1ull << 62, 4}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e2_gguf_writer *writer = e2_gguf_writer_new();
        e2_gguf_write_tensor(writer, "bad", cases[i].type, cases[i].n_dims, cases[i].dims, (const void *const[]){data},
                             1, cases[i].piece_bytes);
        e2_gguf_write_u32(writer, "later", 1);
        bytes file = {0};
        e2str_error error = {""};
        assert_int_equal(e2_gguf_writer_finish(writer, to_bytes, &file, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "bad"));
        assert_null(file.data);
        e2_gguf_writer_free(writer);
    }
    assert_int_equal(e2_gguf_writer_finish(NULL, to_bytes, NULL, NULL), E2STR_ERROR_MEMORY);
    e2_gguf_write_u32(NULL, "k", 1);
    e2_gguf_writer_free(NULL);
}

static e2str_status full_disk(void *user, const void *data, size_t size, e2str_error *error) {
    (void)data;
    size_t *room = user;
    if (size > *room) return e2_fail(error, E2STR_ERROR_IO, "disk full");
    *room -= size;
    return E2STR_OK;
}

static void writer_passes_on_what_the_sink_says(void **state) {
    (void)state;
    static const float data[7];
    e2_gguf_writer *writer = e2_gguf_writer_new();
    e2_gguf_write_tensor(writer, "t", E2_F32, 1, (const uint64_t[]){7}, (const void *const[]){data}, 1, 28);
    for (size_t room = 0; room < 96; room++) { /* 64 bytes before the data, 28 of data, 4 of padding */
        size_t left = room;
        e2str_error error = {""};
        assert_int_equal(e2_gguf_writer_finish(writer, full_disk, &left, &error), E2STR_ERROR_IO);
        assert_string_equal(error.message, "disk full");
    }
    size_t enough = 96;
    assert_int_equal(e2_gguf_writer_finish(writer, full_disk, &enough, NULL), E2STR_OK);
    assert_int_equal(enough, 0);
    e2_gguf_writer_free(writer);
}

static void untrusted_names_are_shown_safely(void **state) {
    (void)state;
    char longest[200];
    memset(longest, 'x', sizeof longest);
    assert_string_equal(e2_show(text("vision.blk.0")).text, "vision.blk.0");
    assert_string_equal(e2_show(text("a\n\x1b[2J\\\xff")).text, "a\\x0a\\x1b[2J\\x5c\\xff");
    assert_string_equal(e2_show((e2_string){"\0b", 2}).text, "\\x00b");
    e2_shown cut = e2_show((e2_string){longest, sizeof longest});
    assert_int_equal(strlen(cut.text), sizeof cut.text - 1);
    assert_string_equal(cut.text + sizeof cut.text - 5, "x...");
    memset(longest, 1, sizeof longest);
    assert_true(strlen(e2_show((e2_string){longest, sizeof longest}).text) < sizeof cut.text);
}

static void type_names(void **state) {
    (void)state;
    size_t elements, size;
    assert_string_equal(e2_type_name(E2_Q8_0), "Q8_0");
    assert_string_equal(e2_type_name(E2_BF16), "BF16");
    assert_string_equal(e2_type_name(7), "?");
    assert_true(e2_type_block(E2_Q8_0, &elements, &size) && elements == 32 && size == 34);
    assert_false(e2_type_block(7, &elements, &size));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_metadata),
        cmocka_unit_test(round_trip_tensors),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(look_ups_name_the_key),
        cmocka_unit_test(integers_of_any_width),
        cmocka_unit_test(halves_survive),
        cmocka_unit_test(halves_round_to_even),
        cmocka_unit_test(paths_that_are_no_files),
        cmocka_unit_test(writer_checks_its_caller),
        cmocka_unit_test(writer_passes_on_what_the_sink_says),
        cmocka_unit_test(untrusted_names_are_shown_safely),
        cmocka_unit_test(type_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
