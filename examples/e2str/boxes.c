/* SPDX-License-Identifier: MIT */
/* Boxes of words that detectors write: tables with a header, Tesseract's among them, and JSON (docs/pages.md). */
#include "page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

bool boxes_add(box_list *list, const page_box *box) {
    if (list->count == list->capacity) {
        size_t wanted = list->capacity ? 2 * list->capacity : 256;
        page_box *grown = realloc(list->boxes, wanted * sizeof *grown);
        if (!grown) return false;
        list->boxes = grown;
        list->capacity = wanted;
    }
    page_box *added = &list->boxes[list->count++];
    *added = *box;
    added->number = list->count;
    list->numbered += box->line != 0;
    return true;
}

static bool add(box_list *list, const char *name, const page_box *box) {
    if (list->count == MAX_BOXES)
        complain("%s: more than %d boxes", name, MAX_BOXES);
    else if (boxes_add(list, box))
        return true;
    else
        complain("%s: out of memory", name);
    return false;
}

/* What is so far away lies outside of every picture, and is told then. */
static float place(double value) { return (float)fmin(fmax(value, -1e9), 1e9); }

static void set_rectangle(page_box *box, double left, double top, double right, double bottom) {
    const double corners[8] = {left, top, right, top, right, bottom, left, bottom};
    for (int i = 0; i < 8; i++) box->corners[i] = place(corners[i]);
}

/* ------------------------------------------------------------------------------------------------------ tables -- */

enum {
    LEFT,
    TOP,
    WIDTH,
    HEIGHT,
    RIGHT,
    BOTTOM,
    X0,
    Y0,
    X1,
    Y1,
    X2,
    Y2,
    X3,
    Y3,
    LEVEL,
    PAGE_NUMBER,
    BLOCK,
    PARAGRAPH,
    LINE,
    N_COLUMNS
};

static const struct column_name {
    const char *name;
    int column;
} column_names[] = {
    {"left", LEFT},
    {"top", TOP},
    {"width", WIDTH},
    {"height", HEIGHT},
    {"right", RIGHT},
    {"bottom", BOTTOM},
    {"x0", X0},
    {"y0", Y0},
    {"x1", X1},
    {"y1", Y1},
    {"x2", X2},
    {"y2", Y2},
    {"x3", X3},
    {"y3", Y3},
    {"level", LEVEL},
    {"block", BLOCK},
    {"line", LINE},
    {"paragraph", PARAGRAPH},
    {"page_num", PAGE_NUMBER},
    {"block_num", BLOCK},
    {"par_num", PARAGRAPH},
    {"line_num", LINE},
};

typedef struct table {
    const char *name;
    size_t line;
    int cells[N_COLUMNS]; /* which cell of a line; -1: the table has no such column */
    double values[N_COLUMNS];
    uint32_t page;
    bool other_pages;
} table;

static int column_of(const char *name) {
    for (size_t i = 0; i < sizeof column_names / sizeof *column_names; i++)
        if (!strcmp(column_names[i].name, name)) return column_names[i].column;
    return -1;
}

static bool has(const table *t, int first, int count) {
    for (int i = first; i < first + count; i++)
        if (t->cells[i] < 0) return false;
    return true;
}

/* The next cell of a line, NUL-terminated; NULL: no more. */
static char *next_cell(char **at) {
    char *cell = *at;
    if (!cell) return NULL;
    char *tab = strchr(cell, '\t');
    if (tab) *tab = 0;
    *at = tab ? tab + 1 : NULL;
    return cell;
}

static bool parse_header(table *t, char *line) {
    for (int i = 0; i < N_COLUMNS; i++) t->cells[i] = -1;
    char *cell, *at = line;
    for (int number = 0; (cell = next_cell(&at)); number++) {
        int column = column_of(cell);
        if (column < 0) continue;
        if (t->cells[column] >= 0) {
            complain("%s:%zu: column '%s' is there twice", t->name, t->line, cell);
            return false;
        }
        t->cells[column] = number;
    }
    if (has(t, X0, 8) || has(t, LEFT, 4) || (has(t, LEFT, 2) && has(t, RIGHT, 2))) return true;
    complain("%s:%zu: no header with columns left, top, width, height (or right, bottom), or x0, y0 to x3, y3", t->name,
             t->line);
    return false;
}

/* The values of the columns that the table has. */
static bool parse_cells(table *t, char *line) {
    char *cell, *at = line, *end;
    int number = 0, found = 0, wanted = 0;
    for (int i = 0; i < N_COLUMNS; i++) wanted += t->cells[i] >= 0;
    for (; (cell = next_cell(&at)); number++)
        for (int column = 0; column < N_COLUMNS; column++) {
            if (t->cells[column] != number) continue;
            t->values[column] = strtod(cell, &end);
            found++;
            if (end != cell && !*end && fabs(t->values[column]) <= 1e9) continue;
            complain("%s:%zu: '%s' is no number", t->name, t->line, cell);
            return false;
        }
    if (found < wanted) complain("%s:%zu: %d columns, fewer than the header has", t->name, t->line, number);
    return found == wanted;
}

static int64_t whole(const table *t, int column) { return t->cells[column] < 0 ? 0 : (int64_t)t->values[column]; }

/* Tesseract's table has pages, blocks, paragraphs and lines, too: its words are of level 5. */
static bool add_row(box_list *list, table *t) {
    const double *v = t->values;
    if (t->cells[LEVEL] >= 0 && whole(t, LEVEL) != 5) return true;
    uint32_t page = t->page ? t->page : 1;
    if (t->cells[PAGE_NUMBER] >= 0 && whole(t, PAGE_NUMBER) != page) {
        t->other_pages = true;
        return true;
    }
    page_box box = {.block = whole(t, BLOCK), .paragraph = whole(t, PARAGRAPH), .line = whole(t, LINE)};
    if (has(t, X0, 8))
        for (int i = 0; i < 8; i++) box.corners[i] = place(v[X0 + i]);
    else if (has(t, WIDTH, 2))
        set_rectangle(&box, v[LEFT], v[TOP], v[LEFT] + v[WIDTH], v[TOP] + v[HEIGHT]);
    else
        set_rectangle(&box, v[LEFT], v[TOP], v[RIGHT], v[BOTTOM]);
    return add(list, t->name, &box);
}

/* text[size] is a NUL. */
static bool parse_table(box_list *list, const char *name, char *text, size_t size, uint32_t page) {
    table t = {.name = name, .page = page};
    char *end = text + size;
    for (char *line = text, *next; line < end; line = next) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        next = stop + 1;
        t.line++;
        if (memchr(line, 0, (size_t)(stop - line))) {
            complain("%s:%zu: holds a NUL byte", name, t.line);
            return false;
        }
        if (stop > line && stop[-1] == '\r') stop--;
        *stop = 0;
        if (t.line == 1 ? !parse_header(&t, line) : *line && !(parse_cells(&t, line) && add_row(list, &t)))
            return false;
    }
    list->paged = t.line && t.cells[PAGE_NUMBER] >= 0;
    if (!t.line) complain("%s: it is empty", name);
    if (t.other_pages && !page) complain("%s: boxes of several pages: choose one with --page-number N", name);
    return t.line && (!t.other_pages || page);
}

/* -------------------------------------------------------------------------------------------------------- JSON -- */

typedef struct reader {
    box_list *list;
    const char *name;
    const json_document *document;
} reader;

static bool is_pair(const json_node *node) {
    return node->kind == JSON_ARRAY && node->count == 2 && node[1].kind == JSON_NUMBER && node[2].kind == JSON_NUMBER;
}

/* Four pairs of numbers; they stand behind the node, three nodes each. */
static bool is_quadrangle(const json_node *node) {
    if (node->kind != JSON_ARRAY || node->count != 4) return false;
    for (int i = 0; i < 4; i++)
        if (!is_pair(&node[1 + 3 * i])) return false;
    return true;
}

static bool add_quadrangle(const reader *r, page_box box, const json_node *node) {
    for (int i = 0; i < 4; i++) {
        box.corners[2 * i] = place(node[1 + 3 * i + 1].number);
        box.corners[2 * i + 1] = place(node[1 + 3 * i + 2].number);
    }
    return add(r->list, r->name, &box);
}

static bool wrong(const reader *r, const char *what) {
    complain("%s: box %zu: %s", r->name, r->list->count + 1, what);
    return false;
}

/* A number of an object; false: it has none of that name. */
static bool number_of(const reader *r, const json_node *object, const char *key, double *value) {
    const json_node *found = json_member(r->document, object, key);
    if (!found || found->kind != JSON_NUMBER) return false;
    *value = found->number;
    return true;
}

static int64_t id_of(const reader *r, const json_node *object, const char *key) {
    double value = 0;
    return number_of(r, object, key, &value) && fabs(value) <= 1e9 ? (int64_t)value : 0;
}

static bool add_object(const reader *r, const json_node *object) {
    static const char *const names[] = {"corners", "box", "points"};
    page_box box = {.block = id_of(r, object, "block"),
                    .paragraph = id_of(r, object, "paragraph"),
                    .line = id_of(r, object, "line")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_node *corners = json_member(r->document, object, names[i]);
        if (corners)
            return is_quadrangle(corners) ? add_quadrangle(r, box, corners) : wrong(r, "not four corners [x, y]");
    }
    double left, top, right, bottom;
    if (!number_of(r, object, "left", &left) || !number_of(r, object, "top", &top))
        return wrong(r, "neither corners nor left and top");
    if (number_of(r, object, "width", &right) && number_of(r, object, "height", &bottom)) {
        right += left;
        bottom += top;
    } else if (!number_of(r, object, "right", &right) || !number_of(r, object, "bottom", &bottom)) {
        return wrong(r, "neither width and height nor right and bottom");
    }
    set_rectangle(&box, left, top, right, bottom);
    return add(r->list, r->name, &box);
}

/* "text", or ["text", score]: what a recogniser read, behind its quadrangle. */
static bool is_reading(const json_node *node) {
    return node->kind == JSON_STRING || (node->kind == JSON_ARRAY && node->count == 2 && node[1].kind == JSON_STRING);
}

/* Boxes, and lists of them, of pages too; recognisers write [quadrangle, text, score]. */
static bool add_values(const reader *r, const json_node *node) {
    if (is_quadrangle(node)) return add_quadrangle(r, (page_box){0}, node);
    if (node->kind == JSON_OBJECT) return add_object(r, node);
    if (node->kind != JSON_ARRAY) return wrong(r, "neither a quadrangle nor an object");
    size_t at = (size_t)(node - r->document->nodes) + 1;
    for (uint32_t i = 0; i < node->count; i++) {
        const json_node *value = &r->document->nodes[at];
        if (!add_values(r, value)) return false;
        if (i == 0 && node->count > 1 && is_quadrangle(value) && is_reading(&r->document->nodes[value->next]))
            return true;
        at = value->next;
    }
    return true;
}

static bool parse_json(box_list *list, const char *name, char *text, size_t size) {
    json_document document;
    const char *why;
    size_t at;
    if (!json_parse(&document, text, size, &why, &at)) {
        complain("%s: JSON, byte %zu: %s", name, at, why);
        return false;
    }
    static const char *const keys[] = {"boxes", "dt_polys"};
    const json_node *root = document.nodes, *found = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !found; i++) found = json_member(&document, root, keys[i]);
    const reader r = {list, name, &document};
    bool good = found || root->kind == JSON_ARRAY;
    if (!good)
        complain("%s: JSON, but no list and no object with \"boxes\" or \"dt_polys\"", name);
    else
        good = add_values(&r, found ? found : root);
    json_free(&document);
    return good;
}

/* ---------------------------------------------------------------------------------------------------- the file -- */

bool boxes_parse(box_list *list, const char *name, char *text, size_t size, uint32_t page) {
    *list = (box_list){0};
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        size -= 3;
    }
    size_t blanks = strspn(text, " \t\r\n");
    bool json = text[blanks] == '[' || text[blanks] == '{';
    bool good = json ? parse_json(list, name, text, size) : parse_table(list, name, text, size, page);
    if (!good) boxes_free(list);
    return good;
}

bool boxes_load(box_list *list, const char *path, uint32_t page) {
    bool standard = !strcmp(path, "-");
    const char *name = standard ? "standard input" : path;
    FILE *file = standard ? stdin : fopen(path, "rb");
    size_t size = 0;
    char *text = file ? read_file(file, MAX_BOXES_FILE, &size) : NULL, *ended = text ? realloc(text, size + 1) : NULL;
    int reason = errno;
    if (file && !standard) fclose(file);
    *list = (box_list){0};
    if (!ended) {
        complain("%s: %s", name, strerror(reason));
        free(text);
        return false;
    }
    ended[size] = 0;
    bool good = boxes_parse(list, name, ended, size, page);
    free(ended);
    return good;
}

void boxes_free(box_list *list) {
    free(list->boxes);
    *list = (box_list){0};
}
