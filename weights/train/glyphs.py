# SPDX-License-Identifier: MIT
"""Lines of type: the mask of ink and the map of characters; dots, strokes and frames on it.

A mask is float32 [h, w], 0 to 1 ink; a map uint8 [h, w], i + 1 where character i of the text lies, 0 elsewhere. r is
random.Random: of one picture, or (style) shared by the pictures of a style.
"""

import itertools
import re

import cv2
import numpy as np
from alphabet import LONG_S
from fields import noise_field
from PIL import Image, ImageDraw


def looseness(style):
    """Letter-spacing beside the face's own, as a share of each letter's width: mostly none."""
    if style.random() < 0.65:
        return 0
    return style.uniform(-0.08, 0.4) if style.random() < 0.75 else style.uniform(0.4, 1.6)


def fonts_of(style, text, font):
    """The font of each character: on signs, the first letter of a word is sometimes larger."""
    if len(text) < 3 or style.random() > 0.04:
        return [font] * len(text)
    larger = font.font_variant(size=int(font.size * style.uniform(1.15, 1.6)))
    return [larger if c.isalpha() and (i == 0 or text[i - 1] == ' ') else font for i, c in enumerate(text)]


def edges_of(text, fonts, loose, apart):
    """Left edge of every character and right edge of the last. apart: set one by one, not as the face pairs them."""
    if not apart:
        return [0] + [fonts[0].getlength(text[: i + 1]) for i in range(len(text))]
    widths = (max(1, font.getlength(c) * (1 + loose)) for c, font in zip(text, fonts))
    return list(itertools.accumulate(widths, initial=0))


def typeset(r, style, text, font, easy, ghost=0.0):
    """Ink mask [h,w] in 0..1 and character map of a line of type, with margins that may show what stands beside it on
    the page. ghost: how strongly the dark segments of a display show."""
    left, top, right, bottom = font.getbbox(text)
    if right - left < 2 or bottom - top < 2:
        return None
    h = bottom - top
    pad = int(h * 0.4) + 6
    loose = 0 if easy else looseness(style)
    bounce = 0 if easy or style.random() < 0.88 else style.uniform(0.02, 0.15) * h
    fonts = [font] * len(text) if easy else fonts_of(style, text, font)
    rise = fonts[0].getmetrics()[0] - font.getmetrics()[0]  # of a larger first letter above the others
    hang = style.random() < 0.4  # such a letter stands on the line, or hangs from its top
    top, h = top - (0 if hang else rise), h + rise
    pad += int(0.4 * rise)
    apart = bool(loose or bounce or rise)
    edges = [pad - left + x for x in edges_of(text, fonts, loose, apart)]
    if not apart:
        edges[-1] = max(edges[-1], pad + right - left)
    size = (int(edges[-1]) + pad, h + 2 * pad)
    if size[0] > 2400:
        return None
    image = Image.new('L', size, 0)
    draw = ImageDraw.Draw(image)
    if ghost and not apart:
        draw.text((pad - left, pad - top), re.sub('[^.:]', '8', text), fill=int(255 * ghost), font=font)
    if apart:
        for c, x, f in zip(text, edges, fonts):
            y = pad - top - (0 if f is font or hang else rise) + r.uniform(-bounce, bounce)
            draw.text((x, y), c, fill=255, font=f)
    else:
        draw.text((pad - left, pad - top), text, fill=255, font=font)
    chars = np.zeros(size[::-1], np.uint8)
    for i in range(len(text)):
        chars[
            max(0, pad - 2 - int(bounce)) : pad + h + 2 + int(bounce), max(0, int(edges[i])) : max(0, int(edges[i + 1]))
        ] = i + 1
    if not easy and r.random() < 0.2:
        neighbours(r, draw, pad, h, top, edges[-1], font)
    return np.asarray(image, np.float32) / 255, chars


def with_long_s(r, text):
    """The glyphs of a text in old spelling: the s that does not end a word is long, of a double s sometimes only the
    first."""
    text = re.sub('s(?=[a-z])', LONG_S, text)
    return text.replace(LONG_S + LONG_S, LONG_S + 's') if r.random() < 0.4 else text


def struck(r, style, mask, chars):
    """Type of uneven strength, character by character, as presses and typewriters print."""
    if style.random() < 0.4:
        return mask
    least = style.uniform(0.3, 0.9)
    strength = np.float32([1] + [r.uniform(least, 1) for _ in range(chars.max())])
    return mask * cv2.GaussianBlur(strength[chars], (0, 0), 1.0)


#         lines around the text: (share, share on plates)
FRAMES = {
    'box': (0.30, 0.35),
    'round': (0.12, 0.40),
    'sides': (0.19, 0.08),
    'rules': (0.19, 0.08),
    'corner': (0.12, 0.05),
    'cells': (0.08, 0.04),
}


def frame(r, mask, chars, domain, share):
    """Lines of a table, a box or a plate around the text, of its ink but no part of it: mask, chars, and how far (in
    heights of the text) a crop has to reach to show them."""
    rows, columns = np.flatnonzero(chars.any(1)), np.flatnonzero(chars.any(0))
    if r.random() > share or len(rows) < 4:
        return mask, chars, 0.0
    h = rows[-1] + 1 - rows[0]
    more = int(0.7 * h)
    mask, chars = np.pad(mask, more), np.pad(chars, more)
    gaps = [int(h * r.uniform(0, 0.4)) for _ in range(4)] if r.random() < 0.5 else [int(h * r.uniform(0, 0.35))] * 4
    top, bottom = rows[0] + more - gaps[0], rows[-1] + more + gaps[1]
    left, right = columns[0] + more - gaps[2] - 2, columns[-1] + more + gaps[3] + 2
    thick = max(1, int(h * r.uniform(0.015, 0.1)))
    kind = r.choices(list(FRAMES), [shares[domain == 'plate'] for shares in FRAMES.values()])[0]
    lines = np.zeros(mask.shape, np.float32)
    if kind in ('box', 'cells'):
        cv2.rectangle(lines, (left, top), (right, bottom), 1.0, thick)
    if kind == 'round':
        rounded_box(lines, left, top, right, bottom, int(h * r.uniform(0.1, 0.45)), thick)
    upright, level = [], []
    if kind == 'cells':
        upright = [int(np.flatnonzero((chars == i).any(0))[0]) for i in range(2, chars.max() + 1) if (chars == i).any()]
    if kind in ('sides', 'corner'):
        upright = r.choice(((left,), (right,), (left, right)))
    if kind in ('rules', 'corner'):
        level = r.choice(((top,), (bottom,), (bottom,), (top, bottom)))
    beyond = 0 if kind == 'cells' else more
    for x in upright:
        cv2.line(lines, (x, top - beyond * r.randint(0, 1)), (x, bottom + beyond * r.randint(0, 1)), 1.0, thick)
    for y in level:
        cv2.line(lines, (left - beyond * r.randint(0, 1), y), (right + beyond * r.randint(0, 1), y), 1.0, thick)
    return np.maximum(mask, lines * r.uniform(0.6, 1)), chars, max(gaps) / h + 0.12


def rounded_box(image, left, top, right, bottom, radius, thick):
    radius = min(radius, (bottom - top) // 2, (right - left) // 2)
    cv2.line(image, (left + radius, top), (right - radius, top), 1.0, thick)
    cv2.line(image, (left + radius, bottom), (right - radius, bottom), 1.0, thick)
    cv2.line(image, (left, top + radius), (left, bottom - radius), 1.0, thick)
    cv2.line(image, (right, top + radius), (right, bottom - radius), 1.0, thick)
    for x, y, angle in (
        (left + radius, top + radius, 180),
        (right - radius, top + radius, 270),
        (right - radius, bottom - radius, 0),
        (left + radius, bottom - radius, 90),
    ):
        cv2.ellipse(image, (x, y), (radius, radius), angle, 0, 90, 1.0, thick)


def neighbours(r, draw, pad, h, top, end, font):
    """Parts of other words at the edges."""

    def other():
        return ''.join(r.choice('aceinorstlRSTPE0158.') for _ in range(r.randint(3, 9)))

    if r.random() < 0.4:
        draw.text((end + h * r.uniform(0.15, 0.35), pad - top), other(), fill=255, font=font)
    if r.random() < 0.4:
        word = other()
        draw.text((pad - h * r.uniform(0.2, 0.35) - font.getlength(word), pad - top), word, fill=255, font=font)
    if r.random() < 0.4:
        draw.text(
            (r.uniform(-h, pad), pad - top + h * r.uniform(1.08, 1.3)), other() + ' ' + other(), fill=255, font=font
        )
    if r.random() < 0.4:
        draw.text(
            (r.uniform(-h, pad), pad - top - h * r.uniform(1.08, 1.3)), other() + ' ' + other(), fill=255, font=font
        )


def dots(r, mask, chars):
    """The text as a dot matrix: its pixels at a low resolution, each a round or square dot."""
    rows = r.randint(14, 22)
    cell = r.choice((3, 4, 5))
    w = max(4, int(mask.shape[1] * rows / mask.shape[0]))
    low = (cv2.resize(mask, (w, rows), interpolation=cv2.INTER_AREA) > r.uniform(0.3, 0.5)).astype(np.float32)
    dot = np.zeros((cell, cell), np.float32)
    if r.random() < 0.7:
        cv2.circle(dot, (cell // 2, cell // 2), max(1, cell // 2), 1.0, -1)
    else:
        dot[:-1, :-1] = 1
    return np.kron(low, dot), cv2.resize(chars, (w * cell, rows * cell), interpolation=cv2.INTER_NEAREST)


def shape(r, mask, domain):
    """The weight of the strokes; hollow letters; lines under or through them. Old print mostly has bleeding or worn
    ink."""
    u = 0.21 if domain == 'print' and r.random() < 0.5 else r.random()
    if u < 0.06:
        kernel = np.ones((3, 3), np.uint8)
        mask = np.clip(cv2.dilate(mask, kernel) - mask if r.random() < 0.5 else mask - cv2.erode(mask, kernel), 0, 1)
    elif u < 0.16:
        mask = cv2.dilate(mask, np.ones((r.choice((2, 3)), r.choice((1, 2, 3))), np.uint8))
    elif u < 0.2 and mask.shape[0] > 60:
        mask = cv2.erode(mask, np.ones((2, r.choice((1, 2))), np.uint8))
    elif u < 0.26:  # bleeding or worn ink: the edge moves to and fro
        noise = noise_field(r, *mask.shape, r.choice((2, 3, 5)))
        mask = np.clip(
            (cv2.GaussianBlur(mask, (0, 0), r.uniform(0.6, 1.6)) - 0.5 + noise * r.uniform(0.05, 0.2)) * 3 + 0.5, 0, 1
        )
    if r.random() < 0.03:
        y = int(mask.shape[0] * r.choice((r.uniform(0.68, 0.8), r.uniform(0.4, 0.6))))
        mask = mask.copy()
        mask[y : y + r.randint(1, 3)] = 1
    return mask
