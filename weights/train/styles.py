# SPDX-License-Identifier: MIT
"""What the images of a sequence have in common, so that examples can teach something about the next one.

Samples of one style share a face or a writer, the ink, the camera. For some styles that is not enough to read them,
only their examples tell how: strange letters, pictures too dim to be read alone, another way of writing labels.
Single samples never are of such a style.
"""

import functools
import itertools
import random
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase
from typing import NamedTuple

from alphabet import ASCII, DIGITS, lower, upper
from text import MAX_LENGTH


class Style(NamedTuple):
    """What samples have in common: the dice named in `shared`, and what they are like."""

    seed: str
    shared: frozenset = frozenset(
        {'domain', 'face', 'ink', 'paint', 'warp', 'look', 'shape', 'easy', 'cipher', 'convention'}
    )
    alike: bool = False  # its words differ from each other in a letter or two
    letters: str = ''  # its words are strings of these, so that each is seen often; empty: real words
    cipher: bool = False  # letters have other letters' shapes, or Greek and Cyrillic ones
    murky: bool = False  # too dim to be read alone: only a picture of the same word tells
    convention: bool = False  # labels in one case, or without punctuation, whatever the print

    @property
    def odd(self):
        """Whether labels cannot be told from the picture alone."""
        return self.cipher or self.murky or self.convention


ALONE = Style('', frozenset())


class Dice:
    """Named random generators. A name in `style.shared` is drawn from the style's seed, any other from the sample's
    own. word: which of the words of the style that come again; None: one of its own."""

    def __init__(self, seed, style: Style | None = None, word: int | None = None):
        self.seed, self.style, self.word = seed, style or ALONE, word

    def __call__(self, name):
        return random.Random(f'{name} {self.style.seed if name in self.style.shared else self.seed}')


def style_of(seed: str, n: int) -> tuple[Style, int]:
    """(Style, number of words that come again) for sequences of n. In half of the styles all words are new ones; in
    half up to n come again and again, alike or not, among new ones."""
    r = random.Random(f'style {seed}')
    again = r.random() < 0.5
    shared = {'domain', 'face', 'cipher', 'convention'} | {
        name for name in ('ink', 'paint', 'warp', 'look', 'shape') if r.random() < 0.7
    }
    alike, strange, murky, other = (
        again and r.random() < 0.45,
        r.random() < 0.25,
        again and r.random() < 0.45,
        r.random() < 0.15,
    )
    letters = ''.join(r.sample(ASCII[:62], r.randint(3, 8))) if strange and r.random() < 0.5 else ''
    return Style(seed, frozenset(shared), alike, letters, strange, murky, other), r.randint(1, n) if again else 0


def sequence(seed: str, n: int) -> Iterator[Dice]:
    """Endless dice of samples that belong together, for sequences of n. In a tenth of the sequences all are strangers
    to each other; in two fifths those of two styles are mixed, so that examples of another kind do not disturb."""
    r = random.Random(f'sequence {seed}')
    strangers = r.random() < 0.1
    styles = [style_of(f'{seed}.{i}', n) for i in range(2 if r.random() < 0.4 else 1)]
    for i in itertools.count():
        if strangers or r.random() < 0.05:
            yield Dice(f'{seed}.{i}')
        else:
            style, words = r.choice(styles)
            yield Dice(f'{seed}.{i}', style, r.randrange(words) if words and r.random() < 0.8 else None)


def word(texts, dice, r, domain, longest):
    """The text that the dice ask for: one of those that come again, or with r a new one."""
    style = dice.style
    if dice.word is not None:
        r = random.Random(f'word {dice.word} {style.seed}')
    if style.letters:
        return ''.join(r.choice(style.letters) for _ in range(r.randint(2, 8)))
    if style.alike:
        return vary(r, texts.draw(random.Random(f'base {style.seed}'), domain, longest))
    return texts.draw(r, domain, longest)


@functools.lru_cache(64)
def foreign(font):
    """The Greek and Cyrillic letters that the font has: one picture in many slots stands for missing ones."""
    drawn = {c: bytes(font.getmask(c)) for c in 'ΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπσφψωБГДЖИЛЦЧШЫЭЮЯбгджлцчшыэюя'}
    return [c for c in drawn if list(drawn.values()).count(drawn[c]) == 1]


def cipher(r, font, text):
    """Strange shapes for some characters or all of them: another's, or Greek and Cyrillic ones if the font has them."""
    odd = ASCII[:62]
    if r.random() < 0.6 and len(foreign(font)) > 20:
        odd = foreign(font)
    table = {c: r.choice(odd) for c in r.sample(ASCII[:62], r.randint(2, 12) if r.random() < 0.5 else 62)}
    return ''.join(table.get(c, c) for c in text)


def vary(r, text):
    """The text with up to two characters changed, left out or put in."""
    text = list(text)
    for _ in range(r.randint(0, 2)):
        i = r.randrange(len(text))
        kind = DIGITS if text[i].isdigit() else ascii_uppercase if text[i].isupper() else ascii_lowercase
        u = r.random()
        if u < 0.6:
            text[i] = r.choice(kind)
        elif u < 0.8 and len(text) > 2:
            del text[i]
        elif len(text) < MAX_LENGTH:
            text.insert(i, r.choice(kind))
    return ''.join(text)


def convention(r, text):
    """The label as someone else would write it."""
    u = r.random()
    text = upper(text) if u < 0.6 else lower(text) if u < 0.75 else text
    return ''.join(c for c in text if c.isalnum()) if u > 0.3 else text
