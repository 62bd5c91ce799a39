#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws a set of pictures of each kind of text from faces that training never sees, and measures a checkpoint on them.

  kinds.py CHECKPOINT.pt [--each 100] [--only KIND ...]        words read right by kind, per cent
  kinds.py --write FOLDER [--each 100]                         FOLDER/KIND/images/*.png and labels.tsv, for e2str eval

A kind says what is written, how it looks and what stands around it; all else is as in training. Handwriting is by
writers drawn anew.
"""

import argparse
import itertools
import os
import string
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import text as write
from alphabet import CHARSET
from PIL import Image
from render import FREE_LENGTH, Renderer
from styles import Dice
from text import WORDS, one_of


class Kind(NamedTuple):
    """text: (Text, random.Random) -> what is written. faces: kinds of faces, or None: as the domain has them."""

    text: Callable
    domain: str = 'scene'
    framed: float = 0.0
    loose: float = 0.0
    free: bool = False  # in its own width
    faces: tuple = None
    by_hand: float = 0.0


def plain(texts, r):
    return write.cased(r, texts.word(r, WORDS), 0.45, 0.25)


def bracketed(texts, r):
    left, right = r.choice(('()', '[]', '()', '{}'))
    return left + plain(texts, r) + right


def address(web):
    """E-mail (web False) or web addresses."""

    def draw(texts, r):
        while True:
            text = write.address(texts, r)
            if len(text) > 5 and ('@' in text[1:]) != web and text[0] != '@':
                return text

    return draw


def of(function):
    """A kind of number, which needs no word list."""
    return lambda texts, r: function(r)


def currency(texts, r):
    value = '%d%s%02d' % (r.randint(1, 9999), r.choice('.,'), r.randint(0, 99))
    sign = r.choice('€£$¥')
    return r.choice((sign + value, value + sign, value + ' ' + sign))


def line(texts, r):
    return texts.phrase(r, WORDS, 0.3, 0.4)


def vin(texts, r):
    return ''.join(r.choice('ABCDEFGHJKLMNPRSTUVWXYZ0123456789') for _ in range(17))


def iban(texts, r):
    return write.capitals(r, 2, 2) + write.digits(r, 16, 20)


def random_code(texts, r):
    return ''.join(r.choice(string.ascii_uppercase + string.digits) for _ in range(r.randint(5, 12)))


def sign(texts, r):
    return r.choice(string.digits + string.ascii_letters + '%&@#?!+€')


def reading(r):
    """Of a meter or a clock."""
    return one_of(
        r,
        (
            (0.6, write.digits(r, 2, 7)),
            (0.2, '%d.%d' % (r.randint(0, 999), r.randint(0, 9))),
            (0.2, '%02d:%02d' % (r.randrange(24), r.randrange(60))),
        ),
    )


KINDS = {
    'plain words': Kind(plain, faces=('plain',)),
    'words of signs': Kind(plain),
    'frames': Kind(plain, 'form', framed=1.0, faces=('plain', 'mono')),
    'numbers in frames': Kind(of(write.integer), 'form', framed=1.0, faces=('plain', 'mono')),
    'brackets': Kind(bracketed, 'form', faces=('plain', 'mono')),
    'plates': Kind(of(write.plate), 'plate', framed=0.6),
    'e-mail': Kind(address(False), 'form', free=True, faces=('plain', 'mono')),
    'web': Kind(address(True), 'form', free=True, faces=('plain', 'mono')),
    'telephone': Kind(of(write.telephone), 'form', faces=('plain', 'mono')),
    'per cent': Kind(of(write.percent), 'form', faces=('plain', 'mono')),
    'currency': Kind(currency, 'form', faces=('plain', 'mono')),
    'travel documents': Kind(of(write.machine_readable), 'code', free=True, faces=('mono',)),
    'accounts': Kind(iban, 'form', free=True, faces=('plain', 'mono')),
    'vehicles': Kind(vin, 'code', free=True, faces=('plain', 'mono')),
    'long numbers': Kind(of(lambda r: write.digits(r, 12, 20)), 'form', free=True, faces=('plain', 'mono')),
    'codes': Kind(random_code, 'code', faces=('plain', 'mono')),
    'displays and dots': Kind(of(reading), 'digits', faces=('pixel',)),
    'lone signs': Kind(sign, faces=('plain',)),
    'loose crops': Kind(plain, 'form', loose=1.0, faces=('plain', 'mono')),
    'lines': Kind(line, 'form', free=True, faces=('plain', 'mono')),
    'accents': Kind(lambda texts, r: texts.diacritics(r), 'print', faces=('plain', 'book')),
    'typewriter': Kind(lambda texts, r: texts.draw(r, 'print'), 'print', faces=('typewriter',)),
    'old print': Kind(lambda texts, r: texts.draw(r, 'print'), 'print', faces=('book',)),
    'handwriting': Kind(lambda texts, r: texts.draw(r, 'letter'), 'letter', by_hand=1.0),
    'amounts by hand': Kind(of(write.amount), 'digits', by_hand=1.0),
}


class KindRenderer(Renderer):
    """Draws samples of one kind, whole and with contrast enough for a person to read them."""

    parts = blank = 0.0
    contrast = 40

    def __init__(self):
        super().__init__(unseen=True)
        self.kind = KINDS['plain words']

    def of(self, name, count):
        self.kind = KINDS[name]
        self.loose = self.kind.loose
        dice = (Dice(f'kind {name} {i}') for i in itertools.count())
        return self.several(dice, 2 * count, free=self.kind.free)[:count]

    def domain(self, r):
        return self.kind.domain

    def framed(self, domain):
        return self.kind.framed

    def share_by_hand(self, domain):
        return self.kind.by_hand

    def kinds_of_faces(self, domain):
        faces = self.kind.faces
        return dict.fromkeys(faces, 1.0) if faces else super().kinds_of_faces(domain)

    def text_for(self, hand, face, dice, domain, easy, longest):
        texts, r = self.texts, dice('text')
        for _ in range(20):
            text = self.kind.text(texts, r)
            if 0 < len(text) <= longest and set(text) <= set(CHARSET) and self.writable(hand, face, text):
                return text
        return None


def write_set(folder, samples):
    os.makedirs(os.path.join(folder, 'images'), exist_ok=True)
    with open(os.path.join(folder, 'labels.tsv'), 'w', encoding='utf-8') as labels:
        for i, sample in enumerate(samples):
            Image.fromarray(sample.image).save(os.path.join(folder, 'images', f'{i:03d}.png'))
            print(f'{i:03d}.png', sample.text, sep='\t', file=labels)


def reader_of(path):
    """A function from samples to texts: the checkpoint's greedy reading, pictures of one width at a time."""
    import torch
    from model import Reader, Sizes

    state = torch.load(path, map_location='cpu')
    net = Reader(Sizes(**state['sizes'])).eval()
    net.load_state_dict(state['model'])

    def read(samples):
        texts = {}
        for width in {s.image.shape[1] for s in samples}:
            some = [i for i, s in enumerate(samples) if s.image.shape[1] == width]
            images = torch.from_numpy(np.stack([samples[i].image for i in some]))
            texts.update(zip(some, net.read(images, FREE_LENGTH + 1)))
        return [texts[i] for i in range(len(samples))]

    return read


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('checkpoint', nargs='?')
    p.add_argument('--write', metavar='FOLDER')
    p.add_argument('--each', type=int, default=100)
    p.add_argument('--only', nargs='*', choices=KINDS, default=list(KINDS))
    a = p.parse_args()
    if not a.checkpoint and not a.write:
        p.error('CHECKPOINT or --write FOLDER')
    renderer, read = KindRenderer(), reader_of(a.checkpoint) if a.checkpoint else None
    for name in a.only:
        samples = renderer.of(name, a.each)
        if a.write:
            write_set(os.path.join(a.write, name.replace(' ', '-')), samples)
        if read:
            right = [text == sample.text for text, sample in zip(read(samples), samples)]
            print(f'{name}\t{len(samples)}\t{100 * np.mean(right):.1f}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
