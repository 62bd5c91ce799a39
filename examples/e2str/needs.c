/* SPDX-License-Identifier: MIT */
/* Options that would do nothing as they are given: refused, since whoever gives them expects something. What asks for
 * nothing, such as -k 0, is fine. */
#include "command.h"

#include <string.h>

/* The first of these options that is in use; NULL: none is. */
static const char *of_json(const invocation *run) {
    const e2str_read_options *o = &run->read;
    return o->alternatives ? "--alternatives" : o->influences ? "--influences" : o->places ? "--places" : NULL;
}

static bool asks_for_influences(const e2str_read_options *o) { return o->influences && o->influences != NOT_GIVEN; }

static const char *of_memory(const invocation *run) {
    const e2str_read_options *o = &run->read;
    return o->memory_everywhere ? "--everywhere" : asks_for_influences(o) ? "--influences" : NULL;
}

/* A second look is not among them: a model with a fusion block looks again without a pool, too. */
static const char *of_reads_with_pools(const invocation *run) {
    const e2str_read_options *o = &run->read;
    if (o->k && o->k != E2STR_K_DEFAULT) return "-k";
    if (o->memory_factor > 0 && (o->memory_factor < 1 || o->memory_factor > 1)) return "--memory";
    if (o->min_similarity >= -1) return "--min-similarity";
    return of_memory(run);
}

static const char *of_learning(const invocation *run) {
    return run->learn.strength >= 0 ? "--strength" : run->learn.keep_doubtful ? "--keep-doubtful" : NULL;
}

static const char *of_new_pools(const invocation *run) {
    if (run->storage.given && run->storage.value == E2STR_STORE_F32) return "--storage";
    return run->no_learn ? "--no-learn" : of_learning(run);
}

static bool refused(const char *option, const char *why) {
    if (option) complain("%s %s", option, why);
    return option;
}

/* Standard input can be read once. */
static bool shares_standard_input(const invocation *run, unsigned command) {
    int users = 0;
    const char *const paths[] = {run->files_path, run->labels_path, run->boxes_path};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) users += paths[i] && !strcmp(paths[i], "-");
    bool images = command & (READ | PAGE | EXPLAIN | ADD | SUGGEST);
    for (int i = command & (ADD | SUGGEST) ? 1 : 0; images && i < run->n_operands; i += command & ADD ? 2 : 1)
        users += !strcmp(run->operands[i], "-");
    if (users > 1) complain("standard input (-) can be read once, and is given %d times", users);
    return users > 1;
}

bool has_idle_options(const invocation *run, unsigned command) {
    bool own_pool = run->pool_first || run->hard;
    if (command == READ && !run->json && refused(of_json(run), "is for --json")) return true;
    if (command == PAGE && run->format != FORMAT_JSON && refused(of_json(run), "is for --format json")) return true;
    if (command & (READ | PAGE | EXPLAIN) && !run->pool_path &&
        refused(of_reads_with_pools(run), "is for reads with a pool: -p POOL"))
        return true;
    if (command == EVAL && !run->pool_path && !own_pool &&
        refused(run->pool_options.max_bytes ? "--max-bytes" : of_reads_with_pools(run),
                "is for reads with a pool: -p POOL, --pool-first N or --hard PERCENT"))
        return true;
    if (command == EVAL && !own_pool &&
        refused(of_new_pools(run), "is for pools that eval makes: --pool-first N or --hard PERCENT"))
        return true;
    if (run->no_learn && refused(of_learning(run), "is for learning, and --no-learn leaves that out")) return true;
    if (!(run->read.memory_factor > 0) && refused(of_memory(run), "is for the memory, and --memory 0 leaves that out"))
        return true;
    if (run->session_options.spin_microseconds && run->session_options.threads == 1 &&
        refused("--spin", "is for several threads: -t N"))
        return true;
    if (run->always_trim && run->never_trim && refused("--trim", "does not go with --no-trim")) return true;
    if (run->drop_seed.given && run->stream.drop != E2STR_DROP_RANDOM && refused("--drop-seed", "is for --drop random"))
        return true;
    if (run->null_names && !run->files_path && refused("--null", "is for the names in --files-from FILE")) return true;
    return shares_standard_input(run, command);
}
