/* SPDX-License-Identifier: MIT */
/* A stream: tickets, corrections that repeat or contradict, drift, the same bits. Its cap: test_stream_cap.c. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drift.h"
#include "folder.h"
#include "stream_scene.h"
#include "unicode.h"

/* ----------------------------------------------------------------------------------------------------- reading -- */

/* With a pool that has learnt, but for influences that nobody asked for. */
static void reads_as_without_a_stream(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    open_scene(&s, &o);
    static const char *const words[] = {"one", "Two", "3x", "four", "fIVe", "66", "7s", "eight8", "nin9", "X"};
    for (size_t i = 0; i < 10; i++) teach(&s, i, words[i]);
    assert_int_equal(e2str_stream_learn(s.stream, NULL), E2STR_OK);
    e2str_result *plain = memory_result();
    for (uint32_t n = 0; n < 3; n++) {
        e2str_read_options options = memory_options(n, 1 + n);
        options.influences = n;
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
            uint64_t ticket;
            assert_int_equal(e2str_stream_read(s.stream, &s.f.images[i], &options, s.result, &ticket, NULL), E2STR_OK);
            memory_read(&s.f, i, s.pool, &options, plain);
            assert_string_equal(e2str_result_text(s.result), e2str_result_text(plain));
            assert_true(e2str_result_score(s.result) == e2str_result_score(plain)); /* the same bits */
            for (size_t j = 0; j < e2str_result_characters(plain); j++) {
                assert_int_equal(e2str_result_influences(s.result, j), e2str_result_influences(plain, j));
                for (size_t k = 0; k < e2str_result_influences(plain, j); k++) {
                    e2str_influence a, b;
                    assert_int_equal(e2str_result_influence(s.result, j, k, &a, NULL), E2STR_OK);
                    assert_int_equal(e2str_result_influence(plain, j, k, &b, NULL), E2STR_OK);
                    assert_true(a.example == b.example && a.offset == b.offset && a.amount == b.amount);
                }
            }
        }
    }
    e2str_result_free(plain);
    close_scene(&s);
}

/* ----------------------------------------------------------------------------------------------------- tickets -- */

static void tickets_are_judged_once(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.max_tickets = 3;
    open_scene(&s, &o);
    e2str_correction c;
    assert_int_equal(correct(&s, 0, "a", &c), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(correct(&s, 1, "a", &c), E2STR_ERROR_NOT_FOUND); /* not given yet */
    for (uint64_t i = 1; i <= 4; i++) assert_int_equal(read_image(&s, &s.f.images[i]), i);
    assert_int_equal(report_of(&s).tickets, 3);
    assert_int_equal(correct(&s, 1, "a", &c), E2STR_ERROR_NOT_FOUND); /* made room */
    assert_int_equal(e2str_pool_count(s.pool), 0);
    assert_int_equal(correct(&s, 3, "", &c), E2STR_ERROR_LABEL); /* stays open */
    assert_int_equal(correct(&s, 3, "a\xff", &c), E2STR_ERROR_LABEL);
    assert_int_equal(e2str_pool_count(s.pool), 0);
    assert_int_equal(correct(&s, 3, "a3", &c), E2STR_OK);
    assert_int_equal(c.outcome, E2STR_OUTCOME_ADDED);
    assert_label(&s, c.id, "a3");
    assert_int_equal(correct(&s, 3, "a3", &c), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(e2str_stream_confirm(s.stream, 3, NULL, NULL), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(e2str_stream_confirm(s.stream, 2, NULL, NULL), E2STR_OK);
    assert_int_equal(e2str_stream_confirm(s.stream, 2, NULL, NULL), E2STR_ERROR_NOT_FOUND);
    e2str_stream_report r = report_of(&s);
    assert_int_equal(r.reads, 4);
    assert_int_equal(r.judged, 2);
    assert_int_equal(r.right, 1);
    assert_int_equal(r.tickets, 1);
    close_scene(&s);
}

static void tickets_have_so_much_memory(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.ticket_bytes = 3 * FIXTURE_WIDTH * FIXTURE_HEIGHT; /* two, and what else they have */
    open_scene(&s, &o);
    for (uint64_t i = 1; i <= 4; i++) read_image(&s, &s.f.images[i]);
    e2str_correction c;
    assert_int_equal(report_of(&s).tickets, 2);
    assert_int_equal(correct(&s, 2, "a", &c), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(correct(&s, 3, "a", &c), E2STR_OK);
    static uint8_t large[4 * FIXTURE_WIDTH * FIXTURE_HEIGHT];
    e2str_image image = {large, FIXTURE_WIDTH, 4 * FIXTURE_HEIGHT, FIXTURE_WIDTH, E2STR_GREY, 0, NULL, 0};
    assert_int_equal(read_image(&s, &image), 0); /* read, but never judged */
    assert_int_equal(correct(&s, 0, "a", &c), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(correct(&s, 4, "a", &c), E2STR_OK); /* nobody had to go for it */
    close_scene(&s);
}

/* --------------------------------------------------------------------------------------------------- corrections -- */

/* With room for one, always, never. */
static void what_is_right_is_added_as_asked(void **state) {
    (void)state;
    static const size_t wanted[3][2] = {{1, 1}, {1, 2}, {0, 0}};
    for (int when = E2STR_ADD_RIGHT_WITH_ROOM; when <= E2STR_ADD_RIGHT_NEVER; when++) {
        scene s;
        e2str_stream_options o = stream_options();
        o.add_right = (e2str_add_right)when;
        o.max_examples = when == E2STR_ADD_RIGHT_WITH_ROOM ? 1 : 9;
        open_scene(&s, &o);
        e2str_correction c;
        e2str_correction_init(&c);
        uint64_t ticket = read_image(&s, &s.f.images[0]);
        assert_true(e2str_result_text_size(s.result) > 0);
        assert_int_equal(correct(&s, ticket, e2str_result_text(s.result), &c), E2STR_OK);
        assert_true(c.right);
        assert_int_equal(c.outcome, wanted[when][0] ? E2STR_OUTCOME_ADDED : E2STR_OUTCOME_NONE);
        assert_int_equal(e2str_pool_count(s.pool), wanted[when][0]);
        ticket = read_image(&s, &s.f.images[1]);
        assert_int_equal(e2str_stream_confirm(s.stream, ticket, &c, NULL), E2STR_OK);
        assert_true(c.right);
        assert_int_equal(e2str_pool_count(s.pool), wanted[when][1]);
        assert_int_equal(report_of(&s).right, 2);
        close_scene(&s);
    }
}

/* An empty text cannot be a label: that it is right counts all the same. */
static void a_right_empty_text_is_confirmed(void **state) {
    (void)state;
    for (int when = E2STR_ADD_RIGHT_WITH_ROOM; when <= E2STR_ADD_RIGHT_NEVER; when++) {
        scene s;
        e2str_stream_options o = stream_options();
        o.add_right = (e2str_add_right)when;
        open_scene(&s, &o);
        e2str_constraint_options nothing;
        e2str_constraint *constraint;
        e2str_constraint_options_init(&nothing);
        nothing.pattern = "";
        assert_int_equal(e2str_constraint_new(&nothing, &constraint, NULL), E2STR_OK);
        e2str_read_options options = memory_options(0, 1);
        options.constraint = constraint;
        e2str_correction c;
        for (uint64_t i = 0; i < 2; i++) {
            uint64_t ticket;
            assert_int_equal(e2str_stream_read(s.stream, &s.f.images[i], &options, s.result, &ticket, NULL), E2STR_OK);
            assert_int_equal(e2str_result_text_size(s.result), 0);
            e2str_correction_init(&c);
            if (i)
                assert_int_equal(correct(&s, ticket, "", &c), E2STR_OK);
            else
                assert_int_equal(e2str_stream_confirm(s.stream, ticket, &c, NULL), E2STR_OK);
            assert_true(c.right && c.outcome == E2STR_OUTCOME_NONE && !c.id);
        }
        e2str_stream_report r = report_of(&s);
        assert_true(r.judged == 2 && r.right == 2 && r.recent == 1.0f && !r.tickets && !r.examples);
        e2str_constraint_free(constraint);
        close_scene(&s);
    }
}

static void the_newer_label_wins(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.add_right = E2STR_ADD_RIGHT_NEVER;
    open_scene(&s, &o);
    e2str_correction first = teach(&s, 0, "one"), other = teach(&s, 1, "two"), c = teach(&s, 0, "one");
    assert_int_equal(c.outcome, E2STR_OUTCOME_REPEATED);
    assert_int_equal(c.id, first.id);
    assert_int_equal(e2str_pool_count(s.pool), 2);
    c = teach(&s, 0, "One");
    assert_int_equal(c.outcome, E2STR_OUTCOME_REPLACED);
    assert_int_equal(c.other, first.id);
    assert_int_equal(e2str_pool_count(s.pool), 2);
    assert_label(&s, c.id, "One");
    assert_label(&s, other.id, "two");
    assert_int_equal(e2str_pool_label(s.pool, first.id, NULL, 0, NULL, NULL), E2STR_ERROR_NOT_FOUND);
    e2str_stream_report r = report_of(&s);
    assert_int_equal(r.added, 3);
    assert_int_equal(r.repeated, 1);
    assert_int_equal(r.contradicted, 1);
    assert_int_equal(r.changes, 4);
    close_scene(&s);
}

static void or_the_older_one(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.contradiction = E2STR_OLDER_WINS;
    open_scene(&s, &o);
    e2str_correction first = teach(&s, 0, "one"), c = teach(&s, 0, "One");
    assert_int_equal(c.outcome, E2STR_OUTCOME_REFUSED);
    assert_int_equal(c.other, first.id);
    assert_int_equal(c.id, 0);
    assert_int_equal(e2str_pool_count(s.pool), 1);
    assert_label(&s, first.id, "one");
    close_scene(&s);
}

/* A pool from elsewhere has both: the one that says the same stays, and what contradicts goes. */
static void contradictions_that_are_there_already_are_settled(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    open_scene(&s, &o);
    uint64_t right = memory_add(&s.f, s.pool, 0, "right"), wrong = memory_add(&s.f, s.pool, 0, "wrong");
    e2str_correction c = teach(&s, 0, "right");
    assert_int_equal(c.outcome, E2STR_OUTCOME_REPLACED);
    assert_int_equal(c.other, wrong);
    assert_int_equal(c.id, right);
    assert_int_equal(e2str_pool_count(s.pool), 1);
    assert_int_equal(report_of(&s).added, 0);
    close_scene(&s);
}

/* ------------------------------------------------------------------------------------------------------ learning -- */

static void a_pool_from_elsewhere_goes_on(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    open_scene(&s, &o);
    for (size_t i = 0; i < 10; i++) memory_add(&s.f, s.pool, i, i % 2 ? "ab" : "ba");
    memory_learn(&s.f, s.pool);
    for (size_t i = 10; i < 13; i++) memory_add(&s.f, s.pool, i, "abba");
    e2str_stream_free(s.stream);
    o.max_examples = 8;
    o.learn_least = 5;
    open_stream(&s, &o);
    assert_int_equal(report_of(&s).changes, 3); /* of which nothing was learnt */
    assert_int_equal(e2str_pool_count(s.pool), 13);
    assert_int_equal(e2str_stream_learn(s.stream, NULL), E2STR_OK);
    assert_int_equal(report_of(&s).changes, 0);
    float doubt;
    assert_int_equal(e2str_pool_doubt(s.pool, 13, &doubt, NULL), E2STR_OK);
    e2str_correction c = teach(&s, 14, "aa"); /* above the cap: brought below */
    assert_int_equal(e2str_pool_count(s.pool), 8);
    assert_int_equal(c.dropped, 6);
    close_scene(&s);
}

/* Removal makes the pool forget, but not the stream's reads before it has learnt again. */
static void reads_go_on_with_what_was_learnt(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.learn_least = 50;
    open_scene(&s, &o);
    for (size_t i = 0; i < 10; i++) teach(&s, i, i % 2 ? "ab" : "ba");
    assert_int_equal(e2str_stream_learn(s.stream, NULL), E2STR_OK);
    e2str_result *before = memory_result();
    e2str_read_options options = memory_options(0, 1);
    options.memory_everywhere = 1;
    memory_read(&s.f, 12, s.pool, &options, before);
    assert_int_equal(teach(&s, 0, "abab").outcome, E2STR_OUTCOME_REPLACED);
    assert_false(has_learnt(s.pool));
    uint64_t ticket;
    assert_int_equal(e2str_stream_read(s.stream, &s.f.images[12], &options, s.result, &ticket, NULL), E2STR_OK);
    assert_same(s.result, before);
    assert_int_equal(e2str_stream_learn(s.stream, NULL), E2STR_OK);
    assert_true(has_learnt(s.pool));
    assert_int_equal(report_of(&s).learnt, 2);
    e2str_result_free(before);
    close_scene(&s);
}

/* Labels with more new characters than a memory holds are taken, and said not to be learnt. */
static void failed_learning_is_told(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    open_scene(&s, &o);
    e2str_correction c = {0};
    for (uint32_t i = 0; i < 15; i++) {
        char text[3 * 20 + 1];
        size_t n = 0;
        for (uint32_t j = 0; j < 20; j++) n += e2_utf8_put(0x4e00 + i * 20 + j, text + n);
        text[n] = 0;
        c = teach_drawn(&s, i, text);
        assert_int_equal(c.outcome, E2STR_OUTCOME_ADDED);
    }
    assert_int_equal(e2str_pool_count(s.pool), 15);
    assert_int_equal(c.learning, E2STR_ERROR_LIMIT); /* the third learning, of 300 */
    assert_false(c.learnt);
    close_scene(&s);
}

static void a_model_that_cannot_learn_has_streams_too(void **state) {
    (void)state;
    scene s = {.result = memory_result()};
    assert_int_equal(fixture_open(&s.f, &(tiny_model_options){.seed = 22}), 0);
    s.pool = memory_pool(&s.f);
    e2str_stream_options o = stream_options();
    o.max_examples = 6;
    open_stream(&s, &o);
    for (uint32_t i = 0; i < 12; i++) {
        e2str_correction c = teach_drawn(&s, i, "abc");
        assert_int_equal(c.learning, E2STR_OK);
        assert_false(c.learnt);
    }
    assert_int_equal(e2str_pool_count(s.pool), 6);
    assert_int_equal(e2str_stream_learn(s.stream, NULL), E2STR_OK);
    close_scene(&s);
}

/* ------------------------------------------------------------------------------------------------------ the bits -- */

static char path[FOLDER_PATH];

static int set_up(void **state) {
    (void)state;
    if (!folder_make()) return 1;
    folder_path(path, "pool.gguf");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove(path);
    return folder_remove();
}

static uint64_t mix(uint64_t sum, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

/* All that a stream reads and answers, and the file that it leaves. */
static uint64_t run_through(uint32_t threads, int how) {
    scene s;
    e2str_stream_options o = stream_options();
    o.max_examples = 20;
    o.drop = (e2str_drop)how;
    open_scene(&s, &o);
    e2str_stream_free(s.stream);
    e2str_session *own = s.f.session;
    e2str_session_options with;
    e2str_session_options_init(&with);
    with.threads = threads;
    assert_int_equal(e2str_session_new(s.f.model, &with, &s.f.session, NULL), E2STR_OK);
    open_stream(&s, &o);
    uint64_t sum = 14695981039346656037u;
    for (uint32_t i = 0; i < 70; i++) {
        e2str_correction c = teach_drawn(&s, i % 50, i % 3 ? "ab1" : "1bc");
        float score = e2str_result_score(s.result);
        sum = mix(mix(sum, &score, sizeof score), e2str_result_text(s.result), e2str_result_text_size(s.result));
        sum = mix(mix(sum, &c.id, sizeof c.id), &c.dropped, sizeof c.dropped);
    }
    assert_true(report_of(&s).dropped > 10);
    remove(path);
    assert_int_equal(e2str_stream_save(s.stream, path, NULL), E2STR_OK);
    assert_int_equal(report_of(&s).changes, 0);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, file));) sum = mix(sum, block, n);
    fclose(file);
    e2str_pool *loaded;
    assert_int_equal(e2str_pool_load(s.f.model, path, NULL, &loaded, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_count(loaded), e2str_pool_count(s.pool));
    assert_true(has_learnt(loaded));
    e2str_pool_free(loaded);
    e2str_session_free(own);
    close_scene(&s);
    return sum;
}

static void threads_change_no_bit(void **state) {
    (void)state;
    uint64_t sums[4];
    for (int how = E2STR_DROP_LEAST_USEFUL; how <= E2STR_DROP_LEAST_USED; how++) {
        sums[how] = run_through(1, how);
        for (uint32_t threads = 1; threads <= 3; threads++) assert_true(run_through(threads, how) == sums[how]);
    }
    assert_true(sums[0] != sums[1] && sums[1] != sums[2] && sums[0] != sums[2]);
}

/* --------------------------------------------------------------------------------------------------------- drift -- */

/* Judges n reads of which `percent` are right; how often drift was noticed. */
static unsigned judge_many(e2_drift *drift, uint32_t *state, unsigned n, unsigned percent, unsigned *first) {
    unsigned noticed = 0;
    for (unsigned i = 0; i < n; i++)
        if (e2_drift_judge(drift, fixture_random(state) / 42949673u < percent) && !noticed++ && first) *first = i;
    return noticed;
}

static void drift_is_noticed_and_steadiness_is_not(void **state) {
    (void)state;
    uint32_t random = 12345;
    unsigned false_alarms = 0, late = 0;
    for (unsigned run = 0; run < 200; run++) {
        static const unsigned levels[] = {50, 80, 95, 20, 100};
        e2_drift drift;
        unsigned first = 0, level = levels[run % 5];
        assert_true(e2_drift_init(&drift, 50));
        false_alarms += judge_many(&drift, &random, 1000, level, NULL);
        uint64_t before = drift.drifts;
        bool noticed = judge_many(&drift, &random, 100, level > 45 ? level - 45 : 0, &first) > 0;
        if (level > 40) late += !noticed;
        if (noticed) assert_true(drift.drifts > before && drift.to < drift.from && drift.at >= 1001 + first);
        e2_drift_free(&drift);
    }
    assert_in_range(false_alarms, 0, 40); /* in 200,000 judged reads */
    assert_in_range(late, 0, 3);
}

static void rising_is_no_drift(void **state) {
    (void)state;
    e2_drift drift;
    uint32_t random = 99;
    assert_true(e2_drift_init(&drift, 20));
    for (unsigned percent = 10; percent <= 90; percent += 10)
        assert_int_equal(judge_many(&drift, &random, 60, percent, NULL), 0);
    e2_drift_free(&drift);
}

/* Shares are those of the last reads, counted one by one. */
static void windows_count_right(void **state) {
    (void)state;
    enum { N = 500, WINDOW = 13 };
    bool right[N];
    uint32_t random = 5;
    e2_drift drift;
    assert_true(e2_drift_init(&drift, WINDOW));
    for (size_t i = 0; i < N; i++) {
        right[i] = fixture_random(&random) % 3 != 0;
        assert_false(e2_drift_judge(&drift, right[i]));
        size_t recent = i + 1 < WINDOW ? i + 1 : WINDOW, before = i + 1 - recent, n = 0, m = 0;
        if (before > 4 * WINDOW) before = 4 * WINDOW;
        for (size_t j = 0; j < recent; j++) n += right[i - j];
        for (size_t j = 0; j < before; j++) m += right[i - recent - j];
        assert_true(e2_drift_recent(&drift) == (float)n / (float)recent);
        assert_true(e2_drift_before(&drift) == (before ? (float)m / (float)before : 0.0f));
    }
    e2_drift_free(&drift);
}

static void a_stream_tells_of_drift_once(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.window = 10;
    o.add_right = E2STR_ADD_RIGHT_NEVER;
    open_scene(&s, &o);
    e2str_correction c;
    e2str_correction_init(&c);
    for (size_t i = 0; i < 40; i++) {
        uint64_t ticket = read_image(&s, &s.f.images[i % FIXTURE_IMAGES]);
        assert_int_equal(e2str_stream_confirm(s.stream, ticket, &c, NULL), E2STR_OK);
        assert_false(c.drift);
    }
    unsigned noticed = 0;
    for (uint32_t i = 0; i < 30; i++) noticed += teach_drawn(&s, i, "wrong").drift;
    assert_int_equal(noticed, 1);
    e2str_stream_report r = report_of(&s);
    assert_int_equal(r.drifts, 1);
    assert_in_range(r.drift_at, 41, 50);
    assert_true(r.drift_from > 0.9f && r.drift_to < 0.7f);
    close_scene(&s);
}

/* What was added before the window in which drift was noticed goes before all that came later. */
static void after_drift_the_former_examples_go(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.window = 10;
    o.max_examples = 24;
    o.add_right = E2STR_ADD_RIGHT_NEVER;
    open_scene(&s, &o);
    for (uint32_t i = 0; i < 12; i++) teach_drawn(&s, i, i % 2 ? "abc" : "cab");
    uint64_t former[24], ids[24];
    size_t n = e2str_pool_ids(s.pool, former, 24);
    assert_in_range(n, 6, 12);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(e2str_stream_confirm(s.stream, read_image(&s, &s.f.images[i % FIXTURE_IMAGES]), NULL, NULL),
                         E2STR_OK);
    size_t left = n, gone = 0, drifts = 0;
    for (uint32_t i = 100; i < 150; i++) {
        e2str_correction c = teach_drawn(&s, i, i % 2 ? "acb" : "bca");
        drifts += c.drift;
        gone += c.dropped;
        size_t count = e2str_pool_ids(s.pool, ids, 24), now = 0;
        for (size_t j = 0; j < count; j++) now += ids[j] <= former[n - 1];
        if (drifts && c.dropped) assert_int_equal(now, left > c.dropped ? left - c.dropped : 0);
        left = now;
    }
    assert_int_equal(drifts, 1);
    assert_int_equal(left, 0);
    assert_in_range(gone, n, 50);
    close_scene(&s);
}

/* ----------------------------------------------------------------------------------------------------- arguments -- */

static void arguments_are_checked(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    open_scene(&s, &o);
    e2str_stream *none = s.stream;
    e2str_error error;
#define REFUSED(member, value)                                                                                         \
    do {                                                                                                               \
        o = stream_options();                                                                                          \
        o.member = value;                                                                                              \
        assert_int_equal(e2str_stream_new(s.pool, s.f.session, &o, &none, &error), E2STR_ERROR_ARGUMENT);              \
        assert_null(none);                                                                                             \
        assert_non_null(strstr(error.message, #member));                                                               \
    } while (0)
    REFUSED(drop, (e2str_drop)4);
    REFUSED(contradiction, (e2str_contradiction)2);
    REFUSED(learn_share, 1.5f);
    REFUSED(learn_share, NAN);
    REFUSED(learn_least, 0);
    REFUSED(add_right, (e2str_add_right)3);
    REFUSED(max_tickets, 0);
    REFUSED(max_tickets, E2STR_MAX_TICKETS + 1);
    REFUSED(window, E2STR_MIN_WINDOW - 1);
    REFUSED(window, E2STR_MAX_WINDOW + 1);
    uint64_t ticket = 7;
    float use;
    e2str_stream_report report;
    assert_int_equal(e2str_stream_new(NULL, s.f.session, NULL, &none, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_new(s.pool, NULL, NULL, &none, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_new(s.pool, s.f.session, NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_read(NULL, s.f.images, NULL, s.result, &ticket, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(ticket, 0);
    assert_int_equal(e2str_stream_read(s.stream, NULL, NULL, s.result, &ticket, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_read(s.stream, s.f.images, NULL, NULL, &ticket, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_read(s.stream, s.f.images, NULL, s.result, NULL, NULL), E2STR_ERROR_ARGUMENT);
    e2str_image wrong = s.f.images[0];
    wrong.rotate = 45;
    assert_int_equal(e2str_stream_read(s.stream, &wrong, NULL, s.result, &ticket, NULL), E2STR_ERROR_ARGUMENT);
    e2str_read_options read;
    e2str_read_options_init(&read);
    read.influences = E2STR_MAX_INFLUENCES + 1;
    assert_int_equal(e2str_stream_read(s.stream, s.f.images, &read, s.result, &ticket, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(report_of(&s).reads, 0);
    assert_int_equal(e2str_stream_correct(s.stream, 1, NULL, 0, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_correct(NULL, 1, "a", 1, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_confirm(NULL, 1, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_learn(NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_save(NULL, "x", NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_save(s.stream, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_get_report(s.stream, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_get_report(NULL, &report, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_use(NULL, 1, &use, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_stream_use(s.stream, 1, NULL, NULL), E2STR_ERROR_ARGUMENT);
    e2str_stream_free(NULL);
    fixture other;
    assert_int_equal(memory_open(&other, (tiny_model_options){.seed = 23}), 0);
    assert_int_equal(e2str_stream_new(s.pool, other.session, NULL, &none, NULL), E2STR_ERROR_MISMATCH);
    fixture_close(&other);
    close_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_as_without_a_stream),
        cmocka_unit_test(tickets_are_judged_once),
        cmocka_unit_test(tickets_have_so_much_memory),
        cmocka_unit_test(what_is_right_is_added_as_asked),
        cmocka_unit_test(a_right_empty_text_is_confirmed),
        cmocka_unit_test(the_newer_label_wins),
        cmocka_unit_test(or_the_older_one),
        cmocka_unit_test(contradictions_that_are_there_already_are_settled),
        cmocka_unit_test(a_pool_from_elsewhere_goes_on),
        cmocka_unit_test(reads_go_on_with_what_was_learnt),
        cmocka_unit_test(failed_learning_is_told),
        cmocka_unit_test(a_model_that_cannot_learn_has_streams_too),
        cmocka_unit_test_setup_teardown(threads_change_no_bit, set_up, tear_down),
        cmocka_unit_test(drift_is_noticed_and_steadiness_is_not),
        cmocka_unit_test(rising_is_no_drift),
        cmocka_unit_test(windows_count_right),
        cmocka_unit_test(a_stream_tells_of_drift_once),
        cmocka_unit_test(after_drift_the_former_examples_go),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
