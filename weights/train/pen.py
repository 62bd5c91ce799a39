# SPDX-License-Identifier: MIT
"""What handwriting is written with: a pen's width along a curve, its ink, the drawing of both."""

import math

import cv2
import numpy as np

cv2.setNumThreads(0)
WIDTHS = {
    'ball': (0.03, 0.09),
    'felt': (0.07, 0.135),
    'pointed': (0.05, 0.125),
    'broad': (0.06, 0.13),
}  # full width in ascender heights


class Pen:
    """One writer's pen and ink, drawn from r. old: of the eighteenth century. most: the largest full width."""

    def __init__(self, r, old, most):
        quill = old and r.random() < 0.85
        self.kind = 'pointed' if quill else r.choices(list(WIDTHS), [0.5, 0.25, 0.12, 0.13])[0]
        self.width = r.uniform(*WIDTHS[self.kind])
        self.hair = r.uniform(0.16, 0.55)  # width of the thinnest strokes
        self.width = min(self.width, most)
        self.nib = r.uniform(0.3, 1.1)  # angle of a broad one
        self.pressure = r.uniform(0, 0.3)
        self.blot = r.random() < 0.3
        self.pale = r.uniform(0, 0.5) if r.random() < 0.5 else 0

    def widths(self, curve, rng):
        """Width along the curve in units of the full width."""
        d = np.empty_like(curve)
        d[1:-1], d[0], d[-1] = curve[2:] - curve[:-2], curve[1] - curve[0], curve[-1] - curve[-2]
        n = np.hypot(d[:, 0], d[:, 1]) + 1e-6
        if self.kind == 'pointed':
            w = self.hair + (1 - self.hair) * np.clip(d[:, 1] / n * 1.15, 0, 1) ** 1.5
        elif self.kind == 'broad':
            w = self.hair + (1 - self.hair) * np.abs(d[:, 0] * math.sin(self.nib) + d[:, 1] * math.cos(self.nib)) / n
        else:
            w = np.ones(len(curve), np.float32)
        if self.pressure > 0.05:
            slow = rng.randn(len(curve) // 12 + 2)
            w = w * (1 + self.pressure * 0.5 * np.interp(np.arange(len(curve)) / 12, np.arange(len(slow)), slow))
        return np.convolve(np.pad(w, 3, 'edge'), np.full(7, 1 / 7), 'valid')

    def draw(self, rng, curve, counts, size, full, scale):
        """Coverage uint8 of a canvas of size (h, w): the strokes, of `counts` points each, of a curve in ascender
        heights from its corner. full: the full width in pixels; scale: the ascender height in pixels."""
        canvas = np.zeros(size, np.uint8)
        pixel = (curve * (scale * 16)).astype(np.int32)
        starts = np.cumsum([0, *counts])
        if self.kind in ('ball', 'felt') and self.pressure <= 0.12:
            for first, last in zip(starts, starts[1:]):
                cv2.polylines(canvas, [pixel[first:last]], False, 255, max(1, round(full)), cv2.LINE_8, 4)
            return canvas
        wide = self.widths(curve, rng)
        shade = (255 * (1 - 0.6 * self.pale * np.clip(1 - wide, 0, 1))).astype(int).tolist()
        wide = np.rint(np.maximum(wide * full, 0.022 * scale)).astype(int).tolist()
        dots = list(map(tuple, pixel.tolist()))
        for first, last in zip(starts, starts[1:]):
            for k in range(first, last - 1):
                cv2.line(canvas, dots[k], dots[k + 1], shade[k], wide[k], cv2.LINE_8, 4)
        return canvas

    def ink(self, r, rng, mask, height):
        """Uneven ink: slow changes of coverage, paper grain that a dry ball-point skips, bleeding of wet ink."""
        h, w = mask.shape
        if self.blot:
            soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.02 * height))
            mask = np.clip(soft * 1.5 - 0.15, 0, 1)
        if self.pale and r.random() < 0.7:
            k = height // 4 + 2
            slow = cv2.resize(
                rng.rand(h // k + 2, w // k + 2).astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR
            )
            mask = mask * (1 - self.pale * slow)
            if self.kind == 'ball' and r.random() < 0.4:
                mask = mask * np.clip(0.5 + rng.rand(h, w).astype(np.float32), 0, 1)
        return np.ascontiguousarray(mask, np.float32)
