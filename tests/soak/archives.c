/* SPDX-License-Identifier: MIT */
/*
 * An archive among accidents, for SOAK_SECONDS (environment; make soak): processes that append to it, remove, learn and
 * write it anew are killed at any time; some have calls to the system and allocations that fail, or no room for files.
 * Beside them processes that have it open, mapped or not, take in what is new and read; they too are killed, or out of
 * memory now and then.
 *
 * All the time: after a refresh each addition that its process was told of before is there, once, nothing removed came
 * back, and what is read with the permanent examples is the same bits as at the beginning. In the end the file is whole
 * and holds exactly what was told, and readers are as large as they were. Cases as the other tests print them, figures
 * as comments.
 */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../folder.h"
#include "soak.h"

enum { READERS = 3, WRITERS = 3, WORKERS = READERS + WRITERS, PERMANENT = 3, KEEP = 8, SETTLE = 60 /* seconds */ };

static struct shared {
    ledger writers[WRITERS];
    atomic_uint saves, rewrites, conflicts, failed_saves, learnt, kills;
    atomic_uint refreshes, news, verified, reads, out_of_memory, failed_loads;
    atomic_uint lost, revived, doubled, wrong, grown; /* each is a fault */
} * shared;

static fixture f;
static char path[FOLDER_PATH];
static e2str_result *expected[FIXTURE_IMAGES]; /* with the permanent examples */
static uint64_t first_ids[PERMANENT];

/* ------------------------------------------------------------------------------------------- calls to the system -- */

static uint32_t bad_calls; /* 0: none of this process fails */

ssize_t __real_pwrite(int file, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t at);
int __real_fsync(int file);
int __wrap_fsync(int file);
int __real_renameat(int from, const char *name, int to, const char *other);
int __wrap_renameat(int from, const char *name, int to, const char *other);

static bool call_fails(void) {
    if (!bad_calls || fixture_random(&bad_calls) % 40) return false;
    errno = bad_calls & 64 ? EIO : ENOSPC;
    return true;
}
/* What fails may have been done in part. */
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t at) {
    if (!call_fails()) return __real_pwrite(file, data, size, at);
    int error = errno;
    if (bad_calls & 128) (void)!__real_pwrite(file, data, size / 2, at);
    errno = error;
    return -1;
}
int __wrap_fsync(int file) { return call_fails() ? -1 : __real_fsync(file); }
int __wrap_renameat(int from, const char *name, int to, const char *other) {
    return call_fails() ? -1 : __real_renameat(from, name, to, other);
}

/* ------------------------------------------------------------------------------------------------------- writers -- */

static bool save(e2str_pool *pool, bool anew) {
    e2str_status status = anew ? e2str_pool_save_archive(pool, path, NULL, NULL) : e2str_pool_save(pool, path, NULL);
    shared->saves += !status;
    shared->rewrites += !status && anew;
    shared->conflicts += status == E2STR_ERROR_CONFLICT;
    shared->failed_saves += status && status != E2STR_ERROR_CONFLICT;
    return !status;
}

/* One addition or removal. What a killed predecessor, or a save that failed, did of it is looked up first. */
static bool write_once(e2str_pool *pool, ledger *l, unsigned writer, uint32_t *seed) {
    char label[16];
    bool anew = fixture_random(seed) % 8 == 0;
    const uint32_t lucky = luck;
    luck = 0; /* what is looked up must be found */
    if (l->adding > l->added && id_of(pool, writer, l->added)) l->added = l->adding;
    if (l->removing > l->removed && !id_of(pool, writer, l->removed)) l->removed = l->removing;
    uint64_t id = id_of(pool, writer, l->removed);
    luck = lucky;
    if (l->added - l->removed > KEEP) {
        l->removing = l->removed + 1;
        if (e2str_pool_remove(pool, id, NULL) || !save(pool, anew)) return false;
        l->removed = l->removing;
        return true;
    }
    l->adding = l->added + 1;
    label_of(writer, l->added, label);
    if (e2str_pool_add(pool, f.session, &f.images[*seed % FIXTURE_IMAGES], label, SIZE_MAX, &id, NULL)) return false;
    if (fixture_random(seed) % 16 == 0) shared->learnt += !e2str_pool_learn(pool, f.session, NULL, NULL);
    if (!save(pool, anew)) return false;
    l->added = l->adding;
    return true;
}

/* Goes on with its pool as long as saves succeed and nobody else saves; settle: until nothing is left open. */
static void write_on(unsigned writer, uint32_t seed, bool settle) {
    ledger *l = &shared->writers[writer];
    e2str_pool *pool = NULL;
    if (!settle && seed % 5 == 0) bad_calls = seed;
    if (!settle && seed % 5 == 1) luck = seed;
    if (!settle && seed % 10 == 2) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){12288 + seed % 60000, RLIM_INFINITY});
    }
    while (settle ? l->adding != l->added || l->removing != l->removed : goes_on()) {
        if (time(NULL) > end_at + SETTLE) _exit(1); /* something is lost */
        if (!pool && e2str_pool_load(f.model, path, NULL, &pool, NULL)) continue;
        if (write_once(pool, l, writer, &seed) && !e2str_pool_refresh(pool, NULL)) continue;
        e2str_pool_free(pool);
        pool = NULL;
    }
    _exit(0);
}

/* ------------------------------------------------------------------------------------------------------- readers -- */

static size_t times_there(const e2str_pool *pool, const uint64_t *ids, size_t n, const char *label) {
    char other[64];
    size_t times = 0;
    for (size_t i = 0; i < n; i++)
        times += !e2str_pool_label(pool, ids[i], other, sizeof other, NULL, NULL) && !strcmp(label, other);
    return times;
}

/* What was promised before the refresh, and was not taken away by the time it is looked for, is there. */
static void check_promises(const e2str_pool *pool, const unsigned *added, const unsigned *removed) {
    static uint64_t ids[4096];
    size_t n = e2str_pool_ids(pool, ids, 4096);
    unsigned removing[WRITERS];
    for (unsigned w = 0; w < WRITERS; w++) removing[w] = shared->writers[w].removing;
    luck = 0;
    for (unsigned w = 0; w < WRITERS; w++)
        for (unsigned i = removed[w] > 2 * KEEP ? removed[w] - 2 * KEEP : 0; i < added[w]; i++) {
            char label[16];
            label_of(w, i, label);
            size_t times = times_there(pool, ids, n, label);
            shared->doubled += times > 1;
            shared->revived += times > 0 && i < removed[w];
            shared->lost += !times && i >= removing[w];
        }
    for (size_t i = 0; i < PERMANENT; i++) shared->lost += times_there(pool, ids, n, "keep") != PERMANENT;
}

static void read_with(const e2str_pool *pool, e2str_result *result, uint32_t *seed) {
    e2str_read_options options = memory_options(0, 2);
    size_t image = fixture_random(seed) % FIXTURE_IMAGES;
    options.examples = first_ids;
    options.n_examples = PERMANENT;
    options.memory_factor = 0; /* what is learnt changes */
    e2str_status status = e2str_read(f.session, &f.images[image], pool, &options, result, NULL);
    shared->reads++;
    shared->out_of_memory += status == E2STR_ERROR_MEMORY;
    shared->wrong += status ? status != E2STR_ERROR_MEMORY : !memory_same(result, expected[image]);
}

static void look_once(e2str_pool *pool, e2str_result *result, uint32_t *seed) {
    unsigned added[WRITERS], removed[WRITERS];
    e2str_pool_info info, later;
    e2str_pool_info_init(&info);
    e2str_pool_info_init(&later);
    for (unsigned w = 0; w < WRITERS; w++) removed[w] = shared->writers[w].removed, added[w] = shared->writers[w].added;
    luck = fixture_random(seed) % 8 ? 0 : *seed;
    e2str_pool_get_info(pool, &info, NULL);
    e2str_status status = e2str_pool_refresh(pool, NULL);
    shared->refreshes += !status;
    shared->wrong += status && status != E2STR_ERROR_MEMORY;
    if (!status) check_promises(pool, added, removed);
    e2str_pool_get_info(pool, &later, NULL);
    shared->news += later.file_bytes != info.file_bytes;
    luck = fixture_random(seed) % 8 ? 0 : *seed;
    read_with(pool, result, seed);
    luck = 0;
    if (fixture_random(seed) % 16) return;
    shared->wrong += e2str_pool_verify(pool, NULL) != E2STR_OK;
    shared->verified++;
}

/* Opens it anew now and then. Sizes are compared after a hundred openings. */
static void read_on(uint32_t seed) {
    e2str_result *result = memory_result();
    process_size early = {0};
    for (unsigned opened = 0; goes_on(); opened++) {
        e2str_pool_options options;
        e2str_pool *pool = NULL;
        e2str_pool_options_init(&options);
        options.unmapped = fixture_random(&seed) % 2;
        if (e2str_pool_load(f.model, path, &options, &pool, NULL)) shared->failed_loads++;
        for (int i = 0; pool && i < 20 && goes_on(); i++) look_once(pool, result, &seed);
        e2str_pool_free(pool);
        process_size now = process_measure();
        if (opened == 100) early = now;
        if (opened > 100)
            shared->grown += now.descriptors != early.descriptors || now.mappings > early.mappings + 4 ||
                             now.kilobytes > early.kilobytes + 1024;
    }
    _exit(0);
}

/* --------------------------------------------------------------------------------------------------------- chaos -- */

/* A worker: a writer, or a reader behind those. */
static pid_t start(unsigned worker, uint32_t seed) {
    pid_t id = fork();
    if (id) return id;
    if (worker < WRITERS) write_on(worker, seed, false);
    read_on(seed);
    return 0;
}

/* Kills one after the other, writers mostly, and starts it again; true: nobody ended in another way. */
static bool chaos(void) {
    pid_t workers[WORKERS];
    uint32_t seed = 78;
    bool good = true;
    int status;
    for (unsigned i = 0; i < WORKERS; i++) workers[i] = start(i, fixture_random(&seed));
    while (goes_on()) {
        unsigned victim = fixture_random(&seed) % (fixture_random(&seed) % 8 ? WRITERS : WORKERS);
        pause_for(5000 + fixture_random(&seed) % 60000);
        kill(workers[victim], SIGKILL);
        waitpid(workers[victim], &status, 0);
        good &= WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0;
        shared->kills++;
        workers[victim] = start(victim, fixture_random(&seed));
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        waitpid(workers[i], &status, 0);
        good &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    for (unsigned i = 0; i < WRITERS; i++) { /* what the last ones left open */
        pid_t id = fork();
        if (!id) write_on(i, 1 + fixture_random(&seed), true);
        waitpid(id, &status, 0);
        good &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return good;
}

static bool begin(void) {
    e2str_read_options options = memory_options(0, 2);
    if (!folder_make_in_memory() || memory_open(&f, (tiny_model_options){0})) return false;
    folder_path(path, "archive");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return false;
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < PERMANENT; i++) first_ids[i] = memory_add(&f, pool, i, "keep");
    options.examples = first_ids;
    options.n_examples = PERMANENT;
    options.memory_factor = 0;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) memory_read(&f, i, pool, &options, expected[i] = memory_result());
    bool saved = !e2str_pool_save_archive(pool, path, NULL, NULL);
    e2str_pool_free(pool);
    return saved;
}

static bool ends_whole(void) {
    e2str_pool *pool;
    if (e2str_pool_load(f.model, path, NULL, &pool, NULL)) return false;
    bool good = !e2str_pool_verify(pool, NULL) && holds_what_was_told(pool, shared->writers, WRITERS, PERMANENT);
    good = good && !e2str_pool_save_archive(pool, path, NULL, NULL) && !e2str_pool_verify(pool, NULL);
    good = good && holds_what_was_told(pool, shared->writers, WRITERS, PERMANENT);
    e2str_pool_free(pool);
    return good;
}

int main(void) {
    const char *given = getenv("SOAK_SECONDS");
    long seconds = given ? atol(given) : 20;
    if (seconds < 1 || !begin()) return 2;
    end_at = time(NULL) + seconds;
    bool good = chaos();
    printf("# %ld s: %u saves by %d processes at once, %u of them anew, %u conflicts, %u failed; %u kills; learnt %u "
           "times\n",
           seconds, shared->saves, WRITERS, shared->rewrites, shared->conflicts, shared->failed_saves, shared->kills,
           shared->learnt);
    printf("# %u refreshes by %d processes, %u with news, %u verified; %u reads, %u of them out of memory\n",
           shared->refreshes, READERS, shared->news, shared->verified, shared->reads, shared->out_of_memory);
    printf("# %u lost, %u twice, %u back, %u wrong, %u grown\n", shared->lost, shared->doubled, shared->revived,
           shared->wrong, shared->grown);
    show(good, "nobody ended but those that were killed");
    show(!shared->lost && !shared->doubled && !shared->revived, "a refresh shows all that was promised, once");
    show(!shared->wrong && !shared->failed_loads, "it always loads, is whole, and reads the same bits");
    show(!shared->grown, "readers keep their size");
    show(ends_whole(), "no addition lost, none twice, no removal undone");
    show(shared->saves > 10 && shared->rewrites && shared->conflicts && shared->failed_saves && shared->kills > 3 &&
             shared->news > 3 && shared->verified && shared->reads > 20,
         "all that was to happen did");
    remove(path);
    show(folder_remove() == 0, "nothing is left in the folder");
    return failures > 0;
}
