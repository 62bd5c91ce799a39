#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Renders the sample images of examples/images and examples/demo, with their labels; run from the repository's root.

Needs python3-pil, python3-numpy and the Debian font packages fonts-dejavu-core, fonts-liberation, fonts-lobster,
fonts-comfortaa, fonts-nanum-extra.
"""

import os

import numpy
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = '/usr/share/fonts/'
DEJAVU = FONTS + 'truetype/dejavu/DejaVuSans-Bold.ttf'
DEJAVU_SERIF = FONTS + 'truetype/dejavu/DejaVuSerif.ttf'
DEJAVU_MONO = FONTS + 'truetype/dejavu/DejaVuSansMono.ttf'
LIBERATION = FONTS + 'truetype/liberation/LiberationSans-Regular.ttf'
LIBERATION_SERIF = FONTS + 'truetype/liberation/LiberationSerif-BoldItalic.ttf'
LIBERATION_NARROW = FONTS + 'truetype/liberation/LiberationSansNarrow-Bold.ttf'
COMFORTAA = FONTS + 'truetype/comfortaa/Comfortaa-Bold.ttf'
LOBSTER = FONTS + 'opentype/lobster/lobster.otf'

# file, text, font, ink, paper, degrees, perspective (share of the height by which the right end shrinks), blur, noise
IMAGES = [
    ('open.png', 'OPEN', DEJAVU, (250, 250, 245), (178, 34, 40), 0, 0, 0.0, 0),
    ('coffee.jpg', 'Coffee', LOBSTER, (92, 51, 23), (233, 214, 180), 3, 0, 0.6, 5),
    ('platform.png', 'Platform', LIBERATION, (20, 20, 25), (240, 196, 25), 0, 0.12, 0.5, 4),
    ('library.jpg', 'library', DEJAVU_SERIF, (40, 40, 45), (214, 211, 203), -2, 0, 0.8, 6),
    ('2026.png', '2026', LIBERATION_NARROW, (245, 245, 250), (28, 60, 120), 0, 0.15, 0.4, 4),
    ('garden.jpg', 'Garden', LIBERATION_SERIF, (250, 245, 225), (48, 96, 58), 4, 0, 0.5, 8),
    ('street.png', 'STREET', LIBERATION_NARROW, (245, 245, 245), (15, 70, 150), -3, 0.1, 0.5, 5),
    ('total.jpg', 'TOTAL', DEJAVU_MONO, (70, 70, 78), (236, 236, 230), 1, 0, 0.9, 9),
    ('music.png', 'music', COMFORTAA, (232, 88, 130), (250, 240, 235), 5, 0, 0.4, 3),
    ('exit.jpg', 'EXIT', DEJAVU, (230, 255, 235), (12, 112, 68), -4, 0.18, 0.7, 6),
]

# Price tags that a brush has written: amounts for the pool, and others to read.
BRUSH = FONTS + 'truetype/nanum/NanumBrush.ttf'
POOL = (
    '₩1,200 ₩3,950 ₩14,500 ₩26,900 ₩7,750 ₩108,000 ₩59,300 ₩82,400 ₩4,990 ₩163,250 '
    '₩31,600 ₩9,450 ₩70,800 ₩2,150 ₩95,000 ₩118,700 ₩47,350 ₩6,050 ₩29,900 ₩183,500'
).split()
QUERIES = '₩5,900 ₩17,250 ₩38,400 ₩79,000 ₩64,950 ₩149,200'.split()


def render(random, text, font, ink, paper, degrees=0, perspective=0.0, blur=0.0, noise=0, size=64):
    face = ImageFont.truetype(font, size)
    left, top, right, bottom = face.getbbox(text)
    margin = size // 4
    width, height = right - left + 2 * margin, bottom - top + 2 * margin
    image = Image.new('RGB', (width, height), paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, font=face, fill=ink)
    if perspective:
        d = perspective * height  # the right end looks farther away; the quad is what becomes the whole picture
        image = image.transform(
            (width, height), Image.QUAD, (0, d, 0, height - d, width, height, width, 0), Image.BICUBIC, fillcolor=paper
        )
    if degrees:
        image = image.rotate(degrees, Image.BICUBIC, expand=True, fillcolor=paper)
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    pixels = numpy.asarray(image, dtype=numpy.float32)
    light = numpy.linspace(1.05, 0.9, pixels.shape[1], dtype=numpy.float32)[None, :, None]
    pixels = pixels * light + random.normal(0, noise, pixels.shape) if noise else pixels
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))


def save(image, path):
    image.save(path, quality=80) if path.endswith('.jpg') else image.save(path, optimize=True)


def write_labels(path, rows):
    with open(path, 'w', encoding='utf-8') as file:
        file.writelines(f'{name}\t{text}\n' for name, text in rows)


def demo(here, random):
    for folder, amounts in (('pool', POOL), ('queries', QUERIES)):
        names = [amount.strip('₩').replace(',', '-') + '.jpg' for amount in amounts]
        folder = os.path.join(here, 'demo', folder)
        os.makedirs(folder, exist_ok=True)
        for name, amount in zip(names, amounts):
            ink, paper = (40, 44, 60), (226, 220, 205)
            look = {'degrees': random.uniform(-2, 2), 'blur': random.uniform(1, 1.8), 'noise': 8, 'size': 40}
            save(render(random, amount, BRUSH, ink, paper, **look), os.path.join(folder, name))
        write_labels(os.path.join(folder, 'labels.tsv'), zip(names, amounts))


def main():
    random = numpy.random.RandomState(2026)
    here = os.path.dirname(os.path.abspath(__file__))
    for name, text, *style in IMAGES:
        save(render(random, text, *style), os.path.join(here, 'images', name))
    write_labels(os.path.join(here, 'images', 'labels.tsv'), [row[:2] for row in IMAGES])
    demo(here, random)


if __name__ == '__main__':
    main()
