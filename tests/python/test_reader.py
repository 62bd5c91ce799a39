# SPDX-License-Identifier: MIT
import copy
import errno
import gc
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import e2str
import numpy as np
from support import IMAGES, TINY, Case, labels, noise

PATHS, TEXTS = zip(*labels(IMAGES))


class TestReader(Case):
    def test_images(self):
        """the example images are read right"""
        self.assertEqual(tuple(self.reader.read(path).text for path in PATHS), TEXTS)

    def test_batch(self):
        """a batch gives what one by one gives, in its order"""
        options = dict(alternatives=3, beams=2)
        one_by_one = [self.reader.read(path, **options) for path in PATHS]
        self.assertEqual(self.reader.read_batch(PATHS, **options), one_by_one)
        self.assertEqual(self.reader.read_batch(iter(PATHS), **options), one_by_one)
        self.assertEqual(self.reader.read_batch([]), [])
        with e2str.Reader(TINY) as tiny:
            many = [noise(20 + i % 5, 8) for i in range(600)]
            self.assertEqual(tiny.read_batch(many), [tiny.read(one) for one in many[:5]] * 120)

    def test_batch_failure(self):
        """a failure in a batch says which image it was"""
        with self.assertRaisesRegex(e2str.FileError, 'image 2: .*none.png'):
            self.reader.read_batch([*PATHS[:2], 'none.png'])
        self.assertRaisesRegex(TypeError, 'not one str', self.reader.read_batch, 'word.png')
        with e2str.Reader(TINY) as tiny:
            empty = np.zeros((0, 5), np.uint8)
            self.assertRaisesRegex(
                e2str.ArgumentError, 'image 601: .* 5 x 0', tiny.read_batch, [noise()] * 601 + [empty]
            )

    def test_batch_errors(self):
        """with errors='return' the exception stands in the place of what cannot be read, and the others are read"""
        with e2str.Reader(TINY) as reader:
            batch = [noise(20, 8 + i % 5) for i in range(300)]
            right = reader.read_batch(batch)
            self.assertEqual(reader.read_batch(batch, errors='return'), right)
            wrong = {
                0: ('none.png', e2str.MissingFileError, '^none.png: '),
                7: (b'no picture', e2str.ImageError, '^not PNG'),
                8: (np.zeros((0, 5), np.uint8), e2str.ArgumentError, '^image.width x height is 5 x 0'),
                9: ('a\0b', e2str.ArgumentError, 'NUL'),
                131: (np.zeros((5, 5, 2), np.uint8), e2str.ArgumentError, '1, 3 or 4 channels'),
                299: (e2str.Picture(noise(), rotate=7), e2str.ArgumentError, '^image.rotate is 7'),
            }
            for index, (image, _, _) in wrong.items():
                batch[index] = image
            for given, known in ((batch, right), ([batch[0]], [right[0]])):
                found = reader.read_batch(iter(given), errors='return')
                self.assertEqual(len(found), len(known))
                for index, (one, expected) in enumerate(zip(found, known)):
                    if index in wrong:
                        self.assertIs(type(one), wrong[index][1])
                        self.assertRegex(str(one), wrong[index][2])
                        self.assertIsNone(one.__traceback__)
                    else:
                        self.assertEqual(one, expected)
            self.assertEqual(reader.read_batch([], errors='return'), [])
            for call in (dict(beams=0, errors='return'), dict(errors='ignore')):
                self.assertRaises(e2str.ArgumentError, reader.read_batch, batch, **call)
            self.assertRaisesRegex(TypeError, 'image 1: ', reader.read_batch, [noise(), 5], errors='return')
            self.assertRaises(ZeroDivisionError, reader.read_batch, (1 // 0 for _ in 'a'), errors='return')

    def test_file_errors(self):
        """a FileError is the OSError that Python's own calls would raise, and a FileNotFoundError where it is one"""
        with tempfile.TemporaryDirectory() as folder, e2str.Reader(TINY) as reader:
            nowhere, blocked = os.path.join(folder, 'none', 'a'), os.path.join(folder, 'file', 'a')
            Path(folder, 'file').touch()
            pool = e2str.Pool(reader)
            for call in (
                reader.read,
                lambda path: reader.read(Path(path)),
                e2str.Reader,
                lambda path: e2str.Pool.load(reader, path),
                pool.save,
                lambda path: pool.save(path, overwrite=True),
                pool.save_archive,
                lambda path: e2str.Stream(pool).save(path),
                lambda path: e2str.Constraint(lexicon_path=path),
            ):
                for path, number, is_missing in (
                    (nowhere, errno.ENOENT, True),
                    (blocked, errno.ENOTDIR, False),
                    (folder, errno.EISDIR, False),
                ):
                    with self.assertRaises(e2str.FileError) as caught:
                        call(path)
                    error = caught.exception
                    self.assertEqual((error.errno, error.strerror, error.filename), (number, os.strerror(number), path))
                    self.assertEqual(isinstance(error, FileNotFoundError), is_missing)
                    self.assertTrue(str(error).startswith(f'{path}: ') and isinstance(error, OSError), error)
                    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
                        self.assertEqual((type(copied), vars(copied)), (type(error), vars(error)))
                        self.assertEqual((copied.errno, copied.filename, str(copied)), (number, path, str(error)))
            with self.assertRaisesRegex(FileNotFoundError, '^image 1: ') as caught:
                reader.read_batch([noise(), nowhere])
            self.assertEqual((caught.exception.errno, caught.exception.filename), (errno.ENOENT, nowhere))
            os.symlink('nothing', os.path.join(folder, 'link'))
            self.assertRaises(FileNotFoundError, pool.save, os.path.join(folder, 'link'))
            self.assertIsNone(e2str.FileError('a reason of our own').errno)

    def test_reading(self):
        """a reading holds text, characters and alternatives"""
        reading = self.reader.read(PATHS[0], alternatives=3)
        self.assertEqual(str(reading), TEXTS[0])
        self.assertEqual(''.join(character.text for character in reading.characters), reading.text)
        self.assertTrue(0 < reading.score <= 1 and 0 < reading.end_probability <= 1 and not reading.truncated)
        for character in reading.characters:
            best = character.alternatives[0]
            self.assertEqual(best.text, character.text)
            self.assertAlmostEqual(best.probability, character.probability, 5)
            self.assertEqual((len(character.alternatives), character.memory, character.influences), (3, 0, ()))
        self.assertEqual(len(reading.tokens), len(reading.text))
        self.assertEqual(hash(reading), hash(self.reader.read(PATHS[0], alternatives=3)))
        with self.assertRaises(AttributeError):
            reading.text = 'other'
        short = self.reader.read(PATHS[0], max_tokens=2)
        self.assertEqual((short.text, short.truncated, short.end_probability), (TEXTS[0][:2], True, 0))

    def test_constraint(self):
        """what a text may be, by pattern, lexicon and function"""
        year, garden = (f'{IMAGES}/{name}' for name in ('2026.png', 'garden.jpg'))
        with e2str.Constraint(pattern='[0-9]{4}', ignore_case=True) as digits:
            self.assertTrue(digits.matches('1984') and not digits.matches('198') and digits.bytes > 0)
            self.assertEqual(self.reader.read(year, constraint=digits).text, '2026')
            forced = self.reader.read(garden, constraint=digits, textless_from=2.0)  # for digits there is no text
            self.assertTrue(forced.unmatched or digits.matches(forced.text))
        lexicon = e2str.Constraint(lexicon='Garden\nHarbour\n')
        self.assertEqual(self.reader.read(garden, constraint=lexicon).text, 'Garden')
        asked = []
        odd = e2str.Constraint(characters='0-9', accept=lambda text: asked.append(text) or text[-1:] in tuple('13579'))
        self.assertTrue(odd.matches('77') and not odd.matches('78'))
        found = self.reader.read(year, constraint=odd, beams=8)
        self.assertTrue('2026' in asked and (found.unmatched or int(found.text) % 2))
        self.assertRaisesRegex(e2str.ArgumentError, 'pattern', e2str.Constraint, pattern='(')
        self.assertRaisesRegex(e2str.FileError, 'none.txt', e2str.Constraint, lexicon_path='none.txt')
        self.assertRaises(e2str.ArgumentError, e2str.Constraint)
        self.assertRaises(e2str.ArgumentError, e2str.Constraint, pattern='a\0b')

    def test_confidence(self):
        """confidence, and where characters are, as far as the model knows"""
        reading = self.reader.read(PATHS[0], reject_below=1.0)
        self.assertTrue(0 < reading.confidence < 1 and reading.rejected and 0 <= reading.textless <= 1)
        self.assertFalse(self.reader.read(PATHS[0]).rejected)
        self.assertTrue(all(character.box is None for character in reading.characters))
        if not self.reader.info.places:
            self.assertEqual(reading.confidence, reading.score)
            self.assertRaises(e2str.UnsupportedError, self.reader.read, PATHS[0], places=True)
            return
        boxes = [character.box for character in self.reader.read(PATHS[0], places=True).characters]
        self.assertEqual([box.left for box in boxes], sorted(box.left for box in boxes))
        width = e2str.Picture(PATHS[0]).width
        self.assertTrue(all(0 <= box.left < box.right <= width and box.top < box.bottom for box in boxes))

    def test_wrong_options(self):
        """options out of range, of the wrong kind or unknown are refused"""
        for option in (dict(beams=0), dict(beams=17), dict(beams=-1), dict(k=65), dict(k=-1), dict(alternatives=2**32)):
            with self.assertRaisesRegex(e2str.ArgumentError, next(iter(option))):
                self.reader.read(PATHS[0], **option)
        for option in (dict(beems=1), dict(size=8), dict(beams='2'), dict(beams=2.0), dict(memory=1.5)):
            with self.assertRaises(TypeError):
                self.reader.read(PATHS[0], **option)
        self.assertRaisesRegex(e2str.ArgumentError, "'f16'.*'bf16'", e2str.Reader, TINY, precision='f16')
        self.assertRaises(e2str.ArgumentError, e2str.Reader, TINY, threads=0)
        self.assertEqual(self.reader.read(PATHS[0], beams=None), self.reader.read(PATHS[0]))

    def test_unknown_options(self):
        """an option that is not known is refused with the one that may be meant, and where it belongs"""
        path, none = PATHS[0], 'there is no option'
        for message, call in (
            (f"{none} 'beam': is it 'beams'?", lambda: self.reader.read(path, beam=3)),
            (
                f"{none} 'everywhere': is it 'memory_everywhere'?",
                lambda: self.reader.read_batch([path], everywhere=True),
            ),
            (f"{none} 'reject': is it 'reject_below'?", lambda: self.reader.read(path, reject=0.5)),
            (f"{none} 'rotate' here: it is Picture(image, rotate=...)", lambda: self.reader.read(path, rotate='auto')),
            (f"{none} 'max_side' here: it is Picture(file, max_side=...)", lambda: self.reader.read(path, max_side=9)),
            (f"{none} 'pattern' here: it is Constraint(pattern=...)", lambda: self.reader.read(path, pattern='[0-9]')),
            (f"{none} 'rotat_' here: is it Picture(image, rotate=...)?", lambda: self.reader.read(path, rotat_=90)),
            (f"{none} 'beams' here: it is read(image, beams=...)", lambda: e2str.Reader(TINY, beams=2)),
            (f"{none} 'thread': is it 'threads'?", lambda: e2str.Reader(TINY, thread=2)),
            (f"{none} 'rotat_' here: is it Picture(image, rotate=...)?", lambda: e2str.Picture(path, rotat_=90)),
            (f"{none} 'rotat_': is it 'rotate'?", lambda: e2str.Picture(noise(), rotat_=90)),
            (f"{none} 'xyz'", lambda: self.reader.read(path, xyz=1)),
            (f"{none} 'n_examples': is it 'examples'?", lambda: self.reader.read(path, n_examples=1)),
        ):
            self.assertRaisesRegex(TypeError, f'^{re.escape(message)}$', call)

    def test_wrong_types(self):
        """what has the wrong type is a TypeError that names what is accepted, a handle of another kind as well"""
        reader, path = self.reader, PATHS[0]
        pool = e2str.Pool(reader)
        first = pool.add(path, TEXTS[0])
        prompt, key = pool.prompt([first]), pool.key(first)
        digits = e2str.Constraint(characters='0-9')
        for accepted, call in (
            ('a picture is a path, bytes, an array .*, not int', lambda: reader.read(5)),
            ('image 1: a picture is .*, not int', lambda: reader.read_batch([path, 5])),
            ('images is an iterable of pictures, not int', lambda: reader.read_batch(5)),
            ('images is an iterable of pictures, not int', lambda: reader.encode(5)),
            ('pool is a Pool, not Reader', lambda: reader.read(path, reader)),
            ('memory is a Memory, not Prompt', lambda: reader.read(path, memory=prompt)),
            ('memory is a Memory, not Pool', lambda: reader.read(path, memory=pool)),
            ('prompt is a Prompt, not int', lambda: reader.read(path, prompt=5)),
            ('constraint is a Constraint, not str', lambda: reader.read(path, constraint='[0-9]')),
            ('beams is a number, not Prompt', lambda: reader.read(path, beams=prompt)),
            ('beams is an integer, not float', lambda: reader.read(path, beams=2.0)),
            ('memory_factor is a number, not str', lambda: reader.read(path, memory_factor='1')),
            ('examples is a sequence of ids, not int', lambda: reader.read(path, pool, examples=5)),
            ('an id is an integer, not str', lambda: reader.read(path, pool, examples=['1'])),
            ('model is a path, or the bytes of a file, not int', lambda: e2str.Reader(5)),
            ('threads is an integer, not str', lambda: e2str.Reader(TINY, threads='2')),
            ("precision is an integer or 'file', .*, not float", lambda: e2str.Reader(TINY, precision=1.5)),
            ('reader is a Reader, not str', lambda: e2str.Pool(TINY)),
            ('reader is a Reader, not str', lambda: e2str.Pool.load(TINY, 'a.pool')),
            ('path is a path .*, not int', lambda: e2str.Pool.load(reader, 5)),
            ('path is a path .*, not NoneType', lambda: pool.save(None)),
            ('label is a str, not bytes', lambda: pool.add(path, b'EXIT')),
            ('an id is an integer, not str', lambda: pool.remove('1')),
            ('an id is an integer, not str', lambda: pool['1']),
            ('ids is a sequence of ids, not int', lambda: pool.prompt(5)),
            ('k is an integer, not str', lambda: pool.nearest(key, '5')),
            ('min_similarity is a number, not str', lambda: pool.nearest(key, 5, min_similarity='0')),
            ('pool is a Pool, not Reader', lambda: e2str.Memory(reader)),
            ('pattern is a str, not int', lambda: e2str.Constraint(pattern=5)),
            ('lexicon_path is a path .*, not int', lambda: e2str.Constraint(lexicon_path=5)),
            ('accept is a function of a str, not str', lambda: e2str.Constraint(accept='[0-9]')),
            ('text is a str, not bytes', lambda: digits.matches(b'1')),
            ("rotate is an integer or 'auto', not float", lambda: e2str.Picture(path, rotate=90.0)),
        ):
            self.assertRaisesRegex(TypeError, f'^{accepted}$', call)

    def test_models(self):
        """models from a path and from bytes; a broken one is an exception"""
        data = Path(TINY).read_bytes()
        with e2str.Reader(Path(TINY)) as of_path, e2str.Reader(data, threads=3) as of_bytes:
            self.assertEqual(of_path.info.file_bytes, len(data))
            self.assertEqual((of_path.info, of_path.checksum), (of_bytes.info, of_bytes.checksum))
            self.assertEqual(of_path.read(noise()), of_bytes.read(noise()))
        self.assertGreater(self.reader.info.parameters, 5_000_000)
        self.assertIs(self.reader.info.memory, True)
        self.assertRaises(e2str.FormatError, e2str.Reader, data[:-40])
        self.assertRaisesRegex(e2str.FormatError, 'open.png', e2str.Reader, f'{IMAGES}/open.png')
        self.assertRaisesRegex(e2str.FileError, 'none.gguf', e2str.Reader, 'none.gguf')

    def test_encode(self):
        """visual tokens and keys as arrays"""
        encoding = self.reader.encode(PATHS[:3])
        info = self.reader.info
        self.assertEqual((encoding.keys.shape, encoding.keys.dtype), ((3, info.visual_width), np.float32))
        for rows in encoding.tokens:  # more of a wide picture than of a narrow one
            self.assertTrue(0 < len(rows) <= info.visual_tokens)
            self.assertEqual(rows.shape[1], info.visual_width)
        np.testing.assert_allclose(np.linalg.norm(encoding.keys, axis=1), 1, atol=1e-5)
        means = np.stack([rows.mean(axis=0) for rows in encoding.tokens])
        np.testing.assert_allclose(means / np.linalg.norm(means, axis=1, keepdims=True), encoding.keys, atol=1e-5)
        alone = self.reader.encode(PATHS[2:3], tokens=False)
        self.assertEqual((alone.keys[0].tobytes(), alone.tokens), (encoding.keys[2].tobytes(), []))
        self.assertEqual(self.reader.encode([]).keys.shape, (0, info.visual_width))

    def test_threads(self):
        """threads read with one reader at once, and a pool is changed meanwhile"""
        expected, failures = self.reader.read_batch(PATHS), []
        with e2str.Pool(self.reader) as pool:

            def work(turn):
                try:
                    for path, known in [*zip(PATHS, expected)][turn:]:
                        assert self.reader.read(path) == known
                        pool.remove(pool.add(path, known.text))
                        self.reader.read(path, pool)
                        assert len(list(pool)) <= 4
                except BaseException as failure:
                    failures.append(failure)

            threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual((failures, len(pool)), ([], 0))

    def test_close_while_reading(self):
        """closing waits for nobody and breaks nobody"""
        reader = e2str.Reader(TINY)
        pool = e2str.Pool(reader)
        pool.add(noise(), 'abc')
        batch, found = [noise()] * 200, []
        thread = threading.Thread(target=lambda: found.append(reader.read_batch(batch, pool)))
        thread.start()
        while not reader.session_bytes == 0 and thread.is_alive():  # until it has taken the session
            pass
        pool.close()
        reader.close()
        thread.join()
        self.assertEqual([len(one) for one in found], [200])
        self.assertRaisesRegex(ValueError, 'Pool is closed', len, pool)
        self.assertRaisesRegex(ValueError, 'Reader is closed', reader.read, noise())
        reader.close()

    def test_fork(self):
        """a child of fork reads, and ends, with a reader of several threads"""
        script = (
            'import os, sys, e2str\n'
            'reader = e2str.Reader(sys.argv[1], threads=2)\n'
            'before = reader.read(sys.argv[2])\n'
            'child = os.fork()\n'
            'if not child:\n'
            '    sys.exit(reader.read(sys.argv[2]) != before)\n'
            'sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n'
        )
        command = [sys.executable, '-W', 'ignore', '-c', script, TINY, PATHS[0]]
        self.assertEqual(subprocess.run(command, timeout=300).returncode, 0)

    def test_memory(self):
        """memory stays as it is over 2,000 reads, failures and pools"""

        def resident():
            gc.collect()
            with open('/proc/self/statm') as file:
                return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

        def work(turns):
            for _ in range(turns):
                reader.read(PATHS[0], alternatives=3)
                reader.read(picture)
                with e2str.Pool(reader) as pool:
                    reader.read(picture, pool, examples=[pool.add(picture, 'abc')])
                try:
                    reader.read('none.png')
                except e2str.FileError:
                    pass

        picture = noise(200, 100)
        with e2str.Reader(TINY) as reader:
            work(100)
            before = resident()
            work(667)
            self.assertLess(resident() - before, 1 << 20)
