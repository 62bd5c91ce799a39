/* SPDX-License-Identifier: MIT */
/* Pages as hOCR (XHTML) and as ALTO 4. */
#include "page.h"

#include <math.h>
#include <string.h>

/* In an element or between double quotes. What XML cannot hold becomes U+FFFD; what could act on a terminal, a
 * reference. */
static void write_xml(const char *before, const char *text) {
    uint32_t code;
    fputs(before, stdout);
    for (size_t length; (length = utf8_next(text, SIZE_MAX, &code)); text += length) {
        const bool cannot = (code < 0x20 && code != '\t' && code != '\n' && code != '\r') || code == 0xfffe ||
                            code == 0xffff || code == NO_CHARACTER;
        const bool acts = code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
                          (code >= 0x2066 && code <= 0x2069);
        if (cannot)
            fputs("\xef\xbf\xbd", stdout);
        else if (acts || code == '<' || code == '>' || code == '&' || code == '"' || code == '\'')
            printf("&#x%x;", (unsigned)code);
        else
            fwrite(text, 1, length, stdout);
    }
}

static const char *name_of(const page_out *p) { return p->path[0] == '-' && !p->path[1] ? "" : p->path; }

/* -------------------------------------------------------------------------------------------------------- hOCR -- */

static void write_bbox(const page_rect *where) {
    printf("bbox %.0f %.0f %.0f %.0f", fmax(floor(where->left), 0), fmax(floor(where->top), 0),
           fmax(ceil(where->right), 0), fmax(ceil(where->bottom), 0));
}

/* A file name as a string of hOCR: between double quotes, which it cannot hold, nor a backslash: as in a URL. */
static void write_hocr_name(const char *name) {
    uint32_t code;
    for (size_t length; (length = utf8_next(name, SIZE_MAX, &code)); name += length) {
        char one[5] = {0};
        memcpy(one, name, length);
        if (code == '"' || code == '\\' || code == '%' || code < 0x20)
            printf("%%%02X", (unsigned)code);
        else
            write_xml("", one);
    }
}

static bool is_utf8(const char *text) {
    uint32_t code = 0;
    for (size_t length; (length = utf8_next(text, SIZE_MAX, &code)); text += length)
        if (code == NO_CHARACTER) return false;
    return true;
}

static void hocr_begin(const page_out *p) {
    puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" "
         "\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n"
         "<html xmlns=\"http://www.w3.org/1999/xhtml\">\n <head>");
    write_xml("  <title>", name_of(p));
    printf("</title>\n  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"/>\n"
           "  <meta name=\"ocr-system\" content=\"e2str %s\"/>\n"
           "  <meta name=\"ocr-capabilities\" content=\"ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_wconf "
           "ocrp_poly\"/>\n"
           " </head>\n <body>\n  <div class=\"ocr_page\" id=\"page_%u\" title=\"",
           e2str_version(), p->number);
    if (*name_of(p) && is_utf8(p->path)) {
        fputs("image &quot;", stdout);
        write_hocr_name(p->path);
        fputs("&quot;; ", stdout);
    }
    printf("bbox 0 0 %u %u; ppageno %u\">\n", p->width, p->height, p->number - 1);
}

static void hocr_block(const page_out *p, const page_rect *where) {
    printf("   <div class=\"ocr_carea\" id=\"block_%u_%zu\" title=\"", p->number, p->block);
    write_bbox(where);
    printf("\">\n    <p class=\"ocr_par\" id=\"par_%u_%zu\" title=\"", p->number, p->block);
    write_bbox(where);
    puts("\">");
}

static void hocr_line(const page_out *p, const page_rect *where) {
    printf("     <span class=\"ocr_line\" id=\"line_%u_%zu_%zu\" title=\"", p->number, p->block, p->line);
    write_bbox(where);
    puts("\">");
}

static bool is_upright(const page_word *word) {
    const float *c = word->box->corners;
    return !(c[0] < c[6] || c[0] > c[6] || c[1] < c[3] || c[1] > c[3] || c[2] < c[4] || c[2] > c[4] || c[5] < c[7] ||
             c[5] > c[7]);
}

static void hocr_word(const page_out *p, const page_word *word, const page_rect *where) {
    printf("      <span class=\"ocrx_word\" id=\"word_%u_%zu_%zu_%zu\" title=\"", p->number, p->block, p->line,
           p->word);
    write_bbox(where);
    for (int i = 0; i < 8 && !is_upright(word); i++)
        printf("%s %.0f", i ? "" : "; poly", fmax((double)roundf(word->box->corners[i]), 0));
    printf("; x_wconf %.0f\">", 100 * (double)e2str_result_confidence(word->result));
    write_xml("", shown_text(word));
    puts("</span>");
}

static void hocr_end_line(const page_out *p) {
    (void)p;
    puts("     </span>");
}

static void hocr_end_block(const page_out *p) {
    (void)p;
    puts("    </p>\n   </div>");
}

static void hocr_end(const page_out *p) {
    (void)p;
    puts("  </div>\n </body>\n</html>");
}

const page_writer page_hocr = {.begin = hocr_begin,
                               .begin_block = hocr_block,
                               .begin_line = hocr_line,
                               .word = hocr_word,
                               .end_line = hocr_end_line,
                               .end_block = hocr_end_block,
                               .end = hocr_end};

/* -------------------------------------------------------------------------------------------------------- ALTO -- */

static void write_place(const page_rect *where) {
    printf(" HPOS=\"%.2f\" VPOS=\"%.2f\" WIDTH=\"%.2f\" HEIGHT=\"%.2f\"", where->left, where->top,
           where->right - where->left, where->bottom - where->top);
}

static void alto_begin(const page_out *p) {
    puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<alto xmlns=\"http://www.loc.gov/standards/alto/ns-v4#\" "
         "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
         "xsi:schemaLocation=\"http://www.loc.gov/standards/alto/ns-v4# "
         "http://www.loc.gov/standards/alto/v4/alto-4-2.xsd\">\n"
         " <Description>\n  <MeasurementUnit>pixel</MeasurementUnit>");
    if (*name_of(p)) {
        write_xml("  <sourceImageInformation>\n   <fileName>", p->path);
        puts("</fileName>\n  </sourceImageInformation>");
    }
    printf("  <Processing ID=\"reading\">\n   <processingCategory>contentGeneration</processingCategory>\n"
           "   <processingSoftware>\n    <softwareName>e2str</softwareName>\n"
           "    <softwareVersion>%s</softwareVersion>\n   </processingSoftware>\n  </Processing>\n </Description>\n"
           " <Layout>\n  <Page ID=\"page_%u\" PHYSICAL_IMG_NR=\"%u\" WIDTH=\"%u\" HEIGHT=\"%u\">\n   <PrintSpace",
           e2str_version(), p->number, p->number, p->width, p->height);
    write_place(&(page_rect){0, 0, p->width, p->height});
    puts(">");
}

static void alto_block(const page_out *p, const page_rect *where) {
    printf("    <TextBlock ID=\"block_%zu\"", p->block);
    write_place(where);
    puts(">");
}

static void alto_line(const page_out *p, const page_rect *where) {
    printf("     <TextLine ID=\"line_%zu_%zu\"", p->block, p->line);
    write_place(where);
    puts(">");
}

static void alto_word(const page_out *p, const page_word *word, const page_rect *where) {
    if (p->word > 1) puts("      <SP/>");
    printf("      <String ID=\"word_%zu_%zu_%zu\"", p->block, p->line, p->word);
    write_place(where);
    printf(" WC=\"%.4f\"", (double)e2str_result_confidence(word->result));
    write_xml(" CONTENT=\"", shown_text(word));
    if (is_upright(word)) {
        puts("\"/>");
        return;
    }
    fputs("\">\n       <Shape><Polygon POINTS=\"", stdout);
    for (int i = 0; i < 8; i++) printf("%s%.2f", i == 0 ? "" : i % 2 ? "," : " ", (double)word->box->corners[i]);
    puts("\"/></Shape>\n      </String>");
}

static void alto_end_line(const page_out *p) {
    (void)p;
    puts("     </TextLine>");
}

static void alto_end_block(const page_out *p) {
    (void)p;
    puts("    </TextBlock>");
}

static void alto_end(const page_out *p) {
    (void)p;
    puts("   </PrintSpace>\n  </Page>\n </Layout>\n</alto>");
}

const page_writer page_alto = {.begin = alto_begin,
                               .begin_block = alto_block,
                               .begin_line = alto_line,
                               .word = alto_word,
                               .end_line = alto_end_line,
                               .end_block = alto_end_block,
                               .end = alto_end};
