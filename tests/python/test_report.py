# SPDX-License-Identifier: MIT
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import e2str
import numpy as np
from e2str.report.page import render, safe_json
from e2str.report.rows import Rows, summary
from e2str.tools import metric, png
from e2str.tools.crops import parse_labels, write_labels
from PIL import Image
from support import IMAGES, Case, labels, noise

CROPS, PAIRS = labels(IMAGES), labels('examples/demo/queries')
MOST = 4096  # bytes a crop, in the mean


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def png_of(array):
    with tempfile.TemporaryFile() as file:
        Image.fromarray(array).save(file, 'png')
        file.seek(0)
        return file.read()


class TestReport(Case):
    def command(self, *arguments, status=0):
        run = subprocess.run([sys.executable, '-m', 'e2str', 'report', *arguments], capture_output=True, text=True)
        self.assertEqual((run.returncode, 'Traceback' in run.stderr), (status, False), run.stderr)
        return run

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_command(self):
        """report: one file with readings, boxes, examples that helped, and accuracy, that loads nothing"""
        with self.demo_pool() as pool:
            pool.learn()
            pool.save(self.folder / 'a.pool')
            given = '--labels', 'examples/demo/queries/labels.tsv', '-p', self.folder / 'a.pool'
            self.command(*given, '-o', self.folder / 'a.html')
            page = (self.folder / 'a.html').read_text('utf-8')
            data = data_of(page)
            self.assertEqual([row[2] for row in data['rows']], [text for _, text in PAIRS])
            found = data['summary']
            self.assertEqual([found[name] for name in ('crops', 'labels', 'exact', 'before')], [6, 6, 6, 0])
            self.assertEqual((data['pool'], found['pairs'], sum(count for count, _, _ in found['bins'])), (20, [], 6))
            reading = self.reader.read(PAIRS[0][0], pool, influences=2, places=True)
            row = data['rows'][0]
            self.assertEqual(row[4], round(1000 * reading.confidence))
            self.assertEqual(row[5], [self.reader.read(PAIRS[0][0]).text])
            width = e2str.Picture(PAIRS[0][0]).width
            for one, character in zip(row[6], reading.characters, strict=True):
                self.assertEqual(one[0], round(100 * character.probability))
                self.assertEqual(one[1:3], [round(1000 * x / width) for x in (character.box.left, character.box.right)])
                helper = character.influences[0]
                label = data['examples'][one[4][0]]
                self.assertEqual((label, one[4][2]), (pool[helper.example], round(100 * helper.amount)))
                if one[4][1] < len(label):
                    start = pool[helper.example].encode()[helper.offset :].decode()
                    self.assertEqual(label[one[4][1] :], start)
        outside = re.sub(r'http://www\.w3\.org/2000/svg', '', page)
        self.assertEqual(
            re.findall(
                r'(?:https?:)?//[\w.]+\.\w+|url\(|@import|src=(?!"data:)', outside.replace(data['rows'][0][1], '')
            ),
            [],
        )
        self.assertIn("default-src 'none'; img-src data:; style-src 'sha256-", page)

    def test_prompt(self):
        """report: a pool that has learnt nothing helps by the examples that stand before a crop"""
        with self.demo_pool() as pool:
            rows = Rows(self.reader, pool)
            rows.add([(PAIRS[0][0], None)])
            examples = self.reader.read(PAIRS[0][0], pool).examples
            number, alike = rows.rows[0][8][:2]
            self.assertEqual(len(rows.rows[0][8]), 2 * len(examples))
            self.assertEqual(
                (rows.labels()[number], alike), (pool[examples[0].id], round(100 * examples[0].similarity))
            )

    def test_size(self):
        """report: at most 4 KB a crop in the mean, of the worst pictures and the longest texts"""
        with self.demo_pool() as pool:
            pool.learn()
            crops = self.folder / 'crops'
            crops.mkdir()
            strip = [np.asarray(Image.open(path).convert('RGB').resize((90, 40))) for path, _ in CROPS[:3]]
            for i in range(60):  # noise does not compress
                grain = noise(270, 40) // 2 if i % 2 else noise(*[(280, 40), (2000, 300), (560, 80)][i % 3])
                array = np.concatenate(strip, 1) // 2 + grain if i % 2 else grain
                (crops / f'{i}.png').write_bytes(png_of(array))
            rows = Rows(self.reader, pool)
            rows.options['max_tokens'] = 200
            rows.add([(str(path), 'x' * 50) for path in sorted(crops.iterdir())])
            self.assertEqual((len(rows.rows), rows.faults), (60, []))
            empty = len(render(Rows(self.reader, pool), ''))
            mean = (len(render(rows, '')) - empty) / 60
            self.assertLess(mean, MOST)
            self.assertGreater(mean, 1000)
            self.assertLess(empty, 40_000)

    def test_hostile(self):
        """report: names, labels and titles with markup are text"""
        bad = '</script><script>alert(1)</script><!--<b>&\u2028"\'{{SCRIPT}}'
        name = '<img src=x onerror=alert(2)>\'".jpg'
        shutil.copy(CROPS[0][0], self.folder / name)
        (self.folder / os.fsdecode(b'\xe9.jpg')).write_bytes(Path(CROPS[1][0]).read_bytes())
        (self.folder / 'labels').write_bytes(write_labels({name: bad, os.fsdecode(b'\xe9.jpg'): bad}))
        self.command(self.folder, '--labels', self.folder / 'labels', '--title', bad, '-o', self.folder / 'a.html')
        page = (self.folder / 'a.html').read_text('utf-8')
        plain = self.command(CROPS[0][0], '-o', self.folder / 'b.html') and (self.folder / 'b.html').read_text('utf-8')
        for mark in ('<script', '</script', '<!--', '<img', 'alert(1)'):
            self.assertEqual(
                page.count(mark) - page.count('alert(1)') * (mark == 'alert(1)'),
                plain.count(mark) * (mark != 'alert(1)'),
            )
        rows = data_of(page)['rows']
        self.assertEqual([row[3] for row in rows], [bad, bad])
        self.assertTrue(
            any(row[0].endswith(name) for row in rows) and any(row[0].endswith('\ufffd.jpg') for row in rows)
        )
        self.assertEqual(json.loads(safe_json([bad, '\udce9'])), [bad, '?'])

    def test_faults(self):
        """report: broken pictures are named, the others are there; nothing to read is an error"""
        (self.folder / 'broken.png').write_bytes(b'\x89PNG')
        shutil.copy(CROPS[0][0], self.folder)
        run = self.command(self.folder, '-o', self.folder / 'a.html', status=1)
        self.assertIn('broken.png', run.stderr)
        self.assertEqual(len(data_of((self.folder / 'a.html').read_text('utf-8'))['rows']), 1)
        for arguments, status in (
            ([], 2),
            (['none.png', '-o', self.folder / 'new'], 1),
            ([tempfile.mkdtemp(dir=self.folder)], 1),
            (['--labels', 'none'], 1),
            ([CROPS[0][0], '-p', 'none'], 1),
            ([CROPS[0][0], '-o', self.folder / 'no' / 'a'], 1),
        ):
            self.command(*arguments, status=status)
        self.assertFalse((self.folder / 'new').exists())

    def test_summary(self):
        """report: accuracy, confusions and calibration, counted by hand"""

        def row(text, label, confidence):
            grade = (
                0
                if not label
                else 3
                if text == label
                else 2
                if metric.alphanumeric(text) == metric.alphanumeric(label)
                else 1
            )
            return ['', '', text, label or 0, confidence, 0, [], grade, []]

        found = summary([row('abc', 'abc', 950), row('aBc.', 'abc', 950), row('abd', 'abc', 500), row('x', None, 0)])
        self.assertEqual([found[k] for k in ('crops', 'labels', 'exact', 'any_case', 'alphanumeric')], [4, 3, 1, 1, 2])
        self.assertEqual(found['pairs'], [['', '.', 1], ['b', 'B', 1], ['c', 'd', 1]])
        self.assertAlmostEqual(found['error'], (0.1 + 0.5) / 3, 4)
        self.assertEqual(found['bins'][14], [2, 0.95, 1.0])

    def test_metric(self):
        """words are compared as e2str eval compares them"""
        for line in Path('tests/metric.tsv').read_text('utf-8').split('\n')[:-1]:
            verdict, a, b = line.split('\t')
            ours = a == b, metric.any_case(a) == metric.any_case(b), metric.alphanumeric(a) == metric.alphanumeric(b)
            self.assertEqual(''.join(str(int(one)) for one in ours), verdict, line)
        for read, label, edits in (
            ('kitten', 'sitting', 3),
            ('', 'ab', 2),
            ('ab', '', 2),
            ('ab', 'ab', 0),
            ('ca', 'abc', 3),
        ):
            pairs = list(metric.align(read, label))
            self.assertEqual(''.join(true for true, _ in pairs), label)
            self.assertEqual(''.join(one for _, one in pairs), read)
            self.assertEqual(sum(true != one for true, one in pairs), edits)

    def test_labels(self):
        """files of labels: what is written is read again; lines that are none are named"""
        data = b'\xef\xbb\xbfa.png\tA\r\n\nb\xe9.png\tB\tC\nc.png\nd.png\t\n\tE\ng.png\t\xff\nh.png\t\0\n'
        found = parse_labels(data)
        self.assertEqual(found.texts, {'a.png': 'A', os.fsdecode(b'b\xe9.png'): 'B\tC'})
        self.assertEqual([fault.partition(':')[0] for fault in found.faults], ['4', '5', '6', '7', '8'])
        self.assertEqual(parse_labels(write_labels(found.texts)).texts, found.texts)

    def test_thumbnails(self):
        """pictures of a page: PNG that others decode, small, and of the right colours"""
        for array in (
            noise(300, 90),
            noise(3, 2),
            noise(2000, 10),
            noise(10, 700),
            noise(50, 60, 0),
            np.zeros((40, 160, 3), np.uint8),
        ):
            picture = e2str.Picture(png_of(array))
            data = png.thumbnail(picture, 1900)
            (self.folder / 'a.png').write_bytes(data)
            small = Image.open(self.folder / 'a.png').convert('RGB')
            self.assertLessEqual(len(data), 1900)
            self.assertTrue(small.height <= 40 and small.width <= 280)
            self.assertLess(abs(np.asarray(small).mean() - array.mean()), 12)
            whole = (
                Image.open(self.folder / 'b.png') if (self.folder / 'b.png').write_bytes(png.whole(picture)) else None
            )
            np.testing.assert_array_equal(np.asarray(whole), array)
        page = np.zeros((80, 320, 3), np.uint8) + np.uint8([230, 200, 40])
        page[20:60, 50:250] = 20, 40, 130
        (self.folder / 'a.png').write_bytes(png.thumbnail(e2str.Picture(png_of(page)), 1900))
        small = np.asarray(Image.open(self.folder / 'a.png').convert('RGB')).astype(int)
        self.assertEqual(
            (small.shape, small[2, 2].tolist(), small[20, 80].tolist()), ((40, 160, 3), [230, 200, 40], [20, 40, 130])
        )
