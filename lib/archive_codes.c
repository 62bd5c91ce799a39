/* SPDX-License-Identifier: MIT */
/* The codes of an archive's keys (index.h): scanned in place of the keys for those that may be the nearest. */
#include <stdlib.h>

#include "archive.h"

_Static_assert(E2_ARCHIVE_GROUP % E2_CODE_BLOCK == 0, "a group's codes are whole blocks");

bool e2_archive_codes_are_good(const e2_archive *archive, const e2_archive_entry *e) {
    size_t width = archive->model->vision.width;
    uint64_t blocks = e->rows / E2_CODE_BLOCK + !!(e->rows % E2_CODE_BLOCK);
    if (!e->codes_at) return !e->codes_checksum;
    return width <= E2_INDEX_MAX_WIDTH &&
           e2_archive_is_block(archive, e->codes_at, blocks, e2_code_block_bytes(width)) &&
           e2_archive_is_block(archive, e->codes_at + blocks * e2_code_block_bytes(width), e2_archive_groups(e->rows),
                               sizeof(uint64_t));
}

e2str_status e2_archive_attach_codes(e2_archive *archive, e2_segment *s, e2str_error *error) {
    size_t width = archive->model->vision.width, rows = (size_t)s->is.rows, groups = e2_archive_groups(rows);
    s->first_run = archive->runs;
    if (!s->is.codes_at) return E2STR_OK;
    s->code_sums = e2_alloc(groups, sizeof *s->code_sums);
    if (!archive->coder) archive->coder = e2_index_new(width, archive->model->memory.key_mean);
    if (!s->code_sums || !archive->coder)
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for opening the file");
    archive->coded += rows;
    archive->runs += e2_archive_runs(rows);
    size_t bytes = groups * sizeof *s->code_sums;
    e2str_status status =
        e2_archive_copy(archive, s->is.codes_at + e2_archive_code_bytes(width, rows), s->code_sums, bytes, error);
    if (!status && e2_archive_hash(s->code_sums, bytes) != s->is.codes_checksum)
        status = e2_fail(error, E2STR_ERROR_FORMAT, "its list of checksums of codes: the file is damaged");
    return status;
}

const e2_segment *e2_archive_segment_of_run(const e2_archive *archive, size_t run) {
    size_t low = 0, high = (size_t)archive->directory.segments;
    while (high - low > 1) { /* of those that begin with the same run, the last is the one that has it */
        size_t middle = low + (high - low) / 2;
        *(archive->segments[middle].first_run <= run ? &low : &high) = middle;
    }
    return &archive->segments[low];
}

static e2str_status check_group(const e2_archive *archive, const e2_segment *s, size_t group, const uint8_t *codes,
                                e2str_error *error) {
    size_t left = (size_t)s->is.rows - group * E2_ARCHIVE_GROUP, n = left < E2_ARCHIVE_GROUP ? left : E2_ARCHIVE_GROUP;
    if (e2_archive_hash(codes, e2_archive_code_bytes(archive->model->vision.width, n)) == s->code_sums[group])
        return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_FORMAT, "the codes of %zu examples, behind row %zu: the file is damaged", n,
                   s->first + group * E2_ARCHIVE_GROUP);
}

/* once: groups that were checked are not checked again. */
static e2str_status look_at(const e2_archive *archive, size_t run, bool once, uint8_t *scratch, e2_code_run *codes,
                            e2str_error *error) {
    const e2_segment *s = e2_archive_segment_of_run(archive, run);
    size_t width = archive->model->vision.width, first = (run - s->first_run) * E2_ARCHIVE_RUN;
    size_t left = (size_t)s->is.rows - first, n = left < E2_ARCHIVE_RUN ? left : E2_ARCHIVE_RUN;
    uint64_t at = s->is.codes_at + e2_archive_code_bytes(width, first);
    const uint8_t *blocks = archive->map ? archive->map + at : scratch;
    e2str_status status = E2STR_OK;
    if (!archive->map) status = e2_archive_copy(archive, at, scratch, e2_archive_code_bytes(width, n), error);
    for (size_t i = 0; !status && i < n; i += E2_ARCHIVE_GROUP) {
        size_t group = (first + i) / E2_ARCHIVE_GROUP;
        if (once && atomic_load_explicit(&s->checked[group], memory_order_relaxed) & E2_ARCHIVE_CODES) continue;
        status = check_group(archive, s, group, blocks + e2_archive_code_bytes(width, i), error);
        if (!status) atomic_fetch_or_explicit(&s->checked[group], E2_ARCHIVE_CODES, memory_order_relaxed);
    }
    if (!status) *codes = (e2_code_run){blocks, s->first + first, n};
    return status;
}

e2str_status e2_archive_codes(const e2_archive *archive, size_t run, uint8_t *scratch, e2_code_run *codes,
                              e2str_error *error) {
    return look_at(archive, run, true, scratch, codes, error);
}

e2str_status e2_archive_verify_codes(const e2_archive *archive, e2str_error *error) {
    e2_code_run codes;
    uint8_t *scratch = NULL;
    if (!archive->runs) return E2STR_OK;
    if (!archive->map) {
        scratch = e2_alloc(e2_archive_code_bytes(archive->model->vision.width, E2_ARCHIVE_RUN), 1);
        if (!scratch) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for checking the file");
    }
    e2str_status status = E2STR_OK;
    for (size_t run = 0; !status && run < archive->runs; run++)
        status = look_at(archive, run, false, scratch, &codes, error);
    free(scratch);
    return status;
}
