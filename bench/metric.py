#!/usr/bin/python3
"""How two words are compared. This is the definition; `e2str eval` has it as a table, which this program writes:

    /usr/bin/python3 bench/metric.py > examples/e2str/metric_table.h

Alphanumeric: punctuation, symbols (but ^), blanks and control characters are left out, everything else has to be equal
but for case. For ASCII this is what the E2STR paper's evaluation keeps: letters, digits and ^. Case is Unicode's simple
folding, one character for one: SS is not ß, and İ stays. Nothing is normalised: é is not e with an accent after it, nor
Ａ an A. The Unicode version is that of the Python that runs this; the table names its own.
"""

import functools
import unicodedata

LEFT_OUT = {'Pc', 'Pd', 'Pe', 'Pf', 'Pi', 'Po', 'Ps', 'Sc', 'Sk', 'Sm', 'So', 'Zl', 'Zp', 'Zs', 'Cc', 'Cf'}


@functools.lru_cache(maxsize=None)
def compared(character):
    """As it is compared; '' if it is left out."""
    if unicodedata.category(character) in LEFT_OUT and character != '^':
        return ''
    return next((one for one in (character.casefold(), character.lower()) if len(one) == 1), character)


def alphanumeric(text):
    return ''.join(map(compared, text))


def any_case(text):
    return ''.join(compared(character) or character for character in text)


def table():
    """(first, last, step, distance to what they are compared as; 0: left out), ascending"""
    rows = []
    for code in range(0x110000):
        to = compared(chr(code))
        distance = ord(to) - code if to else 0
        if to and not distance:
            continue
        if rows and rows[-1][3] == distance:
            first, last, step, _ = rows[-1]
            if code - last == (step or code - last) and code - last <= (2 if distance else 1):
                rows[-1] = (first, code, code - last, distance)
                continue
        rows.append((code, code, 0, distance))
    return rows


def main():
    print(f'/* Written by bench/metric.py from Unicode {unicodedata.unidata_version}: first, last, step, distance. */')
    print('/* clang-format off */')
    line = ''
    for first, last, step, distance in table():
        entry = f'{{0x{first:X}, 0x{last:X}, {step or 1}, {distance}}},'
        if len(line) + len(entry) >= 120:
            print(line)
            line = ''
        line += (' ' if line else '') + entry
    print(line)


if __name__ == '__main__':
    main()
