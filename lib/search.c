/*
 * Both searches grow a tree of nodes. A node is one token after its parent; a beam is a leaf with the slots of its
 * path, and a finished hypothesis is a leaf with the end token's probability.
 */
#include "search.h"

#include <math.h>
#include <string.h>

#include "linear.h"

#define NO_NODE UINT32_MAX

typedef struct node {
    uint32_t token, parent;
    float log_probability;
    uint32_t step_row; /* which row of which step proposed it: its alternatives */
} node;

typedef struct beam {
    uint32_t leaf;     /* NO_NODE at the start */
    float score;       /* sum of log-probabilities */
    uint32_t *context; /* slots of the prompt and of its path */
} beam;

typedef struct hypothesis {
    uint32_t leaf;
    double score; /* normalised by length */
    bool ended;
    float end_log_probability;
} hypothesis;

/* A token that may follow a beam: score of the beam with it. */
typedef struct extension {
    float score, log_probability;
    uint32_t beam, token;
} extension;

typedef struct search {
    const e2str_model *model;
    const e2_prompt *prompt;
    e2_arena *arena;
    e2_kv_cache cache;
    uint32_t width;          /* beams at most */
    uint32_t max_tokens;
    uint32_t step;           /* tokens written so far by each live beam */
    node *nodes;             /* [max_tokens * width] */
    uint32_t n_nodes;
    beam *beams, *next;      /* [width] */
    uint32_t live;
    e2_decoder_row *rows;    /* [width] */
    float *hidden, *logits;  /* [width][.] */
    float *probabilities;    /* [vocabulary] */
    uint32_t n_alternatives;
    e2_candidate *alternatives; /* [max_tokens * width][n_alternatives] */
} search;

static bool search_begin(search *s) {
    const e2_decoder *decoder = &s->model->decoder;
    size_t total = (size_t)s->max_tokens * s->width, length = (size_t)s->prompt->n + s->max_tokens;
    s->nodes = e2_arena_alloc(s->arena, total, sizeof *s->nodes);
    s->beams = e2_arena_alloc(s->arena, s->width, sizeof *s->beams);
    s->next = e2_arena_alloc(s->arena, s->width, sizeof *s->next);
    s->rows = e2_arena_alloc(s->arena, s->width, sizeof *s->rows);
    s->hidden = e2_arena_floats(s->arena, (size_t)s->width * decoder->width);
    s->logits = e2_arena_floats(s->arena, (size_t)s->width * decoder->vocabulary);
    s->probabilities = e2_arena_floats(s->arena, decoder->vocabulary);
    s->alternatives = e2_arena_alloc(s->arena, total * s->n_alternatives, sizeof *s->alternatives);
    uint32_t *contexts = e2_arena_alloc(s->arena, 2 * s->width * length, sizeof *contexts);
    if (!s->nodes || !s->beams || !s->next || !s->rows || !s->hidden || !s->logits || !s->probabilities ||
        !s->alternatives || !contexts || !e2_kv_cache_new(s->model, s->prompt->n + total, &s->cache, s->arena))
        return false;
    for (uint32_t i = 0; i < s->width; i++) {
        s->beams[i].context = contexts + 2 * i * length;
        s->next[i].context = contexts + (2 * i + 1) * length;
    }
    return true;
}

/* Runs the prompt; leaves the first beam with the logits of the prompt's last row. */
static bool prefill(search *s) {
    const e2_decoder *decoder = &s->model->decoder;
    const e2_prompt *prompt = s->prompt;
    e2_arena_mark mark = e2_arena_begin(s->arena);
    float *hidden = e2_arena_floats(s->arena, (size_t)prompt->n * decoder->width);
    if (!hidden || !e2_decode(s->model, &prompt->media, &s->cache, prompt->rows, prompt->n, hidden, s->arena))
        return false;
    e2_logits(s->model, hidden + (size_t)(prompt->n - 1) * decoder->width, 1, s->logits);
    e2_arena_release(s->arena, mark);
    s->beams[0].leaf = NO_NODE;
    s->beams[0].score = 0.0f;
    for (uint32_t i = 0; i < prompt->n; i++) s->beams[0].context[i] = i;
    s->live = 1;
    return true;
}

/* Feeds the live beams' last tokens; gives their logits. */
static bool advance(search *s) {
    uint32_t position = s->prompt->n + s->step - 1;
    for (uint32_t i = 0; i < s->live; i++) {
        uint32_t slot = s->prompt->n + (s->step - 1) * s->width + i;
        s->beams[i].context[position] = slot;
        s->rows[i] = (e2_decoder_row){.token = s->nodes[s->beams[i].leaf].token,
                                      .position = position,
                                      .images = s->prompt->media.images,
                                      .slot = slot,
                                      .context = s->beams[i].context,
                                      .n_context = position + 1};
    }
    if (!e2_decode(s->model, &s->prompt->media, &s->cache, s->rows, s->live, s->hidden, s->arena)) return false;
    e2_logits(s->model, s->hidden, s->live, s->logits);
    return true;
}

static void keep_alternatives(search *s, uint32_t row) {
    e2_candidate *best = s->alternatives + ((size_t)s->step * s->width + row) * s->n_alternatives;
    uint32_t n = 0, room = s->n_alternatives;
    for (uint32_t token = 0; room && token < s->model->decoder.vocabulary; token++) {
        float probability = s->probabilities[token];
        if (n == room && !(probability > best[n - 1].probability)) continue;
        uint32_t i = n < room ? n++ : room - 1;
        for (; i > 0 && probability > best[i - 1].probability; i--) best[i] = best[i - 1];
        best[i] = (e2_candidate){token, probability};
    }
}

/* The row's logits become log-probabilities without <image>; keeps the alternatives. Returns the likeliest token. */
static uint32_t normalise(search *s, uint32_t row) {
    uint32_t vocabulary = s->model->decoder.vocabulary, best = 0;
    float *logits = s->logits + (size_t)row * vocabulary;
    logits[e2_tokenizer_image(s->model->tokenizer)] = -INFINITY;
    for (uint32_t i = 1; i < vocabulary; i++)
        if (logits[i] > logits[best]) best = i;
    memcpy(s->probabilities, logits, vocabulary * sizeof *logits);
    e2_kernels_best()->softmax(s->probabilities, 1, vocabulary, vocabulary);
    keep_alternatives(s, row);
    /* The largest probability is 1 / sum of exp(logit - largest logit). */
    float normaliser = logits[best] - logf(s->probabilities[best]);
    for (uint32_t i = 0; i < vocabulary; i++) logits[i] -= normaliser;
    return best;
}

static uint32_t add_node(search *s, uint32_t token, float log_probability, uint32_t row) {
    s->nodes[s->n_nodes] = (node){token, s->beams[row].leaf, log_probability, s->step * s->width + row};
    return s->n_nodes++;
}

static bool greedy(search *s, hypothesis *best) {
    uint32_t end = e2_tokenizer_end(s->model->tokenizer);
    for (s->step = 0;;) {
        uint32_t token = normalise(s, 0);
        float log_probability = s->logits[token];
        if (token == end) {
            *best = (hypothesis){s->beams[0].leaf, 0.0, true, log_probability};
            return true;
        }
        s->beams[0].leaf = add_node(s, token, log_probability, 0);
        if (++s->step == s->max_tokens) {
            *best = (hypothesis){s->beams[0].leaf, 0.0, false, 0.0f};
            return true;
        }
        if (!advance(s)) return false;
    }
}

/* The best `room` ways to go on with the live beams, best first; ties: earlier beam, then lower token. */
static uint32_t best_extensions(search *s, extension *best, uint32_t room) {
    uint32_t n = 0, vocabulary = s->model->decoder.vocabulary;
    for (uint32_t row = 0; row < s->live; row++) {
        normalise(s, row);
        const float *log_probabilities = s->logits + (size_t)row * vocabulary;
        for (uint32_t token = 0; token < vocabulary; token++) {
            float score = s->beams[row].score + log_probabilities[token];
            if (!(score > -INFINITY) || (n == room && !(score > best[n - 1].score))) continue;
            uint32_t i = n < room ? n++ : room - 1;
            for (; i > 0 && score > best[i - 1].score; i--) best[i] = best[i - 1];
            best[i] = (extension){score, log_probabilities[token], row, token};
        }
    }
    return n;
}

/* Finished hypotheses in the order stored, at most `width`. */
typedef struct hypothesis_set {
    hypothesis *list;
    uint32_t n;
} hypothesis_set;

static uint32_t worst_of(const hypothesis_set *finished) {
    uint32_t worst = 0;
    for (uint32_t i = 1; i < finished->n; i++)
        if (finished->list[i].score < finished->list[worst].score) worst = i;
    return worst;
}

/* Replaces the worst (the oldest of equals) only if strictly better. */
static void store(hypothesis_set *finished, uint32_t room, hypothesis fresh) {
    if (finished->n == room) {
        uint32_t worst = worst_of(finished);
        if (!(fresh.score > finished->list[worst].score)) return;
        finished->n--;
        memmove(finished->list + worst, finished->list + worst + 1, (finished->n - worst) * sizeof *finished->list);
    }
    finished->list[finished->n++] = fresh;
}

/* Takes the extensions in order: end tokens among the first `width` finish a hypothesis, others fill the next beams. */
static void select_beams(search *s, const extension *extensions, uint32_t n,
                         hypothesis_set *finished) {
    uint32_t end = e2_tokenizer_end(s->model->tokenizer), filled = 0, length = s->prompt->n + s->step;
    for (uint32_t rank = 0; rank < n && filled < s->width; rank++) {
        const extension *e = &extensions[rank];
        if (e->token != end) {
            beam *next = &s->next[filled++];
            next->leaf = add_node(s, e->token, e->log_probability, e->beam);
            next->score = e->score;
            memcpy(next->context, s->beams[e->beam].context, length * sizeof *next->context);
        } else if (rank < s->width) {
            double score = (double)e->score / (s->step + 1);
            store(finished, s->width, (hypothesis){s->beams[e->beam].leaf, score, true, e->log_probability});
        }
    }
    beam *former = s->beams;
    s->beams = s->next;
    s->next = former;
    s->live = filled;
}

static bool beam_search(search *s, hypothesis *best) {
    hypothesis_set finished = {.list = e2_arena_alloc(s->arena, s->width, sizeof *finished.list)};
    extension *extensions = e2_arena_alloc(s->arena, 2 * s->width, sizeof *extensions);
    if (!finished.list || !extensions) return false;
    bool done = false;
    for (s->step = 0;;) {
        uint32_t n = best_extensions(s, extensions, 2 * s->width);
        select_beams(s, extensions, n, &finished);
        s->step++;
        done = finished.n == s->width && n > 0 &&
               finished.list[worst_of(&finished)].score >= (double)extensions[0].score / s->step;
        if (done || s->live == 0 || s->step == s->max_tokens) break;
        if (!advance(s)) return false;
    }
    for (uint32_t i = 0; !done && i < s->live; i++)
        store(&finished, s->width, (hypothesis){s->beams[i].leaf, (double)s->beams[i].score / s->step, false, 0.0f});
    *best = (hypothesis){NO_NODE, 0.0, false, 0.0f};
    for (uint32_t i = 0; i < finished.n; i++)
        if (i == 0 || finished.list[i].score >= best->score) *best = finished.list[i];
    return true;
}

static bool trace(search *s, const hypothesis *best, e2_answer *answer) {
    uint32_t n = 0;
    for (uint32_t i = best->leaf; i != NO_NODE; i = s->nodes[i].parent) n++;
    *answer = (e2_answer){.tokens = e2_arena_alloc(s->arena, n, sizeof *answer->tokens),
                          .n = n,
                          .n_alternatives = s->n_alternatives,
                          .ended = best->ended,
                          .end_log_probability = best->end_log_probability};
    if (!answer->tokens) return false;
    for (uint32_t i = best->leaf; i != NO_NODE; i = s->nodes[i].parent) {
        const node *at = &s->nodes[i];
        answer->tokens[--n] = (e2_written){at->token, at->log_probability,
                                           s->alternatives + (size_t)at->step_row * s->n_alternatives};
    }
    return true;
}

bool e2_search(const e2str_model *model, const e2_prompt *prompt, uint32_t beams, uint32_t max_tokens,
               uint32_t n_alternatives, e2_answer *answer, e2_arena *arena) {
    uint32_t left = model->decoder.positions - prompt->n;
    search s = {.model = model,
                .prompt = prompt,
                .arena = arena,
                .width = beams,
                .max_tokens = max_tokens < left ? max_tokens : left,
                .n_alternatives = n_alternatives < model->decoder.vocabulary ? n_alternatives : model->decoder.vocabulary};
    hypothesis best;
    return search_begin(&s) && prefill(&s) && (beams == 1 ? greedy(&s, &best) : beam_search(&s, &best)) &&
           trace(&s, &best, answer);
}
