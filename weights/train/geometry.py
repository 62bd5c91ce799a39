# SPDX-License-Identifier: MIT
"""Where the text lies: bent, turned, cut to a part, cropped. The map of characters follows the mask of ink."""

import math

import cv2
import numpy as np
from fields import noise_field


def warp(r, jitter, mask, chars, domain):
    """An arc; curve, wave, elastic, shear, rotation and perspective in one lookup. Long lines are turned less."""
    round_about = domain in ('scene', 'code') and r.random() < 0.08
    if round_about:
        mask, chars = arched(r, mask, chars)
    h, w = mask.shape
    turned = r.random() < (0.85 if domain == 'plate' else 0.6)
    corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    to = turn(r, jitter, corners, turned)
    curve = 0.0
    if not round_about and r.random() < 0.2:
        curve = r.choice((-1, 1)) * r.uniform(0.05, 0.35) * h * min(1, w / h / 3)
    to -= to.min(0) - np.float32([0, abs(curve)])
    out_w, out_h = int(to[:, 0].max()) + 1, int(to[:, 1].max() + abs(curve)) + 1
    if not turned and not curve and r.random() < 0.8 or out_w * out_h > 600000:
        return mask, chars
    u, v = sources(corners, to, out_w, out_h)
    if curve:
        t = u / w
        bend = (
            curve * ((2 * t - 1) ** 2)
            if r.random() < 0.7
            else curve * 0.6 * np.sin(t * 6.28 * r.uniform(0.5, 1.3) + r.random() * 6)
        )
        v += bend.astype(np.float32)
    if r.random() < 0.12:
        v += noise_field(jitter, out_h, out_w, h * 0.4) * h * r.uniform(0.01, 0.05)
        u += noise_field(jitter, out_h, out_w, h * 0.4) * h * r.uniform(0.01, 0.05)
    return cv2.remap(mask, u, v, cv2.INTER_LINEAR), cv2.remap(chars, u, v, cv2.INTER_NEAREST)


def arched(r, mask, chars):
    """On an arc of a circle, up or down, as on signs and seals: each letter stands upright to it."""
    h, w = mask.shape
    rise = r.uniform(0.15, 1.0) * h  # of the middle above the ends; so flat that letters keep their size
    span = min(8 * rise / w, 2.4, 1.2 * w / h)  # radians that the whole takes
    radius = w / span
    top, bottom = radius + h / 2, (radius - h / 2) * math.cos(span / 2)
    half = top * math.sin(span / 2)
    out_w, out_h = int(2 * half) + 1, int(top - bottom) + 1
    if out_w * out_h > 600000:
        return mask, chars
    y, x = np.mgrid[0:out_h, 0:out_w].astype(np.float32)
    down = r.random() < 0.4
    x, y = x - half, top - (out_h - 1 - y if down else y)
    across, along = np.hypot(x, y), np.arctan2(x, y)
    u = (w / 2 + along * radius).astype(np.float32)
    v = (across - (radius - h / 2) if down else top - across).astype(np.float32)
    return cv2.remap(mask, u, v, cv2.INTER_LINEAR), cv2.remap(chars, u, v, cv2.INTER_NEAREST)


def turn(r, jitter, corners, turned):
    """The corners [4, 2] of a picture, rotated, sheared and seen at an angle."""
    w, h = corners[2]
    angle = shear = keystone = 0.0
    if turned:
        angle = math.radians(r.gauss(0, 6) + jitter.gauss(0, 1)) * min(1, 7 * h / w)
        shear = r.gauss(0, 0.18)
        keystone = r.uniform(0, 0.14) * h
    middle = corners - (w / 2, h / 2)
    rotation = np.float32([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    to = np.stack([middle[:, 0] - shear * middle[:, 1], middle[:, 1]], 1) @ rotation
    return to + np.float32([[jitter.uniform(-1, 1), jitter.uniform(-1, 1)] for _ in range(4)]) * keystone


def sources(corners, to, out_w, out_h):
    """Where each pixel of a picture comes from whose corners went to `to`: x and y, float32 [out_h, out_w]."""
    inverse = cv2.getPerspectiveTransform(to.astype(np.float32), corners)
    y, x = np.mgrid[0:out_h, 0:out_w].astype(np.float32)
    depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    u, v = ((inverse[i, 0] * x + inverse[i, 1] * y + inverse[i, 2]) / depth for i in (0, 1))
    return u.astype(np.float32), v.astype(np.float32)


def split(r, text, chars, share):
    """Of a share only a part of the word, cut at character boxes (the S of the ST strategy); the rest stays visible
    at the edges."""
    if len(text) < 3 or r.random() > share:
        return text, chars
    first = r.randrange(len(text))
    last = r.randrange(first, len(text))
    if not text[first : last + 1].strip():
        return text, chars
    while text[first] == ' ':
        first += 1
    while text[last] == ' ':
        last -= 1
    inside = (chars > first) & (chars <= last + 1)
    return text[first : last + 1], np.where(inside, chars - first, 0).astype(np.uint8)


def crop(r, mask, chars, least, share):
    """The word with a margin that differs by side, sometimes cutting into it a little; a share of them far too loose.
    least: how far three of four crops reach at least, in heights of the text."""
    ink = (mask > 0.2) & (chars > 0)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if len(rows) < 3 or len(columns) < 2:
        return None
    h = rows[-1] + 1 - rows[0]
    loose = r.random() < share
    reach = max(least, 0.5 if r.random() < 0.08 else 0.2)
    beside = r.uniform(0.5, 2.0) if loose else reach
    above = r.uniform(0.3, 0.9) if loose and r.random() < 0.5 else reach
    least = least if r.random() < 0.75 else -0.03

    def margin(reach):
        return int(round(h * (r.uniform(min(least, reach), reach) if r.random() < 0.93 else r.uniform(-0.12, 0))))

    if loose:
        more = int(2 * h)
        mask, chars, rows, columns = np.pad(mask, more), np.pad(chars, more), rows + more, columns + more
    top, bottom = max(0, rows[0] - margin(above)), min(mask.shape[0], rows[-1] + 1 + margin(above))
    left, right = max(0, columns[0] - margin(beside)), min(mask.shape[1], columns[-1] + 1 + margin(beside))
    if bottom - top < 4 or right - left < 2:
        return None
    return mask[top:bottom, left:right], chars[top:bottom, left:right]
