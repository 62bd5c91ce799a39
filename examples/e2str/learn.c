/* SPDX-License-Identifier: MIT */
/* The memory of a pool: when the command makes it, what learning found in words, and e2str pool learn. */
#include "command.h"

#include <stdlib.h>

bool model_learns(const invocation *run) {
    e2str_model_info info;
    e2str_model_info_init(&info);
    return !e2str_model_get_info(run->model, &info, NULL) && info.memory;
}

bool learn_pool(invocation *run) {
    e2str_error error = {{0}};
    if (!model_learns(run) || !e2str_pool_learn(run->pool, run->session, &run->learn, &error)) return true;
    complain("the pool has not learnt: %s", error.message);
    return false;
}

bool learn_what_is_new(invocation *run) {
    size_t count;
    uint64_t *ids = pool_ids(run, &count);
    if (!ids) return false;
    bool known = true;
    for (size_t i = 0; i < count && known; i++) {
        float doubt;
        known = !e2str_pool_doubt(run->pool, ids[i], &doubt, NULL);
    }
    free(ids);
    return known || learn_pool(run);
}

bool pool_report(const invocation *run, e2str_memory_report *report) {
    e2str_memory_report_init(report);
    return run->pool && !e2str_pool_report(run->pool, report, NULL);
}

void print_report(const invocation *run, FILE *to, int width) {
    e2str_memory_report r;
    if (!pool_report(run, &r)) return;
    fprintf(to, "%-*s%llu character%s of %llu example%s", width, "learnt", (unsigned long long)r.characters,
            plural(r.characters), (unsigned long long)r.examples, plural(r.examples));
    if (r.new_characters) fprintf(to, ", %u new to the model", r.new_characters);
    if (r.silent) fprintf(to, ", %u that labels leave out", r.silent);
    if (r.letter_case) fprintf(to, ", all letters %s", r.letter_case == 1 ? "capitals" : "small");
    if (r.doubtful) fprintf(to, "; %llu doubtful label%s left out", (unsigned long long)r.doubtful, plural(r.doubtful));
    fprintf(to, "\n%-*s", width, "held out");
    if (r.checked)
        fprintf(to, "%llu of %llu right, %llu without; ", (unsigned long long)r.right_with,
                (unsigned long long)r.checked, (unsigned long long)r.right_without);
    else
        fputs("too few to check; ", to);
    if (r.strength > 0)
        fprintf(to, "strength %g\n", (double)r.strength);
    else
        fputs("off: it does not help its own examples\n", to);
}

void write_json_report(FILE *to, const char *before, const invocation *run) {
    e2str_memory_report r;
    fputs(before, to);
    if (!pool_report(run, &r)) {
        fputs("null", to);
        return;
    }
    fprintf(
        to,
        "{\"examples\":%llu,\"doubtful\":%llu,\"characters\":%llu,\"tokens\":%u,\"new_characters\":%u,\"silent\":%u",
        (unsigned long long)r.examples, (unsigned long long)r.doubtful, (unsigned long long)r.characters, r.tokens,
        r.new_characters, r.silent);
    fprintf(to, ",\"letter_case\":%u", r.letter_case);
    write_number(to, ",\"strength\":", r.strength);
    fprintf(to, ",\"checked\":%llu,\"right_without\":%llu,\"right_with\":%llu}", (unsigned long long)r.checked,
            (unsigned long long)r.right_without, (unsigned long long)r.right_with);
}

int run_pool_learn(invocation *run) {
    const char *path = run->operands[0];
    if (!open_model(run, true) || !lock_pool(run, path) || !load_pool(run, path)) return FAILED;
    if (!model_learns(run)) {
        complain("%s: the model has no memory statistics, so its pools do not learn", run->model_found);
        return FAILED;
    }
    if (!learn_pool(run) || !save_pool(run, path)) return FAILED;
    print_report(run, stdout, 10);
    return OK;
}
