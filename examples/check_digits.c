/* SPDX-License-Identifier: MIT */
/* Numbers with check digits: the search is told the pattern of a number, and asks about each one it has finished.
 *
 *     check_digits KIND MODEL IMAGE...      reads: path TAB text TAB score
 *     check_digits KIND TEXT                says whether the text is such a number
 *
 * KIND: iban, vin (ISO 3779, as used in North America), container (ISO 6346) or card (Luhn).
 *
 * SPDX-License-Identifier: MIT */
#include <e2str.h>

#include <stdio.h>
#include <string.h>

static int digit_of(char c) { return c >= '0' && c <= '9' ? c - '0' : -1; }

/* The country and its two digits go to the end, letters become 10 to 35: the rest by 97 is 1. */
static int iban(void *user, const char *text, size_t size) {
    (void)user;
    unsigned rest = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[(i + 4) % size];
        int digit = digit_of(c);
        rest = digit >= 0 ? rest * 10 + (unsigned)digit : rest * 100 + (unsigned)(c - 'A' + 10);
        rest %= 97;
    }
    return rest == 1;
}

/* The ninth character is the weighted sum of all others by 11, X for 10. */
static int vin(void *user, const char *text, size_t size) {
    (void)user;
    static const char letters[] = "ABCDEFGHJKLMNPRSTUVWXYZ", values[] = "12345678123457923456789";
    static const int weights[] = {8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
    int sum = 0;
    for (size_t i = 0; i < size && i < 17; i++) {
        const char *letter = strchr(letters, text[i]);
        sum += weights[i] * (letter ? values[letter - letters] - '0' : digit_of(text[i]));
    }
    return size == 17 && text[8] == "0123456789X"[sum % 11];
}

/* Letters count from 10 on without multiples of 11, places by powers of two; the last digit is the sum by 11 by 10. */
static int container(void *user, const char *text, size_t size) {
    (void)user;
    int sum = 0;
    for (size_t i = 0; i + 1 < size; i++) {
        int value = digit_of(text[i]);
        if (value < 0) value = 10 + (text[i] - 'A') + (text[i] - 'A' + 9) / 10;
        sum += value << i;
    }
    return size == 11 && digit_of(text[10]) == sum % 11 % 10;
}

/* From the end on, every second digit twice. */
static int card(void *user, const char *text, size_t size) {
    (void)user;
    int sum = 0;
    for (size_t i = 0; i < size; i++) {
        int digit = digit_of(text[size - 1 - i]) << i % 2;
        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0;
}

static const struct kind {
    const char *name, *pattern;
    e2str_accept_fn accept;
} kinds[] = {
    {"iban", "[A-Z]{2}\\d{2}[A-Z0-9]{11,30}", iban},
    {"vin", "[A-HJ-NPR-Z0-9]{17}", vin},
    {"container", "[A-Z]{3}[UJZ]\\d{7}", container},
    {"card", "\\d{12,19}", card},
};

/* Many beams: the search chooses among the numbers that it has finished. */
static e2str_status read_all(const char *model_path, char **images, const e2str_constraint *constraint,
                             e2str_error *error) {
    e2str_model *model = NULL;
    e2str_session *session = NULL;
    e2str_result *result = NULL;
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.beams = E2STR_MAX_BEAMS;
    options.constraint = constraint;
    e2str_status status = e2str_model_open(model_path, NULL, &model, error);
    if (!status) status = e2str_session_new(model, NULL, &session, error);
    if (!status) status = e2str_result_new(&result, error);
    for (; !status && *images; images++) {
        e2str_image image = {0};
        status = e2str_image_load(*images, NULL, &image, error);
        if (!status) status = e2str_read(session, &image, NULL, &options, result, error);
        if (!status)
            printf("%s\t%s\t%.3f%s\n", *images, e2str_result_text(result), e2str_result_score(result),
                   e2str_result_unmatched(result) ? "\tno such number" : "");
        e2str_image_free(&image);
    }
    e2str_result_free(result);
    e2str_session_free(session);
    e2str_model_close(model);
    return status;
}

int main(int count, char **arguments) {
    const struct kind *kind = kinds, *end = kinds + sizeof kinds / sizeof *kinds;
    while (count > 2 && kind < end && strcmp(kind->name, arguments[1])) kind++;
    if (count < 3 || kind == end) {
        fprintf(stderr, "usage: check_digits iban|vin|container|card TEXT | MODEL IMAGE...\n");
        return 2;
    }
    e2str_error error = {0};
    e2str_constraint *constraint;
    e2str_constraint_options options;
    e2str_constraint_options_init(&options);
    options.pattern = kind->pattern;
    options.accept = kind->accept;
    e2str_status status = e2str_constraint_new(&options, &constraint, &error);
    int fits = !status && count == 3 && e2str_constraint_matches(constraint, arguments[2], SIZE_MAX);
    if (!status && count == 3)
        puts(fits ? "yes" : "no");
    else if (!status)
        status = read_all(arguments[2], arguments + 3, constraint, &error);
    if (status) fprintf(stderr, "%s: %s\n", e2str_status_name(status), error.message);
    e2str_constraint_free(constraint);
    return status ? 1 : 0;
}
