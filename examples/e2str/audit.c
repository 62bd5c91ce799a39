/* SPDX-License-Identifier: MIT */
/* e2str pool audit: examples that are probably wrong, or there twice. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#define WORTH_A_LOOK 0.5f   /* both readings give the label's characters less than half, in the mean */
#define SAME_PICTURE 0.999f /* cosine of the keys of one picture, stored or compressed another way */

typedef enum reason { CONTRADICTS, DOUBTFUL, REPEATS, FINE } reason; /* the worst first */

typedef struct finding {
    uint64_t id, other; /* other: the example that it contradicts or repeats */
    char *label;
    reason reason;
    float doubt, similarity; /* similarity: to the other */
} finding;

static float score(const finding *f) { return f->reason == DOUBTFUL ? f->doubt : f->similarity; }

/* The worst first: by reason, then by doubt, then by similarity; the later example first, which is the one to go. */
static int compare(const void *a, const void *b) {
    const finding *x = a, *y = b;
    if (x->reason != y->reason) return x->reason < y->reason ? -1 : 1;
    if (x->doubt != y->doubt) return x->doubt > y->doubt ? -1 : 1;
    if (x->similarity != y->similarity) return x->similarity > y->similarity ? -1 : 1;
    return (x->id < y->id) - (x->id > y->id);
}

static int compare_ids(const void *id, const void *f) {
    uint64_t a = *(const uint64_t *)id, b = ((const finding *)f)->id;
    return (a > b) - (a < b);
}

/* One example against those whose picture is the same: `others`, the most similar first. */
static void judge(finding *f, const finding *all, size_t count, const uint64_t *others, const float *similarities,
                  size_t found) {
    f->reason = f->doubt > WORTH_A_LOOK ? DOUBTFUL : FINE;
    for (size_t i = 0; i < found; i++) {
        if (others[i] == f->id) continue;
        const finding *other = bsearch(&others[i], all, count, sizeof *all, compare_ids);
        bool same = other && !strcmp(f->label, other->label);
        reason why = !same ? CONTRADICTS : others[i] < f->id ? REPEATS : FINE; /* the first of them may stay */
        if (why >= f->reason) continue;
        f->reason = why;
        f->other = others[i];
        f->similarity = similarities[i];
    }
}

/* Fills findings [count] with the examples in ascending order of ids, and judges them. */
static bool examine(const invocation *run, finding *findings, const uint64_t *ids, size_t count) {
    e2str_model_info info;
    e2str_model_info_init(&info);
    e2str_error error = {"out of memory"};
    e2str_model_get_info(run->model, &info, NULL);
    float *key = malloc(info.visual_width * sizeof *key), *similarities = malloc(count * sizeof *similarities);
    uint64_t *others = malloc(count * sizeof *others);
    bool good = key && similarities && others;
    for (size_t i = 0; i < count && good; i++) {
        size_t size;
        findings[i] = (finding){.id = ids[i], .label = pool_label(run, ids[i], &size, &error)};
        good = findings[i].label;
        e2str_pool_doubt(run->pool, ids[i], &findings[i].doubt, NULL);
    }
    for (size_t i = 0; i < count && good; i++) {
        size_t found;
        show_progress("comparing", i, count);
        good = !e2str_pool_key(run->pool, ids[i], key, &error) &&
               !e2str_pool_nearest(run->pool, key, count, SAME_PICTURE, others, similarities, &found, &error);
        if (good) judge(&findings[i], findings, count, others, similarities, found);
    }
    show_progress("comparing", count, count);
    if (!good) complain("%s: %s", run->operands[0], error.message);
    free(key);
    free(similarities);
    free(others);
    return good;
}

static const char *const names[] = {"contradicts", "doubtful", "repeats"};

static bool write_finding(const invocation *run, const finding *f) {
    if (run->json) {
        printf("{\"id\":%llu,\"reason\":\"%s\"", (unsigned long long)f->id, names[f->reason]);
        if (f->other) printf(",\"other\":%llu", (unsigned long long)f->other);
        write_number(stdout, ",\"score\":", score(f));
        write_number(stdout, ",\"doubt\":", f->doubt);
        write_json(stdout, ",\"label\":", f->label, SIZE_MAX);
        putchar('}');
    } else {
        printf("%llu\t%s", (unsigned long long)f->id, names[f->reason]);
        if (f->other) printf(" %llu", (unsigned long long)f->other);
        printf("\t%.3f", score(f));
        write_text(stdout, "\t", f->label);
    }
    return end_line();
}

int run_pool_audit(invocation *run) {
    const char *path = run->operands[0];
    if (!open_model(run, true) || !load_pool(run, path) || !learn_what_is_new(run)) return FAILED;
    size_t count;
    uint64_t *ids = pool_ids(run, &count);
    finding *findings = calloc(count + 1, sizeof *findings);
    bool good = ids && findings;
    if (ids && !findings) complain("out of memory");
    if (!model_learns(run))
        complain("%s: the model has no memory statistics: labels are not checked", run->model_found);
    good = good && (!count || examine(run, findings, ids, count));
    if (good) qsort(findings, count, sizeof *findings, compare);
    for (size_t i = 0; i < count && good && findings[i].reason != FINE; i++) good = write_finding(run, &findings[i]);
    for (size_t i = 0; i < count && findings; i++) free(findings[i].label);
    free(findings);
    free(ids);
    return good ? OK : FAILED;
}
