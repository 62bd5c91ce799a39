/* SPDX-License-Identifier: MIT */
/* e2str pool suggest: which images to label next.
 *
 * The value of an image is doubt * distance * likeness^4. Doubt alone chooses what cannot be read at all, of which
 * little is learnt; likeness keeps to what is common among the images. Doubt is that of the least certain character,
 * since the sum over all would prefer what is long and hopeless. */
#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An image that might be labelled. All but `value` are from 0 to 1. */
typedef struct crop {
    char *path;
    char *text;      /* as it is read now */
    float *key;      /* retrieval key */
    double doubt;    /* how little is certain of the least certain character */
    double distance; /* 1 - cosine to the nearest example of the pool, then of the crops chosen as well */
    double likeness; /* cosine to the mean of all images given */
    double value;    /* when it was last asked for */
} crop;

typedef struct crop_list {
    crop *crops;
    size_t count, width; /* width: of a key */
} crop_list;

static void free_crops(crop_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->crops[i].path);
        free(list->crops[i].text);
        free(list->crops[i].key);
    }
    free(list->crops);
}

/* ----------------------------------------------------------------------------------------------------- gathering -- */

static bool add_path(crop_list *list, size_t *capacity, const char *path) {
    if (list->count == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 256;
        crop *grown = realloc(list->crops, wanted * sizeof *grown);
        if (!grown) return false;
        list->crops = grown;
        *capacity = wanted;
    }
    list->crops[list->count] = (crop){.path = strdup(path)};
    return list->crops[list->count++].path;
}

/* The paths of the operands, then of --files-from. *bad: entries that are none. */
static bool list_paths(crop_list *list, const invocation *run, size_t *bad) {
    name_list from;
    char name[MAX_NAME + 1];
    e2str_error error;
    size_t capacity = 0;
    bool good = names_open(&from, run, 1);
    for (name_kind kind; good && (kind = next_name(&from, name, &error)) != NO_MORE_NAMES;) {
        if (kind == NAME && !add_path(list, &capacity, name)) good = false;
        if (kind == NAME) continue;
        complain_of_image(stderr, 0, name, &error);
        ++*bad;
    }
    names_close(&from);
    if (!good && from.path == NULL) complain("out of memory");
    return good;
}

/* 1 - the probability of what is least certain in the text: a character, or its end. */
static double doubt_of(const e2str_result *result) {
    double least = e2str_result_end_probability(result);
    for (size_t i = 0; i < e2str_result_characters(result); i++) {
        e2str_character character = {0};
        e2str_result_character(result, i, &character, NULL);
        if (character.probability < least) least = character.probability;
    }
    return 1 - least;
}

/* Of keys of unit length. */
static double cosine(const crop_list *list, const float *a, const float *b) {
    double sum = 0;
    for (size_t i = 0; i < list->width; i++) sum += (double)a[i] * b[i];
    return fmin(fmax(sum, 0), 1);
}

static e2str_status look_at(invocation *run, crop *c, size_t width, e2str_error *error) {
    e2str_image image;
    c->key = malloc(width * sizeof *c->key);
    if (!c->key) return E2STR_ERROR_MEMORY;
    e2str_status status = load_image(run, c->path, &image, stderr, error);
    if (!status) status = e2str_read(run->session, &image, run->pool, &run->read, run->result, error);
    e2str_area area = {0};
    if (!status) status = e2str_result_area(run->result, &area, error);
    image.rotate = area.rotate; /* the way up that reading found, where it was to find one */
    if (!status) status = e2str_encode(run->session, &image, 1, NULL, c->key, error);
    e2str_image_free(&image);
    if (status) return status;
    uint64_t id;
    float nearest = 0;
    size_t found = 0;
    if (run->pool) status = e2str_pool_nearest(run->pool, c->key, 1, -1, &id, &nearest, &found, error);
    c->distance = found ? fmin(fmax(1 - (double)nearest, 0), 1) : 1;
    c->doubt = doubt_of(run->result);
    c->text = strdup(e2str_result_text(run->result));
    return c->text ? status : E2STR_ERROR_MEMORY;
}

/* Those that cannot be read are taken out of the list; false: there were some. */
static bool look_at_all(invocation *run, crop_list *list) {
    size_t kept = 0, count = list->count;
    for (size_t i = 0; i < count; i++) {
        e2str_error error = {"out of memory"};
        show_progress("reading", i, count);
        crop c = list->crops[i];
        if (look_at(run, &c, list->width, &error)) {
            complain_of_image(stderr, 0, c.path, &error);
            free(c.key);
        } else {
            list->crops[kept++] = c;
        }
    }
    show_progress("reading", count, count);
    list->count = kept;
    return kept == count;
}

/* ------------------------------------------------------------------------------------------------------ choosing -- */

static bool find_likeness(crop_list *list) {
    float *mean = calloc(list->width, sizeof *mean);
    double square = 0;
    if (!mean) {
        complain("out of memory");
        return false;
    }
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < list->width; j++) mean[j] += list->crops[i].key[j];
    for (size_t j = 0; j < list->width; j++) square += (double)mean[j] * mean[j];
    for (size_t j = 0; j < list->width && square > 0; j++) mean[j] = (float)(mean[j] / sqrt(square));
    for (size_t i = 0; i < list->count; i++) list->crops[i].likeness = cosine(list, mean, list->crops[i].key);
    free(mean);
    return true;
}

/* Moves the most valuable of the crops from `first` on to `first`, ties to the earlier one, and brings the distances of
 * the others up to date. */
static void choose_next(crop_list *list, size_t first) {
    size_t best = first;
    for (size_t i = first; i < list->count; i++) {
        crop *c = &list->crops[i];
        c->value = c->doubt * c->distance * pow(c->likeness, 4);
        if (c->value > list->crops[best].value) best = i;
    }
    crop chosen = list->crops[best];
    memmove(&list->crops[first + 1], &list->crops[first], (best - first) * sizeof chosen);
    list->crops[first] = chosen;
    for (size_t i = first + 1; i < list->count; i++) {
        crop *c = &list->crops[i];
        c->distance = fmin(c->distance, 1 - cosine(list, chosen.key, c->key));
    }
}

static bool write_crop(const invocation *run, const crop *c) {
    if (run->json) {
        write_json_name(stdout, "{", "image", c->path);
        write_json(stdout, ",\"text\":", c->text, SIZE_MAX);
        write_number(stdout, ",\"value\":", c->value);
        write_number(stdout, ",\"doubt\":", c->doubt);
        write_number(stdout, ",\"distance\":", c->distance);
        write_number(stdout, ",\"likeness\":", c->likeness);
        putchar('}');
    } else {
        write_text(stdout, "", c->path);
        printf("\t%.3g", c->value);
    }
    return end_line();
}

int run_pool_suggest(invocation *run) {
    if (!run->files_path && run->n_operands < 2) {
        complain("pool suggest: no images; give some, or --files-from FILE");
        return USAGE;
    }
    crop_list list = {0};
    e2str_model_info info;
    e2str_model_info_init(&info);
    size_t bad = 0;
    bool opened = list_paths(&list, run, &bad) && open_model(run, true) && load_or_new_pool(run, run->operands[0]) &&
                  learn_what_is_new(run) && !e2str_model_get_info(run->model, &info, NULL);
    bool good = false;
    if (opened) {
        list.width = info.visual_width;
        good = look_at_all(run, &list);
        good = find_likeness(&list) && good && !bad;
        for (size_t i = 0; i < list.count && i < run->suggestions; i++) {
            choose_next(&list, i);
            if (!write_crop(run, &list.crops[i])) break;
        }
    }
    free_crops(&list);
    return good ? OK : FAILED;
}
