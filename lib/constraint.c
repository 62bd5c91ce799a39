/* SPDX-License-Identifier: MIT */
#include "constraint.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"
#include "whole_file.h"

/* ----------------------------------------------------------------------------------------------------- making -- */

static const e2str_constraint_options default_options = {.size = sizeof default_options};

void e2str_constraint_options_init_size(e2str_constraint_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

static e2str_status check_options(const e2str_constraint_options *o, e2str_error *error) {
    bool lexicon = o->lexicon || o->lexicon_path;
    if (o->lexicon && o->lexicon_path)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "both lexicon and lexicon_path are given");
    if (!(o->lexicon_bonus >= 0.0f && o->lexicon_bonus <= E2STR_MAX_BONUS))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "lexicon_bonus is %g; from 0 to %d", (double)o->lexicon_bonus,
                       E2STR_MAX_BONUS);
    if (o->lexicon_bonus > 0.0f && !lexicon)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "a lexicon_bonus without a lexicon");
    if (o->min_length > E2STR_MAX_LENGTH || o->max_length > E2STR_MAX_LENGTH ||
        (o->max_length && o->max_length < o->min_length))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "lengths are %u to %u; at most %d, the lower one first",
                       o->min_length, o->max_length, E2STR_MAX_LENGTH);
    if (o->ignore_case > 1) return e2_fail(error, E2STR_ERROR_ARGUMENT, "ignore_case is %u; 0 or 1", o->ignore_case);
    if (!lexicon && !o->pattern && !o->characters && !o->min_length && !o->max_length && !o->accept)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "a constraint without anything in it");
    return E2STR_OK;
}

static e2str_status make_rules(const e2str_constraint_options *o, e2_automaton *rules, e2str_error *error) {
    e2_pattern pattern;
    e2str_status status = e2_pattern_parse(o->pattern, o->characters, o->ignore_case, &pattern, error);
    if (status) return status;
    status = e2_automaton_make(&pattern, o->min_length, o->max_length, rules, error);
    e2_pattern_free(&pattern);
    return status;
}

static e2str_status make_lexicon(const e2str_constraint_options *o, e2str_constraint *c, e2str_error *error) {
    const e2_automaton *rules = c->rules.n ? &c->rules : NULL;
    size_t size = o->lexicon_size;
    if (o->lexicon) {
        if (size == SIZE_MAX) size = strlen(o->lexicon);
        return e2_lexicon_make(o->lexicon, size, c->fold, rules, &c->lexicon, error);
    }
    uint8_t *text;
    e2str_status status = e2_read_whole_file(o->lexicon_path, E2_MAX_LEXICON_BYTES, &text, &size, error);
    if (!status) {
        status = e2_lexicon_make((const char *)text, size, c->fold, rules, &c->lexicon, error);
        if (status) e2_within(error, status, o->lexicon_path);
    }
    free(text);
    return status;
}

e2str_status e2str_constraint_new(const e2str_constraint_options *given, e2str_constraint **constraint,
                                  e2str_error *error) {
    if (!constraint) return e2_fail(error, E2STR_ERROR_ARGUMENT, "constraint is NULL");
    *constraint = NULL;
    e2str_constraint_options o = default_options;
    e2str_status status = e2_options_read(&o, given, "e2str_constraint_options", error);
    if (!status) status = check_options(&o, error);
    if (status) return status;
    e2str_constraint *c = calloc(1, sizeof *c);
    if (!c) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a constraint");
    c->bonus = o.lexicon_bonus;
    c->fold = o.ignore_case;
    c->accept = o.accept;
    c->accept_user = o.accept_user;
    bool lexicon = o.lexicon || o.lexicon_path, alone = lexicon && c->bonus == 0.0f;
    if (!alone || o.pattern || o.characters || o.min_length || o.max_length) status = make_rules(&o, &c->rules, error);
    if (!status && lexicon) status = make_lexicon(&o, c, error);
    if (alone) e2_automaton_free(&c->rules);
    if (status)
        e2str_constraint_free(c);
    else
        *constraint = c;
    return status;
}

void e2str_constraint_free(e2str_constraint *constraint) {
    if (!constraint) return;
    e2_automaton_free(&constraint->rules);
    e2_lexicon_free(&constraint->lexicon);
    free(constraint);
}

static size_t symbols_bytes(const e2_symbols *s) { return s->ranges * (sizeof *s->starts + sizeof *s->of); }

size_t e2str_constraint_bytes(const e2str_constraint *constraint) {
    if (!constraint) return 0;
    const e2_automaton *a = &constraint->rules;
    const e2_lexicon *l = &constraint->lexicon;
    return sizeof *constraint + symbols_bytes(&a->symbols) +
           a->n * (a->symbols.n * sizeof *a->next + sizeof *a->accepts) + symbols_bytes(&l->symbols) +
           l->n_nodes * sizeof *l->nodes + l->n_edges * sizeof *l->edges;
}

/* ------------------------------------------------------------------------------------------------------ using -- */

e2_place e2_constraint_start(const e2str_constraint *constraint) {
    bool lexicon = constraint->lexicon.n_nodes != 0;
    return (e2_place){E2_START, lexicon ? e2_lexicon_root(&constraint->lexicon) : E2_NO_NODE};
}

bool e2_constraint_step(const e2str_constraint *constraint, e2_place *place, uint32_t code) {
    if (constraint->fold) code = e2_unicode_small(code);
    if (constraint->rules.n) place->rule = e2_automaton_step(&constraint->rules, place->rule, code);
    if (place->node != E2_NO_NODE) place->node = e2_lexicon_step(&constraint->lexicon, place->node, code);
    return constraint->rules.n ? place->rule != E2_DEAD : place->node != E2_NO_NODE;
}

bool e2_constraint_ends(const e2str_constraint *constraint, const e2_place *place) {
    if (constraint->rules.n) return constraint->rules.accepts[place->rule];
    return constraint->lexicon.nodes[place->node].distance == 0;
}

int e2str_constraint_matches(const e2str_constraint *constraint, const char *text, size_t size) {
    if (!constraint || !text) return 0;
    if (size == SIZE_MAX) size = strlen(text);
    e2_place place = e2_constraint_start(constraint);
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code;
        length = e2_utf8_next(text + at, size - at, &code);
        if (!length || !code || !e2_constraint_step(constraint, &place, code)) return 0;
    }
    if (!e2_constraint_ends(constraint, &place)) return 0;
    return !constraint->accept || constraint->accept(constraint->accept_user, text, size) != 0;
}
