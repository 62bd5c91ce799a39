# SPDX-License-Identifier: MIT
"""Batches for training, rendered by worker processes while the model learns."""

import collections
import itertools
import multiprocessing as mp
import queue
import signal

import numpy as np
from model import BOS, END, IMAGE, PAD, TOKEN, UNKNOWN
from render import MAP, WIDTH, Renderer, Sample
from styles import Dice, sequence


def segment(text: str, first: bool) -> list[int]:
    """Token slots of one image: BOS or padding, <image>, text, end."""
    return [BOS if first else PAD, IMAGE, *(TOKEN[c] for c in text), END]


def under_patches(sample: Sample, patch: tuple[int, int]) -> np.ndarray:
    """Token under the centre of every patch, PAD where there is none, UNKNOWN for a sample that needs examples; int64
    [patches]."""
    chars, dy, dx = sample.chars, patch[0] // MAP, patch[1] // MAP
    names = np.array([PAD] + [TOKEN[c] for c in sample.text])
    under = names[np.minimum(chars[dy // 2 :: dy, dx // 2 :: dx], len(sample.text))].reshape(-1)
    return np.full_like(under, UNKNOWN) if sample.needs else under


def batch(samples: list[Sample], n: int, patch: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Samples, n per sequence -> images uint8 [B*n,32,width,3], ids int64 [B,n,S], under int64 [B*n,patches], taught
    bool [B,n]: what the loss counts. A sample that needs an example and has none before it is not: guessing would
    only spoil the reading of single words."""
    rows = [segment(s.text, i % n == 0) for i, s in enumerate(samples)]
    ids = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    taught = np.array(
        [not s.needs or s.needs in [t.needs for t in samples[i // n * n : i]] for i, s in enumerate(samples)]
    )
    return (
        np.stack([s.image for s in samples]),
        ids.reshape(-1, n, ids.shape[1]),
        np.stack([under_patches(s, patch) for s in samples]),
        taught.reshape(-1, n),
    )


def draw(renderer: Renderer, seed: str, n: int, hard: float = 1.0, free: bool = False) -> list[Sample]:
    """n samples that belong together, or for n = 1 a single one; an empty list if they could not be drawn."""
    samples = renderer.several(sequence(seed, n) if n > 1 else [Dice(f'{seed}.{i}') for i in range(4)], n, hard, free)
    return samples if len(samples) == n else []


class Worker:
    """Draws the batches of one process; they depend on the seed only."""

    def __init__(self, seed, size):
        self.renderer, self.seed, self.size, self.count = Renderer(), seed, size, 0
        self.by_width = collections.defaultdict(list)

    def draw(self, n, hard, free=False):
        self.count += 1
        try:
            return draw(self.renderer, f'{self.seed}.{self.count}', n, hard, free)
        except (OSError, ValueError, OverflowError):  # a face that fails on a character or a size
            return []

    def fixed(self, n, hard):
        samples = []
        while len(samples) < self.size // n * n:
            samples += self.draw(n, hard)
        return samples

    def free(self, hard):
        """Single samples of one width, the first of which there are as many pixels as in a batch of 128 wide ones."""
        while True:
            for sample in self.draw(1, hard, True):
                width = sample.image.shape[1]
                some = self.by_width[width]
                some.append(sample)
                if len(some) * max(width, WIDTH // 2) >= self.size * WIDTH:
                    return self.by_width.pop(width)


class Stream:
    """Endless batches from `workers` processes. lengths: images per sequence, drawn by batch; 0: single ones whose
    width follows the text. The batches that worker w makes depend on (seed, w) only; which worker's comes next
    depends on the machine."""

    def __init__(self, workers, seed, patch, lengths, curriculum, size):
        self.queue = mp.Queue(2 * workers + 2)
        self.progress = mp.Value('q', 0)  # samples taken, for the curriculum
        arguments = (patch, lengths, curriculum, size)
        self.workers = [
            mp.Process(target=self._work, args=(f'{seed}.{w}', *arguments), daemon=True) for w in range(workers)
        ]
        for worker in self.workers:
            worker.start()

    def _work(self, seed, patch, lengths, curriculum, size):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker = Worker(seed, size)
        for n in itertools.cycle(lengths):
            done = (self.progress.value - 0.1 * curriculum) / (0.6 * curriculum) if curriculum else 1.0
            hard = min(1.0, max(0.1, done))
            samples = worker.fixed(n, hard) if n else worker.free(hard)
            if not self._hand_over(batch(samples, max(1, n), patch)):
                return

    def _hand_over(self, made):
        """Waits for room in the queue; false when no one is left to take it."""
        while mp.parent_process().is_alive():
            try:
                self.queue.put(made, timeout=30)
                return True
            except queue.Full:
                continue
        return False

    def _take(self):
        while True:
            try:
                return self.queue.get(timeout=30)
            except queue.Empty:
                if not all(worker.is_alive() for worker in self.workers):
                    raise RuntimeError('a worker that draws has ended') from None

    def __next__(self):
        made = self._take()
        with self.progress.get_lock():
            self.progress.value += len(made[0])
        return made
