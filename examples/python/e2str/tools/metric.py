# SPDX-License-Identifier: MIT
"""How a reading is compared with its label: as `e2str eval` does it, character for character, and in numbers."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Iterator

_LEFT_OUT = {'Pc', 'Pd', 'Pe', 'Pf', 'Pi', 'Po', 'Ps', 'Sc', 'Sk', 'Sm', 'So', 'Zl', 'Zp', 'Zs', 'Cc', 'Cf'}
BINS = 15
"""Of calibration(), of equal width."""


@functools.cache
def _compared(character: str) -> str:
    if unicodedata.category(character) in _LEFT_OUT and character != '^':
        return ''
    return next((one for one in (character.casefold(), character.lower()) if len(one) == 1), character)


def alphanumeric(text: str) -> str:
    """Without punctuation, symbols (but ^) and blanks, letters in one case."""
    return ''.join(map(_compared, text))


def any_case(text: str) -> str:
    """With letters in one case."""
    return ''.join(_compared(character) or character for character in text)


def align(reading: str, label: str) -> Iterator[tuple[str, str]]:
    """(character of the label, character that was read), at least edits; '' where the other has one too many."""
    rows = [list(range(len(label) + 1))]
    for i, read in enumerate(reading, 1):
        row = [i]
        for j, true in enumerate(label, 1):
            row.append(min(rows[-1][j - 1] + (read != true), rows[-1][j] + 1, row[-1] + 1))
        rows.append(row)
    pairs, i, j = [], len(reading), len(label)
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + (reading[i - 1] != label[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((label[j], reading[i]))
        elif j and rows[i][j] == rows[i][j - 1] + 1:
            j -= 1
            pairs.append((label[j], ''))
        else:
            i -= 1
            pairs.append(('', reading[i]))
    return reversed(pairs)


def calibration(reads: Iterable[tuple[float, bool]]) -> tuple[list[tuple[int, float, float]], float]:
    """(confidence, right) of reads -> (bins: number of reads, mean confidence, share right; expected calibration
    error). A bin without reads is (0, 0, 0)."""
    bins = [[0, 0.0, 0] for _ in range(BINS)]
    for confidence, right in reads:
        one = bins[min(int(confidence * BINS), BINS - 1)]
        one[0] += 1
        one[1] += confidence
        one[2] += right
    reads_in_all = sum(count for count, _, _ in bins)
    error = sum(abs(confidence - right) for _, confidence, right in bins) / max(reads_in_all, 1)
    return [(int(n), c / n, r / n) if n else (0, 0.0, 0.0) for n, c, r in bins], error
