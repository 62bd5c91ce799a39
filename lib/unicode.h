/* SPDX-License-Identifier: MIT */
/* Unicode: decoding UTF-8, and the character classes of the GPT-2 splitter (docs/model.md, section 10). */
#ifndef E2_UNICODE_H
#define E2_UNICODE_H

#include <stddef.h>
#include <stdint.h>

typedef enum e2_class {
    E2_CLASS_OTHER,
    E2_CLASS_LETTER, /* general category L* */
    E2_CLASS_NUMBER, /* general category N* */
    E2_CLASS_SPACE   /* property White_Space */
} e2_class;

e2_class e2_unicode_class(uint32_t code);

/* The ASCII character that looks most like this one (e for the e's with accents), or 0. */
char e2_unicode_base(uint32_t code);

/* The other case of a letter of ASCII, Latin-1 or Latin Extended-A; anything else is given back as it is. */
uint32_t e2_unicode_small(uint32_t code);
uint32_t e2_unicode_capital(uint32_t code);

/* Length (1..4) of the valid UTF-8 character at text[0..size), its code point in *code (may be NULL); 0 if invalid:
 * overlong forms, surrogates and code points above U+10FFFF are. */
size_t e2_utf8_next(const char *text, size_t size, uint32_t *code);

/* Of a character whose UTF-8 begins with these n bytes, 1..3, and goes on: its length, and the first and last code
 * points it can have; 0 if there is none. */
size_t e2_utf8_begun(const char *text, size_t n, uint32_t *first, uint32_t *last);

/* Writes a code point (not a surrogate, at most U+10FFFF) and returns its length, 1..4. */
size_t e2_utf8_put(uint32_t code, char text[4]);

#endif
