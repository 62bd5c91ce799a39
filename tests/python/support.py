# SPDX-License-Identifier: MIT
"""What the tests share. They run in the repository's root."""

import os
import unittest

import e2str
import numpy as np

IMAGES = 'examples/images'
TINY = 'tests/golden/plain.gguf'


def labels(folder):
    """[(path, label)] of a folder's labels.tsv"""
    with open(os.path.join(folder, 'labels.tsv'), encoding='utf-8') as file:
        pairs = [line.rstrip('\n').split('\t') for line in file]
    return [(os.path.join(folder, name), label) for name, label in pairs]


def noise(width=40, height=17, channels=3):
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


class Case(unittest.TestCase):
    """With the shipped model, opened once."""

    _reader = None

    @property
    def reader(self):
        if Case._reader is None:
            Case._reader = e2str.Reader()
        return Case._reader

    def reads_as(self, one, other):
        self.assertEqual(self.reader.read(one), self.reader.read(other))

    def demo_pool(self):
        pool = e2str.Pool(self.reader)
        pool.add_labels('examples/demo/pool/labels.tsv')
        return pool
