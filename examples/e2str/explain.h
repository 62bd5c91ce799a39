/* What the files of e2str explain share: how one read came about.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "command.h"

/* A text is as likely as its characters and its end together: log-probability, in nats. */
enum { ALONE, WITH_PROMPT, WITH_MEMORY, WITH_BOTH, WAYS };
extern const char *const way_names[WAYS];

typedef struct explained_way {
    bool possible;          /* there is such a prompt, such a memory */
    char *text;             /* what is read this way */
    float score;            /* of that text */
    double log_probability; /* of the text that is explained; NAN: it cannot be written this way */
} explained_way;

/* An example that stood in the prompt. */
typedef struct explained_example {
    uint64_t id;
    float similarity;
    char *label;
    double without; /* how much less likely the text is without it: a difference of log-probabilities */
    double shapley; /* its share of what all of them do; NAN where there are more than MOST_SHAPLEY */
} explained_example;

#define MOST_SHAPLEY 5

typedef struct explanation {
    const invocation *run; /* with the pool; run->result is the read that is explained */
    const char *path;
    e2str_image picture;
    e2str_area area;
    double log_probability;
    char *first_look; /* what was read at first, where a second look was taken; else NULL */
    explained_way ways[WAYS];
    explained_example *examples; /* [n_examples] */
    size_t n_examples;
} explanation;

/* Where the decoder looked when it wrote a character: the centre, as a share of the area's width. NAN: not known. */
double looked_at(const explanation *e, size_t character);

void write_explanation(FILE *to, const explanation *e);      /* for people, with tabs and lines */
void write_explanation_json(FILE *to, const explanation *e); /* one line */
bool write_explanation_page(FILE *to, const explanation *e); /* HTML, the picture inside; false: out of memory */

#endif
