#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the page of this folder: draw.py [FOLDER]        (default: this one)

Needs Pillow and the DejaVu fonts (fonts-dejavu-core); made with Debian 12's. It writes
    page.png    a page at 150 dots per inch: a title, two columns, a table, and a stamp that stands askew in perspective
    boxes.tsv   where every word is: x0 y0 ... x3 y3, corners from the left upper one on, clockwise
    page.txt    what it says, in reading order: a line per line, an empty one between blocks
"""

import os
import sys

from PIL import Image, ImageDraw, ImageFont

FONTS = '/usr/share/fonts/truetype/dejavu'
WIDTH, HEIGHT = 1240, 900
TITLE = 'The Museum of Letters'
COLUMNS = [
    """Every word on this page was drawn by a small program, so that its place
    and its text are known. A detector finds the words and says where they
    are; what stands in each of them is read by the library, one crop after
    the other, and put back into the order in which people read.""",
    """Columns are read from top to bottom, the left one first. Tables are read
    row by row, since their cells are too narrow for columns of text. A stamp
    that stands askew has four corners and no sides along the page: it is
    pulled straight by perspective before it is read.""",
]
TABLE = [
    ('Admission', '2', '17.50'),
    ('Catalogue', '1', '24.90'),
    ('Postcards', '12', '9.60'),
    ('Total', '15', '52.00'),
]
STAMP = 'COLLECTED'
STAMP_CORNERS = ((880, 700), (1130, 640), (1145, 716), (872, 790))


def font(size, name='DejaVuSerif'):
    return ImageFont.truetype(os.path.join(FONTS, f'{name}.ttf'), size)


class Page:
    def __init__(self):
        self.picture = Image.new('L', (WIDTH, HEIGHT), 250)
        self.draw = ImageDraw.Draw(self.picture)
        self.boxes = []
        self.blocks = []

    def word(self, x, y, text, face):
        """Draws it with its left end at x, its baseline at y; its width."""
        left, top, right, bottom = self.draw.textbbox((x, y), text, font=face, anchor='ls')
        self.draw.text((x, y), text, font=face, fill=20, anchor='ls')
        left, top, right, bottom = left - 2, top - 2, right + 2, bottom + 2
        self.boxes.append((left, top, right, top, right, bottom, left, bottom))
        return self.draw.textlength(text, font=face)

    def line(self, x, y, words, face):
        for word in words:
            x += self.word(x, y, word, face) + self.draw.textlength(' ', font=face)
        self.blocks[-1].append(' '.join(words))

    def column(self, x, y, width, text, face, leading):
        self.blocks.append([])
        line = []
        for word in text.split():
            if self.draw.textlength(' '.join([*line, word]), font=face) > width:
                self.line(x, y, line, face)
                line, y = [], y + leading
            line.append(word)
        self.line(x, y, line, face)

    def table(self, y, face, leading):
        self.blocks.append([])
        for name, count, price in TABLE:
            for x, cell in ((80, name), (330, count), (430, price)):
                self.word(x, y, cell, face)
            self.blocks[-1].append(f'{name} {count} {price}')
            y += leading

    def stamp(self):
        """Drawn straight, then pulled to its corners."""
        width, height = 500, 150
        straight = Image.new('L', (width, height), 0)
        ImageDraw.Draw(straight).text((width / 2, height / 2), STAMP, 225, font(74, 'DejaVuSans-Bold'), anchor='mm')
        source = ((0, 0), (width, 0), (width, height), (0, height))
        place = Image.Transform.PERSPECTIVE
        ink = straight.transform((WIDTH, HEIGHT), place, coefficients(STAMP_CORNERS, source), Image.Resampling.BICUBIC)
        self.picture.paste(40, (0, 0), ink)
        self.boxes.append(tuple(number for corner in STAMP_CORNERS for number in corner))
        self.blocks.append([STAMP])


def coefficients(source, target):
    """Of the projection that takes four points to four others, as Pillow wants them."""
    rows = []
    for (x, y), (u, v) in zip(source, target):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    for i in range(8):  # Gauss and Jordan
        pivot = max(range(i, 8), key=lambda row: abs(rows[row][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(8):
            if j != i:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i])]
    return [row[8] for row in rows]


def make(folder):
    page = Page()
    page.blocks.append([])
    page.line(80, 110, TITLE.split(), font(58, 'DejaVuSerif-Bold'))
    for x, text in zip((80, 660), COLUMNS):
        page.column(x, 200, 500, text, font(26), 42)
    page.table(650, font(28, 'DejaVuSans'), 46)
    page.stamp()
    page.picture.save(os.path.join(folder, 'page.png'), optimize=True)
    with open(os.path.join(folder, 'boxes.tsv'), 'w') as file:
        file.write('\t'.join(f'{axis}{corner}' for corner in range(4) for axis in 'xy') + '\n')
        file.writelines('\t'.join(map(str, box)) + '\n' for box in page.boxes)
    with open(os.path.join(folder, 'page.txt'), 'w') as file:
        file.write('\n\n'.join('\n'.join(block) for block in page.blocks) + '\n')


if __name__ == '__main__':
    make(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
