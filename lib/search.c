/* SPDX-License-Identifier: MIT */
/*
 * Both searches grow a tree of nodes. A node is one token after its parent; a beam is a leaf with the slots of its
 * path, and a finished hypothesis is a leaf with the end token's probability.
 */
#include "search.h"

#include <math.h>
#include <string.h>

#include "fusion.h"
#include "linear.h"

#define NO_NODE  UINT32_MAX
#define NO_TOKEN UINT32_MAX

typedef struct node {
    uint32_t token, parent;
    float log_probability;
    uint32_t step_row; /* which row of which step proposed it: its alternatives and features */
} node;

typedef struct beam {
    uint32_t leaf;     /* NO_NODE at the start */
    float score;       /* sum of log-probabilities */
    uint32_t *context; /* slots of the prompt and of its path */
    e2_stand stand;    /* with a guide */
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

/* Finished hypotheses in the order stored, at most `width`. */
typedef struct hypothesis_set {
    hypothesis *list;
    uint32_t n;
} hypothesis_set;

/* The search for one sequence. */
typedef struct search {
    const e2_compute *compute;
    const e2_sequence *sequence;
    const e2str_memory *memory; /* or NULL: none, or neither its logits nor its conventions are for this sequence */
    float factor;               /* of what it adds */
    const e2_guide *guide;      /* or NULL: any text */
    uint32_t vocabulary;        /* its new characters included where it adds to the logits */
    size_t stride;              /* of the logits: the vocabulary with the group's memory */
    uint32_t width;             /* beams at most */
    uint32_t max_tokens;
    uint32_t step; /* tokens written so far by each live beam */
    node *nodes;   /* [max_tokens * width] */
    uint32_t n_nodes;
    beam *beams, *next; /* [width] */
    uint32_t live;
    float *logits;        /* of the live beams, [live][stride] */
    float *probabilities; /* [vocabulary], scratch */
    uint32_t n_alternatives;
    e2_candidate *alternatives; /* [max_tokens * width][n_alternatives] */
    float *features;            /* [max_tokens * width][features], or NULL where no memory adds to the logits */
    const float *phi;           /* of the live beams, [live][features], with a memory */
    extension *extensions;      /* [2 * width] */
    hypothesis_set finished;
    bool not_finite; /* a row of logits was */
    bool done;
    hypothesis best;  /* once done */
    bool unmatched;   /* nothing fits: there is no best */
    bool failed;      /* out of memory */
    uint32_t n_draft; /* tokens of the sequence's draft that are run with its prompt */
    double draft_log_probability;
} search;

static uint32_t tokens_at_most(const e2str_model *model, uint32_t length, const e2_search_options *options) {
    uint32_t left = e2_sequence_room(model, length);
    return options->max_tokens < left ? options->max_tokens : left;
}

size_t e2_search_slots(const e2str_model *model, uint32_t length, const e2_search_options *options) {
    return length + (size_t)tokens_at_most(model, length, options) * options->beams;
}

static bool search_begin(search *s, const e2_compute *compute, const e2_sequence *sequence,
                         const e2_search_options *options) {
    const e2str_model *model = compute->model;
    const e2str_memory *adds = sequence->memory_factor > 0.0f ? options->memory : NULL;
    uint32_t vocabulary = e2_memory_vocabulary(model, adds);
    *s = (search){.compute = compute,
                  .sequence = sequence,
                  .memory = adds || sequence->remembers ? options->memory : NULL,
                  .factor = sequence->memory_factor,
                  .vocabulary = vocabulary,
                  .stride = e2_memory_vocabulary(model, options->memory),
                  .width = options->beams,
                  .live = 1};
    s->max_tokens = tokens_at_most(model, sequence->length, options);
    s->n_draft = sequence->n_draft < s->max_tokens ? sequence->n_draft : s->max_tokens - 1;
    s->n_alternatives = options->n_alternatives < vocabulary ? options->n_alternatives : vocabulary;
    size_t total = (size_t)s->max_tokens * s->width, length = (size_t)sequence->length + s->max_tokens;
    e2_arena *arena = compute->arena;
    s->nodes = e2_arena_alloc(arena, total, sizeof *s->nodes);
    s->beams = e2_arena_alloc(arena, s->width, sizeof *s->beams);
    s->next = e2_arena_alloc(arena, s->width, sizeof *s->next);
    s->probabilities = e2_arena_floats(arena, vocabulary);
    s->alternatives = e2_arena_alloc(arena, total * s->n_alternatives, sizeof *s->alternatives);
    s->extensions = e2_arena_alloc(arena, 2 * (size_t)s->width, sizeof *s->extensions);
    s->finished.list = e2_arena_alloc(arena, s->width, sizeof *s->finished.list);
    uint32_t *contexts = e2_arena_alloc(arena, 2 * s->width * length, sizeof *contexts);
    if (adds) {
        s->features = e2_arena_floats(arena, total * model->memory.features);
        if (!s->features) return false;
    }
    if (!s->nodes || !s->beams || !s->next || !s->probabilities || !s->alternatives || !s->extensions ||
        !s->finished.list || !contexts)
        return false;
    for (uint32_t i = 0; i < s->width; i++) {
        s->beams[i].context = contexts + 2 * i * length;
        s->next[i].context = contexts + (2 * i + 1) * length;
    }
    s->beams[0].leaf = NO_NODE;
    s->beams[0].score = 0.0f;
    for (uint32_t i = 0; i < sequence->length; i++) s->beams[0].context[i] = sequence->first_slot + i;
    return true;
}

static uint32_t fed(const search *s, uint32_t token) {
    return s->memory ? e2_memory_fed(s->compute->model, s->memory, token) : token;
}

/* Rows that feed the live beams' last tokens. */
static void feed(search *s, e2_decoder_row *rows) {
    const e2_sequence *sequence = s->sequence;
    uint32_t index = sequence->length + s->step - 1;
    for (uint32_t i = 0; i < s->live; i++) {
        uint32_t slot = sequence->first_slot + sequence->length + (s->step - 1) * s->width + i;
        s->beams[i].context[index] = slot;
        rows[i] = (e2_decoder_row){.token = fed(s, s->nodes[s->beams[i].leaf].token),
                                   .position = sequence->rows[sequence->n - 1].position + s->step,
                                   .first_image = sequence->first_image,
                                   .images = sequence->images,
                                   .slot = slot,
                                   .context = s->beams[i].context,
                                   .n_context = index + 1};
    }
}

static void keep_alternatives(search *s, uint32_t row) {
    e2_candidate *best = s->alternatives + ((size_t)s->step * s->width + row) * s->n_alternatives;
    uint32_t n = 0, room = s->n_alternatives;
    for (uint32_t token = 0; room && token < s->vocabulary; token++) {
        float probability = s->probabilities[token];
        if (n == room && !(probability > best[n - 1].probability)) continue;
        uint32_t i = n < room ? n++ : room - 1;
        for (; i > 0 && probability > best[i - 1].probability; i--) best[i] = best[i - 1];
        best[i] = (e2_candidate){token, probability};
    }
}

static void keep_features(search *s, uint32_t row) {
    size_t width = s->compute->model->memory.features;
    memcpy(s->features + ((size_t)s->step * s->width + row) * width, s->phi + row * width, width * sizeof *s->phi);
}

/* What takes a row of logits, <image> left out, to log-probabilities when subtracted; their softmax is in the scratch
 * then. *best: the likeliest token. */
static float normaliser_of(search *s, float *logits, uint32_t *best) {
    uint32_t vocabulary = s->vocabulary, most = 0;
    logits[e2_tokenizer_image(s->compute->model->tokenizer)] = -INFINITY;
    for (uint32_t i = 1; i < vocabulary; i++)
        if (logits[i] > logits[most]) most = i;
    memcpy(s->probabilities, logits, vocabulary * sizeof *logits);
    s->compute->kernels->softmax(s->probabilities, 1, vocabulary, vocabulary);
    /* The largest probability is 1 / sum of exp(logit - largest logit). */
    float normaliser = logits[most] - logf(s->probabilities[most]);
    if (!isfinite(normaliser)) s->not_finite = true; /* as with any infinity or NaN among the logits */
    *best = most;
    return normaliser;
}

/* The row's logits become log-probabilities without <image>; keeps the alternatives. Returns the likeliest token. */
static uint32_t normalise(search *s, uint32_t row) {
    uint32_t best;
    float *logits = s->logits + row * s->stride, normaliser = normaliser_of(s, logits, &best);
    keep_alternatives(s, row);
    if (s->features) keep_features(s, row);
    for (uint32_t i = 0; i < s->vocabulary; i++) logits[i] -= normaliser;
    return best;
}

static uint32_t add_node(search *s, uint32_t token, float log_probability, uint32_t row) {
    s->nodes[s->n_nodes] = (node){token, s->beams[row].leaf, log_probability, s->step * s->width + row};
    return s->n_nodes++;
}

/* ---- what may be ---- */

static uint32_t end_token(const search *s) { return e2_tokenizer_end(s->compute->model->tokenizer); }

/* Whether a token may follow a live beam, `open` as e2_guide_open has it; then *to is where its text stands, and *loss
 * what that costs. */
static bool may_follow(const search *s, uint32_t row, const bool open[256], uint32_t token, e2_stand *to, float *loss) {
    const e2_stand *from = &s->beams[row].stand;
    if (e2_guide_refuses(s->guide, open, token)) return false;
    if (!e2_guide_follow(s->guide, from, token, s->max_tokens - s->step - 1, to)) return false;
    *loss = e2_guide_loss(s->guide, from, token, to);
    return true;
}

/* The best token that may follow the only beam, or NO_TOKEN. */
static uint32_t best_allowed(const search *s, bool may_end) {
    uint32_t best = NO_TOKEN;
    float most = -INFINITY, loss;
    e2_stand to;
    bool open[256];
    e2_guide_open(s->guide, &s->beams[0].stand, open);
    for (uint32_t token = 0; token < s->vocabulary; token++) {
        if (!(s->logits[token] > most) || (!may_end && token == end_token(s))) continue;
        if (!may_follow(s, 0, open, token, &to, &loss) || !(s->logits[token] - loss > most)) continue;
        most = s->logits[token] - loss;
        best = token;
    }
    return best;
}

/* The shown text up to a leaf; NULL: out of memory. */
static const char *text_of(const search *s, uint32_t leaf, size_t *size) {
    const e2str_model *model = s->compute->model;
    char buffer[4];
    *size = 0;
    for (uint32_t i = leaf; i != NO_NODE; i = s->nodes[i].parent)
        *size += e2_memory_shown(model, s->memory, s->nodes[i].token, buffer).size;
    char *text = e2_arena_alloc(s->compute->arena, *size + 1, 1), *at = text ? text + *size : NULL;
    if (at) *at = 0;
    for (uint32_t i = leaf; at && i != NO_NODE; i = s->nodes[i].parent) {
        e2_string shown = e2_memory_shown(model, s->memory, s->nodes[i].token, buffer);
        at -= shown.size;
        if (shown.size) memcpy(at, shown.data, shown.size);
    }
    return text;
}

/* The caller's word on the text up to a leaf. */
static bool accepts(search *s, uint32_t leaf) {
    const e2str_constraint *constraint = s->guide ? s->guide->constraint : NULL;
    if (!constraint || !constraint->accept) return true;
    size_t size;
    e2_arena_mark mark = e2_arena_begin(s->compute->arena);
    const char *text = text_of(s, leaf, &size);
    bool accepted = text && constraint->accept(constraint->accept_user, text, size) != 0;
    if (!text) s->failed = true;
    e2_arena_release(s->compute->arena, mark);
    return accepted;
}

/* What greedy search writes: of what may be, where the likeliest of all may not. */
static uint32_t choose(search *s, uint32_t likeliest) {
    if (!s->guide) return likeliest;
    uint32_t token = best_allowed(s, true);
    if (token == end_token(s) && !accepts(s, s->beams[0].leaf)) token = best_allowed(s, false);
    e2_stand from = s->beams[0].stand;
    if (token != NO_TOKEN) e2_guide_follow(s->guide, &from, token, s->max_tokens, &s->beams[0].stand);
    return token;
}

/* ---- steps ---- */

/* Takes the logits of the step: writes a token, or is done. */
static void greedy_step(search *s) {
    uint32_t token = choose(s, normalise(s, 0));
    if (token == NO_TOKEN) {
        s->best = (hypothesis){NO_NODE, 0.0, false, 0.0f};
        s->done = s->unmatched = true;
        return;
    }
    float log_probability = s->logits[token];
    if (token == e2_tokenizer_end(s->compute->model->tokenizer)) {
        s->best = (hypothesis){s->beams[0].leaf, 0.0, true, log_probability};
        s->done = true;
        return;
    }
    s->beams[0].leaf = add_node(s, token, log_probability, 0);
    s->done = ++s->step == s->max_tokens;
    s->best = (hypothesis){s->beams[0].leaf, 0.0, false, 0.0f};
}

/* The best `room` ways to go on with the live beams, best first; ties: earlier beam, then lower token. */
static uint32_t best_extensions(search *s) {
    extension *best = s->extensions;
    uint32_t n = 0, room = 2 * s->width, vocabulary = s->vocabulary;
    bool open[256];
    for (uint32_t row = 0; row < s->live; row++) {
        normalise(s, row);
        if (s->guide) e2_guide_open(s->guide, &s->beams[row].stand, open);
        const float *log_probabilities = s->logits + row * s->stride;
        for (uint32_t token = 0; token < vocabulary; token++) {
            float score = s->beams[row].score + log_probabilities[token];
            if (!(score > -INFINITY) || (n == room && !(score > best[n - 1].score))) continue;
            if (s->guide) {
                e2_stand to;
                float loss;
                if (!may_follow(s, row, open, token, &to, &loss)) continue;
                score -= loss;
                if (n == room && !(score > best[n - 1].score)) continue;
            }
            uint32_t i = n < room ? n++ : room - 1;
            for (; i > 0 && score > best[i - 1].score; i--) best[i] = best[i - 1];
            best[i] = (extension){score, log_probabilities[token], row, token};
        }
    }
    return n;
}

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
static void select_beams(search *s, uint32_t n) {
    uint32_t end = e2_tokenizer_end(s->compute->model->tokenizer), filled = 0, length = s->sequence->length + s->step;
    for (uint32_t rank = 0; rank < n && filled < s->width; rank++) {
        const extension *e = &s->extensions[rank];
        if (e->token != end) {
            beam *next = &s->next[filled++];
            next->leaf = add_node(s, e->token, e->log_probability, e->beam);
            next->score = e->score;
            memcpy(next->context, s->beams[e->beam].context, length * sizeof *next->context);
            if (s->guide) e2_guide_follow(s->guide, &s->beams[e->beam].stand, e->token, s->max_tokens, &next->stand);
        } else if (rank < s->width && accepts(s, s->beams[e->beam].leaf)) {
            double score = (double)e->score / (s->step + 1);
            store(&s->finished, s->width, (hypothesis){s->beams[e->beam].leaf, score, true, e->log_probability});
        }
    }
    beam *former = s->beams;
    s->beams = s->next;
    s->next = former;
    s->live = filled;
}

/* Ends when `width` hypotheses are finished and the worst is at least as good as any beam could still be. */
static void beam_step(search *s) {
    uint32_t n = best_extensions(s);
    select_beams(s, n);
    s->step++;
    bool settled = s->finished.n == s->width && n > 0 &&
                   s->finished.list[worst_of(&s->finished)].score >= (double)s->extensions[0].score / s->step;
    s->done = settled || s->live == 0 || s->step == s->max_tokens;
    if (!s->done) return;
    for (uint32_t i = 0; !settled && i < s->live; i++)
        store(&s->finished, s->width, (hypothesis){s->beams[i].leaf, (double)s->beams[i].score / s->step, false, 0.0f});
    s->best = (hypothesis){NO_NODE, 0.0, false, 0.0f};
    s->unmatched = s->guide && !s->finished.n;
    for (uint32_t i = 0; i < s->finished.n; i++)
        if (i == 0 || s->finished.list[i].score >= s->best.score) s->best = s->finished.list[i];
}

/* ---- drafts ---- */

/* Rows that feed the draft's tokens, behind those of the prompt. */
static void feed_draft(search *s, e2_decoder_row *rows) {
    const e2_sequence *sequence = s->sequence;
    uint32_t *context = s->beams[0].context;
    for (uint32_t i = 0; i < s->n_draft; i++) {
        uint32_t index = sequence->length + i;
        context[index] = sequence->first_slot + index;
        rows[i] = (e2_decoder_row){.token = fed(s, sequence->draft[i]),
                                   .position = sequence->rows[sequence->n - 1].position + 1 + i,
                                   .first_image = sequence->first_image,
                                   .images = sequence->images,
                                   .slot = context[index],
                                   .context = context,
                                   .n_context = index + 1};
    }
}

/* Takes the logits at each place of the draft. */
static void score_draft(search *s) {
    s->draft_log_probability = 0.0;
    for (uint32_t i = 0, best; i <= s->n_draft && i <= s->sequence->n_draft; i++) {
        float *logits = s->logits + i * s->stride, normaliser = normaliser_of(s, logits, &best);
        uint32_t token = i < s->sequence->n_draft ? s->sequence->draft[i] : end_token(s);
        s->draft_log_probability += (double)(logits[token] - normaliser);
    }
}

/* The first step, and as many more as write what the draft has. */
static void first_steps(search *s) {
    if (s->width > 1) {
        beam_step(s);
        return;
    }
    float *logits = s->logits;
    const float *phi = s->phi;
    for (uint32_t i = 0; !s->done && i <= s->n_draft; i++) {
        if (i && s->nodes[s->n_nodes - 1].token != s->sequence->draft[i - 1]) break;
        s->logits = logits + i * s->stride;
        if (s->features) s->phi = phi + i * (size_t)s->compute->model->memory.features;
        greedy_step(s);
    }
}

static bool trace(search *s, e2_answer *answer) {
    uint32_t n = 0;
    for (uint32_t i = s->best.leaf; i != NO_NODE; i = s->nodes[i].parent) n++;
    *answer = (e2_answer){.memory = s->memory,
                          .factor = s->factor,
                          .tokens = e2_arena_alloc(s->compute->arena, n, sizeof *answer->tokens),
                          .n = n,
                          .n_alternatives = s->n_alternatives,
                          .finite = !s->not_finite,
                          .ended = s->best.ended,
                          .end_log_probability = s->best.end_log_probability,
                          .unmatched = s->unmatched,
                          .draft_whole = s->sequence->draft && s->n_draft == s->sequence->n_draft,
                          .draft_log_probability = s->draft_log_probability};
    if (!answer->tokens) return false;
    for (uint32_t i = s->best.leaf; i != NO_NODE; i = s->nodes[i].parent) {
        const node *at = &s->nodes[i];
        answer->tokens[--n] = (e2_written){
            .token = at->token,
            .log_probability = at->log_probability,
            .alternatives = s->alternatives + (size_t)at->step_row * s->n_alternatives,
            .features = s->features ? s->features + at->step_row * (size_t)s->compute->model->memory.features : NULL};
    }
    return true;
}

/* ---- all sequences side by side ---- */

typedef struct group {
    const e2_compute *compute;
    const e2_media *media;
    const e2_search_options *options;
    e2_kv_cache cache;
    search *searches;
    size_t n;
    e2_decoder_row *rows;   /* of one step: [n * beams] */
    float *hidden, *logits; /* [n * beams][.] */
    float *attended, *phi;  /* the same, with a memory */
    float *factors;         /* [n * beams]: of what it adds to the rows */
} group;

/* Logits of `rows` decoded rows, with what the memory adds. */
static bool predict(group *g, size_t rows) {
    const e2str_memory *memory = g->options->memory;
    if (!e2_logits(g->compute, g->hidden, rows, g->logits)) return false;
    if (!memory) return true;
    e2_features_fill(g->compute->model, g->hidden, g->attended, rows, g->phi);
    return e2_memory_apply(g->compute, memory, g->factors, g->phi, rows, g->logits);
}

/* `count` rows from `row` on are the search's: its live beams, or the places of its draft. */
static void give_rows(group *g, search *s, size_t row, uint32_t count) {
    s->logits = g->logits + row * s->stride;
    if (!g->options->memory) return;
    s->phi = g->phi + row * g->compute->model->memory.features;
    for (uint32_t i = 0; i < count; i++) g->factors[row + i] = s->factor;
}

/* States of the search's rows that have been decoded become fused ones, where it asks for that. */
static bool fuse_rows(group *g, const search *s, size_t row, uint32_t count) {
    float *states = g->hidden + row * g->compute->model->decoder.width;
    return !s->sequence->fused ||
           e2_fuse(g->compute, states, count, s->sequence->fused, s->sequence->query_tokens, states);
}

/* Runs the rows of all sequences at once, their drafts behind them; each search gets the logits of its last row, and
 * of its draft's. */
static bool prefill(group *g, const e2_sequence *sequences) {
    size_t total = 0, width = g->compute->model->decoder.width, inner = g->compute->model->decoder.attended_width;
    bool features = g->options->memory != NULL;
    for (size_t i = 0; i < g->n; i++) total += sequences[i].n + g->searches[i].n_draft;
    e2_arena_mark mark = e2_arena_begin(g->compute->arena);
    e2_decoder_row *rows = e2_arena_alloc(g->compute->arena, total, sizeof *rows);
    float *hidden = e2_arena_floats(g->compute->arena, total * width);
    float *attended = features ? e2_arena_floats(g->compute->arena, total * inner) : NULL;
    if (!rows || !hidden || (features && !attended)) return false;
    for (size_t i = 0, at = 0; i < g->n; at += sequences[i].n + g->searches[i].n_draft, i++) {
        e2_sequence_restore(g->compute->model, &sequences[i], &g->cache);
        memcpy(rows + at, sequences[i].rows, sequences[i].n * sizeof *rows);
        feed_draft(&g->searches[i], rows + at + sequences[i].n);
    }
    if (!e2_decode(g->compute, g->media, &g->cache, rows, total, hidden, attended)) return false;
    size_t kept = 0, at = 0;
    for (size_t i = 0; i < g->n; i++) {
        uint32_t count = 1 + g->searches[i].n_draft;
        at += sequences[i].n - 1;
        memcpy(g->hidden + kept * width, hidden + at * width, count * width * sizeof *hidden);
        if (features) memcpy(g->attended + kept * inner, attended + at * inner, count * inner * sizeof *attended);
        give_rows(g, &g->searches[i], kept, count);
        if (!fuse_rows(g, &g->searches[i], kept, count)) return false;
        kept += count;
        at += count;
    }
    e2_arena_release(g->compute->arena, mark);
    return predict(g, kept);
}

/* One token for every live beam of the searches that are not done; *rows is how many there were. */
static bool advance(group *g, size_t *rows) {
    *rows = 0;
    for (size_t i = 0; i < g->n; i++) {
        search *s = &g->searches[i];
        if (s->done) continue;
        feed(s, g->rows + *rows);
        give_rows(g, s, *rows, s->live);
        *rows += s->live;
    }
    if (*rows == 0) return true;
    if (!e2_decode(g->compute, g->media, &g->cache, g->rows, *rows, g->hidden, g->attended)) return false;
    for (size_t i = 0, row = 0; i < g->n; i++) {
        const search *s = &g->searches[i];
        if (s->done) continue;
        if (!fuse_rows(g, s, row, s->live)) return false;
        row += s->live;
    }
    return predict(g, *rows);
}

/* The constraint as search i sees it: as an earlier one does, if they write and show the same tokens. */
static bool guide_search(group *g, size_t i) {
    search *s = &g->searches[i];
    for (size_t j = 0; j < i && !s->guide; j++)
        if (g->searches[j].memory == s->memory && g->searches[j].vocabulary == s->vocabulary)
            s->guide = g->searches[j].guide;
    if (!s->guide) {
        e2_guide *guide = e2_arena_alloc(g->compute->arena, 1, sizeof *guide);
        if (!guide || !e2_guide_make(g->compute->arena, g->compute->model, s->memory, s->vocabulary,
                                     g->options->max_tokens, g->options->constraint, guide))
            return false;
        s->guide = guide;
    }
    s->beams[0].stand = e2_guide_start(s->guide);
    return true;
}

/* Rows that are decoded or looked at together, at most. */
static size_t most_rows(const group *g) {
    size_t places = 0, beams = g->n * g->options->beams;
    for (size_t i = 0; i < g->n; i++) places += 1 + g->searches[i].n_draft;
    return places > beams ? places : beams;
}

static bool group_begin(group *g, const e2_sequence *sequences, size_t slots) {
    const e2str_model *model = g->compute->model;
    e2_arena *arena = g->compute->arena;
    g->searches = e2_arena_alloc(arena, g->n, sizeof *g->searches);
    for (size_t i = 0; i < g->n; i++)
        if (!g->searches || !search_begin(&g->searches[i], g->compute, &sequences[i], g->options) ||
            (g->options->constraint && !guide_search(g, i)))
            return false;
    size_t rows = most_rows(g);
    g->rows = e2_arena_alloc(arena, rows, sizeof *g->rows);
    g->hidden = e2_arena_floats(arena, rows * model->decoder.width);
    g->logits = e2_arena_floats(arena, rows * e2_memory_vocabulary(model, g->options->memory));
    if (!g->rows || !g->hidden || !g->logits || !e2_kv_cache_new(g->compute, slots, &g->cache)) return false;
    if (!g->options->memory) return true;
    g->attended = e2_arena_floats(arena, rows * model->decoder.attended_width);
    g->phi = e2_arena_floats(arena, rows * model->memory.features);
    g->factors = e2_arena_floats(arena, rows);
    return g->attended && g->phi && g->factors;
}

bool e2_search(const e2_compute *compute, const e2_media *media, const e2_sequence *sequences, size_t n, size_t slots,
               const e2_search_options *options, e2_answer *answers) {
    group g = {.compute = compute, .media = media, .options = options, .n = n};
    if (!group_begin(&g, sequences, slots) || !prefill(&g, sequences)) return false;
    for (size_t i = 0; i < n; i++) {
        search *s = &g.searches[i];
        if (s->sequence->draft) score_draft(s);
        s->best = (hypothesis){NO_NODE, 0.0, false, 0.0f};
        s->done = options->drafts_only;
        if (!s->done) first_steps(s);
        if (s->failed) return false;
    }
    for (size_t rows = 1; rows > 0;) {
        if (!advance(&g, &rows)) return false;
        for (size_t i = 0; rows && i < n; i++) {
            search *s = &g.searches[i];
            if (!s->done) options->beams == 1 ? greedy_step(s) : beam_step(s);
            if (s->failed) return false;
        }
    }
    for (size_t i = 0; i < n; i++)
        if (!trace(&g.searches[i], &answers[i])) return false;
    return true;
}
