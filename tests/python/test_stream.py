# SPDX-License-Identifier: MIT
import os
import tempfile

import e2str
from support import Case, labels

POOL, QUERIES = labels('examples/demo/pool'), labels('examples/demo/queries')


class TestStream(Case):
    def test_stream(self):
        """corrections become examples, the pool learns, the reads get right"""
        with e2str.Pool(self.reader) as pool, e2str.Stream(pool) as stream, tempfile.TemporaryDirectory() as folder:
            right = 0
            for path, label in POOL:
                found, ticket = stream.read(path)
                self.assertEqual(found, self.reader.read(path, pool))
                answer = stream.correct(ticket, label)
                self.assertEqual((answer.outcome, answer.right, pool[answer.id]), ('added', found.text == label, label))
                right += answer.right
            self.assertEqual(answer.learning, 'ok')
            stream.learn()
            found, ticket = stream.read(QUERIES[0][0], influences=2)
            self.assertEqual((found.text, len(found.characters[0].influences)), (QUERIES[0][1], 2))
            answer = stream.confirm(ticket)
            self.assertEqual((answer.outcome, answer.right), ('added', True))
            self.assertGreater(max(map(stream.use, pool)), 0)
            report = stream.report
            self.assertEqual((report.reads, report.judged, report.right), (len(POOL) + 1, len(POOL) + 1, right + 1))
            path = os.path.join(folder, 'a.pool')
            stream.save(path)
            with e2str.Pool.load(self.reader, path) as loaded:
                self.assertEqual(dict(loaded), dict(pool))
                self.assertIsNotNone(loaded.report())

    def test_cap(self):
        """the pool stays under its cap, and is usable after its stream"""
        with e2str.Pool(self.reader) as pool:
            stream = e2str.Stream(pool, max_examples=6, drop='oldest', contradiction='older_wins', add_right='never')
            newest = ('', 0)
            for number, (path, _) in enumerate(POOL):
                answer = stream.correct(stream.read(path)[1], 'ab' if number % 2 else 'ba')
                newest = (path, answer.id) if answer.outcome == 'added' else newest
                self.assertLessEqual(len(pool), 6)
            self.assertEqual(newest[1], max(pool))
            answer = stream.correct(stream.read(newest[0])[1], 'something else')
            self.assertEqual((answer.outcome, answer.other), ('refused', newest[1]))
            stream.close()
            self.assertRaises(ValueError, stream.read, POOL[0][0])
            self.assertTrue(self.reader.read(POOL[0][0], pool).text)

    def test_errors(self):
        """what is wrong is said"""
        with e2str.Pool(self.reader) as pool, e2str.Stream(pool) as stream:
            self.assertRaises(e2str.NotFoundError, stream.correct, 1, 'a')
            self.assertRaises(e2str.NotFoundError, stream.confirm, -1)
            _, ticket = stream.read(POOL[0][0])
            self.assertRaises(e2str.LabelError, stream.correct, ticket, '')
            self.assertRaises(TypeError, stream.correct, ticket, b'a')
            self.assertRaises(e2str.FileError, stream.read, 'none.png')
            self.assertRaises(e2str.NotFoundError, stream.use, 1)
            self.assertRaises(e2str.ArgumentError, e2str.Stream, pool, window=1)
            self.assertRaises(e2str.ArgumentError, e2str.Stream, pool, drop='best')
            self.assertRaises(TypeError, e2str.Stream, pool, speed=1)
            self.assertRaises(TypeError, e2str.Stream, self.reader)
