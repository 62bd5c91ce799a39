#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes unicode_ranges.h: the classes of the GPT-2 splitter as ranges of code points, from Python's unicodedata.

    /usr/bin/python3 lib/unicode_ranges.py > lib/unicode_ranges.h

The Unicode version is that of the Python that runs this (Debian 12: Python 3.11, Unicode 14.0.0); it is named in the
output. tests/golden/make_tokenizer.py refuses to run under another version: letters that a later Unicode adds are split
in another way.
"""

import unicodedata

# White_Space is not in unicodedata. Above U+00FF it is the categories Z*; U+001C to U+001F are not in it.
LATIN_SPACE = '\t\n\x0b\x0c\r \x85\xa0'


def character_class(character):
    category = unicodedata.category(character)
    if character in LATIN_SPACE or (ord(character) > 0xFF and category[0] == 'Z'):
        return 'S'
    return category[0] if category[0] in 'LN' else None


def ranges():
    first, current = 0, None
    for code in range(0x110000 + 1):
        found = character_class(chr(code)) if code < 0x110000 else None
        if found != current:
            if current:
                yield current, first, code - 1
            first, current = code, found


def print_lines(entries):
    """As many entries as fit, 120 columns a line."""
    line = ''
    for entry in entries:
        if len(line) + 1 + len(entry) > 120:
            print(line)
            line = entry
        else:
            line = f'{line} {entry}' if line else entry
    print(line)


def main():
    print('/* SPDX-License-Identifier: MIT */')
    version = unicodedata.unidata_version
    print(f'/* Written by unicode_ranges.py from Unicode {version}. L: letters, N: numbers, S: White_Space. */')
    print('/* clang-format off */')
    print_lines(f'{name}(0x{first:04X}, 0x{last:04X}),' for name, first, last in ranges())


if __name__ == '__main__':
    main()
