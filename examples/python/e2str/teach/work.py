# SPDX-License-Identifier: MIT
"""The thread that teaches the pool and reads: what was said last comes first, then what is looked at, then what is
least certain."""

from __future__ import annotations

import heapq
import os
import threading

from ..errors import Error, UnsupportedError
from ..picture import Picture
from ..reader import Pool, Reader
from ..results import Reading, Report
from ..tools import audit
from .state import POOL, Crop, State

_AT_ONCE = 24  # crops that are read between two looks at what is to be done
_DOUBTFUL = 0.9  # doubt of a label that is marked: of the hardest crops, right labels have much as well (docs/teach.md)
_SAVE_AFTER = 2.0  # seconds without a correction, before the pool is written


class Teacher(threading.Thread):
    """Owns the pool. Everything else it changes is in the state."""

    def __init__(self, state: State, reader: Reader, pool: Pool) -> None:
        super().__init__(name='teacher', daemon=True)
        self.state, self.reader, self.pool = state, reader, pool
        self.failure: BaseException | None = None
        self._examples: dict[int, int] = {}  # crop: example
        self._crops: dict[int, int] = {}  # the other way
        self._twins: dict[int, list[tuple[int, float]]] = {}  # example: others of the same picture
        self._ending = False
        self._unsaved = True
        self._saving = threading.Lock()

    def run(self) -> None:
        try:
            while self._teach() or not self._ending:
                if not self.state.pending and not self._ending and not self._read():
                    self._rest()
            try:
                self._save()
            except (OSError, Error) as error:
                self.failure = error
        except BaseException as failure:
            self.failure = failure
            with self.state.changed:
                self.state.doing = f'stopped: {failure}'
                self.state.touch()
            raise

    def stop(self) -> None:
        """Ends it, when the pool has all labels and is saved."""
        with self.state.changed:
            self._ending = True
            self.state.changed.notify_all()
        self.join()

    def file(self) -> str:
        """Path of the pool's file, when it has all labels. TimeoutError: it takes too long. OSError: it cannot be
        written."""
        with self.state.changed:
            if not self.state.changed.wait_for(lambda: not self.state.pending or self.failure, 60) or self.failure:
                raise TimeoutError('the pool is still learning')
        self._save()
        return os.path.join(self.state.folder.path, POOL)

    def _say(self, doing: str) -> None:
        with self.state.changed:
            if self.state.doing != doing:
                self.state.doing = doing
                self.state.touch()

    # ---- teaching ----

    def _teach(self) -> bool:
        """Brings the pool up to the labels; False: it is."""
        with self.state.changed:
            wanted = {id: self.state.crops[id].label for id in sorted(self.state.pending)}
        if not wanted:
            return False
        for done, (id, label) in enumerate(wanted.items()):
            if done % _AT_ONCE == 0:
                self._say(f'looking at labels: {done} of {len(wanted)}' if len(wanted) > _AT_ONCE else 'learning')
            self._change(self.state.crops[id], label)
        self._say('learning')
        report = self._learn()
        with self.state.changed:
            self.state.lesson += 1
            # What was said meanwhile stays to be taught.
            self.state.pending -= {id for id, label in wanted.items() if self.state.crops[id].label == label}
            if report is not None and report.checked:
                self._point(len(self.pool), report.checked, report.right_without, report.right_with)
            self._flag()
            self.state.doing = ''
            self.state.touch()
        self._unsaved = True
        return True

    def _learn(self) -> Report | None:
        try:
            return self.pool.learn()
        except UnsupportedError:  # a model without memory statistics: the nearest examples stand before the query
            return None

    def _change(self, crop: Crop, label: str | None) -> None:
        """Makes the pool's example of a crop that of a label."""
        example = self._examples.pop(crop.id, None)
        if example is not None:
            self.pool.remove(example)
            del self._crops[example]
            for other, _ in self._twins.pop(example, []):
                self._twins[other] = [pair for pair in self._twins.get(other, []) if pair[0] != example]
        crop.fault = ''
        if label is None:
            crop.read_at = -1
            return
        try:
            new = self.pool.add(Picture(self.state.folder.read(crop.name)), label)
        except (OSError, Error) as error:
            crop.fault = f'not in the pool: {error}'
            self.state.touch(crop)
            return
        self._examples[crop.id], self._crops[new] = new, crop.id
        self._twins[new] = audit.same_pictures(self.pool, new)
        for other, cosine in self._twins[new]:
            self._twins.setdefault(other, []).append((new, cosine))

    def _point(self, labels: int, *found: int) -> None:
        curve = [point for point in self.state.curve if point[0] < labels]
        self.state.curve = [*curve, [labels, *found]]

    def _flag(self) -> None:
        """Marks labels that look wrong."""
        for example, id in self._crops.items():
            finding = audit.judge(self.pool, example, self._twins[example], _DOUBTFUL)
            crop, flag = self.state.crops[id], ''
            if finding and finding.reason == 'doubtful':
                flag = 'neither the model nor the other labels read this here'
            elif finding and finding.other is not None:
                label, same = self.pool[finding.other], finding.reason == 'repeats'
                flag = 'the same picture has this label already' if same else f'the same picture is labelled {label!r}'
            if crop.flag != flag:
                crop.flag = flag
                self.state.touch(crop)

    # ---- reading ----

    def _read(self) -> bool:
        """Reads some of what has not been read with what the pool knows now; False: all has."""
        with self.state.changed:
            visible = self.state.visible
            crops = heapq.nsmallest(
                _AT_ONCE,
                (crop for crop in self.state.crops if self.state.is_stale(crop)),
                key=lambda crop: (crop.id not in visible, crop.confidence, crop.id),
            )
            lesson = self.state.lesson
        if not crops:
            return False
        pictures = []
        for crop in crops:
            try:
                pictures.append((crop, Picture(self.state.folder.read(crop.name))))
            except (OSError, Error) as error:
                self._failed(crop, error)
        self._note(lesson, self._readings(pictures))
        return True

    def _readings(self, pictures: list[tuple[Crop, Picture]]) -> list[tuple[Crop, Reading]]:
        try:
            return list(
                zip((crop for crop, _ in pictures), self.reader.read_batch([one for _, one in pictures], self.pool))
            )
        except Error as error:
            if len(pictures) == 1:
                self._failed(pictures[0][0], error)
                return []
        return [found for pair in pictures for found in self._readings([pair])]

    def _failed(self, crop: Crop, error: Exception) -> None:
        crop.fault = str(error)
        self.state.touch(crop)

    def _note(self, lesson: int, readings: list[tuple[Crop, Reading]]) -> None:
        with self.state.changed:
            for crop, reading in readings:
                if crop.text is not None and crop.text != reading.text:
                    crop.was, crop.changed_at = crop.text, lesson
                crop.text, crop.confidence, crop.read_at = reading.text, reading.confidence, lesson
                crop.probabilities = [one.probability for one in reading.characters]
            self.state.touch(*(crop for crop, _ in readings))

    # ---- resting ----

    def _rest(self) -> None:
        """Waits for something to do; after a while, saves the pool."""
        with self.state.changed:
            if self._to_do() or self.state.changed.wait_for(self._to_do, _SAVE_AFTER if self._unsaved else None):
                return
        try:
            self._save()
        except (OSError, Error) as error:  # the labels are safe: they make it anew
            self._unsaved = False
            self._say(f'the pool cannot be saved: {error}')

    def _to_do(self) -> bool:
        return self._ending or bool(self.state.pending) or any(map(self.state.is_stale, self.state.crops))

    def _save(self) -> None:
        with self._saving:
            if self.state.folder.is_link(POOL):
                raise OSError(f'{POOL} is a symbolic link: it may lead out of the folder')
            if self._unsaved:
                self.pool.save(os.path.join(self.state.folder.path, POOL), overwrite=True)
                self._unsaved = False
