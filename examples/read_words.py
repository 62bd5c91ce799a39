#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads word images from Python: read_words.py IMAGE...   (docs/python.md)"""

import os
import sys

from e2str import Error, Reader


def main():
    paths = sys.argv[1:]
    if not paths:
        sys.exit(__doc__)
    with Reader() as reader:
        try:
            readings = reader.read_batch(paths)
        except Error as error:
            sys.exit(str(error))
    for path, reading in zip(paths, readings):
        sys.stdout.buffer.write(os.fsencode(path) + f'\t{reading.text}\t{reading.score:.3f}\n'.encode())


if __name__ == '__main__':
    main()
