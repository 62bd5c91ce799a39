# SPDX-License-Identifier: MIT
"""Smooth random fields that shapes, papers and lights are made of."""

import math

import cv2
import numpy as np


def noise_field(r, h, w, grain):
    """Smooth noise, roughly -1..1, [h, w]; grain: pixels per bump."""
    rng = np.random.default_rng(r.getrandbits(64))
    return (
        cv2.resize(
            rng.standard_normal((int(h / grain) + 2, int(w / grain) + 2), np.float32),
            (w, h),
            interpolation=cv2.INTER_CUBIC,
        )
        * 0.6
    )


def gradient(r, h, w):
    """A slope across the image, 0..1, [h, w, 1]."""
    angle = r.uniform(0, 6.28)
    y, x = np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None], np.linspace(-0.5, 0.5, w, dtype=np.float32)[None]
    t = x * math.cos(angle) + y * math.sin(angle)
    return ((t - t.min()) / (np.ptp(t) + 1e-6))[..., None]
