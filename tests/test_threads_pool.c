/* SPDX-License-Identifier: MIT */
/* The thread pool: every part once, at every count, over many jobs; what it refuses; signals and failure to start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "threads.h"

#define MOST_PARTS 1000

typedef struct job {
    unsigned times[MOST_PARTS]; /* plain memory: a lost or doubled part, or a race, shows */
    unsigned long by_worker[8];
    unsigned count;
    atomic_int busy[8];
    atomic_int wrong;
} job;

static void count_part(void *context, size_t part, unsigned worker) {
    job *j = context;
    if (worker >= j->count || atomic_fetch_add(&j->busy[worker], 1) != 0) {
        atomic_store(&j->wrong, 1);
        return;
    }
    j->times[part]++;
    j->by_worker[worker] += part + 1;
    atomic_fetch_sub(&j->busy[worker], 1);
}

static void run_and_check(e2_threads *threads, job *j, size_t parts) {
    memset(j->times, 0, sizeof j->times);
    memset(j->by_worker, 0, sizeof j->by_worker);
    e2_threads_run(threads, parts, count_part, j);
    unsigned long sum = 0;
    for (size_t i = 0; i < MOST_PARTS; i++) assert_int_equal(j->times[i], i < parts);
    for (unsigned i = 0; i < 8; i++) sum += j->by_worker[i];
    assert_int_equal(sum, parts * (parts + 1) / 2);
    assert_int_equal(atomic_load(&j->wrong), 0);
}

static void every_part_runs_once(void **unused) {
    (void)unused;
    static const size_t parts[] = {0, 1, 2, 3, 7, 8, 9, 64, MOST_PARTS};
    static job j;
    for (unsigned count = 1; count <= 8; count++) {
        e2_threads *threads = NULL;
        e2str_error error;
        assert_int_equal(e2_threads_new(count, &threads, &error), E2STR_OK);
        assert_int_equal(e2_threads_count(threads), count);
        j.count = count;
        for (unsigned spin = 0; spin < 3; spin++) { /* asleep; a spin that is soon over; one that mostly is not */
            e2_threads_set_spin(threads, spin * spin * 20);
            assert_int_equal(e2_threads_spin(threads), spin > 0);
            for (int round = 0; round < 150; round++) run_and_check(threads, &j, parts[round % 9]);
        }
        e2_threads_free(threads);
    }
}

static void without_a_pool_the_caller_works(void **unused) {
    (void)unused;
    static job j;
    j.count = 1;
    assert_int_equal(e2_threads_count(NULL), 1);
    run_and_check(NULL, &j, 5);
    e2_threads_free(NULL);
}

static void no_job_at_all(void **unused) {
    (void)unused;
    for (int round = 0; round < 50; round++) {
        e2_threads *threads = NULL;
        assert_int_equal(e2_threads_new(4, &threads, NULL), E2STR_OK);
        e2_threads_set_spin(threads, round % 2 ? E2STR_MAX_SPIN : 0); /* freeing ends a spin */
        e2_threads_free(threads);
    }
}

typedef struct meeting {
    pthread_mutex_t mutex;
    pthread_cond_t all_here;
    unsigned here, expected;
    sigset_t blocked[8];
    pthread_t ids[8];
} meeting;

/* Returns only when every part is running: each thread of the pool has taken one. */
static void meet(void *context, size_t part, unsigned worker) {
    meeting *m = context;
    (void)part;
    pthread_mutex_lock(&m->mutex);
    pthread_sigmask(SIG_SETMASK, NULL, &m->blocked[worker]);
    m->ids[worker] = pthread_self();
    if (++m->here == m->expected) pthread_cond_broadcast(&m->all_here);
    while (m->here < m->expected) pthread_cond_wait(&m->all_here, &m->mutex);
    pthread_mutex_unlock(&m->mutex);
}

static void parts_run_side_by_side_without_signals(void **unused) {
    (void)unused;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE};
    e2_threads *threads = NULL;
    assert_int_equal(e2_threads_new(5, &threads, NULL), E2STR_OK);
    for (int round = 0; round < 200; round++) {
        e2_threads_set_spin(threads, (unsigned)round);
        meeting m = {.mutex = PTHREAD_MUTEX_INITIALIZER, .all_here = PTHREAD_COND_INITIALIZER, .expected = 5};
        e2_threads_run(threads, 5, meet, &m);
        assert_int_equal(m.here, 5);
        for (unsigned worker = 0; worker < 5; worker++) {
            assert_int_equal(!!pthread_equal(m.ids[worker], pthread_self()), worker == 0);
            for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
                assert_int_equal(sigismember(&m.blocked[worker], signals[i]), worker > 0);
        }
    }
    e2_threads_free(threads);
}

static void counts_out_of_range_are_refused(void **unused) {
    (void)unused;
    static const unsigned counts[] = {0, E2_MAX_THREADS + 1, 10000, (unsigned)-1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        e2str_error error = {""};
        e2_threads *threads = (e2_threads *)&error;
        assert_int_equal(e2_threads_new(counts[i], &threads, &error), E2STR_ERROR_ARGUMENT);
        assert_null(threads);
        assert_non_null(strstr(error.message, "threads"));
        assert_non_null(strstr(error.message, "256"));
    }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER 1
#endif

/* Room for a few stacks more, not for 255: those that did start are stopped again. */
static void failure_to_start_is_undone(void **unused) {
    (void)unused;
#ifdef SANITIZER
    skip(); /* a sanitizer maps the whole address space */
#else
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)200 << 20;
    assert_int_equal(setrlimit(RLIMIT_AS, &few), 0);
    e2str_error error = {""};
    e2_threads *threads = (e2_threads *)&error;
    e2str_status status = e2_threads_new(E2_MAX_THREADS, &threads, &error);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, E2STR_ERROR_MEMORY);
    assert_null(threads);
    assert_non_null(strstr(error.message, "256 cannot be started"));
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGUSR1), 0);
    assert_int_equal(e2_threads_new(3, &threads, &error), E2STR_OK);
    e2_threads_free(threads);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_once),
        cmocka_unit_test(without_a_pool_the_caller_works),
        cmocka_unit_test(no_job_at_all),
        cmocka_unit_test(parts_run_side_by_side_without_signals),
        cmocka_unit_test(counts_out_of_range_are_refused),
        cmocka_unit_test(failure_to_start_is_undone),
    };
    return cmocka_run_group_tests_name("threads_pool", tests, NULL, NULL);
}
