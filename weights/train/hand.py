# SPDX-License-Identifier: MIT
"""Handwriting: a Hand is one writer, write() one word of hers as an ink mask and a character map.

python3 hand.py OUT.png [SEED]             # a contact sheet of many writers
"""

import math
import random
import sys

import cv2
import numpy as np
from pen import Pen
from strokes import CURSIVE, DIGITS, LAST, MARKS, OLD_S, PRINT, Form, curves, extent

CAN_WRITE = frozenset(DIGITS) | frozenset(MARKS) | frozenset(PRINT) | {' '}
PRIME = 7919  # spreads the seeds of a writer's characters


def is_numeric(text):
    return sum(c.isdigit() for c in text) * 2 > len(text)


class Line:
    """A word being laid out in the unslanted frame of unit height."""

    def __init__(self):
        self.strokes, self.borders = [], []  # [points, corners] of each stroke; the characters' x borders
        self.pen, self.leave, self.path = (
            0.0,
            None,
            0,
        )  # right end so far; exit of the last letter, None: it has none; its joining stroke

    def blank(self, width):
        self.borders.append(self.pen + 0.1)
        self.pen, self.leave = self.pen + width, None

    def add(self, points, corners, lengths, extend):
        """Appends strokes, the first to the end of stroke number `extend`, unless that is None."""
        ends = np.cumsum(lengths)
        parts = [[points[end - n : end], corners[end - n : end]] for n, end in zip(lengths, ends)]
        if extend is not None:
            self.strokes[extend] = [np.concatenate(pair) for pair in zip(self.strokes[extend], parts.pop(0))]
        self.strokes += parts


class Hand:
    """One writer: how each character is formed, slant, proportions, pen. Drawn from r; the same seed gives the same
    writer."""

    def __init__(self, r):
        self.seed = r.getrandbits(32)
        self.mode = r.choices(['print', 'loose', 'cursive', 'copperplate'], [0.35, 0.13, 0.22, 0.30])[0]
        old, u = self.mode == 'copperplate', r.random()
        self.haste = r.betavariate(1.3, 2.2)  # 0 careful .. 1 hasty
        self._proportions(r, old, u)
        self.join = {'print': 0, 'loose': 0.35, 'cursive': 0.97, 'copperplate': 0.985}[self.mode]
        self.drag = r.uniform(0.3, 0.9) if r.random() < 0.12 + 0.2 * self.haste else 0  # pen not lifted between digits
        self.lead = r.random() * (1 if old else 0.6)  # how often a word begins with an upstroke
        self.old_s = old and r.random() < 0.4
        self.stray = r.choice([0, 0.05, 0.15])  # how often another variant slips in
        self.fixed, self.loose = r.uniform(0.006, 0.03), r.uniform(0.004, 0.012) + 0.02 * self.haste
        self.odd = r.uniform(0.3, 1.3)  # how far her forms lie from the school's
        self.cents = r.random() < 0.12  # writes 25.00 with small raised cents
        self.smooth = 0.22 * self.haste * r.random()
        self.round = self.haste * r.random()
        self.size = r.uniform(0.01, 0.05) + 0.06 * self.haste
        self.zero = r.uniform(0.55, 1) if r.random() < 0.4 else r.uniform(0.9, 1.02)
        self.drift = r.gauss(0, 0.025)
        self.pen = Pen(
            r, old, math.inf if self.mode == 'print' else 0.26 * self.x_height
        )  # or the eyes of the letters clog
        self.mixed = {'loose': r.uniform(0.1, 0.6), 'cursive': r.choice([0, 0.12])}.get(
            self.mode, 0
        )  # printed letters among the joined
        self.forms = {}

    def _proportions(self, r, old, u):
        if old:
            self.slant = r.uniform(0.5, 1.1)
        elif u < 0.5:
            self.slant = max(-0.3, r.gauss(0.08, 0.16))
        else:
            self.slant = r.uniform(0.15, 0.75)
        self.digit_slant = self.slant * r.uniform(0.5, 1) if old else self.slant
        self.wide = (r.uniform(0.85, 1.65) if old else r.uniform(0.8, 1.3)) * (1 + 0.2 * max(0, self.slant))
        self.digit_wide = r.uniform(0.8, 1.35) * (1 + 0.4 * max(0, self.digit_slant))
        self.x_height = r.uniform(0.34, 0.5) if old else r.uniform(0.4, 0.64)
        self.tail = r.uniform(0.7, 1.25)  # length of descenders
        self.gap = r.uniform(0.04, 0.22) * self.wide
        self.digit_gap = r.choice([r.uniform(-0.06, 0.06), r.uniform(0.04, 0.2), r.uniform(0.08, 0.45)])

    def _table(self, c, own, last):
        """The table that the writer takes character c from. last: no letter follows."""
        old = self.mode == 'copperplate'
        if c in DIGITS:
            return DIGITS
        if c in MARKS:
            return MARKS
        table = PRINT if self.mode == 'print' else CURSIVE
        if table is CURSIVE:
            capital = c.isupper() and (self.seed >> 8) % 10 < (2 if old else 5)
            if capital or own.random() < self.mixed and c != OLD_S:
                table = PRINT
        return LAST if last and old and c in LAST and self.seed % 2 else table

    def _form(self, r, c, last):
        """The writer's own form of c, and whether it has an entry: her favourite variant or, now and then, another."""
        own = random.Random(self.seed ^ ord(c) * PRIME)
        table = self._table(c, own, last)
        variants = table[c]
        k = own.randrange(len(variants)) if r.random() >= self.stray else r.randrange(len(variants))
        key = id(table), c, k
        if key not in self.forms:
            self.forms[key] = self._shaped(
                c, variants[k], np.random.RandomState(own.getrandbits(32)), table is CURSIVE or table is LAST
            )
        return self.forms[key]

    def _shaped(self, c, school, rng, joins):
        """The school's form of c as she writes it."""
        points = school.points + rng.randn(*school.points.shape).astype(np.float32) * self.fixed
        stretch, tall, lean, bow, rise, turn = (
            rng.randn(6).astype(np.float32) * self.odd * (0.11, 0.05, 0.05, 0.1, 0.025, 0.04)
        )
        x, y = points[:, 0].copy(), points[:, 1].copy()
        if c not in CURSIVE or c.isupper():
            points[:, 0] += lean * (y - 0.5) + bow * y * (1 - y)
            points[:, 1] += turn * (x - 0.25) * (y > 0.1) + (rise if c.isdigit() else 0)
        points *= np.float32([1 + stretch, 1 + tall]) * (self.zero if c == '0' else 1)
        y = points[:, 1]
        if c.isdigit():
            points[:, 0] *= self.digit_wide
        elif c.isalpha() or c == OLD_S:
            points[:, 0] *= self.wide
            if not c.isupper():
                x = self.x_height
                points[:, 1] = np.where(y < 0, y * self.tail, np.where(y < 0.5, y * 2 * x, x + (y - 0.5) * 2 * (1 - x)))
        corners = school.corners & (rng.rand(len(school.corners)) >= self.round)
        enters = joins and not c.isupper()
        leaves = school.leaves or (enters and 0.03 < points[school.lengths[0] - 1, 1] < 0.7)
        return Form(points, corners, school.lengths, leaves), enters

    def _layout(self, r, rng, text):
        """The Line of a text."""
        line = Line()
        raised = len(text) - 2 if self.cents and text[-3:-2] in ('.', ',') and text[-2:].isdigit() else len(text)
        for i, c in enumerate(text):
            if c == ' ':
                line.blank(r.uniform(0.35, 0.6))
                continue
            if c == 's' and self.old_s and text[i + 1 : i + 2] == 's':
                c = OLD_S
            self._append(r, rng, line, text, i, c, i >= raised)
        line.borders.append(line.pen)
        return line

    def _append(self, r, rng, line, text, i, c, raised):
        """Character i of the text, written as c, at the end of the line."""
        last = i + 1 == len(text) or not text[i + 1].isalpha()
        (points, corners, lengths, leaves), enters = self._form(r, c, last)
        points = self._loosened(rng, points, c, raised)
        first = lengths[0]
        if enters and line.leave is not None and r.random() < self.join:
            points, corners, lengths, extend = self._joined(rng, line, points, corners, lengths)
        else:
            if (
                enters and c != 's' and r.random() >= (self.lead if points[1, 1] < 0.55 else 0.8)
            ):  # no upstroke; rare before a loop
                points, corners, lengths = points[1:], corners[1:], [first - 1] + lengths[1:]
            room = self._room(r, rng, line, text, i, c, enters)
            points[:, 0] += line.pen + room - extent(points)[0]
            line.borders.append(line.pen + room / 2)
            extend, line.path = self._dragged(r, line, points, text, i, c), len(line.strokes)
        line.add(points, corners, lengths, extend)
        line.pen = extent(points[: lengths[0]] if enters else points)[1]
        line.leave = points[lengths[0] - 1] if leaves else None

    def _loosened(self, rng, points, c, raised):
        """The form as it comes out this time."""
        points = points + rng.randn(*points.shape).astype(np.float32) * (self.loose * (1 if c not in MARKS else 0.5))
        points *= 1 + self.size * rng.randn()
        if raised:
            points = points * 0.6 + np.float32([0, 0.38])
        points[:, 0] += points[:, 1] * (0.03 + 0.05 * self.haste) * rng.randn()
        points[:, 1] += (0.01 + 0.03 * self.haste) * rng.randn()
        return points

    def _joined(self, rng, line, points, corners, lengths):
        """On through the entry point, or straight from the top of o, v, w to the second point."""
        high = line.leave[1] > 0.6 * self.x_height
        points[:, 0] += line.leave[0] - points[0, 0] - (0.05 * self.wide if high else 0) + 0.12 * self.gap * rng.randn()
        line.borders.append(line.leave[0])
        if not high:
            line.strokes[line.path][0][-1] = (line.leave + points[0]) / 2
        return points[1:], corners[1:], [lengths[0] - 1] + lengths[1:], line.path

    def _room(self, r, rng, line, text, i, c, enters):
        """Space before a character that is not joined."""
        numeric = is_numeric(text)
        gap = self.digit_gap if numeric else self.gap
        room = gap * (1 + 0.35 * rng.randn()) * (0.3 if enters and line.leave is not None else 1) + self.pen.width * (
            0.5 if numeric else 0.3
        )
        room = room if line.strokes else 0
        if c in '.,' or (i and text[i - 1] in '.,'):
            room = max(room, 0.04) * r.uniform(0.6, 1.3) + 0.03 + 0.5 * self.pen.width
        return room

    def _dragged(self, r, line, points, text, i, c):
        """The stroke that a digit goes on with where the pen is not lifted, or None."""
        if i and c.isdigit() and text[i - 1].isdigit() and r.random() < self.drag:
            step = points[0] - line.strokes[-1][0][-1]
            if np.hypot(*step) < 0.5 and step[0] > -0.1:
                return len(line.strokes) - 1
        return None

    def _smoothed(self, points, lengths):
        """Hasty strokes cut their corners; ends of strokes stay."""
        if self.smooth <= 0.02:
            return
        ends = np.cumsum(lengths)
        inner = np.ones(len(points), bool)
        inner[ends - 1] = inner[ends[:-1]] = inner[0] = False
        points[inner] += self.smooth * (
            (points[np.flatnonzero(inner) - 1] + points[np.flatnonzero(inner) + 1]) / 2 - points[inner]
        )

    def write(self, r: random.Random, text: str, height: int) -> tuple[np.ndarray, np.ndarray] | None:
        """mask float32 [h,w] in 0..1 ink coverage; chars uint8 [h,w]: i + 1 where character i of text lies (a slanted
        box between its neighbours, full glyph height, 0 elsewhere), with a padding of about 0.4 * height around; None
        if a character has no skeleton or there is nothing to draw. height: ascender size in px, about 24-64. r: the
        dice of this word."""
        if not text.strip() or len(text) > 250 or not CAN_WRITE.issuperset(text):
            return None
        rng = np.random.RandomState(r.getrandbits(32))
        line = self._layout(r, rng, text)
        strokes = [s for s in line.strokes if len(s[0]) > 1]
        lengths = [len(s[0]) for s in strokes]
        points, corners = np.concatenate([s[0] for s in strokes]), np.concatenate([s[1] for s in strokes])
        self._smoothed(points, lengths)
        slant = (self.digit_slant if is_numeric(text) else self.slant) + 0.03 * r.gauss(0, 1)
        self._lean(r, points, slant)
        curve, counts = curves(points, corners, lengths)

        fine = 3 if height < 40 else 2
        scale = height * fine
        full = max(1.6, self.pen.width * (1 + 0.06 * r.gauss(0, 1)) * scale)
        low, high = curve.min(0), curve.max(0)
        pad = 0.4 + self.pen.width / 2
        w, h = (math.ceil((high[k] - low[k] + 2 * pad) * height) for k in (0, 1))
        origin = pad - low
        canvas = self.pen.draw(rng, curve + origin, counts, (h * fine, w * fine), full, scale)
        mask = cv2.resize(canvas, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        mask = self.pen.ink(r, rng, mask, height)
        return mask, self._regions(mask.shape, line.borders, slant, origin, (low[1], high[1]), height)

    def _lean(self, r, points, slant):
        """Drifting base line, waves and slant; then y runs down."""
        drift = self.drift + 0.015 * r.gauss(0, 1)
        wave, phase = 0.03 * self.haste * r.random(), r.random() * 6.28
        points[:, 1] += drift * points[:, 0] + wave * np.sin(points[:, 0] * 2.5 + phase)
        points[:, 0] += slant * points[:, 1]
        points[:, 1] *= -1

    def _regions(self, size, borders, slant, origin, reach, height):
        """The character map: slanted boxes between the borders. reach: lowest and highest y of the curve."""
        chars, half = np.zeros(size, np.uint8), self.pen.width / 2
        top, bottom = int((reach[0] + origin[1] - half) * height) - 1, int((reach[1] + origin[1] + half) * height) + 2
        y0, y1 = top / height - origin[1], bottom / height - origin[1]
        borders = [borders[0] - 0.06, *borders[1:-1], borders[-1] + 0.06]
        for i, (a, b) in enumerate(zip(borders, borders[1:])):
            box = [(a - slant * y0, y0), (b - slant * y0, y0), (b - slant * y1, y1), (a - slant * y1, y1)]
            cv2.fillConvexPoly(chars, np.rint((np.array(box) + origin) * height).astype(np.int32), i + 1)
        return chars


def sheet(path, seed=0):
    """A contact sheet: a row is a writer; two words have their character maps laid under them in colour."""
    words = [
        '1,068',
        '25754',
        '62.974',
        '#3890-17=',
        'the',
        'Drummer',
        'properly',
        'awkward',
        'fabric',
        'jumping',
        'quickly',
        'vex',
        'Company',
        'Hazel',
    ]
    rows, high = [], 92
    for n in range(26):
        hand, row = Hand(random.Random(seed * 1000 + n)), []
        for k, word in enumerate(words):
            mask, chars = hand.write(random.Random(n * 100 + k), word, 36)
            image = np.repeat(255 - mask[..., None] * 235, 3, 2)
            if k in (1, 6):
                tint = np.float32([[255, 255, 255], [255, 220, 200], [200, 255, 220], [220, 200, 255]])
                image = image * tint[np.where(chars > 0, chars % 3 + 1, 0)] / 255
            if len(image) > high:
                image = cv2.resize(
                    image, (max(1, image.shape[1] * high // len(image)), high), interpolation=cv2.INTER_AREA
                )
            row.append(cv2.copyMakeBorder(image, 0, high - len(image), 0, 0, cv2.BORDER_CONSTANT, value=(255,) * 3))
        rows.append(np.concatenate(row, 1))
    width = max(i.shape[1] for i in rows)
    rows = [cv2.copyMakeBorder(i, 0, 0, 0, width - i.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3) for i in rows]
    cv2.imwrite(path, np.concatenate(rows))


if __name__ == '__main__':
    sheet(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
