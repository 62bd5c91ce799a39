# SPDX-License-Identifier: MIT
"""What the model can write: one token per character (docs/model-format.md). The rest of training and the export take
it from here.

ASCII comes first, so that checkpoints of it keep their token numbers. The long s is not a character of its own: it is
read as s.
"""

import string
import unicodedata

DIGITS, LETTERS = string.digits, string.ascii_letters
ASCII = DIGITS + LETTERS + string.punctuation
LATIN_1 = ''.join(map(chr, range(0xA1, 0x100))).replace('\u00ad', '')  # without the soft hyphen
EXTENDED_A = ''.join(map(chr, range(0x100, 0x17F))).replace('\u0149', '')  # without the deprecated n with apostrophe
SIGNS = '€₤₹₽№™‰…•–—‘’‚“”„†‡‹›'
CHARSET = ASCII + ' ' + LATIN_1 + EXTENDED_A + SIGNS
LONG_S = '\u017f'
LOOKS_LIKE = {
    '№': 'N',
    '™': 'T',
    '‰': '%',
    '…': '.',
    '•': '.',
    '–': '-',
    '—': '-',
    '‘': "'",
    '’': "'",
    '‚': ',',
    '“': '"',
    '”': '"',
    '„': ',',
    '†': 't',
    '‡': 't',
    '‹': '<',
    '›': '>',
    '€': 'C',
    '₤': 'L',
    '₹': 'R',
    '₽': 'P',
    '£': 'L',
    '¥': 'Y',
    '¢': 'c',
    '§': 'S',
    '©': 'C',
    '®': 'R',
    'ß': 'B',
    'æ': 'a',
    'Æ': 'A',
    'œ': 'o',
    'Œ': 'O',
    'ø': 'o',
    'Ø': 'O',
    'ł': 'l',
    'Ł': 'L',
    'đ': 'd',
    'Đ': 'D',
    'ð': 'd',
    'Ð': 'D',
    'þ': 'p',
    'Þ': 'P',
    '«': '<',
    '»': '>',
    '·': '.',
    '×': 'x',
    '¡': 'i',
    '¿': '?',
    '¦': '|',
    '¬': '-',
    '±': '+',
    '¶': 'P',
}


def base(c):
    """The ASCII character that c looks like most: its letter without the accent, or '.' for want of one."""
    if c in ASCII:
        return c
    plain = unicodedata.normalize('NFKD', c)[0]
    return LOOKS_LIKE.get(c, plain if plain in ASCII else '.')


def recased(text, case):
    """Character by character; those that become several, or one that CHARSET has not (of micro), stay."""
    pairs = ((c, case(c)) for c in text)
    return ''.join(other if len(other) == 1 and other in CHARSET else c for c, other in pairs)


def upper(text):
    return recased(text, str.upper)


def lower(text):
    return recased(text, str.lower)
