#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds to a model file the patch head and what makes e2str_result_confidence a probability (docs/confidence.md): the
last step, after memory.py, since it reads with the weights and the memory as they ship.

  build/venv/bin/python weights/train/calibrate.py IN.gguf OUT.gguf [--rest rest.npz] [--words 2400]
  build/venv/bin/python weights/train/calibrate.py --check FILE.gguf [--words 600] [--data FOLDER/* ...]

The first draws words in their own widths from faces that training never sees, reads them through the command (make),
alone and with pools that have learnt, and fits the parameters. --check measures a file: how far characters' edges are
from where they were drawn, the expected calibration error on new words and on labelled sets (--data), and what is
read where there is no text.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from typing import NamedTuple

import cv2
import gguf
import numpy as np
from PIL import Image
from render import Renderer
from scipy.optimize import minimize
from styles import Dice, Style

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(ROOT, 'weights'), os.path.join(ROOT, 'bench')]
from e2str_gguf import replace_part  # noqa: E402
from metric import alphanumeric  # noqa: E402

COMMAND = os.environ.get('E2STR', os.path.join(ROOT, 'build', 'e2str'))
LEAST, EVIDENCE, NEEDED = 0.001, (-5, 10), 2.0  # as in lib/confidence.c
WITHOUT_TEXT = 0.1  # share of pictures, as assumed
BINS = 15  # of equal width, as in e2str eval
POOL, READ = 30, 24  # words of a style: examples, and words to read
LONGEST = 20  # a label with which a model of any stride gets by
LENGTHS = ((1, 3), (4, 8), (9, 16), (17, 24))


class Widths(NamedTuple):
    """How wide a model makes pictures; docs/model.md, section 1."""

    height: int
    least: int  # pixels; of fixed widths the only one
    most: int
    patch: int

    @classmethod
    def of(cls, path):
        fields = gguf.GGUFReader(path).fields
        names = ('e2str.image.height', 'e2str.image.min_width', 'e2str.image.width', 'e2str.vision.patch_width')
        height, least, most, patch = (fields[name].contents() if name in fields else 0 for name in names)
        return cls(height, least or most, most, patch)

    def columns(self, width, height):
        """Of patches, for a picture of these pixels."""
        own = int(self.height * width / (self.patch * height) + 0.5)
        return min(max(own, self.least // self.patch), self.most // self.patch)


class Word(NamedTuple):
    image: np.ndarray
    text: str  # '' where there is none
    edges: np.ndarray  # [characters, 2]: left and right, pixels
    style: int = -1  # whose pool it is read with; -1: none


class Lines(Renderer):
    """Whole words; the map of characters pixel by pixel."""

    parts = blank = 0.0
    cell = 1

    def __init__(self):
        super().__init__(unseen=True)

    def word(self, dice, free=True, style=-1):
        try:
            sample = self.sample(dice, free=free)
        except (OSError, ValueError, OverflowError):  # a face without these characters
            return None
        if sample is None:
            return None
        columns = [np.flatnonzero((sample.chars == i + 1).any(0)) for i in range(len(sample.text))]
        edges = [(c[0], c[-1] + 1) if len(c) else (np.nan, np.nan) for c in columns]
        return Word(sample.image, sample.text, np.array(edges, float).reshape(-1, 2), style)

    def words(self, seed, count, free=True):
        drawn = (self.word(Dice(f'{seed} {i}'), free) for i in range(100 * count))
        return [word for word, _ in zip(filter(None, drawn), range(count))]

    def of_style(self, seed, number):
        """Words of one style, POOL examples first, none too long for a label; every third style has strange letters."""
        style = Style(f'{seed} {number}', cipher=number % 3 == 2)
        drawn = (self.word(Dice(f'{seed} {number}.{i}', style), True, number) for i in range(8 * (POOL + READ)))
        short = (word for word in drawn if word and len(word.text) <= LONGEST)
        return [word for word, _ in zip(short, range(POOL + READ))]

    def empty(self, seed, count):
        """Pictures without text: grounds, lines and stains; even ones, slopes and noise."""
        pictures = [self.textless(Dice(f'{seed} {i}'), True).image for i in range(count // 2)]
        r = np.random.default_rng(len(seed) + count)
        for i in range(count - len(pictures)):
            picture = np.full((32, int(r.integers(32, 256)), 3), r.integers(0, 256), float)
            if i % 3 == 1:
                picture += np.linspace(-1, 1, picture.shape[1])[:, None] * r.uniform(20, 100)
            if i % 3 == 2:
                noise = r.normal(0, r.uniform(2, 50), picture.shape[:2])
                picture += cv2.GaussianBlur(noise, (0, 0), r.uniform(0.3, 3))[..., None]
            pictures.append(picture.clip(0, 255).astype(np.uint8))
        return [Word(picture, '', np.zeros((0, 2))) for picture in pictures]


# ---- reading through the command ----


def save(folder, words):
    paths = [os.path.join(folder, f'{i:05d}.png') for i in range(len(words))]
    for path, word in zip(paths, words):
        Image.fromarray(word.image).save(path)
    return paths


def run(*arguments):
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{" ".join(arguments[:4])} ...: {done.stderr.strip()[-400:]}')
    return done.stdout


def read(model, words, *options):
    """What `e2str read --json --places` says of each."""
    with tempfile.TemporaryDirectory() as folder:
        paths = save(folder, words)
        lines = run('read', '--model', model, '--json', '--places', *options, *paths) if words else ''
    return [json.loads(line) for line in lines.splitlines()]


def read_with_pool(model, words, *options):
    """The words behind the POOL first ones, which become a pool's examples."""
    with tempfile.TemporaryDirectory() as folder:
        pool, labels = os.path.join(folder, 'pool'), os.path.join(folder, 'labels.tsv')
        with open(labels, 'w', encoding='utf-8') as file:
            for path, word in zip(save(folder, words[:POOL]), words):
                print(path, word.text, sep='\t', file=file)
        run('pool', 'add', '--model', model, pool, '--labels', labels)
        return read(model, words[POOL:], '--pool', pool, *options)


# ---- features, as lib/confidence.c computes them ----


def features(widths, found):
    """[1, logit of the text's probability, evidence, crowding, squeeze, memory]"""
    characters = found['characters']
    p = found['end_probability'] * np.prod([c['probability'] for c in characters])
    p = min(max(p, LEAST), 1 - LEAST)
    evidence = np.clip([c['evidence'] for c in characters], *EVIDENCE).mean() if characters else 0.0
    width, height = found['area']['width'], found['area']['height']
    columns = widths.columns(width, height)
    crowd = max(0.0, np.log(NEEDED * max(len(characters), 1) / columns))
    squeeze = max(0.0, np.log(width / height * widths.height / (columns * widths.patch)))
    memory = any(c.get('memory') for c in characters)
    return [1.0, np.log(p / (1 - p)), evidence, crowd, squeeze, float(memory)]


def right(word, found):
    return alphanumeric(word.text) == alphanumeric(found['text'])


def most_evidence(found):
    return max((c['evidence'] for c in found['characters']), default=None)


def logistic(x, y, bounds, weight=None):
    """Weights of a logistic regression within bounds."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    weight = np.full(len(y), 1 / len(y)) if weight is None else weight

    def loss(w):
        z = x @ w
        slope = x.T @ (weight * (1 / (1 + np.exp(-z)) - y)) + 2 * 1e-4 * w
        return (weight * (np.logaddexp(0, z) - y * z)).sum() + 1e-4 * w @ w, slope

    return minimize(loss, np.zeros(x.shape[1]), jac=True, method='L-BFGS-B', bounds=bounds).x


def fit(widths, alone, pooled, empty):
    """Lists of (Word, what was read) -> the two lists of parameters."""
    pairs = alone + pooled
    any_sign, up, down = (None, None), (0, None), (None, 0)
    weights = logistic(
        [features(widths, found) for _, found in pairs],
        [right(*pair) for pair in pairs],
        [any_sign, up, up, down, down, down],
    )
    there = [most_evidence(found) for _, found in alone]
    absent = [most_evidence(found) for _, found in empty]
    x = np.array([e for e in there + absent if e is not None])
    y = np.repeat([0.0, 1.0], [sum(e is not None for e in there), sum(e is not None for e in absent)])
    balance = np.where(y > 0, WITHOUT_TEXT / y.sum(), (1 - WITHOUT_TEXT) / (1 - y).sum())
    textless = logistic(np.stack([np.ones_like(x), x], 1), y, [any_sign, down], balance)
    return weights, textless


# ---- the file ----


def head_of(path, model):
    """The patch head [tokens, width + 1] in an .npz of weights/export --rest. ValueError: of other weights."""
    rest = np.load(path)
    norm = next(t.data for t in gguf.GGUFReader(model).tensors if t.name == 'vision.norm_post.weight')
    if 'of' not in rest or not np.array_equal(rest['of'], norm):
        raise ValueError(f'{path} is of other weights than {model}: weights/export --rest writes it')
    return rest['head'].astype(np.float32)


def write(source, target, head, parameters):
    """The file again with the head [tokens, width + 1] and these lists of numbers."""
    tensors = {'weight': head[:, :-1].astype(np.float16), 'bias': head[:, -1].astype(np.float32)}
    replace_part(source, target, 'e2str.confidence.', parameters, 'vision.head.', tensors)


def calibrate(source, target, head, count):
    write(source, target, head, {})
    lines = Lines()
    words, empty = lines.words('calibrate', count), lines.empty('calibrate', max(60, count // 8))
    alone = list(zip(words, read(target, words)))
    pooled = []
    for number in range(max(1, count // (4 * READ))):
        style = lines.of_style('calibrate', number)
        if len(style) <= POOL:  # a style of long words
            continue
        pooled += zip(style[POOL:], read_with_pool(target, style))
    weights, textless = fit(Widths.of(target), alone, pooled, list(zip(empty, read(target, empty))))
    write(source, target, head, {'weights': weights, 'textless': textless})
    share = [100 * np.mean([right(*pair) for pair in pairs]) for pairs in (alone, pooled)]
    print(f'{target}: {len(alone)} words alone ({share[0]:.1f} % right), {len(pooled)} with pools ({share[1]:.1f} %)')
    print('weights', *(f'{w:.3f}' for w in weights), ' textless', *(f'{w:.3f}' for w in textless))


# ---- measuring ----


def calibration_error(bins):
    """bins [BINS, 3]: reads, right ones, sum of confidence."""
    bins = np.asarray(bins, float)
    return np.abs(bins[:, 2] - bins[:, 1]).sum() / max(1.0, bins[:, 0].sum())


def bins_of(pairs):
    bins = np.zeros((BINS, 3))
    for word, found in pairs:
        p = found['confidence']
        bins[min(int(p * BINS), BINS - 1)] += 1, right(word, found), p
    return bins


def print_bins(name, bins):
    n, hits, sums = np.asarray(bins, float).sum(0)
    error = 100 * calibration_error(bins)
    print(f'{name}\t{n:.0f} reads\t{100 * hits / n:.1f} % right\tconfidence {100 * sums / n:.1f} %\tECE {error:.1f} %')


def edge_errors(pairs):
    """(length of the text, width of the character, mean error of its edges in widths), of words read right."""
    errors = []
    for word, found in pairs:
        if found['text'] != word.text:
            continue
        for (left, right_edge), character in zip(word.edges, found['characters']):
            box, width = character['box'], right_edge - left
            if width > 0:
                off = (abs(box[0] - left) + abs(box[2] - right_edge)) / 2
                errors.append((len(word.text), width, off / width))
    return np.array(errors)


def print_edges(name, pairs):
    errors = edge_errors(pairs)
    parts = [f'{100 * errors[:, 2].mean():.1f} % of its width ({len(errors)} characters)']
    for least, most in LENGTHS:
        some = errors[(errors[:, 0] >= least) & (errors[:, 0] <= most), 2]
        parts.append(f'{least}-{most}: {100 * some.mean():.1f}' if len(some) else f'{least}-{most}: none')
    print(f'edges, {name}\t' + '\t'.join(parts))


def check_set(model, folder):
    """Bins of a labelled set without and with a pool of 100, as docs/accuracy.md splits it."""
    labels = os.path.join(folder, 'labels.tsv')
    count = sum(1 for _ in open(labels, encoding='utf-8'))
    first = 300 if count > 400 else 100
    results = []
    for options in (['--skip', str(first)], ['--pool-first', '100', '--skip', str(first - 100)]):
        arguments = ['eval', '--model', model, '--json', '--labels', labels, '--seed', '1', *options]
        results.append(json.loads(run(*arguments).splitlines()[-1])['bins'])
    return np.array(results)


def check(model, count, folders):
    lines = Lines()
    for name, free in (('own widths', True), ('128 wide', False)):
        words = lines.words(f'check {name}', count, free)
        pairs = list(zip(words, read(model, words, '--textless', '1')))
        print_edges(name, pairs)
        print_bins(f'drawn, {name}', bins_of(pairs))
    empty = read(model, lines.empty('check', count // 4))
    print(f'without text\t{len(empty)} pictures\tread empty: {100 * np.mean([r["text"] == "" for r in empty]):.1f} %')
    sets = {os.path.basename(os.path.normpath(folder)): check_set(model, folder) for folder in folders}
    for i, name in enumerate(('no pool', 'a pool of 100')):
        for key, bins in sets.items():
            print_bins(f'{key}, {name}', bins[i])
        if sets:
            print_bins(f'all sets, {name}', sum(bins[i] for bins in sets.values()))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('files', nargs='+', metavar='FILE.gguf')
    p.add_argument('--check', action='store_true', help='measure a file instead')
    p.add_argument('--words', type=int, help='to draw (default 2400; with --check 600)')
    p.add_argument('--rest', default=os.path.join(ROOT, 'weights', 'train', 'rest.npz'), help='has the patch head')
    p.add_argument('--data', nargs='*', default=[], metavar='FOLDER', help='labelled sets to measure')
    a = p.parse_args()
    if len(a.files) != (1 if a.check else 2):
        p.error('IN.gguf OUT.gguf, or --check FILE.gguf')
    if a.check:
        check(a.files[0], a.words or 600, a.data)
    else:
        try:
            head = head_of(a.rest, a.files[0])
        except ValueError as error:
            p.error(str(error))
        calibrate(*a.files, head, a.words or 2400)


if __name__ == '__main__':
    sys.exit(main())
