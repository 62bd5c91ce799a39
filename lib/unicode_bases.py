#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes unicode_bases.h: for characters beside ASCII the ASCII character most like each, from Python's unicodedata.

    /usr/bin/python3 lib/unicode_bases.py > lib/unicode_bases.h

Letters come from their decomposition or, where there is none, from their name ("LATIN SMALL LETTER O WITH STROKE");
what has neither is listed here. The Unicode version is named in the output (Debian 12: Python 3.11, Unicode 14.0.0).
"""

import re
import unicodedata

from unicode_ranges import print_lines

# fmt: off
LISTED = {
    'ß': 's', 'Ð': 'D', 'ð': 'd', 'Þ': 'P', 'þ': 'p', 'ĸ': 'k', 'µ': 'u', '№': 'N', '©': 'C', '®': 'R', '™': 'T',
    '€': 'E', '£': 'L', '₤': 'L', '₺': 'L', '¥': 'Y', '¢': 'c', '₽': 'P', '₹': 'R', '₩': 'W', '§': 'S', '¶': 'P',
    '×': 'x', '°': 'o', 'º': 'o', '±': '+', '÷': '-', '¬': '-', '−': '-', '¦': '|', '¡': 'i', '¿': '?', '·': '.',
    '•': '.', '…': '.', '«': '<', '»': '>', '‹': '<', '›': '>', '‘': "'", '’': "'", '‚': ',', '“': '"', '”': '"',
    '„': '"', '‐': '-', '‑': '-', '–': '-', '—': '-', ' ': '-', '\xa0': '-',
}
# fmt: on


def base(character):
    if character in LISTED:
        return LISTED[character]
    first = unicodedata.normalize('NFKD', character)[0]
    if first != character and first.isascii() and first.isalnum():
        return first
    name = unicodedata.name(character, '')
    letter = re.match('LATIN (CAPITAL|SMALL) (?:LETTER|LIGATURE) (?:[A-Z]+ )*?([A-Z])(?:[A-Z]?)(?: |$)', name)
    if not letter:
        return None
    return letter[2] if letter[1] == 'CAPITAL' else letter[2].lower()


def main():
    codes = sorted({*range(0xA0, 0x250), *range(0x1E00, 0x1F00), *map(ord, LISTED)})
    pairs = [(code, base(chr(code))) for code in codes]
    print('/* SPDX-License-Identifier: MIT */')
    version = unicodedata.unidata_version
    print(f'/* Written by unicode_bases.py from Unicode {version}: code point, ASCII character most like it. */')
    print('/* clang-format off */')
    print_lines(f'B(0x{code:04X}, 0x{ord(found):02X}),' for code, found in pairs if found)


if __name__ == '__main__':
    main()
