#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A pool's nearest examples from an index of one's own: usearch (pip install usearch), an HNSW graph, as an example.

    nearest_usearch.py POOL PICTURE...      reads pictures with the examples that usearch proposes

The library asks for a few more examples than a read needs and compares them exactly, so an index that comes near will
do. Examples that were removed from the pool may stay in the index: ids that the pool has not are passed over.
"""

import sys
from collections.abc import Iterable

import numpy
from e2str import Pool, Reader
from usearch.index import Index


class Nearest:
    """What the option `nearest` of a read takes; any number of threads may read with it at once."""

    def __init__(self, pool: Pool, ids: Iterable[int] | None = None) -> None:
        """Indexes these examples, or all."""
        chosen = numpy.array(list(pool if ids is None else ids), numpy.uint64)
        keys = numpy.stack([pool.key(int(id)) for id in chosen])
        self._index = Index(ndim=keys.shape[1], metric='ip', dtype='f32')
        self._index.add(chosen, keys)

    def add(self, pool: Pool, id: int) -> None:
        """One more example."""
        self._index.add(id, pool.key(id))

    def __call__(self, key: numpy.ndarray, most: int) -> list[int]:
        return [int(id) for id in self._index.search(key, most).keys]


def main(path: str, pictures: list[str]) -> None:
    reader = Reader()
    with Pool.load(reader, path) as pool:
        nearest = Nearest(pool)
        for picture, reading in zip(pictures, reader.read_batch(pictures, pool, k=2, nearest=nearest)):
            print(picture, reading.text, *(f'{one.id}:{one.similarity:.3f}' for one in reading.examples), sep='\t')


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
