#!/usr/bin/env python3
"""Writes resize.bin: Pillow's bilinear resize and torch's normalisation, for tests/test_image.c.

    /usr/bin/python3 tests/golden/make_resize.py [FOLDER]        (default: this one); checked: make golden

Needs Pillow, numpy and PyTorch; made with Debian 12's (9.4, 1.24, 1.13).
All numbers little-endian:
    128 bytes  text: the command that made it, NUL-padded
    uint32     number of cases; for each:
        uint32  input width, height, kind, output width, height
        bytes   expected [output height][output width][3] for kinds 0 and 1, without the last dimension for kind 2
    3 floats mean, 3 floats std, then [3][256] floats: (byte / 255 - mean) / std of every byte
The input is not stored. Its bytes, in memory order, are the top bytes of a 32-bit linear congruential generator:
state = width * 65536 + height at first, then state = state * 1664525 + 1013904223 before each byte.
Kind 0 is RGB; kind 1 RGB with each byte made 0 or 255 by its top bit; kind 2 grey.
"""
import os
import struct
import sys

import numpy as np
import torch
from PIL import Image

COMMAND = b"/usr/bin/python3 tests/golden/make_resize.py"
RGB, HARD, GREY = 0, 1, 2
CASES = [(w, h, kind, 128, 32) for w, h, kind in [
    (1, 1, RGB), (2, 1, RGB), (1, 2, HARD), (3, 5, RGB), (7, 3, HARD), (128, 32, RGB), (128, 17, RGB), (61, 32, RGB),
    (129, 33, HARD), (127, 31, RGB), (64, 16, RGB), (200, 90, RGB), (300, 7, HARD), (5, 200, RGB), (90, 40, RGB),
    (256, 64, HARD), (2000, 2, RGB), (3, 1500, HARD), (77, 23, GREY), (200, 90, GREY), (128, 90, GREY)]]
CASES += [(200, 90, RGB, 33, 47), (31, 9, HARD, 50, 5), (16384, 2, HARD, 1, 1), (1, 16384, GREY, 3, 2)]
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def pixels(width, height, kind):
    state = width * 65536 + height
    out = bytearray()
    for _ in range(width * height * (1 if kind == GREY else 3)):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    data = np.frombuffer(bytes(out), np.uint8)
    if kind == HARD:
        data = np.where(data >= 128, 255, 0).astype(np.uint8)
    return data.reshape((height, width) if kind == GREY else (height, width, 3))


def make(folder):
    with open(os.path.join(folder, "resize.bin"), "wb") as f:
        f.write(COMMAND.ljust(128, b"\0"))
        f.write(struct.pack("<I", len(CASES)))
        for width, height, kind, out_width, out_height in CASES:
            image = Image.fromarray(pixels(width, height, kind))
            f.write(struct.pack("<5I", width, height, kind, out_width, out_height))
            f.write(image.resize((out_width, out_height), Image.BILINEAR).tobytes())
        mean, std = torch.tensor(MEAN), torch.tensor(STD)
        every = torch.arange(256, dtype=torch.uint8).repeat(3, 1)
        planes = (every.float().div(255) - mean[:, None]) / std[:, None]
        f.write(mean.numpy().astype("<f4").tobytes() + std.numpy().astype("<f4").tobytes())
        f.write(planes.numpy().astype("<f4").tobytes())


if __name__ == "__main__":
    make(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
