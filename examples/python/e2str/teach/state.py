# SPDX-License-Identifier: MIT
"""What is known of the crops of a folder, and what a person said of them: in memory, and in the folder.

    teach.tsv   labels, `name TAB text` per line, in the order of names: the work. It may be edited while nobody teaches
    teach.json  what can be undone, and the curve
    teach.pool  the pool; made of the labels, so it may be deleted

A label is in teach.tsv, on the disk, before whoever gave it is told so.
"""

from __future__ import annotations

import json
import threading
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from ..tools.crops import Folder, Labels, parse_labels, shown, write_labels

LABELS, HISTORY, POOL = 'teach.tsv', 'teach.json', 'teach.pool'
MAX_LABEL = 4096  # bytes, as the library has it
MAX_UNDO = 10000


@dataclass
class Crop:
    """One picture. `lesson` counts what the pool has learnt so far, from 0: nothing."""

    id: int
    name: str
    label: str | None = None
    text: str | None = None
    """As it is read; None: not yet."""
    probabilities: list[float] = field(default_factory=list)
    """Of its characters."""
    confidence: float = 0.0
    read_at: int = -1
    """Lesson with which it was read."""
    was: str | None = None
    """As it was read before that changed."""
    changed_at: int = -1
    """Lesson that changed it."""
    fault: str = ''
    """Why it cannot be read, or not be learnt."""
    flag: str = ''
    """Why its label looks wrong."""
    version: int = 0

    def json(self) -> dict[str, Any]:
        """For the page."""
        return {
            'id': self.id,
            'name': shown(self.name),
            'label': self.label,
            'text': self.text,
            'p': [round(100 * p) for p in self.probabilities],
            'c': round(self.confidence, 4),
            'at': self.read_at,
            'was': self.was,
            'changed': self.changed_at,
            'fault': self.fault,
            'flag': self.flag,
        }


class BadLabel(ValueError):
    """A label that no file of labels could hold."""


def check_label(text: str) -> str:
    """The label, without blanks around it."""
    text = text.strip(' ')
    if len(text.encode(errors='surrogatepass')) > MAX_LABEL:
        raise BadLabel(f'a label has {MAX_LABEL} bytes at most')
    if any(unicodedata.category(one) in ('Cc', 'Cs', 'Zl', 'Zp') for one in text):
        raise BadLabel('a label is one line of text')
    return text


class State:
    """All of it. `changed` is held by whoever looks at it or changes it, and notified of every change."""

    def __init__(self, folder: Folder) -> None:
        self.changed = threading.Condition()
        self.folder = folder
        self.version = 0
        self.lesson = 0
        self.pending: set[int] = set()
        """Crops whose label the pool does not have yet."""
        self.visible: frozenset[int] = frozenset()
        """Crops that the page shows."""
        self.curve: list[list[int]] = []
        """[labels, checked, right without, right with the pool] of each lesson, ascending in the labels."""
        self.doing = ''
        for name in (LABELS, HISTORY, POOL):
            if folder.is_link(name):
                raise OSError(f'{name} is a symbolic link: it may lead out of the folder')
        names = folder.crops()
        self.left_out = [name for name in names if not _fits(name)]
        self.crops = [Crop(i, name) for i, name in enumerate(filter(_fits, names))]
        self._by_name = {crop.name: crop for crop in self.crops}
        labels = self._load()
        self.faults = labels.faults
        self.others = {name: text for name, text in labels.texts.items() if name not in self._by_name}
        """Labels of what is not there now; they are kept."""
        for name, text in labels.texts.items():
            if crop := self._by_name.get(name):
                crop.label = text
                self.pending.add(crop.id)

    def _load(self) -> Labels:
        self.history: list[tuple[str, str | None, str | None]] = []  # name, label before, and after
        try:
            labels = parse_labels(self.folder.read(LABELS))
        except FileNotFoundError:
            return Labels()
        try:
            kept = json.loads(self.folder.read(HISTORY))
            self.history = [(str(name), _known(before), _known(after)) for name, before, after in kept['history']]
            self.curve = [[int(number) for number in point[:4]] for point in kept['curve']]
        except (OSError, ValueError, KeyError, TypeError):
            self.history, self.curve = [], []  # not ours: what can be undone is lost, no label is
        return labels

    def import_labels(self, labels: Labels) -> int:
        """Takes labels for crops that have none; tells how many. BadLabel: one cannot be kept."""
        with self.changed:
            taken = []
            for crop in self.crops:
                text = check_label(labels.texts.get(crop.name, ''))
                if text and crop.label is None:
                    crop.label = text
                    taken.append(crop)
            self._save()
            self._touch(*taken)
            self.pending.update(crop.id for crop in taken)
        return len(taken)

    def _save(self) -> None:
        """History first: what it says of a label that did not reach teach.tsv is told by the label and passed over."""
        kept = {'history': self.history[-MAX_UNDO:], 'curve': self.curve}
        self.folder.write(HISTORY, json.dumps(kept).encode(), durable=False)
        texts = self.others | {crop.name: crop.label for crop in self.crops if crop.label is not None}
        self.folder.write(LABELS, write_labels(dict(sorted(texts.items()))))

    def _touch(self, *crops: Crop) -> None:
        self.version += 1
        for crop in crops:
            crop.version = self.version
        self.changed.notify_all()

    def touch(self, *crops: Crop) -> None:
        """Tells whoever waits that these have changed, or something about all."""
        with self.changed:
            self._touch(*crops)

    # ---- what a person does ----

    def label(self, id: int, text: str) -> Crop:
        """Gives a crop a label; '' takes it away. IndexError: no such crop."""
        text = check_label(text)
        with self.changed:
            if id < 0:
                raise IndexError(id)
            crop = self.crops[id]
            before, after = crop.label, text or None
            if before != after:
                self._set(crop, after, [*self.history, (crop.name, before, after)])
            return crop

    def undo(self) -> Crop | None:
        """Takes back the last label that was given; None: there is nothing to undo."""
        with self.changed:
            for last in range(len(self.history) - 1, -1, -1):
                name, before, after = self.history[last]
                crop = self._by_name.get(name)
                if crop and crop.label == after:
                    self._set(crop, before, self.history[:last])
                    return crop
            return None

    def _set(self, crop: Crop, label: str | None, history: list[tuple[str, str | None, str | None]]) -> None:
        """On the disk or not at all."""
        before = crop.label, self.history
        crop.label, self.history = label, history
        try:
            self._save()
        except OSError:
            crop.label, self.history = before
            raise
        crop.flag = ''
        if label is None:
            crop.fault = ''
        self.pending.add(crop.id)
        self._touch(crop)

    # ---- what the page asks ----

    def news(self, since: int) -> dict[str, Any]:
        """What has changed since a version, and how it stands."""
        with self.changed:
            labels = sum(crop.label is not None for crop in self.crops)
            waiting = [crop for crop in self.crops if self.is_stale(crop)]
            return {
                'version': self.version,
                'folder': shown(self.folder.path),
                'crops': [crop.json() for crop in self.crops if crop.version > since or since < 0],
                'total': len(self.crops),
                'labels': labels,
                'lesson': self.lesson,
                'learning': len(self.pending),
                'stale': len(waiting),
                'unread': sum(crop.text is None for crop in waiting),
                'doing': self.doing,
                'undo': len(self.history),
                'curve': self.curve,
                'expected': self._expected(),
                'notes': [*(f'{LABELS}:{fault}: left out' for fault in self.faults), *map(_unnamable, self.left_out)],
            }

    def _expected(self) -> list[float]:
        """[sum of the confidences of what was read and has no label, how many these are]"""
        rest = [crop.confidence for crop in self.crops if crop.label is None and crop.text is not None]
        return [sum(rest), len(rest)]

    def is_stale(self, crop: Crop) -> bool:
        """Whether it is to be read: not yet, or not with what the pool knows now."""
        return crop.label is None and crop.read_at != self.lesson and not crop.fault

    def export(self) -> bytes:
        """The content of a file of labels, of the crops that are there."""
        with self.changed:
            return write_labels({crop.name: crop.label for crop in self.crops if crop.label is not None})


def _fits(name: str) -> bool:
    return not any(one in name for one in '\t\n\r')


def _known(label: object) -> str | None:
    """A label of the history."""
    if label is not None and not isinstance(label, str):
        raise TypeError(label)
    return check_label(label) if label is not None else None


def _unnamable(name: str) -> str:
    return f'{shown(name)!r}: a file of labels cannot hold this name: left out'
