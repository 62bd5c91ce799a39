/* SPDX-License-Identifier: MIT */
/*
 * A server that goes on for SOAK_SECONDS (environment; make soak), and what may happen to one meanwhile:
 *
 * - threads that read, alone and several at a time, with sessions of their own, of one thread and of three; now and
 * then one of their allocations fails, and they see broken pictures and wrong options;
 * - a thread that opens the model and loads the pool anew whenever it can, and puts both in the place of what is read
 *   with;
 * - another process (chaos) that replaces the model's file, by a good one or by rubbish, and starts processes that add
 *   to the pool's file and remove from it, learn, and are killed at any time, or have no room for files or memory.
 *
 * All the time: what is read by the model alone, and with the pool's permanent examples, is the same bits as at the
 * beginning. In the end: no addition is lost that its process was told of, none is there twice, nothing removed came
 * back; memory and descriptors are what they were. Cases as the other tests print them, figures as comments.
 */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

enum { READERS = 4, WRITERS = 3, PERMANENT = 3, KEEP = 8 };

static struct shared {
    ledger writers[WRITERS];
    atomic_uint saves, conflicts, kills, failed_saves, models, learnt;
} * shared;

static fixture f; /* pictures, and the model that nobody replaces */
static char directory[64], pool_path[96], model_path[96];
static e2str_result *alone[FIXTURE_IMAGES], *prompted[FIXTURE_IMAGES];

/* ------------------------------------------------------------------------------------------- writers, in chaos -- */

static e2str_status save(const e2str_pool *pool) {
    e2str_error error = {""};
    e2str_status status = e2str_pool_save(pool, pool_path, &error);
    shared->saves += !status;
    shared->conflicts += status == E2STR_ERROR_CONFLICT;
    shared->failed_saves += status && status != E2STR_ERROR_CONFLICT;
    return status;
}

/* One addition or removal. What a killed predecessor, or a save that failed, did of it is looked up first. */
static void write_once(ledger *l, unsigned writer, const e2str_session *session, uint32_t *seed) {
    e2str_pool *pool;
    char label[16];
    uint64_t id;
    if (e2str_pool_load(f.model, pool_path, NULL, &pool, NULL)) return;
    if (l->adding > l->added && id_of(pool, writer, l->added)) l->added = l->adding;
    if (l->removing > l->removed && !id_of(pool, writer, l->removed)) l->removed = l->removing;
    if (l->added - l->removed > KEEP) {
        l->removing = l->removed + 1;
        bool gone = e2str_pool_remove(pool, id_of(pool, writer, l->removed), NULL) == E2STR_OK;
        if (gone && !save(pool)) l->removed = l->removing;
    } else {
        l->adding = l->added + 1;
        label_of(writer, l->added, label);
        e2str_status status = e2str_pool_add(pool, (e2str_session *)session, &f.images[*seed % FIXTURE_IMAGES], label,
                                             SIZE_MAX, &id, NULL);
        if (!status && fixture_random(seed) % 16 == 0)
            shared->learnt += !e2str_pool_learn(pool, (e2str_session *)session, NULL, NULL);
        if (!status && !save(pool)) l->added = l->adding;
    }
    e2str_pool_free(pool);
}

static void write_on(unsigned writer, uint32_t seed, bool hampered) {
    e2str_session *session;
    if (e2str_session_new(f.model, NULL, &session, NULL)) _exit(1);
    if (hampered) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){2000 + seed % 40000, RLIM_INFINITY});
        luck = seed;
    }
    while (goes_on()) write_once(&shared->writers[writer], writer, session, &seed);
    _exit(0);
}

static pid_t start_writer(unsigned writer, uint32_t seed) {
    pid_t id = fork();
    if (!id) write_on(writer, seed, seed % 4 == 0);
    return id;
}

static void put_model(const uint8_t *data, size_t size) {
    char name[128];
    snprintf(name, sizeof name, "%s/model-new", directory);
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) || rename(name, model_path)) _exit(1);
    shared->models++;
}

static void chaos(void) {
    pid_t writers[WRITERS];
    uint32_t seed = 77;
    size_t size = f.model->gguf.size;
    for (unsigned i = 0; i < WRITERS; i++) writers[i] = start_writer(i, fixture_random(&seed));
    while (goes_on()) {
        unsigned victim = fixture_random(&seed) % WRITERS;
        pause_for(5000 + fixture_random(&seed) % 60000);
        kill(writers[victim], SIGKILL);
        waitpid(writers[victim], NULL, 0);
        shared->kills++;
        writers[victim] = start_writer(victim, fixture_random(&seed));
        if (fixture_random(&seed) % 3 == 0) put_model(f.file, size / 2 + fixture_random(&seed) % 100);
        pause_for(fixture_random(&seed) % 20000);
        put_model(f.file, size);
    }
    for (unsigned i = 0; i < WRITERS; i++) waitpid(writers[i], NULL, 0);
    for (unsigned i = 0; i < WRITERS; i++) { /* what the last ones left open */
        writers[i] = fork();
        e2str_session *session;
        if (!writers[i]) {
            ledger *l = &shared->writers[i];
            if (e2str_session_new(f.model, NULL, &session, NULL)) _exit(1);
            do write_once(l, i, session, &seed);
            while (l->adding != l->added || l->removing != l->removed);
            _exit(0);
        }
        waitpid(writers[i], NULL, 0);
    }
    _exit(0);
}

/* --------------------------------------------------------------------------------------------------- the server -- */

/* A model with its pool, for as long as somebody reads with them. */
typedef struct generation {
    e2str_model *model;
    e2str_pool *pool;
    unsigned users;
} generation;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static generation *present;
static atomic_uint_fast64_t reads, out_of_memory, refused, reloads, rubbish, wrong;

static generation *use(void) {
    pthread_mutex_lock(&lock);
    generation *g = present;
    g->users++;
    pthread_mutex_unlock(&lock);
    return g;
}

static void leave(generation *g) {
    pthread_mutex_lock(&lock);
    bool last = --g->users == 0;
    pthread_mutex_unlock(&lock);
    if (!last) return;
    e2str_pool_free(g->pool);
    e2str_model_close(g->model);
    free(g);
}

static generation *load(void) {
    e2str_error error = {""};
    generation *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    e2str_status status = e2str_model_open(model_path, NULL, &g->model, &error);
    if (status) { /* rubbish is told from a good file by its length, or by what ends too early */
        rubbish++;
        wrong += status != E2STR_ERROR_FORMAT && status != E2STR_ERROR_IO;
    } else {
        status = e2str_pool_load(g->model, pool_path, NULL, &g->pool, &error);
        wrong += status != E2STR_OK || e2str_model_checksum(g->model) != e2str_model_checksum(f.model);
    }
    if (!status) {
        g->users = 1;
        return g;
    }
    e2str_model_close(g->model);
    free(g);
    return NULL;
}

static void *reload(void *unused) {
    while (goes_on()) {
        generation *g = load();
        pause_for(10000);
        if (!g) continue;
        pthread_mutex_lock(&lock);
        generation *former = present;
        present = g;
        pthread_mutex_unlock(&lock);
        leave(former);
        reloads++;
    }
    return unused;
}

static void expect(e2str_status status, const e2str_result *result, const e2str_result *expected) {
    reads++;
    if (status == E2STR_ERROR_MEMORY)
        out_of_memory++;
    else if (status || !memory_same(result, expected))
        wrong++;
}

static e2str_read_options with_permanent(void) {
    static const uint64_t ids[PERMANENT] = {2, 1, 3};
    e2str_read_options options = memory_options(0, 2);
    options.examples = ids;
    options.n_examples = PERMANENT;
    options.memory_factor = 0; /* what is learnt changes */
    return options;
}

/* What is refused, in between. */
static void annoy(e2str_session *session, const e2str_pool *pool, e2str_result *result) {
    e2str_image image = {0};
    e2str_read_options options = memory_options(2, 1);
    uint64_t nobody = 1ull << 40;
    e2str_status status = e2str_image_load("tests/images/image-truncated-idat.png", NULL, &image, NULL);
    wrong += status != E2STR_ERROR_IMAGE && status != E2STR_ERROR_MEMORY;
    options.examples = &nobody;
    options.n_examples = 1;
    status = e2str_read(session, &f.images[0], pool, &options, result, NULL);
    wrong += status != E2STR_ERROR_NOT_FOUND && status != E2STR_ERROR_MEMORY;
    options.beams = 1000;
    wrong += e2str_read(session, &f.images[0], pool, &options, result, NULL) != E2STR_ERROR_ARGUMENT;
    refused += 3;
}

static void read_with(const generation *g, uint32_t *seed, uint32_t threads) {
    e2str_session *session;
    e2str_session_options options;
    e2str_result *results[3] = {memory_result(), memory_result(), memory_result()};
    e2str_read_options reading = with_permanent(), plain = memory_options(0, 2);
    e2str_session_options_init(&options);
    options.threads = threads;
    luck = 0;
    if (e2str_session_new(g->model, &options, &session, NULL)) wrong++;
    for (int i = 0; session && i < 40; i++) {
        size_t image = fixture_random(seed) % (FIXTURE_IMAGES - 3);
        luck = fixture_random(seed) % 4 ? 0 : *seed;
        e2str_status status = e2str_read(session, &f.images[image], g->pool, &reading, results[0], NULL);
        expect(status, results[0], prompted[image]);
        status = e2str_read_batch(session, &f.images[image], 3, NULL, &plain, results, NULL);
        for (size_t n = 0; n < 3; n++) expect(status, results[n], alone[image + n]);
        status = e2str_read(session, &f.images[image], g->pool, NULL, results[0], NULL); /* with what was learnt, too */
        wrong += status && status != E2STR_ERROR_MEMORY;
        if (i % 10 == 0) annoy(session, g->pool, results[0]);
        luck = 0;
    }
    e2str_session_free(session);
    for (int i = 0; i < 3; i++) e2str_result_free(results[i]);
}

static void *read_on(void *argument) {
    uint32_t seed = 1 + (uint32_t)(uintptr_t)argument;
    while (goes_on()) {
        generation *g = use();
        read_with(g, &seed, seed % 2 ? 1 : 3);
        leave(g);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ what is shown -- */

static bool nothing_is_lost(void) {
    e2str_pool *pool;
    if (e2str_pool_load(f.model, pool_path, NULL, &pool, NULL)) return false;
    bool good = holds_what_was_told(pool, shared->writers, WRITERS, PERMANENT);
    e2str_pool_free(pool);
    return good;
}

static bool begin(void) {
    strcpy(directory, "/tmp/e2str-soak-XXXXXX");
    if (!mkdtemp(directory) || memory_open(&f, (tiny_model_options){0})) return false;
    snprintf(pool_path, sizeof pool_path, "%s/pool", directory);
    snprintf(model_path, sizeof model_path, "%s/model", directory);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return false;
    put_model(f.file, f.model->gguf.size);
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < PERMANENT; i++) memory_add(&f, pool, i, "keep");
    e2str_read_options reading = with_permanent(), plain = memory_options(0, 2);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(&f, i, NULL, &plain, alone[i] = memory_result());
        memory_read(&f, i, pool, &reading, prompted[i] = memory_result());
    }
    bool saved = !e2str_pool_save(pool, pool_path, NULL);
    e2str_pool_free(pool);
    return saved;
}

int main(void) {
    const char *given = getenv("SOAK_SECONDS");
    long seconds = given ? atol(given) : 20;
    pthread_t threads[READERS + 1];
    if (seconds < 1 || !begin()) return 2;
    end_at = time(NULL) + seconds;
    pid_t other = fork(); /* before there are threads */
    if (!other) chaos();
    present = load();
    if (other < 0 || !present) return 2;
    size_t files = process_measure().descriptors;
    for (uintptr_t i = 0; i <= READERS; i++)
        if (pthread_create(&threads[i], NULL, i < READERS ? read_on : reload, (void *)i)) return 2;
    sleep((unsigned)(seconds / 3));
    size_t early = process_kilobytes();
    for (size_t i = 0; i <= READERS; i++) pthread_join(threads[i], NULL);
    size_t late = process_kilobytes();
    int status;
    waitpid(other, &status, 0);
    leave(present);

    printf("# %ld s: %llu reads, of which %llu out of memory (%llu allocations failed); %llu refused calls\n", seconds,
           (unsigned long long)reads, (unsigned long long)out_of_memory, (unsigned long long)failed_allocations,
           (unsigned long long)refused);
    printf("# %llu reloads of model and pool, %llu times rubbish; the model's file was replaced %u times\n",
           (unsigned long long)reloads, (unsigned long long)rubbish, shared->models);
    printf("# %u saves by %d processes at once, %u conflicts, %u failed; %u kills; learnt %u times\n", shared->saves,
           WRITERS, shared->conflicts, shared->failed_saves, shared->kills, shared->learnt);
    printf("# %zu KB in memory after a third, %zu KB in the end\n", early, late);
    show(wrong == 0, "the same bits, or an error that fits, all the time");
    show(WIFEXITED(status) && !WEXITSTATUS(status), "the other process came through");
    show(nothing_is_lost(), "no addition lost, none twice, no removal undone");
    show(process_measure().descriptors == files, "as many descriptors as before");
    show(late < early + 4096, "no more memory than after a third of the time");
    show(reads > 100 && reloads > 3 && shared->saves > 10 && shared->kills > 3 && rubbish > 0,
         "all that was to happen did");
    remove(pool_path);
    remove(model_path);
    show(rmdir(directory) == 0, "nothing is left in the folder");
    return failures > 0;
}
