/* SPDX-License-Identifier: MIT */
#include "threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef struct thread {
    e2_threads *pool;
    unsigned worker;
    pthread_t id;
} thread;

/*
 * A job is open from when the caller publishes it until the caller finds no part left. Threads that wake in that time
 * join it; one that wakes later sleeps on, so that the caller waits only for parts that were begun, never for a
 * wake-up. Parts are handed out by a counter. The mutex orders everything else: a job's parameters change only while
 * nobody is in it, and what a part wrote is seen by the caller because its worker left the job under the mutex.
 *
 * With a spin, whoever waits lets the mutex go and looks at an atomic for so long before he sleeps: at the number of
 * jobs, or at how many are inside. That only tells when to take the mutex again; what is true is found out under it.
 */
struct e2_threads {
    pthread_mutex_t mutex;
    pthread_cond_t published, left;
    atomic_uint_fast64_t jobs; /* how many there have been: a thread joins each at most once */
    atomic_uint_fast64_t inside;
    int open, stop;
    uint64_t spin; /* nanoseconds */
    e2_work_fn *work;
    void *context;
    size_t parts;
    atomic_size_t next;
    unsigned count, started; /* with the caller; threads that run */
    pid_t process;           /* that they run in */
    thread threads[];
};

static void take_parts(e2_threads *pool, e2_work_fn *work, void *context, size_t parts, unsigned worker) {
    for (;;) {
        size_t part = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (part >= parts) return;
        work(context, part, worker);
    }
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Until the value is no longer `known`, or the time is over: false. The caller holds the mutex, but not meanwhile. */
static bool spin_while(e2_threads *pool, const atomic_uint_fast64_t *value, uint64_t known) {
    const uint64_t longest = pool->spin;
    if (!longest) return false;
    pthread_mutex_unlock(&pool->mutex);
    const uint64_t begin = nanoseconds();
    bool changed;
    do {
        for (int i = 0; i < 16 && atomic_load_explicit(value, memory_order_relaxed) == known; i++) pause_briefly();
        changed = atomic_load_explicit(value, memory_order_relaxed) != known;
    } while (!changed && nanoseconds() - begin < longest);
    pthread_mutex_lock(&pool->mutex);
    return changed;
}

/* The mutex is held, here and in the next. */
static void wait_for_job(e2_threads *pool, uint64_t joined) {
    for (bool patient = true; !pool->stop && !(pool->open && pool->jobs != joined);)
        if (patient)
            patient = spin_while(pool, &pool->jobs, pool->jobs);
        else
            pthread_cond_wait(&pool->published, &pool->mutex);
}

static void wait_for_parts(e2_threads *pool) {
    for (bool patient = true; pool->inside > 0;)
        if (patient)
            patient = spin_while(pool, &pool->inside, pool->inside);
        else
            pthread_cond_wait(&pool->left, &pool->mutex);
}

static void *thread_main(void *argument) {
    const thread *self = argument;
    e2_threads *pool = self->pool;
    uint64_t joined = 0;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        wait_for_job(pool, joined);
        if (pool->stop) break;
        joined = pool->jobs;
        pool->inside++;
        e2_work_fn *work = pool->work;
        void *context = pool->context;
        size_t parts = pool->parts;
        pthread_mutex_unlock(&pool->mutex);
        take_parts(pool, work, context, parts, self->worker);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->inside == 0) pthread_cond_signal(&pool->left);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

void e2_threads_run(e2_threads *pool, size_t parts, e2_work_fn *work, void *context) {
    if (!pool || pool->count == 1 || parts < 2) {
        for (size_t part = 0; part < parts; part++) work(context, part, 0);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->work = work;
    pool->context = context;
    pool->parts = parts;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->jobs++;
    pool->open = 1;
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_broadcast(&pool->published);

    take_parts(pool, work, context, parts, 0);

    pthread_mutex_lock(&pool->mutex);
    pool->open = 0;
    wait_for_parts(pool);
    pthread_mutex_unlock(&pool->mutex);
}

/* Signals are the host's: they are delivered to its threads, never to these. */
static int start_threads(e2_threads *pool) {
    sigset_t all, before;
    int failure = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->started < pool->count - 1 && !failure) {
        thread *t = &pool->threads[pool->started];
        t->pool = pool;
        t->worker = pool->started + 1;
        failure = pthread_create(&t->id, NULL, thread_main, t);
        if (!failure) pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

static int init_locks(e2_threads *pool) {
    int failure = pthread_mutex_init(&pool->mutex, NULL);
    if (failure) return failure;
    failure = pthread_cond_init(&pool->published, NULL);
    if (!failure) {
        failure = pthread_cond_init(&pool->left, NULL);
        if (!failure) return 0;
        pthread_cond_destroy(&pool->published);
    }
    pthread_mutex_destroy(&pool->mutex);
    return failure;
}

e2str_status e2_threads_new(unsigned count, e2_threads **threads, e2str_error *error) {
    *threads = NULL;
    if (count < 1 || count > E2_MAX_THREADS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "threads: %u is not in 1 .. %d", count, E2_MAX_THREADS);
    e2_threads *pool = calloc(1, sizeof *pool + (count - 1) * sizeof pool->threads[0]);
    if (!pool) return e2_fail(error, E2STR_ERROR_MEMORY, "threads: out of memory");
    pool->count = count;
    pool->process = getpid();
    int failure = init_locks(pool);
    if (failure) {
        free(pool);
        return e2_fail(error, E2STR_ERROR_MEMORY, "threads: the locks cannot be made (error %d)", failure);
    }
    failure = start_threads(pool);
    if (failure) {
        unsigned started = pool->started;
        e2_threads_free(pool);
        return e2_fail(error, E2STR_ERROR_MEMORY, "threads: %u cannot be started, only %u (error %d)", count,
                       started + 1, failure);
    }
    *threads = pool;
    return E2STR_OK;
}

void e2_threads_set_spin(e2_threads *pool, uint64_t microseconds) {
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    pool->spin = 1000 * microseconds;
    pthread_mutex_unlock(&pool->mutex);
}

bool e2_threads_spin(const e2_threads *pool) { return pool && pool->spin > 0; }

unsigned e2_threads_count(const e2_threads *pool) { return pool ? pool->count : 1; }

void e2_threads_free(e2_threads *pool) {
    if (!pool) return;
    if (pool->process != getpid()) { /* a forked child's copy: the threads are not here, whatever the locks say */
        free(pool);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->stop = 1;
    pool->jobs++; /* ends a spin */
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_broadcast(&pool->published);
    for (unsigned i = 0; i < pool->started; i++) pthread_join(pool->threads[i].id, NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->published);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
