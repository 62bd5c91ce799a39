# SPDX-License-Identifier: MIT
"""Reads the text in cropped word images, and gets better on a new domain by being shown examples.

    from e2str import Pool, Reader

    reader = Reader()
    print(reader.read('word.png').text)

    pool = Pool(reader)
    pool.add('seen.png', 'A-113')
    pool.learn()
    print(reader.read('next.png', pool))

A thin layer over the C library, whose manual is the header e2str.h; it lies in this package.
"""

from ._abi import __version__, lib
from .errors import (
    ArgumentError,
    ConflictError,
    Error,
    FileError,
    FormatError,
    FullError,
    ImageError,
    LabelError,
    LimitError,
    MismatchError,
    MissingFileError,
    NotFoundError,
    OutOfMemoryError,
    UnsupportedError,
)
from .picture import Picture
from .reader import Constraint, Memory, Pool, Prompt, Reader, default_model
from .results import (
    Alternative,
    Area,
    Box,
    Character,
    Correction,
    Encoding,
    Example,
    Influence,
    ModelInfo,
    PoolInfo,
    Reading,
    Report,
    StreamReport,
)
from .stream import Stream


def cpu_name() -> str:
    """The level of kernels that a model opened now would use: 'avx512', 'neon', ... ($E2STR_CPU caps it)."""
    name: str = lib.e2str_cpu_name().decode()
    return name


__all__ = [
    'Alternative',
    'Area',
    'ArgumentError',
    'Box',
    'Character',
    'ConflictError',
    'Constraint',
    'Correction',
    'Encoding',
    'Error',
    'Example',
    'FileError',
    'FormatError',
    'FullError',
    'ImageError',
    'Influence',
    'LabelError',
    'LimitError',
    'Memory',
    'MismatchError',
    'MissingFileError',
    'ModelInfo',
    'NotFoundError',
    'OutOfMemoryError',
    'Picture',
    'Pool',
    'PoolInfo',
    'Prompt',
    'Reader',
    'Reading',
    'Report',
    'Stream',
    'StreamReport',
    'UnsupportedError',
    '__version__',
    'cpu_name',
    'default_model',
]
