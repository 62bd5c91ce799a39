/* SPDX-License-Identifier: MIT */
/*
 * A pool file that is mapped (docs/archive-format.md): examples in columns, on disk, touched where they are used.
 *
 * An e2_archive is one committed state of such a file. It never changes: what a writer appends lies behind it, and is
 * seen by opening the file again. Nothing of the file is believed. The directory is checked when the archive is opened;
 * rows, labels, keys and tokens have checksums of their own, which are checked when they are first used, since reading
 * all of them would make opening as slow as loading. Numbers that are used as places are copied before they are
 * checked: a mapped file may change under our hands.
 */
#ifndef E2_ARCHIVE_H
#define E2_ARCHIVE_H

#include <stdatomic.h>

#include "example.h"
#include "index.h"

#define E2_ARCHIVE_MAGIC      "e2strarc"
#define E2_ARCHIVE_ROOT_MAGIC "e2strend"
#define E2_ARCHIVE_VERSION    1
#define E2_ARCHIVE_GROUP      256  /* rows under one checksum */
#define E2_ARCHIVE_ROOT       4096 /* the first root; the second lies as far behind it, then the blocks */
#define E2_ARCHIVE_BLOCKS     ((uint64_t)3 * E2_ARCHIVE_ROOT)
#define E2_ARCHIVE_ALIGNMENT  64   /* of every block */
#define E2_ARCHIVE_LABEL      4096 /* most bytes of a label, as everywhere */

/* What the file begins with. */
typedef struct e2_archive_header {
    char magic[8];
    uint32_t version, width, storage, group;
    uint64_t model; /* checksum of the model file */
    uint64_t zero[3];
    uint64_t checksum; /* of what stands before it, as in the root */
} e2_archive_header;

/* A committed state. */
typedef struct e2_archive_root {
    char magic[8];
    uint64_t sequence; /* 1 more with each commit */
    uint64_t length;   /* bytes of the file that belong to it */
    uint64_t directory_at, directory_size, directory_checksum;
    uint64_t zero;
    uint64_t checksum;
} e2_archive_root;

/* A directory begins with this; its entries follow. */
typedef struct e2_archive_directory {
    uint64_t segments, next_id;
    uint64_t memory_at, memory_size, memory_checksum, memory_last_id; /* 0: there is none */
    uint64_t zero[10];
} e2_archive_directory;

/* A segment: rows whose ids ascend, above those of the segment before. */
typedef struct e2_archive_entry {
    uint64_t rows, removed; /* of the rows */
    uint64_t first_id, last_id;
    uint64_t rows_at, labels_at, labels_size, keys_at;
    uint64_t sums_at, sums_checksum;       /* two checksums a group */
    uint64_t removed_at, removed_checksum; /* a bit a row; 0: none is removed */
    uint64_t tokenless;                    /* rows without visual tokens */
    uint64_t token_bytes;                  /* of all rows */
    uint64_t codes_at, codes_checksum;     /* of the checksums behind the codes, one a group; 0: there are none */
} e2_archive_entry;

typedef struct e2_archive_row {
    uint64_t id;
    uint64_t tokens_at; /* 0: they were left out */
    uint64_t tokens_checksum;
    uint64_t label_at;
    uint32_t tokens; /* that there are, or were */
    uint32_t label_size;
} e2_archive_row;

_Static_assert(sizeof(e2_archive_header) == 64 && sizeof(e2_archive_root) == 64, "the file's header and roots");
_Static_assert(sizeof(e2_archive_directory) == 128 && sizeof(e2_archive_entry) == 128, "the file's directory");
_Static_assert(sizeof(e2_archive_row) == 40, "the file's rows");

/* Parts of a group that have checksums. */
typedef enum e2_archive_part { E2_ARCHIVE_ROWS = 1, E2_ARCHIVE_KEYS = 2, E2_ARCHIVE_CODES = 4 } e2_archive_part;

typedef struct e2_segment {
    e2_archive_entry is;
    size_t first, first_group; /* rows and groups of the segments before it */
    size_t first_run;          /* runs of codes of those */
    uint64_t (*sums)[2];       /* [groups]: of rows with labels, of keys */
    uint64_t *code_sums;       /* [groups], or NULL: it has no codes */
    uint8_t *removed;          /* [(rows + 7) / 8], or NULL */
    _Atomic uint8_t *checked;  /* [groups]: bits of e2_archive_part */
} e2_segment;

typedef struct e2_archive {
    atomic_uint references;
    const e2str_model *model;
    int file;
    const uint8_t *map; /* of the root's length; NULL: parts are read where they are needed */
    e2str_storage storage;
    e2_archive_root root;
    e2_archive_directory directory;
    e2_segment *segments; /* [directory.segments] */
    size_t rows, removed, groups;
    size_t coded, runs; /* rows that have codes; runs of these */
    e2_index *coder;    /* of no keys; NULL: no row has a code */
} e2_archive;

/* Whether the path is such a file, by its first bytes: asked where it is no GGUF file. */
bool e2_archive_probe(const char *path);

/* The newest state. `mapped`: false reads parts where they are needed, as is done where memory cannot be mapped.
 * IO, FORMAT, UNSUPPORTED, MISMATCH, MEMORY; messages name no path. */
e2str_status e2_archive_open(const e2str_model *model, const char *path, bool mapped, e2_archive **archive,
                             e2str_error *error);
/* The state that a root says, of an open file; its descriptor stays the caller's. */
e2str_status e2_archive_attach(const e2str_model *model, int file, e2str_storage storage, const e2_archive_root *root,
                               bool mapped, e2_archive **archive, e2str_error *error);
e2_archive *e2_archive_retain(e2_archive *archive); /* returns it; NULL is fine */
void e2_archive_release(e2_archive *archive);       /* NULL is fine */

/* The newest root of an open file of this model; *twins: both roots are that one. */
e2str_status e2_archive_read_root(const e2str_model *model, int file, e2str_storage *storage, e2_archive_root *root,
                                  bool *twins, e2str_error *error);

uint64_t e2_archive_hash(const void *data, size_t size);
static inline size_t e2_archive_groups(uint64_t rows) {
    return (size_t)(rows / E2_ARCHIVE_GROUP + !!(rows % E2_ARCHIVE_GROUP));
}
static inline bool e2_archive_is_removed(const e2_segment *segment, size_t row) {
    return segment->removed && (segment->removed[row / 8] >> row % 8 & 1);
}

/* Whether a block of `count` times `size` bytes may lie there. */
bool e2_archive_is_block(const e2_archive *archive, uint64_t at, uint64_t count, uint64_t size);

/* The segment of a row or group, numbered through all segments, removed rows included. */
const e2_segment *e2_archive_segment_of_row(const e2_archive *archive, size_t row);
const e2_segment *e2_archive_segment_of_group(const e2_archive *archive, size_t group);

/* All of what follows: FORMAT where the file is damaged, IO, MEMORY. Any number of threads. */

/* A row, checked: its places lie in the file. */
e2str_status e2_archive_row_at(const e2_archive *archive, size_t row, e2_archive_row *is, e2str_error *error);
/* The row of an id, rows that are removed apart; *found: there is one. */
e2str_status e2_archive_find(const e2_archive *archive, uint64_t id, size_t *row, bool *found, e2str_error *error);
/* Copies the label, not NUL-terminated; text: [E2_ARCHIVE_LABEL]. */
e2str_status e2_archive_label(const e2_archive *archive, const e2_archive_row *row, char *text, e2str_error *error);
/* The keys of a group, checked: finite and of unit length. In the map, or read into scratch, which has room for
 * E2_ARCHIVE_GROUP of them (NULL: only where it is mapped). */
e2str_status e2_archive_keys(const e2_archive *archive, size_t group, float *scratch, const float **keys,
                             e2str_error *error);
/* One key. */
e2str_status e2_archive_key(const e2_archive *archive, size_t row, float *key, e2str_error *error);
/* One key, of unit length, but its checksum is not asked: for comparing what may not be chosen. */
e2str_status e2_archive_glance(const e2_archive *archive, size_t row, float *key, e2str_error *error);
/* Visual tokens, [tokens][width] in the archive's storage: in the map, or malloc'ed (*owned, to be freed).
 * UNSUPPORTED: they were left out. */
e2str_status e2_archive_tokens(const e2_archive *archive, const e2_archive_row *row, const void **tokens, void **owned,
                               e2str_error *error);
/* The example as it would be in memory, references = 1; its label read anew. whole: with its visual tokens, else
 * without, but UNSUPPORTED all the same where they were left out. */
e2str_status e2_archive_example(const e2_archive *archive, size_t row, bool whole, e2_example **example,
                                e2str_error *error);
/* `size` bytes at `at`, copied. */
e2str_status e2_archive_copy(const e2_archive *archive, uint64_t at, void *data, size_t size, e2str_error *error);

/* ---- codes of the keys (archive_codes.c) ---- */

#define E2_ARCHIVE_RUN ((size_t)4 * E2_ARCHIVE_GROUP) /* rows of a run of codes, but for a segment's last one */

static inline size_t e2_archive_runs(uint64_t rows) {
    return (size_t)(rows / E2_ARCHIVE_RUN + !!(rows % E2_ARCHIVE_RUN));
}
/* Bytes of the codes of so many rows, which stand in memory or a file with their keys. */
static inline size_t e2_archive_code_bytes(size_t width, size_t rows) {
    return (rows / E2_CODE_BLOCK + !!(rows % E2_CODE_BLOCK)) * e2_code_block_bytes(width);
}
/* When it is opened: whether what the entry says of codes makes sense, the keys being where they may; their checksums.
 * Of a segment that was numbered. FORMAT, IO, MEMORY. */
bool e2_archive_codes_are_good(const e2_archive *archive, const e2_archive_entry *e);
e2str_status e2_archive_attach_codes(e2_archive *archive, e2_segment *s, e2str_error *error);
/* Run `run` of all, whose first row is *first, checked: in the map, or read into scratch (where it is not mapped),
 * which has room for E2_ARCHIVE_RUN codes. */
const e2_segment *e2_archive_segment_of_run(const e2_archive *archive, size_t run);
e2str_status e2_archive_codes(const e2_archive *archive, size_t run, uint8_t *scratch, e2_code_run *codes,
                              e2str_error *error);
/* The checksums of all codes, as a part of e2_archive_verify. */
e2str_status e2_archive_verify_codes(const e2_archive *archive, e2str_error *error);

/* What would be a caller's mistake elsewhere (LABEL, LIMIT) is a fault of the file here, and of this row. */
e2str_status e2_archive_fault(const e2_archive_row *row, e2str_status status, e2str_error *error);

/* Every checksum and every row, removed ones too. FORMAT names what is damaged. */
e2str_status e2_archive_verify(const e2_archive *archive, e2str_error *error);

#endif
