"""Batches for training, rendered by worker processes while the model learns."""
import multiprocessing as mp
import signal

import numpy as np

from model import BOS, END, IMAGE, PAD, TOKEN, UNKNOWN
from render import Renderer
from styles import Dice, sequence


def segment(text, first):
    """Token slots of one image: BOS or padding, <image>, text, end."""
    return [BOS if first else PAD, IMAGE, *(TOKEN[c] for c in text), END]


def under_patches(sample, patch):
    """Token under the centre of every patch, PAD where there is none, UNKNOWN for a sample that needs examples; int64 [patches]."""
    chars = sample.chars
    dy, dx = patch[0] * chars.shape[0] // 32, patch[1] * chars.shape[1] // 128
    names = np.array([PAD] + [TOKEN[c] for c in sample.text])
    under = names[np.minimum(chars[dy // 2::dy, dx // 2::dx], len(sample.text))].reshape(-1)
    return np.full_like(under, UNKNOWN) if sample.needs else under


def batch(samples, n, patch):
    """Samples, n per sequence -> images uint8 [B*n,32,128,3], ids int64 [B,n,S], under int64 [B*n,patches], taught bool [B,n]: what the
    loss counts. A sample that needs an example and has none before it is not: guessing would only spoil the reading of single words."""
    rows = [segment(s.text, i % n == 0) for i, s in enumerate(samples)]
    ids = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = row
    taught = np.array([not s.needs or s.needs in [t.needs for t in samples[i // n * n:i]] for i, s in enumerate(samples)])
    return (np.stack([s.image for s in samples]), ids.reshape(-1, n, ids.shape[1]), np.stack([under_patches(s, patch) for s in samples]),
            taught.reshape(-1, n))


def draw(renderer, seed, n, hard=1.):
    """n samples that belong together, or for n = 1 a single one; an empty list if they could not be drawn."""
    samples = renderer.several(sequence(seed, n) if n > 1 else [Dice(f'{seed}.{i}') for i in range(4)], n, hard)
    return samples if len(samples) == n else []


class Stream:
    """Endless batches from `workers` processes. lengths: images per sequence, drawn by batch. The batches that worker w makes depend on
    (seed, w) only; which worker's comes next depends on the machine."""

    def __init__(self, workers, seed, patch, lengths, curriculum, size):
        self.queue = mp.Queue(2 * workers + 2)
        self.progress = mp.Value('q', 0)                 # samples taken, for the curriculum
        for w in range(workers):
            mp.Process(target=self._work, args=(f'{seed}.{w}', patch, lengths, curriculum, size), daemon=True).start()

    def _work(self, seed, patch, lengths, curriculum, size):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        renderer, count, made = Renderer(), 0, 0
        while True:
            n = lengths[made % len(lengths)]
            made += 1
            hard = 1. if not curriculum else min(1., max(.1, (self.progress.value - .1 * curriculum) / (.6 * curriculum)))
            samples = []
            while len(samples) < size // n * n:
                count += 1
                try:
                    samples += draw(renderer, f'{seed}.{count}', n, hard)
                except (OSError, ValueError, OverflowError):            # a face that fails on a character or a size
                    continue
            self.queue.put(batch(samples, n, patch))

    def __next__(self):
        made = self.queue.get()
        with self.progress.get_lock():
            self.progress.value += len(made[0])
        return made
