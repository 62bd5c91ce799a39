# SPDX-License-Identifier: MIT
import os
import sys
import unittest

import e2str
from support import Case, labels

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../examples/python'))
try:
    from nearest_usearch import Nearest

    missing = ''
except ImportError as error:
    missing = str(error)

PATHS = [path for path, _ in labels('examples/demo/queries')]


class TestNearest(Case):
    def test_proposals(self):
        """a search of one's own proposes what a read's examples are taken of"""
        asked = []

        def propose(key, most):
            asked.append((key.shape, str(key.dtype), most))
            return iter([*pool, 10**6, *pool])

        with self.demo_pool() as pool:
            own = self.reader.read(PATHS[0], pool, k=5, nearest=propose)
            self.assertEqual(asked, [((self.reader.info.visual_width,), 'float32', 20)])
            self.assertEqual(own, self.reader.read(PATHS[0], pool, k=5))
            self.assertEqual(self.reader.read(PATHS[0], pool, k=5, nearest=lambda key, most: []).examples, ())

    def test_failures(self):
        """what it raises, and what is no id, ends the read"""
        with self.demo_pool() as pool:
            for nearest, error in (
                (lambda key, most: 1 / 0, ZeroDivisionError),
                (lambda key, most: ['a'], TypeError),
                (lambda key, most: [-1], ValueError),
                (7, TypeError),
            ):
                with self.subTest(error=error), self.assertRaises(error):
                    self.reader.read(PATHS[0], pool, k=2, nearest=nearest)
            self.assertTrue(self.reader.read(PATHS[0], pool, k=2).examples)

    def test_index_of_a_pool(self):
        """a pool may have an index from the first example on"""
        with e2str.Pool(self.reader, index_from=0) as pool, self.demo_pool() as exact:
            for path, label in labels('examples/demo/pool'):
                pool.add(path, label)
            self.assertEqual(self.reader.read(PATHS[0], pool, k=3), self.reader.read(PATHS[0], exact, k=3))

    @unittest.skipIf(missing, missing)
    def test_usearch(self):
        """usearch proposes what the pool's own search finds, and may know of examples that are gone"""
        with self.demo_pool() as pool:
            ids = list(pool)
            nearest = Nearest(pool, ids[:-1])
            nearest.add(pool, ids[-1])
            self.assertEqual(
                self.reader.read_batch(PATHS, pool, k=2, nearest=nearest), self.reader.read_batch(PATHS, pool, k=2)
            )
            del pool[self.reader.read(PATHS[0], pool, k=1).examples[0].id]
            self.assertEqual(
                self.reader.read_batch(PATHS, pool, k=2, nearest=nearest), self.reader.read_batch(PATHS, pool, k=2)
            )
