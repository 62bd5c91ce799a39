/* SPDX-License-Identifier: MIT */
/* What e2str explain found, as a page of its own: no script, nothing from elsewhere, the picture inside. */
#include "explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SIDE 1024 /* pixels of the picture in the page */

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:24px auto;max-width:1080px;padding:0 "
    "16px;color:#1d1d1f;background:#fff}"
    "h1{font-size:26px;margin:0 0 2px}h2{font-size:16px;margin:26px 0 8px}p{margin:2px 0;color:#555}"
    "svg{display:block;width:100%;height:auto;border-radius:4px}.word{max-width:420px;margin:12px 0}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:12px}"
    ".card{border:1px solid #ddd;border-radius:8px;padding:10px}.card b{font-size:22px}"
    ".bar{display:grid;grid-template-columns:42px 1fr 46px;gap:6px;align-items:center;font-size:13px}"
    ".bar i{display:block;height:8px;background:#4a7bd0;border-radius:4px;min-width:1px}"
    ".by{font-size:13px;margin:6px 0 "
    "0;padding:0;list-style:none}mark{background:#ffe08a}.less{color:#b3261e}.more{color:#1b6e2e}"
    "table{border-collapse:collapse}td,th{padding:3px 14px 3px 0;text-align:left;border-bottom:1px solid #eee}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "@media(prefers-color-scheme:dark){body{color:#e8e8ea;background:#1b1b1d}p{color:#aaa}.card{border-color:#444}"
    "td,th{border-color:#333}mark{background:#7a5c00;color:#fff}.less{color:#ff8a80}.more{color:#8fd6a0}}";

/* ---------------------------------------------------------------------------------------------------------- text -- */

static void escaped(FILE *to, const char *text, size_t size) {
    for (size_t i = 0, length; i < size && text[i]; i += length) {
        uint32_t code;
        length = utf8_next(text + i, size - i, &code);
        if (!length) break;
        if (code == '&' || code == '<' || code == '>' || code == '"')
            fprintf(to, "&#%u;", (unsigned)code);
        else if (code == NO_CHARACTER || code < ' ' || (code >= 0x7F && code < 0xA0) ||
                 (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069))
            fputs("&#65533;", to); /* nothing that hides or turns what stands beside it */
        else
            fwrite(text + i, 1, length, to);
    }
}

static void text(FILE *to, const char *before, const char *words, const char *after) {
    fputs(before, to);
    escaped(to, words, SIZE_MAX);
    fputs(after, to);
}

static void amount(FILE *to, double value) {
    if (isnan(value))
        fputs("–", to);
    else
        fprintf(to, "<span class=\"%s\">%+.2f</span>", value < 0 ? "less" : "more", value);
}

/* ------------------------------------------------------------------------------------------------------- picture -- */

typedef struct upright {
    uint8_t *rgb; /* [height][width][3], rows from the bottom, as BMP has them; blue first */
    uint32_t width, height;
} upright;

/* The area that was read, upright, each pixel the one that lies in its middle. */
static bool turn_upright(const explanation *e, upright *u) {
    const e2str_image *p = &e->picture;
    const e2str_area *area = &e->area;
    bool turned = area->rotate == 90 || area->rotate == 270;
    uint32_t wide = turned ? area->height : area->width, high = turned ? area->width : area->height;
    double shrink = fmax(1.0, fmax(wide, high) / (double)MOST_SIDE);
    u->width = (uint32_t)fmax(1.0, wide / shrink);
    u->height = (uint32_t)fmax(1.0, high / shrink);
    size_t pixel = p->format == E2STR_GREY ? 1 : 3, row = ((size_t)u->width * 3 + 3) / 4 * 4;
    u->rgb = calloc(u->height, row);
    for (uint32_t y = 0; u->rgb && y < u->height; y++)
        for (uint32_t x = 0; x < u->width; x++) {
            double across = (x + 0.5) / u->width, down = (y + 0.5) / u->height;
            double sx = area->rotate == 90    ? down
                        : area->rotate == 180 ? 1 - across
                        : area->rotate == 270 ? 1 - down
                                              : across;
            double sy = area->rotate == 90    ? 1 - across
                        : area->rotate == 180 ? 1 - down
                        : area->rotate == 270 ? across
                                              : down;
            uint32_t px = area->x + (uint32_t)(sx * area->width), py = area->y + (uint32_t)(sy * area->height);
            const uint8_t *from = p->pixels + (ptrdiff_t)py * p->stride + (ptrdiff_t)(px * pixel);
            uint8_t *at = u->rgb + (u->height - 1 - y) * row + 3 * (size_t)x;
            for (size_t c = 0; c < 3; c++) at[c] = from[pixel == 3 ? 2 - c : 0];
        }
    return u->rgb;
}

static void little_endian(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

/* Once in the page; the other places use it. A bitmap, which every browser shows. */
static bool write_picture(FILE *to, const explanation *e, upright *u) {
    if (!turn_upright(e, u)) return false;
    size_t row = ((size_t)u->width * 3 + 3) / 4 * 4, size = 54 + row * u->height;
    uint8_t *file = calloc(size, 1);
    if (file) {
        memcpy(file, "BM", 2);
        little_endian(file + 2, (uint32_t)size);
        little_endian(file + 10, 54); /* where pixels begin */
        little_endian(file + 14, 40); /* bytes of the header from here */
        little_endian(file + 18, u->width);
        little_endian(file + 22, u->height);
        file[26] = 1;  /* planes */
        file[28] = 24; /* bits */
        memcpy(file + 54, u->rgb, size - 54);
        fprintf(
            to,
            "<svg width=\"0\" height=\"0\" style=\"position:absolute\"><symbol id=\"picture\" viewBox=\"0 0 %u %u\">"
            "<image width=\"%u\" height=\"%u\" href=\"data:image/bmp;base64,",
            u->width, u->height, u->width, u->height);
        write_base64(to, file, size);
        fputs("\"/></symbol></svg>\n", to);
    }
    free(u->rgb);
    bool good = file;
    free(file);
    return good;
}

/* The picture, and over it where the decoder looked; character SIZE_MAX: the picture alone. */
static void picture_of(FILE *to, const explanation *e, const upright *u, size_t character) {
    const float *weights;
    uint32_t rows, columns;
    fprintf(to, "<svg viewBox=\"0 0 %u %u\" role=\"img\"><use href=\"#picture\"/>", u->width, u->height);
    if (character != SIZE_MAX && !e2str_result_attention(e->run->result, character, &weights, &rows, &columns, NULL)) {
        float most = 0;
        for (uint32_t i = 0; i < rows * columns; i++) most = fmaxf(most, weights[i]);
        double width = (double)u->width / columns, height = (double)u->height / rows;
        for (uint32_t i = 0; i < rows * columns; i++) {
            float share = most > 0 ? weights[i] / most : 0;
            if (share < 0.03f) continue;
            fprintf(to, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#f30\" opacity=\"%.2f\"/>",
                    i % columns * width, i / columns * height, width, height, 0.75 * (double)share);
        }
    }
    fputs("</svg>", to);
}

/* ---------------------------------------------------------------------------------------------------------- parts --
 */

static void write_influences(FILE *to, const explanation *e, size_t character) {
    const e2str_result *result = e->run->result;
    size_t count = e2str_result_influences(result, character);
    if (!count) return;
    fputs("<ul class=\"by\">", to);
    for (size_t rank = 0; rank < count; rank++) {
        e2str_influence influence = {0};
        size_t size = 0, length;
        const char *at;
        e2str_result_influence(result, character, rank, &influence, NULL);
        char *label = pool_label(e->run, influence.example, &size, NULL);
        length = influence_character(&influence, label, size, &at);
        fputs("<li>", to);
        amount(to, (double)influence.amount);
        fprintf(to, " example %llu: ", (unsigned long long)influence.example);
        if (label) escaped(to, label, at ? (size_t)(at - label) : SIZE_MAX);
        if (at) {
            fputs("<mark>", to);
            if (length)
                escaped(to, at, length);
            else
                fputs("its end", to);
            fputs("</mark>", to);
            escaped(to, at + length, SIZE_MAX);
        }
        fputs("</li>", to);
        free(label);
    }
    fputs("</ul>", to);
}

static void write_card(FILE *to, const explanation *e, const upright *u, size_t character) {
    const e2str_result *result = e->run->result;
    e2str_character c = {0};
    e2str_result_character(result, character, &c, NULL);
    fputs("<div class=\"card\"><b>", to);
    escaped(to, e2str_result_text(result) + c.offset, c.length);
    fprintf(to, "</b> %.3f", (double)c.probability);
    if (e->run->pool) {
        fputs(" · memory ", to);
        amount(to, (double)e2str_result_memory(result, character));
    }
    picture_of(to, e, u, character);
    for (size_t rank = 0; rank < e2str_result_alternatives(result, character); rank++) {
        const char *words = "";
        float probability = 0;
        e2str_result_alternative(result, character, rank, &words, &probability, NULL);
        text(to, "<div class=\"bar\"><span>", *words ? words : "end", "</span>");
        fprintf(to, "<i style=\"width:%.1f%%\"></i><span>%.3f</span></div>", 100 * (double)probability,
                (double)probability);
    }
    write_influences(to, e, character);
    fputs("</div>\n", to);
}

static void write_ways(FILE *to, const explanation *e) {
    static const char *const names[WAYS] = {"the model alone", "with examples before it", "with the pool's memory",
                                            "with both"};
    fputs("<h2>What each part does</h2><table><tr><th>read</th><th>text</th><th class=\"n\">score</th>"
          "<th class=\"n\">log-probability of the text above</th></tr>\n",
          to);
    for (int way = 0; way < WAYS; way++) {
        const explained_way *w = &e->ways[way];
        if (!w->possible) continue;
        fprintf(to, "<tr><td>%s</td>", names[way]);
        text(to, "<td>", w->text, "</td>");
        fprintf(to, "<td class=\"n\">%.3f</td><td class=\"n\">", (double)w->score);
        if (isnan(w->log_probability))
            fputs("–", to);
        else
            fprintf(to, "%.2f", w->log_probability);
        fputs("</td></tr>\n", to);
    }
    fputs("</table>\n", to);
}

static void write_examples(FILE *to, const explanation *e) {
    if (!e->n_examples) return;
    fputs("<h2>Examples in the prompt</h2><p>How much more likely they make the text: its log-probability.</p>"
          "<table><tr><th>example</th><th>label</th><th class=\"n\">similarity</th><th class=\"n\">its share</th>"
          "<th class=\"n\">lost without it</th></tr>\n",
          to);
    for (size_t i = 0; i < e->n_examples; i++) {
        const explained_example *example = &e->examples[i];
        fprintf(to, "<tr><td>%llu</td>", (unsigned long long)example->id);
        text(to, "<td>", example->label, "</td>");
        fprintf(to, "<td class=\"n\">%.3f</td><td class=\"n\">", (double)example->similarity);
        amount(to, example->shapley);
        fputs("</td><td class=\"n\">", to);
        amount(to, example->without);
        fputs("</td></tr>\n", to);
    }
    fputs("</table>\n", to);
}

bool write_explanation_page(FILE *to, const explanation *e) {
    const e2str_result *result = e->run->result;
    upright u = {0};
    fprintf(to,
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
            "content=\"width=device-width\">"
            "<style>%s</style>",
            style);
    text(to, "<title>", e->path, "</title>\n");
    if (!write_picture(to, e, &u)) return false;
    if (e2str_result_rejected(result)) {
        text(to, "<h1>–</h1><p>rejected: ", e2str_result_text(result), "");
        fprintf(to, " has a confidence below %g</p>", (double)e->run->read.reject_below);
    } else {
        text(to, "<h1>", e2str_result_text(result), "</h1>");
    }
    text(to, "<p>", e->path, "");
    fprintf(to,
            ", read: %u × %u pixels from %u, %u</p><p>score %.3f · confidence %.3f · without a text %.3f · "
            "log-probability %.2f</p>",
            e->area.width, e->area.height, e->area.x, e->area.y, (double)e2str_result_score(result),
            (double)e2str_result_confidence(result), (double)e2str_result_textless(result), e->log_probability);
    if (e->first_look) {
        text(to, "<p>looked at again: ", e->first_look, "");
        fputs(e2str_result_second_look(result) > 1 ? " was replaced</p>" : " stays</p>", to);
    }
    fputs("<div class=\"word\">", to);
    picture_of(to, e, &u, SIZE_MAX);
    fputs("</div>\n<h2>Each character: how likely, where the decoder looked, what else it could have been, "
          "what moved it</h2><div class=\"cards\">\n",
          to);
    for (size_t i = 0; i < e2str_result_characters(result); i++) write_card(to, e, &u, i);
    fputs("</div>\n", to);
    write_ways(to, e);
    write_examples(to, e);
    fputs("</html>\n", to);
    return true;
}
