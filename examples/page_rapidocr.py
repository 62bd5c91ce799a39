#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PP-OCR finds lines on a page, libe2str reads their words: page_rapidocr.py PAGE...

Needs RapidOCR, whose wheel has the detector inside (pip install rapidocr onnxruntime), and e2str with NumPy. Prints a
line of text per line found, words parted by blanks.

The detector's quadrangles are pulled straight (Picture.cut). What libe2str reads are words, so that a line is parted at
the gaps in its ink, as `e2str page --split` does it.
"""

import sys

import numpy as np
from e2str import Error, Picture, Reader
from PIL import Image
from rapidocr import RapidOCR

WORD_GAP = 0.25  # of a line's height


def words_of(line):
    """(left, right) of each word in a straight line [height][width], grey."""
    height, width = line.shape
    paper = np.median(line)
    ink = np.abs(line - paper) > np.abs(line - paper).max() / 2
    columns = np.flatnonzero(ink.sum(0) >= max(1, 0.03 * height))
    if not columns.size:
        return []
    ends = np.flatnonzero(np.diff(columns) > WORD_GAP * height)
    lefts, rights = columns[np.append(0, ends + 1)], columns[np.append(ends, columns.size - 1)] + 1
    margin = 0.08 * height
    return [(max(left - margin, 0), min(right + margin, width)) for left, right in zip(lefts, rights)]


def quadrangles(corners, spans, size):
    """The words' corners in the page, of a line's: the sides of its box, parted as the line is."""
    upper_left, upper_right, lower_right, lower_left = np.asarray(corners, float)
    for left, right in np.asarray(spans) / size[0]:
        upper = upper_left + np.outer((left, right), upper_right - upper_left)
        lower = lower_left + np.outer((right, left), lower_right - lower_left)
        yield np.vstack([upper, lower])


def read_page(path, detector, reader):
    """Lines, from top to bottom as the detector sorts them: a list of readings each."""
    with Image.open(path) as image:
        page = np.asarray(image.convert('L'))
    found = detector(np.dstack([page] * 3), use_det=True, use_cls=False, use_rec=False).boxes
    picture = Picture(page)
    lines = []
    for corners in [] if found is None else found:
        straight = picture.cut(corners)
        spans = words_of(straight.array().astype(float))
        words = list(quadrangles(corners, spans, (straight.width, straight.height)))
        lines.append(reader.read_batch([picture.cut(word) for word in words]))
    return lines


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    detector = RapidOCR(params={'Global.log_level': 'error'})
    try:
        with Reader() as reader:
            for path in sys.argv[1:]:
                for line in read_page(path, detector, reader):
                    print(*(reading.text for reading in line))
    except (Error, OSError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
