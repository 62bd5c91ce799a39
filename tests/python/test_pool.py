# SPDX-License-Identifier: MIT
import gc
import os
import tempfile
from pathlib import Path

import e2str
import numpy as np
from support import TINY, Case, labels, noise

QUERIES = labels('examples/demo/queries')


class TestPool(Case):
    def test_learning(self):
        """a pool learns and then reads what the model could not"""
        paths, texts = zip(*QUERIES)
        with self.demo_pool() as pool:
            self.assertIsNone(pool.report())
            before = [one.text for one in self.reader.read_batch(paths)]
            report = pool.learn()
            self.assertEqual(report, pool.report())
            self.assertEqual((report.examples, report.checked, report.strength, report.new_characters), (20, 20, 1, 1))
            self.assertGreater(report.right_with, report.right_without)
            after = self.reader.read_batch(paths, pool, influences=2)
            right = [sum(a == b for a, b in zip(found, texts)) for found in (before, [one.text for one in after])]
            self.assertEqual(right, [0, len(texts)])
            first = after[0].characters[0]
            self.assertEqual((first.text, len(first.influences)), ('₩', 2))
            self.assertTrue(all(pool[one.example].encode()[one.offset or 0 :] for one in first.influences))
            self.assertGreater(first.memory, 0)
            self.assertTrue(all(0 <= pool.doubt(id) <= 1 for id in pool))
            with pool.memory() as memory:
                self.assertGreater(memory.bytes, 0)
                pool.forget()
                self.assertIsNone(pool.report())
                self.assertEqual([one.text for one in self.reader.read_batch(paths, memory=memory)], list(texts))
                self.assertEqual(self.reader.read(paths[0], memory=memory, memory_factor=0).text, before[0])
            self.assertRaises(ValueError, self.reader.read, paths[0], memory=memory)
            self.assertRaises(e2str.NotFoundError, pool.memory)
            self.assertEqual(pool.learn(strength=0.0).strength, 0)
            pool.clear()
            self.assertIsNone(pool.learn())

    def test_mapping(self):
        """a pool is a mapping of ids to labels"""
        pool = e2str.Pool(e2str.Reader(TINY))
        with self.assertRaises(e2str.UnsupportedError):
            pool.learn()
        long = 'b' * 20
        ids = [pool.add(noise(), label) for label in ('a', long, 'c')]
        self.assertEqual((list(pool), len(pool), pool[ids[1]], list(pool.values())), (ids, 3, long, ['a', long, 'c']))
        self.assertTrue(ids[0] in pool and 99 not in pool and -1 not in pool and pool.get(99) is None)
        del pool[ids[0]]
        pool.remove(ids[2])
        self.assertEqual(dict(pool.items()), {ids[1]: long})
        self.assertGreater(pool.bytes, 0)
        pool.clear()
        self.assertEqual((list(pool), pool.bytes), ([], 0))
        self.assertTrue(pool == pool and pool != e2str.Pool(self.reader) and hash(pool))
        for call in (pool.remove, pool.key, pool.doubt, pool.__getitem__):
            self.assertRaisesRegex(KeyError, 'example', call, 77)

    def test_file(self):
        """a pool is saved and loaded with what it has learnt"""
        with tempfile.TemporaryDirectory() as folder, self.demo_pool() as pool:
            path = Path(folder) / 'demo.pool'
            pool.learn()
            pool.save(path)
            with e2str.Pool.load(self.reader, path, cache_bytes=0) as loaded:
                self.assertEqual((dict(loaded), loaded.report()), (dict(pool), pool.report()))
                self.assertEqual(self.reader.read(QUERIES[0][0], loaded), self.reader.read(QUERIES[0][0], pool))
            self.assertRaises(e2str.FullError, e2str.Pool.load, self.reader, path, max_bytes=100)
            self.assertRaises(e2str.MismatchError, e2str.Pool.load, e2str.Reader(TINY), path)
            path.write_bytes(path.read_bytes()[:-9])
            self.assertRaisesRegex(e2str.FormatError, 'demo.pool', e2str.Pool.load, self.reader, path)
            self.assertRaises(e2str.FileError, e2str.Pool.load, self.reader, os.path.join(folder, 'none'))
            self.assertRaises(e2str.ConflictError, pool.save, path)
            pool.save(path, overwrite=True)
            self.assertEqual(dict(e2str.Pool.load(self.reader, path)), dict(pool))
            self.assertRaises(e2str.FileError, pool.save, os.path.join(folder, 'none', 'pool'))

    def test_labels(self):
        """the examples of a labels file are added, all of them or none"""
        known = labels('examples/demo/pool')
        with e2str.Pool(self.reader) as pool, e2str.Pool(self.reader) as other:
            ids = pool.add_labels('examples/demo/pool/labels.tsv')
            self.assertEqual(list(pool.items()), list(zip(ids, (label for _, label in known))))
            for path, label in known:
                other.add(path, label)
            self.assertEqual(self.reader.read(QUERIES[0][0], pool), self.reader.read(QUERIES[0][0], other))
        with tempfile.TemporaryDirectory() as folder, e2str.Reader(TINY) as tiny, e2str.Pool(tiny) as pool:
            file = Path(folder, 'labels.tsv')
            for name, size in (('a.pgm', 1), ('b.pgm', 2), ('images/b.pgm', 3), ('images/c.pgm', 4)):
                Path(folder, name).parent.mkdir(exist_ok=True)
                Path(folder, name).write_bytes(b'P5 %d 4 255\n' % size + bytes(4 * size))
            file.write_bytes(b'\xef\xbb\xbfa.pgm\tab\r\n\nb.pgm\tb\nc.pgm\tc\na.pgm\td\n%s/a.pgm\te' % folder.encode())
            self.assertEqual([pool[id] for id in pool.add_labels(file)], ['e', 'b', 'c'])
            self.assertEqual([pool[id] for id in pool.add_labels(str(file))], ['e', 'b', 'c'])
            self.assertEqual(len(pool), 6)
            for content, kind, message in (
                (b'a.pgm\tab\nb.pgm ab', e2str.LabelError, '^.*labels.tsv:2: no tab'),
                (b'a.pgm\tab\nb.pgm\t\xff', e2str.LabelError, '^.*labels.tsv:2: the text is not UTF-8'),
                (b'a.pgm\tab\nlabels.tsv\tx', e2str.ImageError, '^.*/labels.tsv: '),
                (b'a.pgm\tab\nd.pgm\tx', FileNotFoundError, '^.*/d.pgm: No such file'),
                (b'a.pgm\tab\nb.pgm\t\xe6\xbc\xa2', e2str.LabelError, '^.*/b.pgm: '),
            ):
                file.write_bytes(content)
                self.assertRaisesRegex(kind, message, pool.add_labels, file)
                self.assertEqual(len(pool), 6)
            file.write_bytes(b'')
            self.assertEqual(pool.add_labels(file), [])
            with self.assertRaises(e2str.MissingFileError) as caught:
                pool.add_labels(Path(folder, 'none'))
            self.assertEqual(caught.exception.filename, os.path.join(folder, 'none'))
            self.assertRaisesRegex(e2str.FileError, 'Is a directory', pool.add_labels, folder)
            self.assertRaisesRegex(TypeError, '^path is a path', pool.add_labels, 5)

    def test_info(self):
        """what a pool holds, in memory and in an archive"""
        with tempfile.TemporaryDirectory() as folder, e2str.Reader(TINY) as tiny:
            path, pool = Path(folder, 'a.archive'), e2str.Pool(tiny, storage='f32')
            self.assertEqual(pool.info(), e2str.PoolInfo(0, 0, 'f32', False, False, 0, 0, 0, 0))
            pool.add(noise(), 'abc')
            self.assertEqual(pool.info(), e2str.PoolInfo(1, 1, 'f32', False, False, 0, 0, 0, 0))
            pool.save_archive(path, without_tokens=True)
            pool.add(noise(30), 'd')
            info = pool.info()
            self.assertEqual((info.examples, info.added, info.archive, info.segments), (2, 1, True, 1))
            self.assertEqual((info.file_bytes, info.without_tokens), (path.stat().st_size, 1))
            self.assertIs(info.mapped, True)
            pool.close()
            self.assertRaisesRegex(ValueError, 'closed', pool.info)

    def test_archive(self):
        """a pool in an archive: saved to, refreshed, verified, without visual tokens"""
        with tempfile.TemporaryDirectory() as folder, self.demo_pool() as pool:
            path, small = Path(folder) / 'demo.archive', Path(folder) / 'small.archive'
            pool.learn()
            before = self.reader.read(QUERIES[0][0], pool)
            pool.save_archive(path)
            with (
                e2str.Pool.load(self.reader, path) as loaded,
                e2str.Pool.load(self.reader, path, unmapped=True) as other,
            ):
                self.assertEqual((dict(loaded), loaded.report()), (dict(pool), pool.report()))
                self.assertEqual(self.reader.read(QUERIES[0][0], loaded), before)
                size = path.stat().st_size
                loaded.add(noise(), 'new')
                loaded.save(path)
                self.assertLess(path.stat().st_size, size + 100000)
                self.assertEqual(len(other), len(pool))
                other.refresh()
                self.assertEqual(dict(other), dict(loaded))
                other.verify()
                pool.add(noise(), 'mine')
                self.assertRaises(e2str.ConflictError, pool.save, path)
                self.assertRaises(e2str.ConflictError, pool.refresh)
                loaded.save_archive(small, without_tokens=True)
                self.assertLess(small.stat().st_size, size / 2)
                self.assertRaises(e2str.UnsupportedError, self.reader.read, QUERIES[0][0], loaded, examples=[1])
            damaged = bytearray(path.read_bytes())
            damaged[13000] ^= 1
            path.write_bytes(damaged)
            self.assertRaisesRegex(e2str.FormatError, 'damaged', e2str.Pool.load(self.reader, path).verify)

    def test_prompts(self):
        """examples by id, and prepared"""
        with self.demo_pool() as pool:
            ids = list(pool)[3:5]
            given = self.reader.read(QUERIES[0][0], pool, examples=ids)
            self.assertEqual([one.id for one in given.examples], ids)
            with pool.prompt(ids) as prompt:
                self.assertGreater(prompt.bytes, 0)
                pool.clear()
                prepared = self.reader.read(QUERIES[0][0], prompt=prompt)
            self.assertEqual((prepared.text, prepared.tokens), (given.text, given.tokens))
            self.assertRaises(e2str.NotFoundError, pool.prompt, [1])
            self.assertRaises(e2str.NotFoundError, self.reader.read, QUERIES[0][0], pool, examples=[1])
            self.assertRaises(e2str.ArgumentError, self.reader.read, QUERIES[0][0], pool, examples=[-1])

    def test_nearest(self):
        """the nearest examples to a key"""
        with self.demo_pool() as pool:
            ids, keys = list(pool), np.stack([pool.key(id) for id in pool])
            found = pool.nearest(keys[3], 5)
            self.assertEqual(len(found), 5)
            self.assertEqual(found[0][0], ids[3])
            order = np.argsort(-keys @ keys[3], kind='stable')[:5]
            self.assertEqual([id for id, _ in found], [ids[i] for i in order])
            np.testing.assert_allclose([cosine for _, cosine in found], (keys @ keys[3])[order], atol=1e-5)
            self.assertEqual(len(pool.nearest(keys[3], 1000)), len(ids))
            self.assertEqual(pool.nearest(keys[3], 0), [])
            self.assertEqual(len(pool.nearest(keys[3], 5, min_similarity=0.99999)), 1)
            self.assertRaises(ValueError, pool.nearest, keys[3][:-1], 5)
            np.testing.assert_array_equal(self.reader.encode([QUERIES[0][0]]).keys.shape, (1, keys.shape[1]))

    def test_refused(self):
        """labels and examples that cannot be are refused by name"""
        with e2str.Pool(self.reader, max_bytes=40_000, storage='f16') as pool:
            self.assertRaises(e2str.LabelError, pool.add, noise(), '')
            self.assertRaises(UnicodeEncodeError, pool.add, noise(), 'a\udce9')
            self.assertRaises(TypeError, pool.add, noise())
            pool.add(noise(), 'abc')
            self.assertRaises(e2str.FullError, pool.add, noise(), 'abc')
            self.assertRaises(e2str.MismatchError, e2str.Reader(TINY).read, noise(), pool)
        self.assertRaises(TypeError, e2str.Pool, self.reader, max_byte=1)

    def test_lifetime(self):
        """what was made of a model outlives its reader"""
        reader = e2str.Reader(TINY)
        pool = e2str.Pool(reader)
        id = pool.add(noise(), 'abc')
        prompt = pool.prompt([id])
        pool.circle = pool, reader  # garbage in a circle
        reader.close()
        del reader, pool
        gc.collect()
        self.assertGreater(prompt.bytes, 0)
