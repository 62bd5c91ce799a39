#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Loose and turned crops: how many words are read when a detector's box is not tight, and when it is not upright.

  build/venv/bin/python bench/crops.py [--words 150] [--seed 3]

Draws words and numbers with the machine's fonts, tight (a margin of 0.08 to 0.2 of the ink's height), loose in eight
ways, and turned by 90, 180 and 270 degrees; reads them with build/e2str, untrimmed and trimmed, and the turned ones
with --rotate auto. Prints the tables of docs/crops.md.
"""

import argparse
import glob
import os
import random
import re
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
E2STR = os.path.join(os.environ.get('BUILD', os.path.join(ROOT, 'build')), 'e2str')
FAMILIES = ('dejavu', 'liberation', 'lato', 'open-sans', 'roboto-unhinted', 'ubuntu')
WEIGHTS = ('math', 'symbol', 'hairline', 'thin', 'black')  # left out
WORDS = '/usr/share/dict/american-english'
LOOSE = {
    'cell': 'a cell 2 to 6 heights too wide',
    'wide': 'a row 8 to 16 heights too wide',
    'twice': 'twice as wide and high as the ink',
    'tall': '0.8 to 2.5 heights above and below',
    'dark': 'light on dark, 0.4 to 3 heights on each side',
    'gradient': 'the same, paper 60 to 110 levels lighter on one side',
    'jpeg': 'the same, noise, JPEG of quality 25 to 60',
    'uneven': 'other margins on each side, more noise',
}


class Drawer:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.noise = np.random.default_rng(seed)
        folders = [f'/usr/share/fonts/truetype/{family}*/**/*.ttf' for family in FAMILIES]
        faces = sorted(path for folder in folders for path in glob.glob(folder, recursive=True))
        self.faces = [path for path in faces if not any(weight in path.lower() for weight in WEIGHTS)]
        words = (line.strip() for line in open(WORDS, encoding='utf-8'))
        self.words = [word for word in words if word.isascii() and word.isalpha() and 2 <= len(word) <= 11]

    def text(self):
        r, kind = self.r, self.r.random()
        if kind < 0.6:
            word = r.choice(self.words)
            return r.choice((word, word.capitalize(), word.upper(), word + r.choice('.,-:'), word))
        if kind < 0.85:
            return ''.join(r.choice('0123456789') for _ in range(r.randint(1, 7)))
        return f'{r.randint(0, 999)}.{r.randint(0, 99):02d}'

    def ink(self, text):
        """How much of each pixel is ink, 0 to 1; nothing round it."""
        font = ImageFont.truetype(self.r.choice(self.faces), self.r.choice((18, 24, 32, 48)))
        mask = Image.new('L', (40 + int(font.getlength(text) * 1.1), 120))
        ImageDraw.Draw(mask).text((20, 20), text, 255, font)
        mask = np.asarray(mask, float) / 255
        rows, columns = np.where(mask > 0.2)
        return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]

    def paint(self, ink, margins, paper, pen, slope=0.0, noise=2.0):
        """margins: left, top, right, bottom, in pixels."""
        left, top, right, bottom = (int(margin) for margin in margins)
        ink = np.pad(ink, ((top, bottom), (left, right)))[..., None]
        height, width = ink.shape[:2]
        across, down = np.arange(width)[None, :, None] / width - 0.5, np.arange(height)[:, None, None] / height - 0.5
        light = slope * (across + 0.7 * down + 0.3 * across**2)
        picture = (np.array(paper, float) + light) * (1 - ink) + np.array(pen, float) * ink
        picture = picture + self.noise.normal(0, noise, (height, width, 1))
        return Image.fromarray(picture.clip(0, 255).astype(np.uint8))

    def crops(self, text):
        """{kind: picture}"""
        r, ink = self.r, self.ink(text)
        h, w = ink.shape
        paper = [r.randint(190, 255)] * 3 if r.random() < 0.5 else [r.randint(180, 255) for _ in range(3)]
        pen = [r.randint(0, 80)] * 3 if r.random() < 0.5 else [r.randint(0, 90) for _ in range(3)]
        near = [r.uniform(0.08, 0.2) * h for _ in range(4)]
        far = [r.uniform(*reach) * h for reach in ((0.7, 3), (0.4, 1.2), (0.7, 3), (0.4, 1.2))]
        above, below = r.uniform(0.8, 2.5) * h, r.uniform(0.8, 2.5) * h

        def row(room, share):
            return near[0] + share * room * h, near[1], near[2] + (1 - share) * room * h, near[3]

        return {
            'tight': self.paint(ink, near, paper, pen),
            'cell': self.paint(ink, row(r.uniform(2, 6), r.random()), paper, pen),
            'wide': self.paint(ink, row(r.uniform(8, 16), r.choice((0, 0.5, 1))), paper, pen),
            'twice': self.paint(ink, (w / 2, h / 2, w / 2, h / 2), paper, pen),
            'tall': self.paint(ink, (near[0], above, near[2], below), paper, pen),
            'dark': self.paint(ink, far, pen, paper),
            'gradient': self.paint(ink, far, [170] * 3, pen, slope=r.choice((-1, 1)) * r.uniform(60, 110)),
            'jpeg': self.paint(ink, far, paper, pen, noise=4),
            'uneven': self.paint(
                ink, (r.uniform(0.6, 4) * h, near[1], r.uniform(0, 0.3) * h, far[3]), paper, pen, noise=8
            ),
        }


def draw(folder, count, seed):
    """Pictures, and a labels file for each kind."""
    drawer = Drawer(seed)
    labels = {}
    for number in range(count):
        text = drawer.text()
        pictures = drawer.crops(text)
        for turn in (90, 180, 270):
            pictures[f'turned-{turn}'] = pictures['tight'].rotate(-turn, expand=True)
        for kind, picture in pictures.items():
            name = f'{number:04d}-{kind}.' + ('jpg' if kind == 'jpeg' else 'png')
            options = {'quality': drawer.r.randint(25, 60)} if kind == 'jpeg' else {}
            picture.save(os.path.join(folder, name), **options)
            labels.setdefault(kind, []).append(f'{name}\t{text}\n')
    for kind, lines in labels.items():
        with open(os.path.join(folder, kind + '.tsv'), 'w', encoding='utf-8') as file:
            file.writelines(lines)


def measure(folder, kind, *options):
    """(per cent of words that are right, CPU seconds of reading them)"""
    seconds = []
    for limit in ((), ('--limit', '1')):  # without the time to open the model
        before = os.times()
        command = [E2STR, 'eval', '--labels', os.path.join(folder, kind + '.tsv'), *options, *limit]
        result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
        if not limit:
            out = result.stdout.decode()
    return float(re.search(r'exact +([\d.]+)', out)[1]), seconds[0] - seconds[1]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--words', type=int, default=150)
    p.add_argument('--seed', type=int, default=3)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(folder, a.words, a.seed)
        tight, plain = measure(folder, 'tight', '--trim')
        untrimmed = measure(folder, 'tight', '--no-trim')[0]
        print(f'| crop | untrimmed | trimmed |\n| --- | --- | --- |\n| tight | {untrimmed:.1f} | {tight:.1f} |')
        for kind, what in LOOSE.items():
            untrimmed, trimmed = (measure(folder, kind, option)[0] for option in ('--no-trim', '--trim'))
            print(f'| {what} | {untrimmed:.1f} | {trimmed:.1f} |', flush=True)
        print('\n| turned by | right | CPU time, of a plain read |\n| --- | --- | --- |')
        for turn in (0, 90, 180, 270):
            right, time = measure(folder, f'turned-{turn}' if turn else 'tight', '--trim', '--rotate', 'auto')
            print(f'| {turn} | {right:.1f} | {time / plain:.2f} |', flush=True)


if __name__ == '__main__':
    main()
