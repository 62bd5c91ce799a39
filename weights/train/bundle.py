#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packs the fonts and word lists that training reads into one archive, for a machine without Debian's packages (a GPU
without a network).

  bundle.py OUT.tar.xz [--megabytes 80]     there, as root: tar -xf OUT.tar.xz -C /

Takes faces family by family in turn, the smallest files of a family first, until the archive is full: variety before
weights and widths.
"""

import argparse
import glob
import os
import tarfile
from itertools import zip_longest

from fonts import faces


def chosen_fonts(limit):
    """Paths of font files, every family's first ones before any family's second ones, `limit` bytes in all."""
    families = {}
    for face in faces():
        families.setdefault(face.family, {})[face.path] = os.path.getsize(face.path)
    turns = zip_longest(*(sorted(files.items(), key=lambda f: f[1]) for files in families.values()))
    taken, size = [], 0
    for path, more in (f for turn in turns for f in turn if f):
        if size + more <= limit:
            taken.append(path)
            size += more
    return sorted(set(taken))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('out')
    p.add_argument(
        '--megabytes', type=float, default=80, help='of fonts before compression (default 80; about 40 after it)'
    )
    a = p.parse_args()
    words = [
        'american-english',
        'british-english',
        'french',
        'ngerman',
        'spanish',
        'italian',
        'dutch',
        'portuguese',
        'swedish',
        'danish',
    ]
    lists = (
        [os.path.join('/usr/share/dict', w) for w in words]
        + glob.glob('/usr/share/dict/scowl/*')
        + ['/usr/share/zoneinfo/zone1970.tab']
    )
    with tarfile.open(a.out, 'w:xz', preset=1) as archive:
        for path in chosen_fonts(a.megabytes * 1e6) + sorted(filter(os.path.exists, lists)):
            archive.add(os.path.realpath(path), path.lstrip('/'))
    print(f'{a.out}: {os.path.getsize(a.out) / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
