/* Character classes of the GPT-2 splitter (spec section 10). */
#ifndef E2_UNICODE_H
#define E2_UNICODE_H

#include <stdint.h>

typedef enum e2_class {
    E2_CLASS_OTHER,
    E2_CLASS_LETTER, /* general category L* */
    E2_CLASS_NUMBER, /* general category N* */
    E2_CLASS_SPACE   /* property White_Space */
} e2_class;

e2_class e2_unicode_class(uint32_t code);

#endif
