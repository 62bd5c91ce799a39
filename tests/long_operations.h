/* SPDX-License-Identifier: MIT */
/* The operations of test_long.c: each rolls its arguments, works on what lies in a few slots, any of which may be
 * empty, and may fail only as it says. One test program includes it. */
#ifndef LONG_OPERATIONS_H
#define LONG_OPERATIONS_H

#include <fcntl.h>

#include "../examples/e2str/command.h"
#include "../examples/e2str/json.h"
#include "folder.h"
#include "memory_fixture.h"

enum { SLOTS = 3, STREAMS = 2, MOST = 12 /* examples of a pool */ };

static uint32_t dice = 1;

static fixture f;
static e2str_model *models[SLOTS];
static e2str_session *sessions[SLOTS];
static e2str_pool *pools[SLOTS], *archived[SLOTS], *streamed[STREAMS];
static e2str_stream *streams[STREAMS];
static uint64_t tickets[STREAMS];
static e2str_memory *memories[SLOTS];
static e2str_prompt *prompts[SLOTS];
static e2str_constraint *constraints[SLOTS];
static e2str_result *results[SLOTS];
static char model_path[FOLDER_PATH], pool_path[FOLDER_PATH], archive_paths[2][FOLDER_PATH], broken_path[FOLDER_PATH],
    page_path[FOLDER_PATH];

static uint32_t roll(uint32_t sides) { return fixture_random(&dice) % sides; }
static size_t slot(void) { return roll(SLOTS); }
static const e2str_image *picture(void) { return &f.images[roll(FIXTURE_IMAGES)]; }
static const char *label(void) {
    static const char *const labels[] = {"a", "B2",  "one", "Two", "3x", "four", "99999", "\xC3\xA9t\xC3\xA9",
                                         "",  "\xFF"};
    return labels[roll(roll(8) ? 8 : 10)];
}

/* ---------------------------------------------------------------------------------------- what may fail, and how -- */

static bool hungry; /* one of thirty allocations fails */
typedef struct calls {
    long good, bad;
} calls;
static calls *tally;       /* of the operation that runs */
static e2str_error reason; /* of the last failure */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_fsync(int file);

static bool fails(void) {
    static _Thread_local uint32_t state = 99; /* a thread of a session has luck of its own */
    return hungry && fixture_random(&state) % 30 == 0;
}
void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return fails() ? NULL : __real_realloc(old, size); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}
int __wrap_fsync(int file) {
    (void)file;
    return 0;
}

/* Counts a call, and says whether it was good. It may fail with the statuses whose bits are in `may`, and out of memory
 * where that was made. */
static bool went(e2str_status status, unsigned may) {
    tally->good += !status;
    tally->bad += status != 0;
    if (status && !(may >> status & 1) && !(hungry && status == E2STR_ERROR_MEMORY))
        fail_msg("%s: %s", e2str_status_name(status), reason.message);
    return !status;
}

#define MAY(name) (1u << E2STR_ERROR_##name)

/* ------------------------------------------------------------------------------------------- models and sessions -- */

static void open_or_close(void) {
    size_t i = slot();
    if (models[i]) {
        e2str_model_close(models[i]);
        models[i] = NULL;
        return;
    }
    e2str_model_options options;
    e2str_model_options_init(&options);
    options.threads = 1 + roll(3);
    options.precision = roll(2) ? E2STR_PRECISION_AUTO : E2STR_PRECISION_F32;
    if (!went(e2str_model_open(model_path, &options, &models[i], &reason), 0)) return;
    e2str_session *session = NULL;
    e2str_result *result = NULL;
    if (went(e2str_session_new(models[i], NULL, &session, &reason), 0) && went(e2str_result_new(&result, &reason), 0))
        went(e2str_read(session, picture(), NULL, NULL, result, &reason), 0);
    e2str_result_free(result);
    e2str_session_free(session);
}

static void renew_session(void) {
    size_t i = slot();
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = 1 + roll(3);
    e2str_session_free(sessions[i]);
    went(e2str_session_new(f.model, &options, &sessions[i], &reason), 0);
}

static e2str_session *some_session(void) {
    size_t i = slot();
    return sessions[i] ? sessions[i] : f.session;
}

/* --------------------------------------------------------------------------------------------------------- pools -- */

/* Of every kind: in memory, in an archive, a stream's. It may be NULL. */
static e2str_pool *some_pool(void) {
    size_t i = slot();
    return roll(3) ? pools[i] : roll(4) ? archived[i] : streamed[i % STREAMS];
}

static uint64_t some_id(const e2str_pool *pool) {
    uint64_t ids[64] = {1ull << 40};
    size_t n = roll(16) && pool ? e2str_pool_ids(pool, ids, 64) : 0;
    return ids[n ? roll((uint32_t)(n < 64 ? n : 64)) : 0];
}

static void renew_pool(void) {
    size_t i = slot();
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.storage = roll(2) ? E2STR_STORE_F16 : E2STR_STORE_F32;
    options.index_from = roll(2) ? 4 : E2STR_INDEX_FROM;
    options.cache_bytes = roll(2) ? 3000 : options.cache_bytes;
    options.max_bytes = roll(4) ? 0 : 20000;
    options.unmapped = roll(2);
    e2str_pool_free(pools[i]);
    if (roll(2))
        went(e2str_pool_new(f.model, &options, &pools[i], &reason), 0);
    else
        went(e2str_pool_load(f.model, pool_path, &options, &pools[i], &reason), MAY(FULL));
}

static void add_to(e2str_pool *pool) {
    uint64_t id;
    if (!pool) return;
    while (e2str_pool_count(pool) >= MOST && e2str_pool_ids(pool, &id, 1) && id)
        if (!went(e2str_pool_remove(pool, id, &reason), 0)) return;
    went(e2str_pool_add(pool, some_session(), picture(), label(), SIZE_MAX, &id, &reason), MAY(LABEL) | MAY(FULL));
}

static void add(void) { add_to(some_pool()); }

static void take_away(void) {
    e2str_pool *pool = some_pool();
    if (!pool) return;
    went(e2str_pool_remove(pool, some_id(pool), &reason), MAY(NOT_FOUND));
    if (!roll(40)) e2str_pool_clear(pool);
}

static void save(void) {
    const e2str_pool *pool = pools[slot()];
    if (pool) went(e2str_pool_overwrite(pool, pool_path, &reason), 0);
}

static void search(void) {
    const e2str_pool *pool = some_pool();
    uint64_t ids[MOST];
    float key[FIXTURE_KEY], similarities[MOST];
    size_t found;
    if (!pool) return;
    fixture_key(&dice, key);
    went(e2str_pool_nearest(pool, key, roll(MOST), -1, ids, similarities, &found, &reason), 0);
}

static void ask(void) {
    const e2str_pool *pool = some_pool();
    char text[32];
    float key[FIXTURE_KEY], doubt;
    e2str_pool_info info;
    e2str_memory_report report;
    e2str_pool_info_init(&info);
    e2str_memory_report_init(&report);
    if (!pool) return;
    went(e2str_pool_label(pool, some_id(pool), text, sizeof text, NULL, &reason), MAY(NOT_FOUND));
    went(e2str_pool_key(pool, some_id(pool), key, &reason), MAY(NOT_FOUND));
    went(e2str_pool_doubt(pool, some_id(pool), &doubt, &reason), MAY(NOT_FOUND));
    went(e2str_pool_report(pool, &report, &reason), MAY(NOT_FOUND));
    went(e2str_pool_get_info(pool, &info, &reason), 0);
}

static void learn(void) {
    e2str_pool *pool = some_pool();
    if (pool) went(e2str_pool_learn(pool, some_session(), NULL, &reason), 0);
    if (pool && !roll(3)) e2str_pool_forget(pool);
}

/* ------------------------------------------------------------------------------------------------------ archives -- */

static void open_archive(void) {
    size_t i = slot();
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.unmapped = roll(2);
    e2str_pool_free(archived[i]);
    went(e2str_pool_load(f.model, archive_paths[i % 2], &options, &archived[i], &reason), 0);
}

static void append(void) {
    size_t i = slot();
    add_to(archived[i]);
    if (archived[i]) went(e2str_pool_save(archived[i], archive_paths[i % 2], &reason), MAY(CONFLICT));
}

static void remove_from_archive(void) {
    size_t i = slot();
    if (!archived[i]) return;
    went(e2str_pool_remove(archived[i], some_id(archived[i]), &reason), MAY(NOT_FOUND));
    went(e2str_pool_save(archived[i], archive_paths[i % 2], &reason), MAY(CONFLICT));
}

/* Who has changes that conflict with what others saved gives them up. */
static void refresh(void) {
    size_t i = slot();
    if (archived[i] && !went(e2str_pool_refresh(archived[i], &reason), MAY(CONFLICT))) {
        e2str_pool_free(archived[i]);
        archived[i] = NULL;
    }
}

static void compact(void) {
    size_t i = slot();
    if (archived[i]) went(e2str_pool_save_archive(archived[i], archive_paths[i % 2], NULL, &reason), MAY(CONFLICT));
}

static void convert(void) {
    e2str_pool *pool;
    if (!went(e2str_pool_load(f.model, pool_path, NULL, &pool, &reason), 0)) return;
    remove(broken_path);
    if (went(e2str_pool_save_archive(pool, broken_path, NULL, &reason), 0)) went(e2str_pool_verify(pool, &reason), 0);
    e2str_pool_free(pool);
}

static void verify(void) {
    size_t i = slot();
    if (archived[i]) went(e2str_pool_verify(archived[i], &reason), 0);
}

/* ------------------------------------------------------------------------------------------------------- reading -- */

static e2str_read_options reading(void) {
    e2str_read_options options = memory_options(roll(3), 1 + roll(2));
    options.min_similarity = -1;
    options.alternatives = roll(5);
    options.influences = roll(3);
    options.places = roll(2);
    options.attention = !roll(3);
    options.max_tokens = 4;
    options.second_look = roll(3) ? 0 : 1;
    if (!roll(3)) options.memory = memories[slot()];
    if (!roll(4)) options.constraint = constraints[slot()];
    if (options.second_look == 0 && !roll(3)) options.prompt = prompts[slot()];
    return options;
}

static e2str_result *some_result(void) {
    size_t i = slot();
    if (!results[i]) went(e2str_result_new(&results[i], &reason), 0);
    return results[i];
}

static void read_one(void) {
    e2str_read_options options = reading();
    e2str_result *result = some_result();
    e2str_image image = *picture();
    if (!roll(20)) image.rotate = E2STR_ROTATE_AUTO;
    if (!roll(3)) image.trim = E2STR_TRIM_ALWAYS;
    if (result) went(e2str_read(some_session(), &image, some_pool(), &options, result, &reason), 0);
}

static void read_some(void) {
    e2str_read_options options = reading();
    for (size_t i = 0; i < SLOTS; i++)
        if (!results[i]) return;
    went(e2str_read_batch(some_session(), &f.images[roll(FIXTURE_IMAGES - SLOTS)], SLOTS, some_pool(), &options,
                          results, &reason),
         0);
}

static void renew_result(void) {
    size_t i = slot();
    e2str_result_free(results[i]);
    went(e2str_result_new(&results[i], &reason), 0);
}

static void take_memory(void) {
    size_t i = slot();
    const e2str_pool *pool = some_pool();
    e2str_memory_free(memories[i]);
    memories[i] = NULL;
    if (pool) went(e2str_pool_memory(pool, &memories[i], &reason), MAY(NOT_FOUND));
}

static void prepare(void) {
    size_t i = slot();
    const e2str_pool *pool = some_pool();
    e2str_prompt_free(prompts[i]);
    prompts[i] = NULL;
    if (!pool) return;
    const uint64_t id = some_id(pool);
    went(e2str_prompt_new(some_session(), pool, &id, 1, &prompts[i], &reason), MAY(NOT_FOUND));
}

static void constrain(void) {
    static const char *const patterns[] = {"[0-9]+", "[A-Z]{2}[0-9]", ".*", "a|b|c", "(", "x{0}", "[a-z]{1,3}"};
    size_t i = slot();
    e2str_constraint_options options;
    e2str_constraint_options_init(&options);
    if (roll(2)) options.pattern = patterns[roll(7)];
    if (roll(2)) options.lexicon = "one\nTwo\n333\nabc", options.lexicon_size = SIZE_MAX;
    if (roll(2)) options.max_length = 5;
    options.lexicon_bonus = options.lexicon ? (float)roll(2) : 0;
    e2str_constraint_free(constraints[i]);
    went(e2str_constraint_new(&options, &constraints[i], &reason), MAY(ARGUMENT));
    if (constraints[i]) e2str_constraint_matches(constraints[i], "abc", 3);
}

static void decode(void) {
    static const char *const names[] = {"ok-baseline.jpg", "ok-rgba.png",  "ok-interlaced.png",
                                        "ok-alpha.bmp",    "ok-bytes.ppm", "ok-text-bomb.png"};
    char path[64];
    e2str_image image = {0}, cut = {0};
    const float corners[] = {1, 1, 12, 2, 11, 9, 2, 8};
    snprintf(path, sizeof path, "tests/images/%s", names[roll(6)]);
    if (!went(e2str_image_load(path, NULL, &image, &reason), 0)) return;
    went(e2str_image_cut(&image, corners, 0, 0, &cut, &reason), MAY(ARGUMENT)); /* of a picture that is too small */
    e2str_image_free(&cut);
    e2str_image_free(&image);
}

/* ------------------------------------------------------------------------------------------------------- streams -- */

static void renew_stream(void) {
    size_t i = roll(STREAMS);
    e2str_stream_options options;
    e2str_stream_options_init(&options);
    options.max_examples = MOST;
    options.max_tickets = 4;
    options.drop = (e2str_drop)roll(4);
    options.add_right = (e2str_add_right)roll(3);
    e2str_stream_free(streams[i]);
    e2str_pool_free(streamed[i]);
    streams[i] = NULL;
    if (went(e2str_pool_new(f.model, NULL, &streamed[i], &reason), 0))
        went(e2str_stream_new(streamed[i], f.session, &options, &streams[i], &reason), 0);
}

static void stream_on(void) {
    size_t i = roll(STREAMS);
    e2str_result *result = some_result();
    e2str_correction answer;
    e2str_stream_report report;
    e2str_correction_init(&answer);
    e2str_stream_report_init(&report);
    if (!streams[i] || !result) return;
    e2str_read_options options = memory_options(1, 1);
    options.max_tokens = 4;
    went(e2str_stream_read(streams[i], picture(), &options, result, &tickets[i], &reason), 0);
    if (!roll(4)) return; /* nobody ever judges it */
    const unsigned may = MAY(LABEL) | MAY(FULL) | MAY(NOT_FOUND);
    if (roll(2))
        went(e2str_stream_correct(streams[i], tickets[i], label(), SIZE_MAX, &answer, &reason), may);
    else
        went(e2str_stream_confirm(streams[i], tickets[i], &answer, &reason), may);
    went(e2str_stream_get_report(streams[i], &report, &reason), 0);
    if (!roll(20)) went(e2str_stream_learn(streams[i], &reason), 0);
    if (!roll(20)) went(e2str_stream_save(streams[i], page_path, &reason), MAY(CONFLICT));
}

/* ---------------------------------------------------------------------------------- what the command does on top -- */

/* e2str explain, with what it writes thrown away. */
static void explain(void) {
    static char picture_path[] = "tests/images/ok-baseline.jpg", missing[] = "tests/images/not-there.png";
    char *arguments[] = {"explain",
                         "-m",
                         model_path,
                         "-p",
                         pool_path,
                         "--html",
                         page_path,
                         roll(2) ? "--json" : "--threads=2",
                         roll(6) ? picture_path : missing,
                         NULL};
    invocation run;
    int nowhere = open("/dev/null", O_WRONLY), out = dup(STDOUT_FILENO), complaints = dup(STDERR_FILENO);
    assert_true(nowhere >= 0 && out >= 0 && complaints >= 0);
    fflush(stdout);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    optind = 0; /* getopt begins anew */
    int outcome = parse_options(&run, EXPLAIN, sizeof arguments / sizeof *arguments - 1, arguments);
    if (!outcome) outcome = run_explain(&run);
    close_all(&run);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(complaints, STDERR_FILENO);
    close(nowhere);
    close(out);
    close(complaints);
    tally->good += !outcome;
    tally->bad += outcome != 0;
    assert_true(!outcome || hungry || arguments[8] == missing);
}

static void parse_json(void) {
    static const char whole[] = "{\"a\":[1,2,{\"b\":\"\\u00e9\\n\"}],\"c\":{\"d\":[true,false,null,-1.5e3]}}";
    char text[sizeof whole];
    json_document document;
    const char *why;
    size_t at, size = sizeof whole - 1;
    memcpy(text, whole, sizeof whole);
    if (roll(2)) text[roll((uint32_t)size)] = (char)roll(256);
    if (!roll(4)) size = roll((uint32_t)size);
    bool good = json_parse(&document, text, size, &why, &at);
    tally->good += good;
    tally->bad += !good;
    json_free(&document);
}

/* -------------------------------------------------------------------------------------------------- broken input -- */

static const unsigned REFUSED = MAY(IO) | MAY(FORMAT) | MAY(UNSUPPORTED) | MAY(MISMATCH) | MAY(LIMIT);

/* A file with one byte changed, or cut, or both. */
static void break_file(const char *path) {
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_in_range(size, 1, sizeof bytes - 1);
    if (roll(3)) bytes[roll((uint32_t)size)] ^= (uint8_t)(1 + roll(255));
    if (!roll(2)) size = roll((uint32_t)size);
    file = fopen(broken_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void broken_pool(void) {
    e2str_pool *pool;
    e2str_pool_options options;
    float key[FIXTURE_KEY], similarities[2];
    uint64_t ids[2];
    size_t found;
    e2str_pool_options_init(&options);
    options.unmapped = roll(2);
    break_file(roll(2) ? pool_path : archive_paths[roll(2)]);
    if (!went(e2str_pool_load(f.model, broken_path, &options, &pool, &reason), REFUSED)) return;
    fixture_key(&dice, key);
    went(e2str_pool_verify(pool, &reason), REFUSED);
    went(e2str_pool_nearest(pool, key, 2, -1, ids, similarities, &found, &reason), REFUSED);
    e2str_pool_free(pool);
}

static void broken_model(void) {
    static const char *const names[] = {"format-wrong-shape", "format-memory-key_mean-shape", "unsupported-stem-key",
                                        "format-fusion-nan"};
    char path[64];
    e2str_model *model;
    snprintf(path, sizeof path, "tests/bad/%s.gguf", names[roll(4)]);
    if (roll(2)) break_file(model_path);
    if (went(e2str_model_open(roll(2) ? broken_path : path, NULL, &model, &reason), REFUSED)) e2str_model_close(model);
}

static void broken_picture(void) {
    static const char *const names[] = {"image-truncated-idat.png",
                                        "image-bad-huffman-code.jpg",
                                        "image-truncated.bmp",
                                        "limit-huge-numbers.pbm",
                                        "not-there.png",
                                        "limit-101-scans.jpg"};
    char path[64];
    e2str_image image = {0};
    snprintf(path, sizeof path, "tests/images/%s", names[roll(6)]);
    went(e2str_image_load(path, NULL, &image, &reason), MAY(IMAGE) | MAY(LIMIT) | MAY(IO));
    e2str_image_free(&image);
}

static void wrong_arguments(void) {
    e2str_result *result = some_result();
    e2str_read_options options = memory_options(2, 1);
    const uint64_t nobody = 1ull << 40;
    if (!result) return;
    options.examples = &nobody;
    options.n_examples = 1;
    if (roll(2)) options.beams = 1000;
    if (pools[0])
        went(e2str_read(f.session, picture(), pools[0], &options, result, &reason), MAY(NOT_FOUND) | MAY(ARGUMENT));
    if (pools[1]) went(e2str_pool_save(pools[1], "/nowhere/at/all", &reason), MAY(IO));
    if (archived[0]) went(e2str_pool_save_archive(archived[0], folder, NULL, &reason), MAY(IO));
}

#endif
