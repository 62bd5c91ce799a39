#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Accuracy on fields that are drawn here, read freely and with what is known of them: the table of docs/constraints.md.

constraints.py FOLDER [--each 200] [--e2str build/e2str]     (packages: weights/train/README.md)
"""

import argparse
import json
import os
import subprocess
import sys
from typing import NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, 'weights', 'train'))

import kinds  # noqa: E402  found by the line above
from text import WORDS, capitals, digits  # noqa: E402


class Field(NamedTuple):
    kind: kinds.Kind
    options: tuple  # of `e2str eval`


def amount(r):
    return f'{r.randint(1, 10 ** r.randint(1, 6)):,}.{r.randint(0, 99):02d}'


def date(r):
    return f'{r.randint(1, 31):02d}.{r.randint(1, 12):02d}.{r.randint(1950, 2029)}'


def serial(r):
    return capitals(r, 2, 2) + digits(r, 6, 6)


def plate(r):
    return capitals(r, 2, 2) + digits(r, 2, 2) + capitals(r, 3, 3)


def fields(lexicon):
    amounts = ('--pattern', r'\d{1,3}(,\d{3})*\.\d\d')
    dates = ('--pattern', r'(0[1-9]|[12]\d|3[01])\.(0[1-9]|1[0-2])\.(19|20)\d\d')
    serials = ('--pattern', r'[A-Z]{2}\d{6}')
    of = kinds.of
    return {
        'amounts': Field(kinds.Kind(of(amount), 'form'), amounts),
        'amounts by hand': Field(kinds.Kind(of(amount), 'digits', by_hand=1.0), amounts),
        'dates': Field(kinds.Kind(of(date), 'form'), dates),
        'dates by hand': Field(kinds.Kind(of(date), 'digits', by_hand=1.0), dates),
        'serials': Field(kinds.Kind(of(serial), 'code'), serials),
        'plates': Field(kinds.Kind(of(plate), 'plate'), ('--pattern', r'[A-Z]{2}\d\d[A-Z]{3}')),
        'words by hand': Field(
            kinds.Kind(lambda texts, r: texts.word(r, WORDS), 'letter', by_hand=1.0), ('--lexicon', lexicon)
        ),
        'the same, a bonus of 4': Field(None, ('--lexicon', lexicon, '--lexicon-bonus', '4')),
    }


def measure(a, folder, options):
    command = [a.e2str, 'eval', '--json', '--labels', os.path.join(folder, 'labels.tsv'), *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder')
    p.add_argument('--each', type=int, default=200)
    p.add_argument('--e2str', default='build/e2str')
    a = p.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    lexicon = os.path.join(a.folder, 'lexicon.txt')
    renderer, folder = kinds.KindRenderer(), None
    with open(lexicon, 'w', encoding='utf-8') as file:
        file.write('\n'.join(sorted({word for name in WORDS for word in renderer.texts.lists[name]})))
    for name, field in fields(lexicon).items():
        if field.kind:
            folder = os.path.join(a.folder, name.replace(' ', '-'))
            kinds.KINDS[name] = field.kind
            if not os.path.exists(folder):
                kinds.write_set(folder, renderer.of(name, a.each))
        free, greedy = measure(a, folder, ()), measure(a, folder, field.options)
        beams = measure(a, folder, (*field.options, '--beam', '4'))
        row = (free['images'], free['exact'], greedy['exact'], beams['exact'], beams['unmatched'])
        print(f'| {name} | ' + ' | '.join(map(str, row)) + ' |', flush=True)


if __name__ == '__main__':
    main()
