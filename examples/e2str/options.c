/* SPDX-License-Identifier: MIT */
/* The options of all commands: the table below is what `e2str help COMMAND` prints, one row per option. */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* `read` gives false if the text is no value of the option. */
typedef struct option_row {
    const char *name;
    int letter;           /* 0: none */
    unsigned commands;    /* that take it */
    const char *argument; /* NULL: it takes none, and is read as "1" */
    bool (*read)(const char *text, const struct option_row *row, void *value);
    size_t offset;        /* of the value in `invocation` */
    uint64_t least, most; /* of a number */
    const char *help;
} option_row;

/* ----------------------------------------------------------------------------------------------------- readers -- */

static bool wide_number(const char *text, const option_row *row, void *value) {
    if (!*text || text[strspn(text, "0123456789")]) return false;
    errno = 0;
    unsigned long long found = strtoull(text, NULL, 10);
    *(uint64_t *)value = found;
    return !errno && found >= row->least && found <= row->most;
}

static bool number(const char *text, const option_row *row, void *value) {
    uint64_t found = 0;
    bool good = wide_number(text, row, &found);
    *(uint32_t *)value = (uint32_t)found;
    return good;
}

static bool degrees(const char *text, const option_row *row, void *value) {
    *(uint32_t *)value = E2STR_ROTATE_AUTO;
    return !strcmp(text, "auto") || (number(text, row, value) && *(uint32_t *)value % 90 == 0);
}

static bool seed(const char *text, const option_row *row, void *value) {
    struct seed *found = value;
    found->given = true;
    return wide_number(text, row, &found->value);
}

static bool similarity(const char *text, const option_row *row, void *value) {
    (void)row;
    char *end;
    double found = strtod(text, &end);
    *(float *)value = (float)found;
    return end != text && !*end && found >= -1 && found <= 1;
}

static bool factor(const char *text, const option_row *row, void *value) {
    char *end;
    double found = strtod(text, &end);
    *(float *)value = (float)found;
    return end != text && !*end && found >= 0 && found <= (double)row->most;
}

/* N, MIN-MAX, MIN- or -MAX. */
static bool length_range(const char *text, const option_row *row, void *value) {
    e2str_constraint_options *found = value;
    char least[8] = "", most[8] = "";
    const char *dash = strchr(text, '-'), *behind = dash ? dash + 1 : text;
    size_t before = dash ? (size_t)(dash - text) : 0;
    if (before >= sizeof least || strlen(behind) >= sizeof most || !strcmp(text, "-")) return false;
    memcpy(least, text, before);
    strcpy(most, behind);
    bool good =
        (!*most || number(most, row, &found->max_length)) && (!*least || number(least, row, &found->min_length));
    if (!dash) found->min_length = found->max_length;
    return good && *text && (!*most || found->max_length) && (!*most || found->min_length <= found->max_length);
}

static bool share_of_1(const char *text, const option_row *row, void *value) {
    return factor(text, row, value) && *(float *)value <= 1;
}

static bool path(const char *text, const option_row *row, void *value) {
    (void)row;
    *(const char **)value = text;
    return *text;
}

static bool storage(const char *text, const option_row *row, void *value) {
    (void)row;
    struct storage_wish *found = value;
    found->given = true;
    found->value = !strcmp(text, "f32") ? E2STR_STORE_F32 : E2STR_STORE_F16;
    return !strcmp(text, "f32") || !strcmp(text, "f16");
}

static bool progress(const char *text, const option_row *row, void *value) {
    (void)text;
    *(progress_wish *)value = (progress_wish)row->most;
    return true;
}

static bool page_output(const char *text, const option_row *row, void *value) {
    static const char *const names[] = {"text", "tsv", "hocr", "alto", "json"}; /* as page_format counts them */
    (void)row;
    for (int i = 0; i < 5; i++)
        if (!strcmp(text, names[i])) return *(page_format *)value = (page_format)i, true;
    return false;
}

static const char *const drop_names[] = {"least-useful", "oldest", "random", "least-used",
                                         NULL};                             /* as e2str_drop counts them */
static const char *const right_names[] = {"room", "always", "never", NULL}; /* as e2str_add_right does */

/* One of the names, as the number of its place. */
static bool one_of(const char *text, const char *const names[], void *value) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i])) return memcpy(value, &i, sizeof i), true;
    return false;
}

static bool right_added(const char *text, const option_row *row, void *value) {
    (void)row;
    return one_of(text, right_names, value);
}

static bool dropped(const char *text, const option_row *row, void *value) {
    (void)row;
    return one_of(text, drop_names, value);
}

const char *const precision_names[N_PRECISIONS] = {"file", "f32", "auto", "int8", "bf16"};

static bool precision(const char *text, const option_row *row, void *value) {
    (void)row;
    for (size_t i = 0; i < N_PRECISIONS; i++) {
        *(e2str_precision *)value = (e2str_precision)i;
        if (!strcmp(text, precision_names[i])) return true;
    }
    return false;
}

static bool products(const char *text, const option_row *row, void *value) {
    static const char *const names[] = {"auto", "openblas", "own"}; /* as e2str_products counts them */
    (void)row;
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) return *(e2str_products *)value = (e2str_products)i, true;
    return false;
}

/* ------------------------------------------------------------------------------------------------------- table -- */

#define AT(member) offsetof(invocation, member)
#define READS      (READ | PAGE | EVAL | EXPLAIN | STREAM)
#define ENCODES    (READS | ADD | SUGGEST)
#define LEARNS     (ADD | REMOVE | EVAL | LEARN | AUDIT | SUGGEST | STREAM)
#define ALL        (READ | PAGE | EXPLAIN | LIST | POOL_INFO | INFO | LEARNS | CONVERT | COMPACT | VERIFY)

/* clang-format off */
static const option_row options[] = {
    {"model", 'm', ALL, "MODEL", path, AT(model_path), 0, 0,
     "model file; default E2STR_MODEL, else the shipped one"},
    {"pool", 'p', READS & ~(unsigned)STREAM, "POOL", path, AT(pool_path), 0, 0, "pool file to take examples from"},
    {"examples", 'k', READS, "K", number, AT(read.k), 0, E2STR_MAX_EXAMPLES,
     "most similar examples put before each image, 0 to 64 (e2str info: how many the model takes); default 2; "
     "0 if the pool has learnt from 8 examples or more"},
    {"memory", 0, READS, "X", factor, AT(read.memory_factor), 0, 4,
     "how much of the pool's memory acts, 0 (none) to 4; default 1"},
    {"threads", 't', READ | PAGE | EXPLAIN | LEARNS, "N", number, AT(session_options.threads), 1, E2STR_MAX_THREADS,
     "threads that work on an image, 1 to 256; default 1"},
    {"spin", 0, READ | PAGE | EXPLAIN | LEARNS, "US", wide_number, AT(session_options.spin_microseconds), 0,
     E2STR_MAX_SPIN, "microseconds that an idle thread busy-waits before it sleeps, 0 to 1000000; default 0"},
    {"precision", 0, READ | PAGE | EXPLAIN | LEARNS | INFO, "TYPE", precision, AT(model_options.precision), 0, 0,
     "of products: auto (default: the fastest here), int8, bf16, f32, file (as the weights)"},
    {"products", 0, READ | PAGE | EXPLAIN | LEARNS, "WHO", products, AT(model_options.products), 0, 0,
     "own: our kernels multiply; openblas: that library; default auto: OpenBLAS where there is plain C only"},
    {"beam", 0, READS, "N", number, AT(read.beams), 1, E2STR_MAX_BEAMS,
     "beams of the search, 1 to 16; default 1: greedy"},
    {"min-similarity", 0, READS, "X", similarity, AT(read.min_similarity), 0, 0,
     "leave out examples less similar than X, -1 to 1; default: the model's own"},
    {"everywhere", 0, READS, NULL, number, AT(read.memory_everywhere), 1, 1,
     "the memory is for every image, not only for those like its examples"},
    {"max-tokens", 0, READS, "N", number, AT(read.max_tokens), 1, UINT32_MAX,
     "longest text in tokens, its end included; default 48"},
    {"clean-up", 0, READS, NULL, number, AT(read.clean_up), 1, 1,
     "drop the blank in \" .\", \" n't\" and the like"},
    {"rotate", 0, ENCODES, "DEGREES", degrees, AT(rotate), 0, 270,
     "turn images clockwise by 0, 90, 180 or 270 first; auto: as they read best"},
    {"ignore-orientation", 0, ENCODES, NULL, number, AT(image_limits.ignore_orientation), 1, 1,
     "leave images as they are stored, whatever their EXIF data say"},
    {"trim", 0, ENCODES, NULL, number, AT(always_trim), 1, 1,
     "leave even borders round the ink out, whatever the model's default"},
    {"no-trim", 0, ENCODES, NULL, number, AT(never_trim), 1, 1, "read the whole image"},
    {"chars", 0, READS, "SET", path, AT(constraint_options.characters), 0, 0,
     "read nothing but these characters: 0-9.,"},
    {"pattern", 0, READS, "PATTERN", path, AT(constraint_options.pattern), 0, 0,
     "read nothing but texts like this: [A-Z]{2}[0-9]{6} (docs/constraints.md)"},
    {"length", 0, READS, "MIN-MAX", length_range, AT(constraint_options), 0, E2STR_MAX_LENGTH,
     "read nothing but texts of so many characters: 8, 3-12, 3-, -12"},
    {"lexicon", 0, READS, "FILE", path, AT(constraint_options.lexicon_path), 0, 0,
     "the text must be one of the lines of this file"},
    {"lexicon-bonus", 0, READS, "B", factor, AT(constraint_options.lexicon_bonus), 0, E2STR_MAX_BONUS,
     "read other texts, too, but as if they were e^B times less likely"},
    {"ignore-case", 0, READS, NULL, number, AT(constraint_options.ignore_case), 1, 1,
     "letters fit these rules in either case"},
    {"alternatives", 0, READ | PAGE | EXPLAIN | STREAM, "N", number, AT(read.alternatives), 0, E2STR_MAX_ALTERNATIVES,
     "in JSON: best N tokens for each character, 0 to 8; explain: default 4"},
    {"influences", 0, READ | PAGE | EXPLAIN | STREAM, "N", number, AT(read.influences), 0, E2STR_MAX_INFLUENCES,
     "in JSON: the N characters of examples that moved each character most, 0 to 16; explain: default 3"},
    {"places", 0, READ | PAGE | STREAM, NULL, number, AT(read.places), 1, 1,
     "in JSON: where each character lies, in pixels"},
    {"reject", 0, READS, "X", share_of_1, AT(read.reject_below), 0, 1,
     "give no text where its confidence, which --json shows (not the score), is below X, 0 to 1; in JSON say so"},
    {"textless", 0, READS, "X", share_of_1, AT(read.textless_from), 0, 1,
     "give an empty text where there is none with a probability of X, 0 to 1; default 0.5"},
    {"second-look", 0, READS, "X", share_of_1, AT(read.second_look), 0, 1,
     "look again at an image that is right with a probability below X, 0 to 1; default 0: never (docs/two-looks.md)"},
    {"html", 0, EXPLAIN, "FILE", path, AT(page_path), 0, 0,
     "write a page with the picture, too, for a browser"},
    {"json", 0, READ | EXPLAIN | EVAL | AUDIT | SUGGEST, NULL, number, AT(json), 1, 1, "one JSON object per line"},
    {"labels", 0, ADD | EVAL, "FILE", path, AT(labels_path), 0, 0,
     "labelled images: `image TAB text` per line; - for standard input"},
    {"max-bytes", 0, ADD | EVAL | STREAM, "N", wide_number, AT(pool_options.max_bytes), 0, UINT64_MAX,
     "most memory of all examples; 0: no limit"},
    {"storage", 0, ADD | EVAL | STREAM, "TYPE", storage, AT(storage), 0, 0,
     "keep visual tokens of a new pool as f16 (default) or f32"},
    {"drop-tokens", 0, CONVERT | COMPACT, NULL, number, AT(archive_options.without_tokens), 1, 1,
     "leave visual tokens out: a tenth of the size or less, but no prompts; what was learnt acts as before, but the "
     "pool can no longer learn: once it has learnt, no example can be removed"},
    {"force", 0, CONVERT, NULL, number, AT(force), 1, 1, "replace NEW if it is there already"},
    {"no-learn", 0, ADD | EVAL, NULL, number, AT(no_learn), 1, 1, "leave the pool's memory as it is"},
    {"strength", 0, ADD | REMOVE | EVAL | LEARN, "X", factor, AT(learn.strength), 0, 4,
     "of the memory, 0 (off) to 4; default: the pool's own examples decide, read held out"},
    {"keep-doubtful", 0, ADD | REMOVE | EVAL | LEARN, NULL, number, AT(learn.keep_doubtful), 1, 1,
     "learn from labels that contradict their pictures, too"},
    {"files-from", 0, READ | SUGGEST, "FILE", path, AT(files_path), 0, 0,
     "a file with one image name per line; - reads the list from standard input"},
    {"null", '0', READ | SUGGEST, NULL, number, AT(null_names), 1, 1,
     "names in --files-from end in NUL bytes, as find -print0 writes them"},
    {"jobs", 'j', READ, "N", number, AT(jobs), 1, E2STR_MAX_THREADS,
     "images read at once, 1 to 256; default 1. The output is the same, in the same order"},
    {"boxes", 0, PAGE, "FILE", path, AT(boxes_path), 0, 0,
     "where words are: TSV with a header, Tesseract's too, or JSON (docs/pages.md); - for standard input"},
    {"format", 0, PAGE, "FORMAT", page_output, AT(format), 0, 0,
     "text (default), tsv (Tesseract's columns), hocr, alto (XML, version 4), json"},
    {"split", 0, PAGE, NULL, number, AT(split), 1, 1, "the boxes are of whole lines: part them into words, at gaps"},
    {"page-number", 0, PAGE, "N", number, AT(page_number), 1, UINT32_MAX,
     "boxes of page N, where they have pages (column page_num); it is the page's number in all formats but text"},
    {"number", 'n', SUGGEST, "N", wide_number, AT(suggestions), 1, SIZE_MAX, "how many to suggest; default 10"},
    {"drop-seed", 0, STREAM, "S", seed, AT(drop_seed), 0, UINT64_MAX, "of --drop random; default 1"},
    {"seed", 0, EVAL, "S", seed, AT(seed), 0, UINT64_MAX,
     "shuffle the labels (Fisher-Yates, splitmix64 from S; the same on every machine)"},
    {"pool-first", 0, EVAL, "N", wide_number, AT(pool_first), 0, SIZE_MAX,
     "the first N labels become the pool, the others are read"},
    {"random-examples", 0, EVAL, "S", seed, AT(random_examples), 0, UINT64_MAX,
     "K examples of the pool at random (splitmix64 from S) instead of the most similar"},
    {"hard", 0, EVAL, "PERCENT", number, AT(hard), 1, 100,
     "so many of the wrong reads become the pool (drawn by --seed, 1), all others are read again"},
    {"skip", 0, EVAL, "N", wide_number, AT(skip), 0, SIZE_MAX, "leave out N labels (after those of the pool)"},
    {"limit", 0, EVAL, "N", wide_number, AT(limit), 0, SIZE_MAX, "read at most N images"},
    {"verbose", 0, EVAL, NULL, number, AT(verbose), 1, 1, "print each wrong read: path TAB label TAB text TAB score"},
    {"max-examples", 0, STREAM, "N", wide_number, AT(stream.max_examples), 0, UINT64_MAX,
     "cap for the pool; default 1000; 0: none. --max-bytes is one, too"},
    {"drop", 0, STREAM, "WHICH", dropped, AT(stream.drop), 0, 0,
     "examples that go for the cap: least-useful (default: what is read without them), oldest, random, least-used"},
    {"older-wins", 0, STREAM, NULL, number, AT(stream.contradiction), E2STR_OLDER_WINS, E2STR_OLDER_WINS,
     "a correction that contradicts an example of the same picture is not added; default: that example goes"},
    {"add-right", 0, STREAM, "WHEN", right_added, AT(stream.add_right), 0, 0,
     "reads that turn out right become examples, too: room (default: below the cap), always, never"},
    {"learn-share", 0, STREAM, "X", share_of_1, AT(stream.learn_share), 0, 1,
     "learn again when this share of the pool has changed, 0 to 1; default 0.1"},
    {"tickets", 0, STREAM, "N", number, AT(stream.max_tickets), 1, E2STR_MAX_TICKETS,
     "reads that can still be corrected, the last N; default 256"},
    {"window", 0, STREAM, "N", number, AT(stream.window), E2STR_MIN_WINDOW, E2STR_MAX_WINDOW,
     "judged reads in which drift is looked for; default 50"},
    {"save-every", 0, STREAM, "N", wide_number, AT(save_every), 0, UINT64_MAX,
     "save the pool after each N corrections, and in the end; default 20; 0: in the end only"},
    {"progress", 0, READ | PAGE | ADD | EVAL | AUDIT | SUGGEST, NULL, progress, AT(progress), 0, PROGRESS_ALWAYS,
     "show progress on standard error; default: if that is a terminal"},
    {"no-progress", 0, READ | PAGE | ADD | EVAL | AUDIT | SUGGEST, NULL, progress, AT(progress), 0, PROGRESS_NEVER,
     "show no progress"},
    {"help", 'h', ALL, NULL, NULL, 0, 0, 0, "this help"},
};
/* clang-format on */
#define N_OPTIONS (sizeof options / sizeof *options)
enum { FIRST_ID = 256 }; /* getopt's name for options[0]; below are the letters */

void print_options(unsigned command) {
    for (const option_row *row = options; row < options + N_OPTIONS; row++) {
        if (!(row->commands & command)) continue;
        char letter[] = {'-', (char)row->letter, ',', 0}, name[40];
        snprintf(name, sizeof name, "--%s%s%s", row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        printf("  %-3s %-22s %s\n", row->letter ? letter : "", name, row->help);
    }
}

/* What shells offer as a value; NULL: nothing. */
static const char *values(const option_row *row) {
    return row->read == precision     ? "auto int8 bf16 f32 file"
           : row->read == products    ? "auto own openblas"
           : row->read == storage     ? "f16 f32"
           : row->read == dropped     ? "least-useful oldest random least-used"
           : row->read == right_added ? "room always never"
           : row->read == degrees     ? "auto 0 90 180 270"
           : row->read == page_output ? "text tsv hocr alto json"
                                      : NULL;
}

bool next_option(unsigned command, size_t *at, option_view *view) {
    while (*at < N_OPTIONS && !(options[*at].commands & command)) ++*at;
    if (*at == N_OPTIONS) return false;
    const option_row *row = &options[(*at)++];
    *view = (option_view){row->name, (char)row->letter, row->argument, values(row), row->help};
    return true;
}

void print_manual_options(unsigned command) {
    for (const option_row *row = options; row < options + N_OPTIONS; row++) {
        if (!(row->commands & command)) continue;
        puts(".TP");
        fputs(".B ", stdout);
        if (row->letter) printf("\\-%c, ", (char)row->letter);
        write_roff("--");
        write_roff(row->name);
        printf("%s%s\n", row->argument ? " " : "", row->argument ? row->argument : "");
        write_roff(row->help);
        putchar('\n');
    }
}

static const option_row *find(int id) {
    if (id >= FIRST_ID) return &options[id - FIRST_ID];
    const option_row *row = options;
    while (row->letter != id) row++;
    return row;
}

/* A message about `last`, the argument at which getopt stopped; in one of several letters, optopt is the wrong one. */
static int wrong_option(int id, const char *last) {
    const char *why = id == ':' ? "needs a value" : optopt >= FIRST_ID ? "takes no value" : "is no option here";
    if (optopt && optopt < FIRST_ID)
        complain("-%c %s", optopt, why);
    else
        complain("%s %s", last, why);
    return USAGE;
}

static void set_defaults(invocation *run) {
    *run = (invocation){.seed.value = 1, .limit = SIZE_MAX, .suggestions = 10, .save_every = 20, .jobs = 1};
    e2str_model_options_init(&run->model_options);
    e2str_session_options_init(&run->session_options);
    e2str_read_options_init(&run->read);
    e2str_pool_options_init(&run->pool_options);
    e2str_archive_options_init(&run->archive_options);
    e2str_learn_options_init(&run->learn);
    e2str_image_limits_init(&run->image_limits);
    e2str_constraint_options_init(&run->constraint_options);
    e2str_stream_options_init(&run->stream);
}

/* What follows from several options. */
static void settle(invocation *run) {
    run->trim = run->always_trim ? E2STR_TRIM_ALWAYS : run->never_trim ? E2STR_TRIM_NEVER : E2STR_TRIM_OF_MODEL;
    if (run->storage.given) run->pool_options.storage = run->storage.value;
    if (run->drop_seed.given) run->stream.seed = run->drop_seed.value;
}

int parse_options(invocation *run, unsigned command, int count, char **arguments) {
    struct option known[N_OPTIONS + 1] = {{0}};
    char letters[2 * N_OPTIONS + 2] = ":", *letter = letters + 1;
    size_t n = 0;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option_row *row = &options[i];
        if (!(row->commands & command)) continue;
        int has_argument = row->argument ? required_argument : no_argument;
        known[n++] = (struct option){row->name, has_argument, NULL, FIRST_ID + (int)i};
        if (row->letter) *letter++ = (char)row->letter;
        if (row->letter && row->argument) *letter++ = ':';
    }
    *letter = 0;
    set_defaults(run);
    if (command == EXPLAIN) run->read.alternatives = run->read.influences = NOT_GIVEN;
    opterr = 0;
    for (int id; (id = getopt_long(count, arguments, letters, known, NULL)) != -1;) {
        if (id == '?' || id == ':') return wrong_option(id, arguments[optind - 1]);
        const option_row *row = find(id);
        if (!row->read) return -1;
        if (row->read(row->argument ? optarg : "1", row, (char *)run + row->offset)) continue;
        complain("--%s: '%s' is not a value it takes (%s)", row->name, optarg, row->help);
        return USAGE;
    }
    settle(run);
    run->operands = arguments + optind;
    run->n_operands = count - optind;
    return 0;
}
