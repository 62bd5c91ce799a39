# SPDX-License-Identifier: MIT
"""Small pictures for a page, as PNG: with the standard library alone."""

from __future__ import annotations

import ctypes
import operator
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..picture import Picture

HEIGHTS = 40, 32, 26, 20, 14, 10
"""Pixels, tried in turn until a thumbnail is small enough."""
WIDEST = 7
"""Times as wide as these."""
LEVELS = 16


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def encode(width: int, height: int, depth: int, colour: int, rows: bytes, palette: bytes = b'') -> bytes:
    """A PNG of rows that begin with their filter's byte. colour: 0 grey, 2 RGB, 3 palette, 6 RGBA."""
    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    parts = [_chunk(b'IHDR', header), _chunk(b'PLTE', palette) if palette else b'']
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts) + _chunk(b'IDAT', zlib.compress(rows, 9)) + _chunk(b'IEND', b'')


def _rows(picture: Picture) -> tuple[int, list[bytes]]:
    """(1 or 3 bytes per pixel, rows) of a picture that was decoded from a file."""
    view = picture._view
    channels = 1 if view.format == 1 else 3
    start, size = ctypes.cast(view.pixels, ctypes.c_void_p).value or 0, view.width * channels
    return channels, [ctypes.string_at(start + y * view.stride, size) for y in range(view.height)]


def whole(picture: Picture) -> bytes:
    """A picture that was decoded from a file, as it is."""
    channels, rows = _rows(picture)
    data = b''.join(b'\0' + row for row in rows)
    return encode(picture.width, picture.height, 8, 0 if channels == 1 else 2, data)


def _samples(size: int, to: int) -> list[list[int]]:
    """Where samples of each of `to` pixels lie among `size`: one to three lists of `to` places."""
    each = max(1, min(3, round(size / to)))
    return [[int((i + (k + 0.5) / each) * size / to) for i in range(to)] for k in range(each)]


def shrink(picture: Picture, width: int, height: int) -> list[list[tuple[int, ...]]]:
    """The picture's pixels, RGB, at another size: means of up to nine samples."""
    channels, rows = _rows(picture)
    across = [operator.itemgetter(*places, 0) for places in _samples(picture.width, width)]
    pixels = []
    for lines in zip(*_samples(picture.height, height)):
        planes = []
        for c in range(channels):
            samples = [pick(rows[y][c::channels])[:-1] for y in lines for pick in across]
            planes.append([sum(one) // len(samples) for one in zip(*samples)])
        pixels.append(list(zip(*(planes * 3 if channels == 1 else planes))))
    return pixels


def _sixteen(pixels: list[list[tuple[int, ...]]]) -> bytes:
    """PNG in 16 colours: the mean colour of each of 16 steps of lightness between the darkest and the lightest."""
    light = [[(299 * r + 587 * g + 114 * b) // 1000 for r, g, b in row] for row in pixels]
    low, high = min(map(min, light)), max(map(max, light))
    levels = [[(value - low) * (LEVELS - 1) // max(high - low, 1) for value in row] for row in light]
    sums = [[0, 0, 0, 0] for _ in range(LEVELS)]
    for colours, row in zip(pixels, levels):
        for colour, level in zip(colours, row):
            one = sums[level]
            one[0] += 1
            for c in range(3):
                one[c + 1] += colour[c]
    palette = bytes(part // max(n, 1) for n, *colour in sums for part in colour)
    packed = bytearray()
    for row in levels:
        padded = row + [0] * (len(row) % 2)
        packed += b'\0' + bytes(a << 4 | b for a, b in zip(padded[::2], padded[1::2]))
    return encode(len(levels[0]), len(levels), 4, 3, bytes(packed), palette)


def thumbnail(picture: Picture, most: int) -> bytes:
    """A PNG of at most `most` bytes (500 or more) of a picture that was decoded from a file, 40 pixels high or less, in
    16 colours."""
    for step in HEIGHTS:
        height = min(step, picture.height)
        width = max(1, round(picture.width * height / picture.height))
        if width > WIDEST * step:
            width, height = WIDEST * step, max(1, round(picture.height * WIDEST * step / picture.width))
        small = shrink(picture, width, height)
        data = _sixteen(small)
        if len(data) <= most:
            break
    return data
