# SPDX-License-Identifier: MIT
"""Renders word images for training: a picture, its text, and a map of which character covers which pixel.

    renderer = Renderer(); sample = renderer.sample(Dice(seed))       # Sample(image, text, chars) or None

One direction: text -> glyphs (mask of ink, map of characters) -> shape -> warp -> crop -> paint -> degrade. The map
follows every step (nearest neighbour), so it names the character under each patch and gives the boxes at which words
are split.

Everything is drawn from dice named after what they decide; samples of one style share some of them (styles.py). About
300 samples/s on a core.
"""

import itertools
import random
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from alphabet import LONG_S, upper
from camera import HEIGHT, WIDTH, degrade, free_width, visible
from fonts import Face, Fonts
from geometry import crop, split, warp
from glyphs import dots, frame, shape, struck, typeset, with_long_s
from hand import CAN_WRITE, Hand
from paint import paint
from PIL import Image
from styles import Dice, cipher, convention, sequence, word
from text import MAX_LENGTH, Text

FREE_LENGTH = 40  # characters at most where the width follows the text
MAP = 2  # pixels to an entry of the map of characters, in both directions
#          domain: (share, shares of faces by kind, share written by hand)
DOMAINS = {
    'scene': (0.42, {'plain': 0.45, 'script': 0.14, 'display': 0.34, 'mono': 0.05, 'pixel': 0.02}, 0.03),
    'form': (0.14, {'plain': 0.40, 'script': 0.02, 'display': 0.03, 'mono': 0.40, 'pixel': 0.15}, 0.02),
    'letter': (0.12, {'script': 1.0}, 0.65),
    'print': (0.10, {'book': 0.58, 'typewriter': 0.42}, 0.0),
    'digits': (0.11, {'plain': 0.2, 'script': 0.15, 'display': 0.25, 'mono': 0.1, 'pixel': 0.3}, 0.65),
    'code': (0.06, {'plain': 0.40, 'script': 0.08, 'display': 0.25, 'mono': 0.19, 'pixel': 0.08}, 0.05),
    'plate': (0.05, {'plain': 0.75, 'display': 0.1, 'mono': 0.15}, 0.0),
}


class Sample(NamedTuple):
    image: np.ndarray  # uint8 [32, width, 3] RGB
    text: str  # what it says, 1..24 characters of CHARSET (40 where widths are free)
    chars: np.ndarray  # uint8 [16, width / 2]: i + 1 where character i of text lies, 0 elsewhere
    needs: str = ''  # the style of which an example is needed to tell its label; empty: the picture says it


class Renderer:
    """Draws samples. kinds.py draws otherwise by the attributes and the methods below them."""

    loose = 0.06  # share of crops that are far too loose
    parts = 0.12  # share of words of which only a part is cut out
    blank = 0.012  # share of pictures without text
    cell = MAP  # pixels to an entry of the map of characters
    contrast = 6  # least difference of ink and paper, of 255

    def __init__(self, unseen: bool = False):
        """unseen: with the faces that are kept from training, and none of the others."""
        self.fonts, self.texts = Fonts(unseen), Text()

    def domain(self, r: random.Random) -> str:
        return r.choices(list(DOMAINS), [share for share, _, _ in DOMAINS.values()])[0]

    def kinds_of_faces(self, domain):
        """{kind of face: share}."""
        return DOMAINS[domain][1]

    def share_by_hand(self, domain):
        return DOMAINS[domain][2]

    def framed(self, domain):
        """Share of texts with a frame."""
        return 0.6 if domain == 'plate' else 0.12

    def sample(self, dice: Dice, hard: float = 1.0, free: bool = False) -> Sample | None:
        """hard: share of samples with the full range of looks; the others are short, plain words for the beginning of
        training. free: as wide as the text asks for (one of FREE_WIDTHS), not 128."""
        if dice.style.seed == '' and dice('blank').random() < self.blank:
            return self.textless(dice, free)
        easy = dice('easy').random() > hard
        domain = self.domain(dice('domain'))
        written = self.write(dice, domain, easy, FREE_LENGTH if free else MAX_LENGTH)
        if written is None:
            return None
        text, mask, chars = written
        reach = 0.0
        if not easy:
            mask, chars, reach = frame(dice('frame'), mask, chars, domain, self.framed(domain))
            mask = shape(dice('shape'), mask, domain)
            mask, chars = warp(dice('warp'), dice('jitter'), mask, chars, domain)
            text, chars = split(dice('split'), text, chars, self.parts)
        cropped = crop(dice('crop'), mask, chars, reach, self.loose)
        if cropped is None:
            return None
        mask, chars = cropped
        width = free_width(*mask.shape) if free else WIDTH
        image = degrade(dice, paint(dice, mask, domain, easy), len(text), domain, easy, width)
        if not visible(image, mask, self.contrast):
            return None
        label = convention(dice('convention'), text) if dice.style.convention else text
        if not label:
            return None
        return Sample(
            image,
            label,
            cv2.resize(chars, (width // self.cell, HEIGHT // self.cell), interpolation=cv2.INTER_NEAREST),
            dice.style.seed if dice.style.odd else '',
        )

    def textless(self, dice: Dice, free: bool) -> Sample:
        """A picture without text: grounds, lines, stains."""
        r = dice('text')
        domain = r.choice(list(DOMAINS))
        mask = np.zeros((r.randint(16, 60), r.randint(20, 300)), np.float32)
        h, w = mask.shape
        for _ in range(r.choice((0, 0, 0, 1, 2))):
            cv2.line(
                mask,
                (r.randint(-w, 2 * w), r.randint(-h, 2 * h)),
                (r.randint(-w, 2 * w), r.randint(-h, 2 * h)),
                1.0,
                r.randint(1, 4),
            )
        width = free_width(h, w) if free else WIDTH
        image = degrade(dice, paint(dice, mask, domain, False), 4, domain, False, width)
        return Sample(image, '', np.zeros((HEIGHT // self.cell, width // self.cell), np.uint8))

    def several(self, dice: Iterable[Dice], n: int, hard: float = 1.0, free: bool = False) -> list[Sample]:
        """The first n samples of these dice that come out; fewer if most do not."""
        drawn = (self.sample(d, hard, free) for d in itertools.islice(dice, 4 * n))
        return list(itertools.islice((s for s in drawn if s is not None), n))

    def write(self, dice, domain, easy, longest):
        """(label, mask, chars) of a new text in a face or by a hand."""
        r = dice('face')
        hand = Hand(r) if not easy and r.random() < self.share_by_hand(domain) else None
        face = None if hand else self.fonts.pick(r, {'plain': 1.0} if easy else self.kinds_of_faces(domain))
        size = r.choice((24, 32, 40, 48))
        text = self.text_for(hand, face, dice, domain, easy, longest)
        if text is None:
            return None
        if hand:
            drawn = hand.write(dice('jitter'), text, size)
        else:
            drawn = self.set_in_type(r, face, size, text, dice, domain, easy)
            text = upper(text) if face.caps else text
        return drawn and (text, *drawn)

    def text_for(self, hand, face, dice, domain, easy, longest):
        """A text that the hand or the face can write, or None."""
        r = dice('text')
        for _ in range(4):
            text = word(self.texts, dice, r, domain, longest)
            if easy:
                text = text[: r.randint(1, 5)].strip()
            if self.writable(hand, face, text):
                return text
        return None

    def writable(self, hand: Hand | None, face: Face | None, text: str) -> bool:
        return CAN_WRITE.issuperset(text) if hand else not face.missing.intersection(text)

    def set_in_type(self, r, face, size, text, dice, domain, easy):
        """(mask, chars) of a text in a face, or None."""
        font, shapes = self.fonts.at(face, size), text
        if dice.style.cipher:
            shapes = cipher(dice('cipher'), font, text)
        elif domain == 'print' and LONG_S not in face.missing and r.random() < 0.4:
            shapes = with_long_s(r, text)
        lit = 'dseg' in face.path.lower() and r.random() < 0.4
        drawn = typeset(dice('jitter'), r, shapes, font, easy, r.uniform(0.05, 0.3) if lit else 0.0)
        if drawn is None:
            return None
        if not easy and (face.kind in ('mono', 'pixel') or domain == 'digits') and r.random() < 0.15:
            drawn = dots(r, *drawn)
        if domain == 'print':
            drawn = struck(dice('jitter'), r, *drawn), drawn[1]
        return drawn


def rows_of(samples, pixels):
    """Pictures side by side in rows of so many pixels, the rest white."""
    row, used = [], 0
    for sample in samples:
        width = sample.image.shape[1]
        if used + width > pixels:
            yield np.hstack([*row, np.full((HEIGHT, pixels - used, 3), 255, np.uint8)])
            row, used = [], 0
        row.append(sample.image)
        used += width


def sheet(renderer, path, sequences=False):
    """A contact sheet: single samples and some whose width follows the text, or one sequence per row."""
    columns = 8
    pixels = columns * WIDTH
    if sequences:
        drawn = (renderer.several(sequence(str(i), columns), columns) for i in itertools.count())
        rows = (np.hstack([s.image for s in samples]) for samples in drawn if len(samples) == columns)
        lines = list(itertools.islice(rows, 24))
    else:
        fixed = renderer.several((Dice(i) for i in itertools.count()), 16 * columns + 1)
        free = renderer.several((Dice(f'free {i}') for i in itertools.count()), 8 * columns, free=True)
        lines = [*rows_of(fixed, pixels), *itertools.islice(rows_of(free, pixels), 4)]
    Image.fromarray(np.vstack(lines)).save(path, quality=85)


if __name__ == '__main__':
    import sys

    sheet(Renderer(), sys.argv[1], sequences='--sequences' in sys.argv)
