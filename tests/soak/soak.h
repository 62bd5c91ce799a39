/* SPDX-License-Identifier: MIT */
/* What the soak programs share: what writers were told of, allocations that fail, cases and figures. */
#ifndef SOAK_H
#define SOAK_H

#include <stdatomic.h>
#include <time.h>

#include "../memory_fixture.h"
#include "../process.h"

/* Of a writer, in memory that processes share: additions [removed, added) of it are in the file. */
typedef struct ledger {
    atomic_uint added, removed;   /* that it was told of */
    atomic_uint adding, removing; /* that it has begun */
} ledger;

static time_t end_at;

static bool goes_on(void) { return time(NULL) < end_at; }

static void pause_for(long microseconds) { nanosleep(&(struct timespec){0, microseconds * 1000}, NULL); }

/* ------------------------------------------------------------------------------------------------- allocations -- */

static _Thread_local uint32_t luck; /* 0: nothing fails in this thread */
static atomic_uint_fast64_t failed_allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void) {
    if (!luck || fixture_random(&luck) % 50) return false;
    failed_allocations++;
    return true;
}
void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return fails() ? NULL : __real_realloc(old, size); }

/* ------------------------------------------------------------------------------------------ writers' examples -- */

static void label_of(unsigned writer, unsigned number, char label[16]) {
    snprintf(label, 16, "w%ux%u", writer, number);
}

static uint64_t id_of(const e2str_pool *pool, unsigned writer, unsigned number) {
    static uint64_t ids[4096];
    char label[16], other[64];
    size_t n = e2str_pool_ids(pool, ids, 4096);
    label_of(writer, number, label);
    for (size_t i = 0; i < n; i++)
        if (!e2str_pool_label(pool, ids[i], other, sizeof other, NULL, NULL) && !strcmp(label, other)) return ids[i];
    return 0;
}

/* Each addition in [removed, added) once, and nothing else but what was there at first. */
static bool holds_what_was_told(const e2str_pool *pool, const ledger *ledgers, unsigned writers, size_t at_first) {
    size_t expected = at_first;
    bool good = true;
    for (unsigned i = 0; i < writers; i++) {
        const ledger *l = &ledgers[i];
        good &= l->adding == l->added && l->removing == l->removed;
        for (unsigned n = l->removed; n < l->added; n++) good &= id_of(pool, i, n) != 0;
        expected += l->added - l->removed;
    }
    return good && e2str_pool_count(pool) == expected;
}

/* ------------------------------------------------------------------------------------------------------- cases -- */

static int failures;

static void show(bool good, const char *name) {
    printf("%sok - %s\n", good ? "" : "not ", name);
    failures += !good;
}

#endif
