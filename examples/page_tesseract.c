/* SPDX-License-Identifier: MIT */
/* Tesseract reads a page, and libe2str reads again what Tesseract is not sure of: page_tesseract PAGE [BELOW]
 *
 * Tesseract finds blocks, lines and words. A word that it gives less than BELOW per cent (default 85) is read again
 * from its box, as a view into the page's pixels, and replaced where libe2str is the surer one. On standard output the
 * text; on standard error what was replaced. Needs libtesseract-dev and tesseract-ocr-eng.
 *
 * SPDX-License-Identifier: MIT */
#include <e2str.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tesseract/capi.h>

typedef struct reader {
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
    e2str_image page;
    float below; /* 0..1 */
    unsigned words, again, replaced;
} reader;

static e2str_status open_reader(reader *r, const char *page, e2str_error *error) {
    char path[4096];
    e2str_status status = e2str_default_model_path(path, sizeof path, error);
    if (!status) status = e2str_model_open(path, NULL, &r->model, error);
    if (!status) status = e2str_session_new(r->model, NULL, &r->session, error);
    if (!status) status = e2str_result_new(&r->result, error);
    if (!status) status = e2str_image_load(page, NULL, &r->page, error);
    return status;
}

static void close_reader(reader *r) {
    e2str_image_free(&r->page);
    e2str_result_free(r->result);
    e2str_session_free(r->session);
    e2str_model_close(r->model);
}

/* The word in a box of the page, if libe2str is surer of it than `confidence`; otherwise `text`. */
static const char *read_again(reader *r, const char *text, float confidence, int left, int top, int right, int bottom) {
    const ptrdiff_t pixel = r->page.format == E2STR_GREY ? 1 : 3;
    e2str_image word = r->page; /* a view: no pixels of its own */
    e2str_error error;
    word.owned = NULL;
    word.pixels += (ptrdiff_t)top * word.stride + (ptrdiff_t)left * pixel;
    word.width = (uint32_t)(right - left);
    word.height = (uint32_t)(bottom - top);
    r->again++;
    if (e2str_read(r->session, &word, NULL, NULL, r->result, &error)) {
        fprintf(stderr, "%d,%d: %s\n", left, top, error.message);
        return text;
    }
    const float ours = e2str_result_confidence(r->result);
    if (ours <= confidence || !strcmp(text, e2str_result_text(r->result))) return text;
    r->replaced++;
    fprintf(stderr, "%d,%d: %s (%.0f %%) is %s (%.0f %%)\n", left, top, text, 100 * (double)confidence,
            e2str_result_text(r->result), 100 * (double)ours);
    return e2str_result_text(r->result);
}

static void print_words(reader *r, TessResultIterator *words) {
    TessPageIterator *place = TessResultIteratorGetPageIterator(words);
    do {
        int left, top, right, bottom;
        char *text = TessResultIteratorGetUTF8Text(words, RIL_WORD);
        if (!text || !TessPageIteratorBoundingBox(place, RIL_WORD, &left, &top, &right, &bottom)) continue;
        if (r->words && TessPageIteratorIsAtBeginningOf(place, RIL_BLOCK)) putchar('\n');
        const float confidence = TessResultIteratorConfidence(words, RIL_WORD) / 100;
        const char *shown = confidence < r->below ? read_again(r, text, confidence, left, top, right, bottom) : text;
        const int last = TessPageIteratorIsAtFinalElement(place, RIL_TEXTLINE, RIL_WORD);
        printf("%s%c", shown, last ? '\n' : ' ');
        r->words++;
        TessDeleteText(text);
    } while (TessResultIteratorNext(words, RIL_WORD));
}

static int read_page(reader *r, TessBaseAPI *tesseract) {
    const int bytes = r->page.format == E2STR_GREY ? 1 : 3;
    TessBaseAPISetImage(tesseract, r->page.pixels, (int)r->page.width, (int)r->page.height, bytes, (int)r->page.stride);
    TessBaseAPISetSourceResolution(tesseract, 150);
    TessBaseAPISetPageSegMode(tesseract, PSM_AUTO);
    if (TessBaseAPIRecognize(tesseract, NULL)) return 1;
    TessResultIterator *words = TessBaseAPIGetIterator(tesseract);
    if (words) print_words(r, words);
    TessResultIteratorDelete(words);
    fprintf(stderr, "%u words, %u read again, %u replaced\n", r->words, r->again, r->replaced);
    return 0;
}

int main(int count, char **arguments) {
    if (count < 2 || count > 3) {
        fprintf(stderr, "usage: page_tesseract PAGE [BELOW]\n");
        return 2;
    }
    reader r = {.below = count > 2 ? (float)atof(arguments[2]) / 100 : 0.85f};
    e2str_error error = {0};
    e2str_status status = open_reader(&r, arguments[1], &error);
    TessBaseAPI *tesseract = TessBaseAPICreate();
    int failed = 1;
    if (status)
        fprintf(stderr, "%s: %s\n", e2str_status_name(status), error.message);
    else if (TessBaseAPIInit3(tesseract, NULL, "eng"))
        fprintf(stderr, "tesseract: no data for eng\n");
    else
        failed = read_page(&r, tesseract);
    TessBaseAPIDelete(tesseract);
    close_reader(&r);
    return failed;
}
