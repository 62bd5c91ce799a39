/* SPDX-License-Identifier: MIT */
/* Saving among others: two pools and one file, killed processes, rights, locks, forks. */
#define _DEFAULT_SOURCE     /* flock */
#define _XOPEN_SOURCE   700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <grp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif
#include <time.h>
#include <unistd.h>

#include "pool_fixture.h"

static fixture f;
static char directory[64], path[96];

static int open_fixture(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory) || fixture_open(&f, NULL)) return 1;
    snprintf(path, sizeof path, "%s/pool", directory);
    return 0;
}

static size_t entries(bool clean) {
    DIR *list = opendir(directory);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(list)); n++) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
        if (clean) remove(name); /* fails for . and .. */
    }
    closedir(list);
    return n - 2;
}

static int empty(void **state) {
    (void)state;
    entries(true);
    return 0;
}

static int close_fixture(void **state) {
    empty(state);
    fixture_close(&f);
    return rmdir(directory);
}

static e2str_pool *new_pool(void) {
    e2str_pool *pool;
    assert_int_equal(e2str_pool_new(f.model, NULL, &pool, NULL), E2STR_OK);
    return pool;
}

static uint64_t add(e2str_pool *pool) {
    uint64_t id = 0;
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], "Ab1", 3, &id, NULL), E2STR_OK);
    return id;
}

static e2str_pool *load(void) {
    e2str_pool *pool;
    e2str_error error = {0};
    if (e2str_pool_load(f.model, path, NULL, &pool, &error)) fail_msg("%s", error.message);
    return pool;
}

static size_t count_of_file(void) {
    e2str_pool *pool = load();
    size_t count = e2str_pool_count(pool);
    e2str_pool_free(pool);
    return count;
}

/* Ends without the handlers and buffers of the tests; a hang ends it, too. */
static pid_t child(void) {
    pid_t id = fork();
    assert_true(id >= 0);
    if (!id) alarm(60);
    return id;
}

static int status_of(pid_t id) {
    int status = -1;
    assert_int_equal(waitpid(id, &status, 0), id);
    return status;
}

/* -------------------------------------------------------------------------------------------------- two writers -- */

static void what_another_saved_stays(void **state) {
    (void)state;
    e2str_error error = {0};
    e2str_pool *first = new_pool();
    add(first);
    assert_int_equal(e2str_pool_save(first, path, NULL), E2STR_OK);
    e2str_pool *second = load();
    add(first);
    add(second); /* an identical file would be no change */
    add(second);
    assert_int_equal(e2str_pool_save(first, path, NULL), E2STR_OK); /* still what it saved itself */
    assert_int_equal(e2str_pool_save(second, path, &error), E2STR_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, path));
    assert_string_equal(e2str_status_name(E2STR_ERROR_CONFLICT), "conflict");
    assert_int_equal(entries(false), 1);

    char other[128];
    snprintf(other, sizeof other, "%s/./pool", directory); /* the same file */
    assert_int_equal(e2str_pool_save(second, other, NULL), E2STR_ERROR_CONFLICT);
    snprintf(other, sizeof other, "%s/link", directory);
    assert_int_equal(symlink("pool", other), 0);
    assert_int_equal(e2str_pool_save(second, other, NULL), E2STR_ERROR_CONFLICT);
    remove(other);
    snprintf(other, sizeof other, "%s/other", directory); /* was never its own */
    assert_int_equal(e2str_pool_save(second, other, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_save(first, other, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_save(second, other, NULL), E2STR_ERROR_CONFLICT);

    assert_int_equal(e2str_pool_overwrite(second, path, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_save(second, path, NULL), E2STR_OK); /* its own again */
    remove(path);
    assert_int_equal(e2str_pool_save(second, path, NULL), E2STR_OK); /* nothing is lost */
    assert_int_equal(e2str_pool_overwrite(NULL, path, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_overwrite(second, NULL, NULL), E2STR_ERROR_ARGUMENT);
    e2str_pool_free(first);
    e2str_pool_free(second);
}

#define WRITERS 6
#define EACH    8

/* Without the command's lock: load, add, save; again where another was the faster. */
static void writers_at_once_lose_nothing(void **state) {
    (void)state;
    pid_t children[WRITERS];
    e2str_pool *pool = new_pool();
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    e2str_pool_free(pool);
    for (int i = 0; i < WRITERS; i++) {
        children[i] = child();
        for (int n = 0; !children[i] && n < EACH;) {
            pool = load();
            uint64_t id;
            if (e2str_pool_add(pool, f.session, &f.images[i], "Ab1", 3, &id, NULL)) _exit(1);
            e2str_status status = e2str_pool_save(pool, path, NULL);
            if (status && status != E2STR_ERROR_CONFLICT) _exit(2);
            n += !status;
            e2str_pool_free(pool);
        }
        if (!children[i]) _exit(0);
    }
    for (int i = 0; i < WRITERS; i++) assert_int_equal(status_of(children[i]), 0);
    pool = load();
    uint64_t ids[WRITERS * EACH];
    assert_int_equal(e2str_pool_ids(pool, ids, WRITERS * EACH), WRITERS * EACH);
    for (uint64_t i = 0; i < WRITERS * EACH; i++) assert_int_equal(ids[i], i + 1);
    assert_int_equal(entries(false), 1);
    e2str_pool_free(pool);
}

/* Whoever keeps the file locked: an answer after some seconds. */
static void a_lock_that_stays(void **state) {
    (void)state;
    e2str_error error = {0};
    e2str_pool *pool = new_pool();
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    int holder = open(path, O_RDONLY);
    assert_int_equal(flock(holder, LOCK_EX), 0);
    assert_int_equal(e2str_pool_save(pool, path, &error), E2STR_ERROR_CONFLICT);
    assert_non_null(strstr(error.message, "locked"));
    assert_int_equal(entries(false), 1);
    close(holder);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    e2str_pool_free(pool);
}

/* --------------------------------------------------------------------------------------------------- killed saves --
 */

static void file_at(const char *name) {
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", directory, name);
    FILE *file = fopen(whole, "wb");
    assert_non_null(file);
    fclose(file);
}

static void leftovers_go_and_nothing_else(void **state) {
    (void)state;
    static const char *const stay[] = {".e2str-",           ".e2str-12",   ".e2str-12-", ".e2str-12-xyz",
                                       ".e2str-12-1f.pool", "e2str-12-1f", "notes"};
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) file_at(stay[i]);
    file_at(".e2str-1-1f");
    file_at(".e2str-4194303-17e5a0b4c3d2e1f0");
    file_at(".e2str-2-2f"); /* somebody writes it */
    char busy[128];
    snprintf(busy, sizeof busy, "%s/.e2str-2-2f", directory);
    int writer = open(busy, O_WRONLY);
    assert_int_equal(flock(writer, LOCK_EX), 0);
    e2str_pool *pool = new_pool();
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    assert_int_equal(access(busy, F_OK), 0);
    assert_int_equal(entries(false), sizeof stay / sizeof *stay + 2);
    close(writer);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    assert_int_equal(entries(false), sizeof stay / sizeof *stay + 1);
    e2str_pool_free(pool);
}

static void killed_at_any_time(void **state) {
    (void)state;
    e2str_pool *pool = new_pool();
    add(pool);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    uint32_t seed = 7;
    size_t left = 0;
    for (int i = 0; i < 60 || (!left && i < 3000); i++) { /* a busy machine may not let the child begin in time */
        pid_t id = child();
        while (!id)
            if (e2str_pool_overwrite(pool, path, NULL)) _exit(1);
        nanosleep(&(struct timespec){0, 500000 + fixture_random(&seed) % 3000000}, NULL);
        kill(id, SIGKILL);
        assert_true(WIFSIGNALED(status_of(id)));
        assert_int_equal(count_of_file(), 1);
        assert_in_range(entries(false), 1, 2);
        left += entries(false) == 2;
    }
    assert_true(left > 0);
    assert_int_equal(e2str_pool_overwrite(pool, path, NULL), E2STR_OK);
    assert_int_equal(entries(false), 1);
    e2str_pool_free(pool);
}

static void killed_by_its_file_size_limit(void **state) {
    (void)state;
    e2str_pool *pool = new_pool();
    add(pool);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    pid_t id = child();
    if (!id) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, 100});
        (void)e2str_pool_save(pool, path, NULL);
        _exit(0);
    }
    int status = status_of(id);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    assert_int_equal(entries(false), 2);
    assert_int_equal(count_of_file(), 1);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    assert_int_equal(entries(false), 1);
    e2str_pool_free(pool);
}

/* ---------------------------------------------------------------------------------------------- rights and links -- */

static struct stat about(const char *name) {
    struct stat info;
    assert_int_equal(lstat(name, &info), 0);
    return info;
}

static void rights_never_widen(void **state) {
    (void)state;
    static const struct {
        mode_t before, after, foreign; /* foreign: saved by somebody who can keep neither owner nor group */
    } cases[] = {{0644, 0644, 0644}, {0660, 0660, 0600},  {0640, 0640, 0600},  {0664, 0664, 0644},
                 {0604, 0604, 0600}, {04755, 0755, 0755}, {02770, 0770, 0700}, {0600, 0600, 0600}};
    e2str_pool *pool = new_pool();
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    bool root = geteuid() == 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (root) assert_int_equal(chown(path, 1234, 4321), 0);
        struct stat before = about(path);
        assert_int_equal(chmod(path, cases[i].before), 0);
        assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
        assert_int_equal(about(path).st_mode & 07777, cases[i].after);
        assert_int_equal(about(path).st_uid, before.st_uid);
        assert_int_equal(about(path).st_gid, before.st_gid);
        if (!root) continue;
        assert_int_equal(chmod(path, cases[i].before), 0);
        assert_int_equal(chmod(directory, 0777), 0);
        pid_t id = child();
        if (!id) {
            if (setgroups(0, NULL) || setgid(65534) || setuid(65534)) _exit(1);
            _exit(e2str_pool_overwrite(pool, path, NULL) ? 2 : 0);
        }
        assert_int_equal(status_of(id), 0);
        assert_int_equal(about(path).st_uid, 65534);
        mode_t readable =
            cases[i].before & 4 ? cases[i].foreign : cases[i].foreign & 0700; /* else it cannot be asked */
        assert_int_equal(about(path).st_mode & 07777, readable);
        assert_int_equal(e2str_pool_overwrite(pool, path, NULL), E2STR_OK);
    }
    e2str_pool_free(pool);
}

/* As setfacl writes it: the owner, user 1234, the group, the mask, others; each with what it may. */
static void access_lists_are_not_widened(void **state) {
    (void)state;
#ifdef __linux__
    static const uint16_t entries_of_list[5][4] = {{1, 6, 0xFFFF, 0xFFFF},
                                                   {2, 4, 1234, 0},
                                                   {4, 0, 0xFFFF, 0xFFFF},
                                                   {16, 4, 0xFFFF, 0xFFFF},
                                                   {32, 0, 0xFFFF, 0xFFFF}};
    uint8_t list[4 + sizeof entries_of_list] = {2};
    e2str_pool *pool = new_pool();
    memcpy(list + 4, entries_of_list, sizeof entries_of_list);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    if (setxattr(path, "system.posix_acl_access", list, sizeof list, 0)) {
        e2str_pool_free(pool);
        skip(); /* the file system has none */
    }
    assert_int_equal(about(path).st_mode & 0777, 0640); /* the group's are the mask */
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    assert_int_equal(getxattr(path, "system.posix_acl_access", NULL, 0), -1);
    assert_int_equal(about(path).st_mode & 0777, 0600);

    /* One that every new file of the directory inherits */
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(setxattr(directory, "system.posix_acl_default", list, sizeof list, 0), 0);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    assert_int_equal(about(path).st_mode & 0777, 0600);
    assert_int_equal(removexattr(directory, "system.posix_acl_default"), 0);
    e2str_pool_free(pool);
#else
    skip();
#endif
}

static void links_to_nothing(void **state) {
    (void)state;
    e2str_error error = {0};
    e2str_pool *pool = new_pool();
    char link[128];
    snprintf(link, sizeof link, "%s/link", directory);
    assert_int_equal(symlink("nowhere", link), 0);
    assert_int_equal(e2str_pool_save(pool, link, &error), E2STR_ERROR_IO);
    assert_non_null(strstr(error.message, "link to a file that is not there"));
    assert_true(S_ISLNK(about(link).st_mode));
    assert_int_equal(entries(false), 1);
    e2str_pool_free(pool);
}

/* ------------------------------------------------------------------------------------------------ forks and FPU -- */

static void a_child_frees_what_it_inherited(void **state) {
    (void)state;
    e2str_session_options options;
    e2str_session *session;
    e2str_session_options_init(&options);
    options.threads = 4;
    assert_int_equal(e2str_session_new(f.model, &options, &session, NULL), E2STR_OK);
    float key[FIXTURE_KEY], own[FIXTURE_KEY];
    assert_int_equal(e2str_encode(session, &f.images[0], 1, NULL, key, NULL), E2STR_OK);
    pid_t id = child();
    if (!id) {
        alarm(10);
        e2str_session_free(session);
#ifdef __SANITIZE_THREAD__
        options.threads = 1; /* its runtime lets a child start none */
#endif
        if (e2str_session_new(f.model, &options, &session, NULL) ||
            e2str_encode(session, &f.images[0], 1, NULL, own, NULL) || memcmp(key, own, sizeof own))
            _exit(1);
        e2str_session_free(session);
        e2str_model_close(f.model);
        _exit(0);
    }
    assert_int_equal(status_of(id), 0);
    assert_int_equal(e2str_encode(session, &f.images[0], 1, NULL, own, NULL), E2STR_OK); /* the parent's still works */
    assert_memory_equal(key, own, sizeof own);
    e2str_session_free(session);
}

static void the_rounding_mode_is_the_callers(void **state) {
    (void)state;
    static const int modes[] = {FE_UPWARD, FE_TOWARDZERO, FE_TONEAREST};
    float keys[3][FIXTURE_KEY];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fesetround(modes[i]), 0);
        e2str_status status = e2str_encode(f.session, &f.images[0], 1, NULL, keys[i], NULL);
        int after = fegetround();
        fesetround(FE_TONEAREST);
        assert_int_equal(status, E2STR_OK);
        assert_int_equal(after, modes[i]);
        for (size_t j = 0; j < FIXTURE_KEY; j++) assert_true(fabsf(keys[i][j] - keys[0][j]) < 1e-4f);
    }
}

static volatile sig_atomic_t alarms;
static void count_alarm(int number) {
    (void)number;
    alarms++;
}

/* A host with a timer, whose handler does not ask for system calls to be continued. */
static void signals_all_the_time(void **state) {
    (void)state;
    struct sigaction before;
    const struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
    const struct sigaction counting = {.sa_handler = count_alarm};
    e2str_session_options options;
    e2str_session *session;
    e2str_session_options_init(&options);
    options.threads = 3;
    e2str_pool *pool = new_pool();
    float key[FIXTURE_KEY], same[FIXTURE_KEY];
    e2str_error error = {0};
    assert_int_equal(e2str_encode(f.session, &f.images[0], 1, NULL, key, NULL), E2STR_OK);
    assert_int_equal(sigaction(SIGALRM, &counting, &before), 0);
    setitimer(ITIMER_REAL, &often, NULL);
    e2str_status status = e2str_session_new(f.model, &options, &session, NULL);
    for (int i = 0; i < 300 && !status; i++) {
        e2str_image image = {0};
        uint64_t id;
        status = e2str_image_load("tests/images/ok-baseline.jpg", NULL, &image, &error);
        if (!status) status = e2str_pool_add(pool, session, &image, "Ab1", 3, &id, &error);
        if (!status) status = e2str_pool_save(pool, path, &error);
        e2str_pool_free(pool);
        pool = NULL;
        if (!status) status = e2str_pool_load(f.model, path, NULL, &pool, &error);
        if (!status && i % 10 == 9) e2str_pool_clear(pool);
        if (!status) status = e2str_encode(session, &f.images[0], 1, NULL, same, &error);
        e2str_image_free(&image);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    if (status) fail_msg("%s", error.message);
    assert_memory_equal(key, same, sizeof key);
    assert_true(alarms > 20);
    e2str_pool_free(pool);
    e2str_session_free(session);
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_another_saved_stays),
        TEST(writers_at_once_lose_nothing),
        TEST(a_lock_that_stays),
        TEST(leftovers_go_and_nothing_else),
        TEST(killed_at_any_time),
        TEST(killed_by_its_file_size_limit),
        TEST(rights_never_widen),
        TEST(access_lists_are_not_widened),
        TEST(links_to_nothing),
        TEST(a_child_frees_what_it_inherited),
        TEST(the_rounding_mode_is_the_callers),
        TEST(signals_all_the_time),
    };
    return cmocka_run_group_tests_name("save", tests, open_fixture, close_fixture);
}
