#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes cut.bin: quadrangles that OpenCV's warpPerspective pulls straight, for tests/test_cut.c.

    /usr/bin/python3 tests/golden/make_cut.py [FOLDER]        (default: this one); checked: make golden

Needs OpenCV and numpy; made with Debian 12's (4.6, 1.24).
All numbers little-endian:
    128 bytes  text: the command that made it, NUL-padded
    uint32     number of cases; for each:
        uint32  width, height, kind, width of the cut, its height, shrinking (1: none)
        8 floats corners: left upper, right upper, right lower, left lower; pixels, where the first reaches from 0 to 1
        bytes   expected [height][width][3], for kind 2 [height][width]
The picture is not stored. With wave(n) = min(255, |n mod 512 - 256|), channel c of pixel (x, y) of kind 0 is
wave((5 + 3 c) x + (7 - 2 c) y + 31 c); kind 1 is the same made 0 or 255 by its top bit; kind 2 is channel 0 of kind 0.

warpPerspective is bicubic with borders replicated. It counts pixels by their middles, and takes places in steps of 1/32
of a pixel: values differ by that. Where a cut shrinks it is made SHRINK times as large, and averaged by INTER_AREA.
"""

import os
import struct
import sys

import cv2
import numpy as np

COMMAND = b'/usr/bin/python3 tests/golden/make_cut.py'
SMOOTH, HARD, GREY = 0, 1, 2
CASES = [
    # width, height, kind, cut, shrinking, corners
    (90, 60, SMOOTH, (40, 20), 1, (12, 9, 52, 9, 52, 29, 12, 29)),  # a rectangle on the pixels' edges
    (90, 60, HARD, (40, 20), 1, (12, 9, 52, 9, 52, 29, 12, 29)),
    (90, 60, SMOOTH, (50, 18), 1, (14.25, 20.5, 62.5, 8.75, 66.125, 26.5, 18, 38.25)),  # turned
    (90, 60, HARD, (50, 18), 1, (14.25, 20.5, 62.5, 8.75, 66.125, 26.5, 18, 38.25)),
    (90, 60, GREY, (50, 18), 1, (14.25, 20.5, 62.5, 8.75, 66.125, 26.5, 18, 38.25)),
    (90, 60, SMOOTH, (64, 32), 1, (20, 12, 60, 18, 62, 38, 16, 44)),  # perspective
    (90, 60, SMOOTH, (40, 24), 1, (70, 50, 30, 48, 33, 25, 68, 27)),  # upside down
    (90, 60, SMOOTH, (48, 30), 1, (-10, -8, 38, -6, 37, 24, -11, 22)),  # over the edge
    (90, 60, GREY, (30, 40), 1, (80, 30, 110, 35, 104, 75, 74, 70)),
    (240, 160, SMOOTH, (30, 12), 16, (20, 30, 200, 22, 206, 94, 26, 102)),  # six times smaller
    (240, 160, HARD, (30, 12), 16, (20, 30, 200, 22, 206, 94, 26, 102)),
    (240, 160, GREY, (16, 16), 16, (5, 5, 235, 15, 210, 150, 20, 140)),
    (3, 2, SMOOTH, (24, 16), 1, (0, 0, 3, 0, 3, 2, 0, 2)),  # larger
]


def wave(n):
    return np.minimum(255, np.abs(n % 512 - 256)).astype(np.uint8)


def picture(width, height, kind):
    y, x = np.mgrid[:height, :width]
    channels = [wave((5 + 3 * c) * x + (7 - 2 * c) * y + 31 * c) for c in range(1 if kind == GREY else 3)]
    data = np.dstack(channels)
    return np.where(data >= 128, 255, 0).astype(np.uint8) if kind == HARD else data


def cut(data, size, shrinking, corners):
    large = (size[0] * shrinking, size[1] * shrinking)
    # The middle of a pixel is at 0.5 here, at 0 in OpenCV.
    from_points = np.float32([(0, 0), (large[0], 0), large, (0, large[1])]) - 0.5
    to_points = np.float32(corners).reshape(4, 2) - 0.5
    matrix = cv2.getPerspectiveTransform(from_points, to_points)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    straight = cv2.warpPerspective(data, matrix, large, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return straight if shrinking == 1 else cv2.resize(straight, size, interpolation=cv2.INTER_AREA)


def make(folder):
    with open(os.path.join(folder, 'cut.bin'), 'wb') as f:
        f.write(COMMAND.ljust(128, b'\0'))
        f.write(struct.pack('<I', len(CASES)))
        for width, height, kind, size, shrinking, corners in CASES:
            f.write(struct.pack('<6I', width, height, kind, *size, shrinking))
            f.write(struct.pack('<8f', *corners))
            f.write(cut(picture(width, height, kind), size, shrinking, corners).tobytes())


if __name__ == '__main__':
    make(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
