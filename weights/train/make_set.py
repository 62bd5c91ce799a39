#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a labelled set of rendered words in a few styles, to try pools on (bench/accuracy.py --gallery, e2str eval).

  make_set.py FOLDER [--styles 12] [--each 20] [--words N] [--dim] [--strange] [--seed 1]

Writes FOLDER/images/*.png and FOLDER/labels.tsv.
"""

import argparse
import os

from PIL import Image
from render import Renderer
from styles import Dice, Style


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder')
    p.add_argument('--styles', type=int, default=12)
    p.add_argument('--each', type=int, default=20)
    p.add_argument('--words', type=int, help='of a style, which come again and again (default: all are new)')
    p.add_argument('--dim', action='store_true', help='blurred, hidden, in noise')
    p.add_argument('--strange', action='store_true', help='letters have other shapes than theirs')
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    os.makedirs(os.path.join(a.folder, 'images'), exist_ok=True)
    renderer = Renderer()
    with open(os.path.join(a.folder, 'labels.tsv'), 'w', encoding='utf-8') as labels:
        for style in range(a.styles):
            seed = f'set {a.seed}.{style}'
            dice = (
                Dice(f'{seed}.{i}', Style(seed, cipher=a.strange, murky=a.dim), i % a.words if a.words else None)
                for i in range(4 * a.each)
            )
            for i, sample in enumerate(renderer.several(dice, a.each)):
                name = f'{style:02d}-{i:02d}.png'
                Image.fromarray(sample.image).save(os.path.join(a.folder, 'images', name))
                print(name, sample.text, sep='\t', file=labels)


if __name__ == '__main__':
    main()
