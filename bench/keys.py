# SPDX-License-Identifier: MIT
"""Writes keys for bench/index: retrieval keys of the pictures of sets, and of words that weights/train draws.

    keys.py KEYS QUERIES N_DRAWN SETS

SETS is a folder of sets (images/). A thousand pictures, by a fixed shuffle, are the queries; the others and N_DRAWN
drawn words, half of them five to a style, the keys. Needs NumPy and what weights/train needs; PYTHONPATH and
E2STR_LIBRARY as in docs/python.md.
"""

import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../weights/train'))
import numpy as np
from data import draw
from e2str import Reader
from render import Renderer


def encode(reader, sources):
    some = [reader.encode(sources[i : i + 256], tokens=False).keys for i in range(0, len(sources), 256)]
    return np.concatenate(some)


def drawn(reader, n):
    renderer, keys, images, count = Renderer(), [], [], 0
    while sum(map(len, keys)) < n:
        count += 1
        try:
            images += [sample.image for sample in draw(renderer, f'index.{count}', 5 if count % 2 else 1)]
        except (OSError, ValueError, OverflowError):  # a face that fails on a character or a size
            continue
        if len(images) >= 256:
            keys.append(encode(reader, images))
            images = []
    return keys


def main(keys_path, queries_path, n, sets):
    reader = Reader()
    real = encode(reader, sorted(glob.glob(os.path.join(sets, '*/images/*'))))
    real = real[np.random.default_rng(1).permutation(len(real))]
    real[:1000].astype('<f4').tofile(queries_path)
    keys = np.concatenate([real[1000:], *drawn(reader, int(n))])
    keys[np.random.default_rng(2).permutation(len(keys))].astype('<f4').tofile(keys_path)


if __name__ == '__main__':
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
