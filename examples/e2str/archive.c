/* SPDX-License-Identifier: MIT */
/* e2str pool convert|compact|verify: pool files that are mapped, and back. */
#include "command.h"

#include <sys/stat.h>

static e2str_pool_info info_of(const invocation *run) {
    e2str_pool_info info;
    e2str_pool_info_init(&info);
    e2str_pool_get_info(run->pool, &info, NULL);
    return info;
}

static bool save_archive(const invocation *run, const char *path) {
    e2str_error error = {{0}};
    e2str_status status = e2str_pool_save_archive(run->pool, path, &run->archive_options, &error);
    if (status) complain("%s", error.message);
    return !status;
}

static bool is_same(const char *path, const char *other) {
    struct stat here, there;
    return !stat(path, &here) && !stat(other, &there) && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

/* Whether what is at `path` may go for what is written there. */
static bool may_replace(const invocation *run, const char *path, bool archive) {
    struct stat there;
    bool itself = is_same(run->operands[0], path);
    if (itself && (archive || run->archive_options.without_tokens))
        complain("%s: cannot be converted onto itself%s: give another name", path,
                 archive ? "" : " with --drop-tokens, which nothing brings back");
    else if (!run->force && !lstat(path, &there))
        complain("%s: is there already; --force replaces it", path);
    else
        return true;
    return false;
}

int run_pool_convert(invocation *run) {
    const char *path = run->operands[1];
    if (!open_model(run, false) || !load_pool(run, run->operands[0])) return FAILED;
    bool archive = info_of(run).archive;
    if (archive && run->archive_options.without_tokens) {
        complain("--drop-tokens is for archives, and %s becomes a pool file: see e2str pool compact", run->operands[0]);
        return USAGE;
    }
    if (!lock_pool(run, path) || !may_replace(run, path, archive)) return FAILED;
    return (archive ? save_pool(run, path) : save_archive(run, path)) ? OK : FAILED;
}

int run_pool_compact(invocation *run) {
    const char *path = run->operands[0];
    if (!open_model(run, false) || !lock_pool(run, path) || !load_pool(run, path)) return FAILED;
    e2str_pool_info before = info_of(run);
    if (!before.archive) {
        complain("%s: no archive: see e2str pool convert", path);
        return FAILED;
    }
    if (!save_archive(run, path)) return FAILED;
    printf("%llu bytes, %llu before", (unsigned long long)info_of(run).file_bytes,
           (unsigned long long)before.file_bytes);
    return end_line() ? OK : FAILED;
}

int run_pool_verify(invocation *run) {
    e2str_error error = {{0}};
    if (!open_model(run, false) || !load_pool(run, run->operands[0])) return FAILED;
    if (e2str_pool_verify(run->pool, &error)) {
        complain("%s: %s", run->operands[0], error.message);
        return FAILED;
    }
    size_t count = e2str_pool_count(run->pool);
    printf("%zu example%s, all whole", count, plural(count));
    return end_line() ? OK : FAILED;
}
