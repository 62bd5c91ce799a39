# SPDX-License-Identifier: MIT
"""What a report says of each crop, as short lists: there may be ten thousand of them in a page."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

from ..errors import Error
from ..picture import Picture
from ..reader import Pool, Reader
from ..results import Character, Reading
from ..tools import metric, png
from ..tools.crops import MAX_BYTES, shown

THUMBNAIL = 1900  # bytes of a picture, before base64
MOST_CHARACTERS = 48  # of which a row tells more than their probability
OTHERS, HELPERS = 2, 2  # alternatives and influences of a character
NAME = 120  # characters of a path that are shown


class Rows:
    """Reads crops, and keeps what the page shows of them.

    A row is a list: name, picture (base64 of a PNG), text, label or 0, confidence (per mille), [text without the pool]
    or 0, characters, grade, examples of the prompt [number, similarity in per cent, ...]. A character is: probability
    (per cent), left and right edge (per mille of the picture's width) or 0 0, alternatives [text, per cent, ...],
    influences [number of the example, character in its label or -1, amount in hundredths, ...]. The grade: 0 no label,
    1 wrong, 2 right but for case and punctuation, 3 right.
    """

    def __init__(self, reader: Reader, pool: Pool | None) -> None:
        self.reader, self.pool = reader, pool
        self.rows: list[list[Any]] = []
        self.faults: list[tuple[str, str]] = []
        """Crops that could not be read, and why."""
        self.examples: dict[int, int] = {}
        """Example of the pool: its number in the page."""
        self.options: dict[str, Any] = {'alternatives': OTHERS + 1, 'places': reader.info.places}

    def add(self, crops: list[tuple[str, str | None]]) -> None:
        """Reads some: (path, label or None)."""
        found = []
        for path, label in crops:
            try:
                with open(path, 'rb') as file:
                    data = file.read(MAX_BYTES + 1)
                if len(data) > MAX_BYTES:
                    raise OSError(f'more than {MAX_BYTES} bytes')
                found.append((path, label, Picture(data)))
            except (OSError, Error) as error:
                self.faults.append((shown(path), str(error)))
        pictures = [picture for _, _, picture in found]
        if self.pool is None:
            readings, before = self.reader.read_batch(pictures, **self.options), []
        else:
            readings = self.reader.read_batch(pictures, self.pool, influences=HELPERS, **self.options)
            before = self.reader.read_batch(pictures)
        for index, ((path, label, picture), reading) in enumerate(zip(found, readings)):
            was = before[index].text if before and before[index].text != reading.text else None
            self.rows.append(self._row(path, label, picture, reading, was))

    def _row(self, path: str, label: str | None, picture: Picture, reading: Reading, was: str | None) -> list[Any]:
        image = base64.b64encode(png.thumbnail(picture, THUMBNAIL)).decode()
        name, text = shown(path), reading.text
        grade = 0
        if label is not None:
            grade = 3 if text == label else 2 if metric.alphanumeric(text) == metric.alphanumeric(label) else 1
        characters = [
            self._character(one, picture.width, index < MOST_CHARACTERS) for index, one in enumerate(reading.characters)
        ]
        prompt = [part for one in reading.examples for part in (self._number(one.id), round(100 * one.similarity))]
        short = name if len(name) <= NAME else '…' + name[1 - NAME :]
        return [
            short,
            image,
            text,
            label or 0,
            round(1000 * reading.confidence),
            0 if was is None else [was],
            characters,
            grade,
            prompt,
        ]

    def _character(self, one: Character, width: int, whole: bool) -> list[Any]:
        chance = round(100 * one.probability)
        if not whole:
            return [chance]
        edges = [round(1000 * edge / width) for edge in (one.box.left, one.box.right)] if one.box else [0, 0]
        others = [part for o in one.alternatives if o.text != one.text for part in (o.text, round(100 * o.probability))]
        helpers = []
        for helper in one.influences:
            helpers += [
                self._number(helper.example),
                self._place(helper.example, helper.offset),
                round(100 * helper.amount),
            ]
        return [chance, *edges, others[: 2 * OTHERS], helpers]

    def _number(self, example: int) -> int:
        return self.examples.setdefault(example, len(self.examples))

    def _place(self, example: int, offset: int | None) -> int:
        """Which character of the example's label; -1: one that the label leaves out."""
        if offset is None or self.pool is None:
            return -1
        return len(self.pool[example].encode()[:offset].decode(errors='replace'))

    def labels(self) -> list[str]:
        """Of the examples that are named, by their numbers."""
        return [self.pool[id] for id in self.examples] if self.pool is not None else []


def summary(rows: list[list[Any]]) -> dict[str, Any]:
    """Counts over all rows, and over those with a label: as `e2str eval` counts."""
    found: dict[str, Any] = {'crops': len(rows), 'confidence': sum(row[4] for row in rows) / 1000 / max(len(rows), 1)}
    labelled = [row for row in rows if row[7]]
    if labelled:
        bins, error = metric.calibration((row[4] / 1000, row[7] > 1) for row in labelled)
        pairs = Counter(pair for row in labelled for pair in metric.align(row[2], row[3]) if pair[0] != pair[1])
        without = [row[5][0] if row[5] else row[2] for row in labelled]
        found |= {
            'labels': len(labelled),
            'exact': sum(row[7] == 3 for row in labelled),
            'any_case': sum(metric.any_case(row[2]) == metric.any_case(row[3]) for row in labelled),
            'alphanumeric': sum(row[7] > 1 for row in labelled),
            'before': sum(text == row[3] for text, row in zip(without, labelled)),
            'bins': [[count, round(confidence, 4), round(right, 4)] for count, confidence, right in bins],
            'error': round(error, 4),
            'pairs': [
                [*pair, count] for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:40]
            ],
        }
    return found
