/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a program of calls. Each byte of the input is a call or an argument of one; objects come from a few
 * slots, each of which may be empty (NULL). What a pool holds, and what its file does, is kept beside it and compared
 * after every call; what fails must say why, and leave its output NULL.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <stdio.h>
#include <unistd.h>

#include "../pool_fixture.h"
#include "input.h"

#define SLOTS 3
#define CALLS 60
#define MOST  12 /* examples of a pool */

/* What a pool, or a file of one, should hold. */
typedef struct contents {
    size_t count;
    uint64_t ids[MOST], next;
    const char *labels[MOST];
} contents;

static const char *const labels[] = {"A",       "b1",    "0",     "Zz9", "ab\xC3\xA9", "\xE2\x82\xAC", "",  "\xFF",
                                     "<image>", "hello", "HELLO", "-1-", "a b",        "999999",       "I", "l"};
static const char *const patterns[] = {"[0-9]+", "[A-Z]{2}[0-9]", ".*", "a|b|c", "(", "x{0}", "[a-z]{1,3}", ""};

static struct {
    fixture f;
    e2str_model *second; /* another opening of the same file */
    e2str_model *other;  /* another file */
    e2str_session *sessions[SLOTS];
    e2str_pool *pools[SLOTS];
    contents expected[SLOTS], files[SLOTS];
    e2str_result *results[SLOTS];
    e2str_memory *memories[SLOTS];
    e2str_prompt *prompts[SLOTS];
    e2str_constraint *constraints[SLOTS];
    char directory[64], paths[SLOTS][96];
    uint8_t pixels[64 * 64 * 4];
} w;

static e2str_error error;

static const e2str_model *model(input *in) {
    switch (take(in) % 8) {
    case 0:
        return w.other;
    case 1:
        return w.second;
    case 2:
        return NULL;
    default:
        return w.f.model;
    }
}

static size_t slot(input *in) { return take(in) % SLOTS; }

static e2str_status said(e2str_status status) {
    check_status(status, &error);
    memset(&error, 0, sizeof error);
    return status;
}

/* Mostly a good view, at any place and of any format, sometimes one that is refused. */
static e2str_image view(input *in) {
    uint8_t how = take(in), where = take(in);
    e2str_image image = w.f.images[where % FIXTURE_IMAGES];
    if (how & 1) return image;
    uint32_t bytes = how & 2 ? 3 : how & 4 ? 4 : 1;
    image = (e2str_image){.pixels = w.pixels + where % 8, .width = 1 + where / 4, .height = 1 + (how >> 4) * 2};
    image.stride = 63 * 4;
    image.format = bytes == 4 ? E2STR_RGBA : bytes == 1 ? E2STR_GREY : where & 1 ? E2STR_RGB : E2STR_BGR;
    image.rotate = how & 8 ? E2STR_ROTATE_AUTO : 90u * (where % 5);
    image.trim = (e2str_trim)(where % 3);
    if (image.width > 60) image.width = 60;
    if (how == 0x80) image.pixels = NULL;
    if (how == 0x90) image.width = 0;
    if (how == 0xA0) image.stride = 1;
    if (how == 0xB0) image.format = (e2str_format)2;
    return image;
}

/* ------------------------------------------------------------------------------------------------------- calls -- */

static void new_session(input *in) {
    size_t i = slot(in);
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = take(in) % 4;
    e2str_session_free(w.sessions[i]);
    e2str_status status = said(e2str_session_new(model(in), &options, &w.sessions[i], &error));
    require(!status == (w.sessions[i] != NULL));
    require(!status == (e2str_session_bytes(w.sessions[i]) != 0));
}

static void new_pool(input *in) {
    size_t i = slot(in);
    uint8_t how = take(in);
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.storage = how & 1 ? E2STR_STORE_F16 : E2STR_STORE_F32;
    if (how & 2) options.max_bytes = 8000;
    if (how & 4) options.cache_bytes = (uint64_t)how * 64;
    e2str_pool_free(w.pools[i]);
    w.expected[i] = (contents){.next = 1};
    e2str_status status = said(e2str_pool_new(model(in), &options, &w.pools[i], &error));
    require(!status == (w.pools[i] != NULL));
}

static void new_result(input *in) {
    size_t i = slot(in);
    e2str_result_free(w.results[i]);
    w.results[i] = NULL;
    if (take(in) % 8) require(!said(e2str_result_new(&w.results[i], &error)));
}

static void add(input *in) {
    size_t i = slot(in);
    contents *c = &w.expected[i];
    const char *label = labels[take(in) % (sizeof labels / sizeof *labels)];
    e2str_image image = view(in);
    uint64_t id = 0;
    if (c->count == MOST) return;
    e2str_status status = said(e2str_pool_add(w.pools[i], w.sessions[slot(in)], &image, label, SIZE_MAX, &id, &error));
    if (status) return;
    require(id == c->next);
    c->labels[c->count] = label;
    c->ids[c->count++] = c->next++;
}

static uint64_t some_id(input *in, const contents *c) {
    uint8_t which = take(in);
    return which % 8 && c->count ? c->ids[which % c->count] : odd_number(which >> 3);
}

static void remove_one(input *in) {
    size_t i = slot(in), at = 0;
    contents *c = &w.expected[i];
    uint64_t id = some_id(in, c);
    while (at < c->count && c->ids[at] != id) at++;
    e2str_status status = said(e2str_pool_remove(w.pools[i], id, &error));
    require(!status == (at < c->count));
    if (status) return;
    c->count--;
    memmove(c->ids + at, c->ids + at + 1, (c->count - at) * sizeof *c->ids);
    memmove(c->labels + at, c->labels + at + 1, (c->count - at) * sizeof *c->labels);
}

static void clear(input *in) {
    size_t i = slot(in);
    e2str_pool_clear(w.pools[i]);
    w.expected[i].count = 0;
}

static void learn(input *in) {
    size_t i = slot(in);
    e2str_learn_options options;
    e2str_memory_report report;
    uint8_t how = take(in);
    e2str_learn_options_init(&options);
    if (how & 1) options.strength = (float)(how & 6);
    options.keep_doubtful = how >> 3 & 3;
    e2str_memory_report_init(&report);
    e2str_status status = said(e2str_pool_learn(w.pools[i], w.sessions[slot(in)], how & 32 ? NULL : &options, &error));
    if (!status) {
        status = said(e2str_pool_report(w.pools[i], &report, &error));
        require(!status == (w.expected[i].count != 0)); /* of no examples it forgets */
        if (!status) require(report.examples + report.doubtful == w.expected[i].count);
    }
    if (how & 64) e2str_pool_forget(w.pools[i]);
}

static void audit(input *in) {
    size_t i = slot(in);
    float doubt = -1;
    e2str_status status = said(e2str_pool_doubt(w.pools[i], some_id(in, &w.expected[i]), &doubt, &error));
    if (!status) require(doubt >= 0 && doubt <= 1);
}

static void take_memory(input *in) {
    size_t i = slot(in), from = slot(in);
    e2str_memory_free(w.memories[i]);
    e2str_status status = said(e2str_pool_memory(w.pools[from], &w.memories[i], &error));
    require(!status == (w.memories[i] != NULL) && !status == (e2str_memory_bytes(w.memories[i]) != 0));
}

static void save(input *in) {
    size_t i = slot(in), to = slot(in);
    uint8_t how = take(in);
    const char *path = how % 16 == 15 ? "/nowhere/at/all" : w.paths[to];
    e2str_status status =
        how & 1 ? e2str_pool_save(w.pools[i], path, &error) : e2str_pool_overwrite(w.pools[i], path, &error);
    said(status);
    if (!w.pools[i])
        require(status == E2STR_ERROR_ARGUMENT);
    else if (path != w.paths[to])
        require(status == E2STR_ERROR_IO);
    else
        require(!status || (how & 1 && status == E2STR_ERROR_CONFLICT));
    if (!status) w.files[to] = w.expected[i];
}

static void load(input *in) {
    size_t i = slot(in), from = slot(in);
    const e2str_model *with = model(in);
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    if (take(in) % 16 == 0) options.max_bytes = 3000;
    e2str_pool_free(w.pools[i]);
    e2str_status status = said(e2str_pool_load(with, w.paths[from], &options, &w.pools[i], &error));
    require(!status == (w.pools[i] != NULL));
    w.expected[i] = status ? (contents){.next = 1} : w.files[from];
}

static void prepare(input *in) {
    size_t i = slot(in), from = slot(in), n = take(in) % 4;
    uint64_t ids[3];
    for (size_t j = 0; j < n; j++) ids[j] = some_id(in, &w.expected[from]);
    e2str_prompt_free(w.prompts[i]);
    e2str_status status = said(e2str_prompt_new(w.sessions[slot(in)], w.pools[from], ids, n, &w.prompts[i], &error));
    require(!status == (w.prompts[i] != NULL) && !status == (e2str_prompt_bytes(w.prompts[i]) != 0));
}

static int accept_short(void *user, const char *text, size_t size) {
    require(user == &w && is_utf8(text, size));
    return size < 3;
}

static void constrain(input *in) {
    size_t i = slot(in);
    uint8_t how = take(in);
    e2str_constraint_options options;
    e2str_constraint_options_init(&options);
    options.pattern = how & 1 ? patterns[take(in) % 8] : NULL;
    options.characters = how & 2 ? "0-9A-Z" : NULL;
    options.lexicon = how & 4 ? "A\nAB\n\xC3\xA9\n12345" : NULL;
    options.lexicon_size = SIZE_MAX;
    options.lexicon_bonus = how & 8 ? 1.5f : 0;
    options.min_length = how >> 4 & 1;
    options.max_length = how >> 5;
    options.accept = how == 0x66 ? accept_short : NULL;
    options.accept_user = &w;
    e2str_constraint_free(w.constraints[i]);
    e2str_status status = said(e2str_constraint_new(&options, &w.constraints[i], &error));
    require(!status == (w.constraints[i] != NULL));
}

static e2str_read_options reading(input *in, size_t from, uint64_t *ids) {
    uint8_t how = take(in), more = take(in);
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.max_tokens = how & 3 ? 5 : how >> 4;
    options.beams = how & 4 ? 1 : more % 5;
    if (how & 8) options.k = more % 70;
    options.n_examples = how & 16 ? more % 3 : 0;
    for (size_t i = 0; i < options.n_examples; i++) ids[i] = some_id(in, &w.expected[from]);
    options.examples = ids;
    if (how & 32) options.prompt = w.prompts[more % SLOTS];
    if (how & 64) options.memory = w.memories[more % SLOTS];
    if (how & 128) options.constraint = w.constraints[more % SLOTS];
    options.alternatives = more & 7;
    options.influences = more >> 3 & 7;
    options.memory_everywhere = more >> 6 & 1;
    options.clean_up = more == 77;
    options.places = more >> 7;
    return options;
}

/* Twice: all failures are the same failure, and all successes the same bits. */
static void read_images(input *in) {
    size_t from = slot(in), n = 1 + take(in) % 3;
    uint64_t ids[2];
    e2str_image images[3];
    e2str_result *results[3], *again = NULL;
    e2str_session *session = w.sessions[slot(in)];
    e2str_read_options options = reading(in, from, ids);
    for (size_t i = 0; i < n; i++) {
        images[i] = view(in);
        results[i] = w.results[i];
    }
    e2str_status status = said(e2str_read_batch(session, images, n, w.pools[from], &options, results, &error));
    for (size_t i = 0; i < n && !status; i++) {
        check_result(results[i]);
        require(!e2str_result_new(&again, NULL));
        require(!e2str_read(session, &images[i], w.pools[from], &options, again, NULL));
        require(!strcmp(e2str_result_text(again), e2str_result_text(results[i])));
        float scores[2] = {e2str_result_score(again), e2str_result_score(results[i])};
        require(!memcmp(&scores[0], &scores[1], sizeof *scores));
        if (options.constraint && !e2str_result_unmatched(again) && e2str_result_textless(again) < 0.5f)
            require(e2str_constraint_matches(options.constraint, e2str_result_text(again), SIZE_MAX));
        e2str_result_free(again);
    }
    for (size_t i = 0; i < n && status; i++)
        if (results[i] && session) require(!e2str_result_text_size(results[i]));
}

static void encode(input *in) {
    float keys[2][FIXTURE_KEY], similarities[4];
    uint64_t ids[4];
    size_t from = slot(in), found = 0, k = take(in) % 5;
    e2str_image images[2] = {view(in), view(in)};
    e2str_status status = said(e2str_encode(w.sessions[slot(in)], images, 2, NULL, keys[0], &error));
    if (status) return;
    status = said(e2str_pool_nearest(w.pools[from], keys[1], k, -1, ids, similarities, &found, &error));
    require(!status == (w.pools[from] != NULL));
    if (!status) require(found == (k < w.expected[from].count ? k : w.expected[from].count));
    for (size_t i = 1; i < found; i++) require(similarities[i - 1] >= similarities[i]);
}

static void look(input *in) {
    uint32_t tokens;
    float key[FIXTURE_KEY];
    e2str_image image = view(in);
    size_t i = slot(in);
    (void)said(e2str_visual_tokens(model(in), &image, &tokens, &error));
    (void)said(e2str_pool_key(w.pools[i], some_id(in, &w.expected[i]), key, &error));
}

static void (*const calls[])(input *in) = {
    new_session, new_pool, new_result, add,     add,       add,         remove_one,  clear,       learn,  learn, audit,
    take_memory, save,     load,       prepare, constrain, read_images, read_images, read_images, encode, look};

/* -------------------------------------------------------------------------------------------------- bookkeeping -- */

static void check_pools(void) {
    for (size_t i = 0; i < SLOTS; i++) {
        const contents *c = &w.expected[i];
        uint64_t ids[MOST + 1];
        char label[32];
        require(e2str_pool_count(w.pools[i]) == c->count);
        require(e2str_pool_ids(w.pools[i], ids, MOST + 1) == c->count);
        require(!memcmp(ids, c->ids, c->count * sizeof *ids));
        require(!c->count == !e2str_pool_bytes(w.pools[i]));
        for (size_t n = 0; n < c->count; n++) {
            require(!e2str_pool_label(w.pools[i], ids[n], label, sizeof label, NULL, NULL));
            require(!strcmp(label, c->labels[n]));
        }
    }
}

static void clean(void) {
    for (size_t i = 0; i < SLOTS; i++) {
        remove(w.paths[i]);
        rmdir(w.directory); /* with the last of them */
    }
}

static void begin(void) {
    size_t size;
    strcpy(w.directory, access("/dev/shm", W_OK) ? "/tmp/e2str-fuzz-XXXXXX" : "/dev/shm/e2str-fuzz-XXXXXX");
    require(mkdtemp(w.directory) != NULL && !atexit(clean));
    for (size_t i = 0; i < SLOTS; i++) snprintf(w.paths[i], sizeof w.paths[i], "%s/pool%zu", w.directory, i);
    const tiny_model_options options = {.memory = true, .head = true}, others = {.seed = 7};
    require(!fixture_open(&w.f, &options));
    require(!e2str_model_open_memory(w.f.file, w.f.model->gguf.size, NULL, &w.second, NULL));
    uint8_t *file = tiny_model_build(&others, &size);
    require(!e2str_model_open_memory(file, size, NULL, &w.other, NULL));
    for (size_t i = 0; i < sizeof w.pixels; i++) w.pixels[i] = (uint8_t)(i * i >> 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!w.f.model) begin();
    input in = {data, size};
    for (size_t i = 0; i < SLOTS; i++) {
        remove(w.paths[i]);
        w.files[i] = w.expected[i] = (contents){.next = 1};
        require(!e2str_session_new(w.f.model, NULL, &w.sessions[i], NULL));
        require(!e2str_pool_new(w.f.model, NULL, &w.pools[i], NULL) && !e2str_result_new(&w.results[i], NULL));
    }
    for (size_t n = 0; n < CALLS && in.size; n++) {
        calls[take(&in) % (sizeof calls / sizeof *calls)](&in);
        check_pools();
    }
    for (size_t i = 0; i < SLOTS; i++) {
        e2str_constraint_free(w.constraints[i]);
        e2str_prompt_free(w.prompts[i]);
        e2str_memory_free(w.memories[i]);
        e2str_result_free(w.results[i]);
        e2str_pool_free(w.pools[i]);
        e2str_session_free(w.sessions[i]);
        w.constraints[i] = NULL;
        w.prompts[i] = NULL;
        w.memories[i] = NULL;
    }
    return 0;
}
