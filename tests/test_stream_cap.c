/* SPDX-License-Identifier: MIT */
/* The cap of a stream: what goes, and what does not. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "stream_scene.h"

static void characters_of(const e2str_pool *pool, bool known[128]) {
    uint64_t ids[256];
    size_t n = e2str_pool_ids(pool, ids, 256);
    memset(known, 0, 128 * sizeof *known);
    for (size_t i = 0; i < n; i++) {
        char label[32];
        assert_int_equal(e2str_pool_label(pool, ids[i], label, sizeof label, NULL, NULL), E2STR_OK);
        for (const char *c = label; *c; c++) known[(unsigned char)*c] = true;
    }
}

static void the_cap_holds_and_no_character_goes(void **state) {
    (void)state;
    for (int how = E2STR_DROP_LEAST_USEFUL; how <= E2STR_DROP_LEAST_USED; how++)
        for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
            scene s;
            e2str_stream_options o = stream_options();
            open_scene(&s, &o);
            memory_add(&s.f, s.pool, 0, "Z");
            uint64_t one = e2str_pool_bytes(s.pool);
            e2str_stream_free(s.stream);
            o.drop = (e2str_drop)how;
            o.max_examples = by_bytes ? 0 : 24;
            o.max_bytes = by_bytes ? 24 * one : 0;
            open_stream(&s, &o);
            uint64_t dropped = 0;
            bool known[128] = {['Z'] = true}, now[128];
            for (uint32_t i = 0; i < 90; i++) {
                char label[8];
                snprintf(label, sizeof label, "%c%u", i % 9 == 0 ? (char)('a' + i / 9) : 'e', i % 7);
                e2str_correction c = teach_drawn(&s, i, label);
                dropped += c.dropped;
                if (by_bytes)
                    assert_in_range(e2str_pool_bytes(s.pool), 1, o.max_bytes);
                else
                    assert_in_range(e2str_pool_count(s.pool), 1, o.max_examples);
                if (c.outcome)
                    for (const char *at = label; *at; at++) known[(unsigned char)*at] = true;
                characters_of(s.pool, now);
                for (int code = 0; code < 128; code++) assert_int_equal(now[code], known[code]);
                if (c.dropped) assert_true(c.learnt && has_learnt(s.pool));
            }
            assert_in_range(dropped, 40, 90);
            assert_int_equal(report_of(&s).dropped, dropped);
            assert_in_range(report_of(&s).learnt, 10, 60); /* not with each correction */
            close_scene(&s);
        }
}

static void the_oldest_go_first(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.drop = E2STR_DROP_OLDEST;
    o.max_examples = 4;
    open_scene(&s, &o);
    for (uint32_t i = 0; i < 4; i++) teach_drawn(&s, i, "ab");
    e2str_correction c = teach_drawn(&s, 4, "ba");
    uint64_t ids[4];
    assert_int_equal(c.dropped, 1);
    assert_int_equal(e2str_pool_ids(s.pool, ids, 4), 4);
    for (uint64_t i = 0; i < 4; i++) assert_int_equal(ids[i], i + 2);
    close_scene(&s);
}

/* Where each example is the last with some character there is no room: the correction is refused, and nothing lost. */
static void a_cap_of_last_carriers_is_full(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.max_examples = 3;
    open_scene(&s, &o);
    static const char *const labels[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < 3; i++) teach_drawn(&s, i, labels[i]);
    e2str_correction c;
    uint64_t ticket = read_image(&s, &s.f.images[0]), ids[4];
    assert_int_equal(correct(&s, ticket, "d", &c), E2STR_ERROR_FULL);
    assert_int_equal(e2str_pool_ids(s.pool, ids, 4), 3);
    for (uint64_t i = 0; i < 3; i++) assert_label(&s, ids[i], labels[i]);
    assert_int_equal(report_of(&s).judged, 3);
    assert_int_equal(correct(&s, ticket, "cab", &c), E2STR_OK); /* the ticket stayed open */
    assert_int_equal(c.dropped, 1);
    close_scene(&s);
}

/* What would have to go is known before anything goes: nothing does where it is not enough, and nobody goes because the
 * example that is refused has its characters. */
static void a_refused_correction_takes_nothing(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.max_examples = 3;
    open_scene(&s, &o);
    static const char *const labels[] = {"a", "a", "b", "c", "d", "e"}; /* a pool from elsewhere, far above the cap */
    for (size_t i = 0; i < 6; i++) memory_add(&s.f, s.pool, i, labels[i]);
    e2str_correction c;
    uint64_t ticket = read_image(&s, &s.f.images[7]), ids[7];
    e2str_stream_report before = report_of(&s);
    assert_int_equal(correct(&s, ticket, "b", &c), E2STR_ERROR_FULL); /* an "a" and the former "b" are three too few */
    assert_int_equal(e2str_pool_ids(s.pool, ids, 7), 6);
    for (uint64_t i = 0; i < 6; i++) assert_label(&s, ids[i], labels[i]);
    e2str_stream_report after = report_of(&s);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(correct(&s, ticket, "abcd", &c), E2STR_OK); /* the ticket stayed open: all but "e" may go */
    assert_int_equal(c.dropped, 4);
    assert_int_equal(report_of(&s).dropped, 4);
    close_scene(&s);
}

/* What acted for right characters is worth what it added; the one that did least goes. */
static void use_is_what_examples_did(void **state) {
    (void)state;
    scene s;
    e2str_stream_options o = stream_options();
    o.max_examples = 12;
    o.learn_share = 0.0f;
    o.add_right = E2STR_ADD_RIGHT_NEVER;
    open_scene(&s, &o);
    for (uint32_t i = 0; i < 12; i++) teach_drawn(&s, i, i % 2 ? "abc" : "cab");
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.k = 0;
    options.influences = E2STR_MAX_INFLUENCES;
    uint64_t ticket, ids[12];
    assert_int_equal(e2str_stream_read(s.stream, &s.f.images[0], &options, s.result, &ticket, NULL), E2STR_OK);
    double wanted[13] = {0};
    size_t n = 0;
    for (size_t i = 0; i < e2str_result_characters(s.result); i++)
        for (size_t j = 0; j < e2str_result_influences(s.result, i); j++, n++) {
            e2str_influence influence;
            assert_int_equal(e2str_result_influence(s.result, i, j, &influence, NULL), E2STR_OK);
            wanted[influence.example] += (double)influence.amount;
        }
    assert_true(n > 0);
    double before[13] = {0};
    size_t count = e2str_pool_ids(s.pool, ids, 12);
    assert_in_range(count, 8, 12);
    float use;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(e2str_stream_use(s.stream, ids[i], &use, NULL), E2STR_OK);
        before[ids[i]] = (double)use;
    }
    assert_int_equal(e2str_stream_confirm(s.stream, ticket, NULL, NULL), E2STR_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(e2str_stream_use(s.stream, ids[i], &use, NULL), E2STR_OK);
        assert_true(fabs((double)use - (0.99 * before[ids[i]] + wanted[ids[i]])) < 1e-4);
    }
    assert_int_equal(e2str_stream_use(s.stream, 99, &use, NULL), E2STR_ERROR_NOT_FOUND);
    close_scene(&s);
}

/* A cap of bytes is one for what is in memory: examples that lie in an archive would go for nothing. */
static void rows_of_an_archive_do_not_go_for_bytes(void **state) {
    (void)state;
    scene s;
    char path[FOLDER_PATH];
    e2str_stream_options o = stream_options();
    open_scene(&s, &o);
    e2str_stream_free(s.stream);
    for (size_t i = 0; i < 4; i++) memory_add(&s.f, s.pool, i, "ab");
    o.max_bytes = e2str_pool_bytes(s.pool) / 2; /* two */
    o.drop = E2STR_DROP_OLDEST;
    assert_true(folder_make());
    folder_path(path, "pool");
    assert_int_equal(e2str_pool_save_archive(s.pool, path, NULL, NULL), E2STR_OK);
    open_stream(&s, &o);
    uint64_t dropped = 0, ids[8];
    for (uint32_t i = 0; i < 3; i++) dropped += teach_drawn(&s, i, "ba").dropped;
    assert_int_equal(dropped, 2); /* a tenth of the cap is free again */
    assert_int_equal(e2str_pool_ids(s.pool, ids, 8), 5);
    for (uint64_t i = 0; i < 4; i++) assert_int_equal(ids[i], i + 1);
    assert_int_equal(ids[4], 7);
    close_scene(&s);
    assert_int_equal(remove(path), 0);
    assert_int_equal(folder_remove(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cap_holds_and_no_character_goes),
        cmocka_unit_test(the_oldest_go_first),
        cmocka_unit_test(a_cap_of_last_carriers_is_full),
        cmocka_unit_test(a_refused_correction_takes_nothing),
        cmocka_unit_test(use_is_what_examples_did),
        cmocka_unit_test(rows_of_an_archive_do_not_go_for_bytes),
    };
    return cmocka_run_group_tests_name("stream_cap", tests, NULL, NULL);
}
