# SPDX-License-Identifier: MIT
"""The skeletons of handwritten characters (skeletons.txt says how they are written down) and smooth curves through
them."""

import os
import re
from typing import NamedTuple

import numpy as np


class Form(NamedTuple):
    """One way to form a character, in ascender heights."""

    points: np.ndarray  # float32 [n, 2]: x to the right, y up from the baseline
    corners: np.ndarray  # bool [n]
    lengths: list  # points of each stroke
    leaves: bool  # the first stroke has an exit of its own


def form(strokes):
    """The form that a variant's text describes: strokes of points 'x,y', with '!' for a corner and '>' for an exit."""
    strokes = [stroke.split() for stroke in strokes.split(';')]
    points = [p for stroke in strokes for p in stroke]
    values = [[float(v) for v in p.strip('!>').split(',')] for p in points]
    return Form(
        np.array(values, np.float32) / 100,
        np.array(['!' in p for p in points]),
        [len(s) for s in strokes],
        strokes[0][-1].endswith('>'),
    )


def tables(path):
    """{section: {character: [form]}} of a file of skeletons."""
    with open(path) as file:
        text = ''.join(line for line in file if not line.startswith('# ') and line != '#\n')
    found = {}
    for name, lines in re.findall(r'^\[(\w+)\]\n(.*?)(?=^\[|\Z)', text, re.M | re.S):
        rows = lines.strip().replace('\n|', ' |').splitlines()
        found[name] = {row[0]: [form(variant) for variant in row[1:].split('|')] for row in rows}
    return found


TABLES = tables(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'skeletons.txt'))
DIGITS, MARKS, PRINT, CURSIVE, LAST = (TABLES[name] for name in ('digits', 'marks', 'print', 'cursive', 'last'))
OLD_S = '~'  # the old s that begins a double s, a glyph of CURSIVE
STEPS = 8  # curve pieces between two control points
_t = np.arange(STEPS, dtype=np.float32) / STEPS
HERMITE = np.stack([2 * _t**3 - 3 * _t**2 + 1, _t**3 - 2 * _t**2 + _t, 3 * _t**2 - 2 * _t**3, _t**3 - _t**2], 1)


def curves(points, corner, lengths):
    """The centripetal Catmull-Rom curve through every stroke's control points: [sum((n - 1) * STEPS + 1), 2] and the
    strokes' lengths. Tangents at corners and ends are those of a natural spline."""
    ends = np.cumsum(lengths)
    last = np.zeros(len(points), bool)
    last[ends - 1] = True
    stop = corner | last
    stop[ends[:-1]] = stop[0] = True
    d = points[1:] - points[:-1]
    k = np.sqrt(np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-6))[:, None]
    v = d / k
    m = np.zeros_like(points)  # dP/dt with t running by sqrt(distance)
    m[1:-1] = (v[:-1] * k[1:] + v[1:] * k[:-1]) / (k[:-1] + k[1:])
    m1, m2 = m[:-1] * k, m[1:] * k
    a, b = stop[:-1, None], stop[1:, None]
    m1, m2 = (np.where(a, np.where(b, d, 1.5 * d - 0.5 * m2), m1), np.where(b, np.where(a, d, 1.5 * d - 0.5 * m1), m2))
    curve = np.einsum('sk,nkc->nsc', HERMITE, np.stack([points[:-1], m1, points[1:], m2], 1))
    keep = np.ones((len(points), STEPS), bool)
    full = np.empty((len(points), STEPS, 2), np.float32)
    full[:-1], full[last] = curve, points[last][:, None]
    keep[last, 1:] = False
    return full[keep], [(n - 1) * STEPS + 1 for n in lengths]


def extent(points):
    """Left and right end of the points between baseline and ascender."""
    x = points[:, 0][(points[:, 1] > -0.15) & (points[:, 1] < 1.2)]
    x = x if len(x) else points[:, 0]
    return float(x.min()), float(x.max())
