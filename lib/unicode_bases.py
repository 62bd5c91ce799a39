#!/usr/bin/python3
"""Writes unicode_bases.h: for characters beside ASCII an ASCII character that looks most like each, from Python's unicodedata.

    /usr/bin/python3 lib/unicode_bases.py > lib/unicode_bases.h

Letters come from their decomposition or, where there is none, from their name ("LATIN SMALL LETTER O WITH STROKE"); what
has neither is listed here. The Unicode version is named in the output (Debian 12: Python 3.11, Unicode 14.0.0).
"""
import re
import unicodedata

LISTED = {'ß': 's', 'Ð': 'D', 'ð': 'd', 'Þ': 'P', 'þ': 'p', 'ĸ': 'k', '×': 'x', '°': 'o', 'º': 'o', '€': 'E', '£': 'L', '¥': 'Y', '¢': 'c', '§': 'S',
          '©': 'C', '®': 'R', '¡': 'i', '¿': '?', '«': '<', '»': '>', '‹': '<', '›': '>', '·': '.', '•': '.', '…': '.', '‘': "'", '’': "'",
          '‚': ',', '“': '"', '”': '"', '„': '"', '‐': '-', '‑': '-', '–': '-', '—': '-', '−': '-', '№': 'N', 'µ': 'u', '¶': 'P', '±': '+',
          '÷': '-', '¬': '-', '¦': '|', ' ': '-', '\xa0': '-', '₤': 'L', '₽': 'P', '₹': 'R', '₺': 'L', '₩': 'W', '™': 'T'}


def base(character):
    if character in LISTED:
        return LISTED[character]
    first = unicodedata.normalize('NFKD', character)[0]
    if first != character and first.isascii() and first.isalnum():
        return first
    letter = re.match('LATIN (CAPITAL|SMALL) (?:LETTER|LIGATURE) (?:[A-Z]+ )*?([A-Z])(?:[A-Z]?)(?: |$)', unicodedata.name(character, ''))
    if not letter:
        return None
    return letter[2] if letter[1] == 'CAPITAL' else letter[2].lower()


def main():
    codes = sorted({*range(0xA0, 0x250), *range(0x1E00, 0x1F00), *map(ord, LISTED)})
    pairs = [(code, base(chr(code))) for code in codes]
    print(f'/* Written by unicode_bases.py from Unicode {unicodedata.unidata_version}: code point, ASCII character that looks most like it. */')
    line = ''
    for entry in (f"B(0x{code:04X}, 0x{ord(found):02X})," for code, found in pairs if found):
        if len(line) + 1 + len(entry) > 120:
            print(line)
            line = entry
        else:
            line = f'{line} {entry}' if line else entry
    print(line)


main()
