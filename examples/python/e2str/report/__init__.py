# SPDX-License-Identifier: MIT
"""e2str-report: one HTML file that shows what was read on many crops, how certain each character is and why."""

from __future__ import annotations

import argparse
import os
import sys

from ..errors import Error
from ..reader import Pool, Reader
from ..tools import complain
from ..tools.crops import SUFFIXES, Folder, labelled, shown
from .page import render
from .rows import Rows

_ABOUT = """\
Reads crops and writes one HTML file that shows them: readings shaded by the certainty of each character, where each
character was seen, which examples of the pool helped; with labels also accuracy, confusions and calibration. The file
holds everything, asks the network for nothing, and takes 4 KB a crop at most, in the mean.
"""


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser('e2str-report', description=_ABOUT, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('crops', metavar='CROPS', nargs='*', help='pictures, and folders of them')
    parser.add_argument('--labels', metavar='FILE', help='labels; without CROPS these are what is read')
    parser.add_argument('-p', '--pool', metavar='FILE', help='read with a pool; what changes by it is shown')
    parser.add_argument('-m', '--model', metavar='FILE', help='another model')
    parser.add_argument('-t', '--threads', type=int, default=min(os.cpu_count() or 1, 8), metavar='N')
    parser.add_argument('--title', help='default: the first of CROPS, or the file of labels')
    parser.add_argument('-o', '--output', metavar='FILE', default='report.html', help='default: report.html')
    given = parser.parse_args(arguments)
    if not given.crops and not given.labels:
        parser.error('no crops: give pictures, a folder, or --labels FILE')
    return given


def _paths(crops: list[str]) -> list[str]:
    """Every picture, folders opened up."""
    paths = []
    for crop in crops:
        if os.path.isdir(crop):
            folder = Folder(crop)
            paths += [os.path.join(crop, name) for name in folder.crops()]
            folder.close()
        else:
            paths.append(crop)
    return paths


def _labels(path: str) -> dict[str, str]:
    """{path of a picture: its label}."""
    labels = labelled(path)
    for fault in labels.faults:
        complain('e2str-report', f'{path}:{fault}: left out')
    return labels.texts


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f'\r{done} of {total} read', end='\n' if done == total else '', file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit status."""
    given = _arguments(arguments)
    try:
        labels = _labels(given.labels) if given.labels else {}
        paths = _paths(given.crops) if given.crops else list(labels)
        if not paths:
            raise OSError(f'no pictures: their names end in {", ".join(SUFFIXES)}')
        by_place = {os.path.realpath(path): text for path, text in labels.items()}
        reader = Reader(given.model, threads=given.threads)
        pool = Pool.load(reader, given.pool) if given.pool else None
        rows = Rows(reader, pool)
        for first in range(0, len(paths), 64):
            _progress(first, len(paths))
            rows.add([(path, by_place.get(os.path.realpath(path))) for path in paths[first : first + 64]])
        _progress(len(paths), len(paths))
        if not rows.rows:
            raise OSError(': '.join(rows.faults[0]))
        page = render(rows, given.title or os.path.normpath(given.crops[0] if given.crops else given.labels))
        with open(given.output, 'wb') as file:
            file.write(page)
    except (OSError, Error, ValueError) as error:
        complain('e2str-report', error)
        return 1
    print(f'{shown(given.output)}: {len(rows.rows)} crops, {len(page)} bytes')
    for path, why in rows.faults:
        complain('e2str-report', f'{path}: {why}')
    return 1 if rows.faults else 0
