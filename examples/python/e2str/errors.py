# SPDX-License-Identifier: MIT
"""A call that fails raises the exception of its status, with the library's message."""

from __future__ import annotations

import errno
import os
from typing import Any


class Error(Exception):
    """Any failure that the library reports. str() of it is the library's message, which names what went wrong."""

    status = 'unknown'
    """Name of the status, as e2str_status_name has it: 'io', 'image', ..."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ''


class ArgumentError(Error, ValueError):
    """An option outside its range, a picture without pixels."""

    status = 'argument'


class OutOfMemoryError(Error, MemoryError):
    """Out of memory."""

    status = 'memory'


class FileError(Error, OSError):
    """A file cannot be opened, read, written or renamed. errno, strerror and filename are those of OSError, None where
    they are not known; str() is the library's message all the same."""

    status = 'io'

    def __init__(self, message: str = '', number: int | None = None, filename: str | None = None) -> None:
        super().__init__(message)
        self.errno, self.filename = number, filename
        self.strerror = None if number is None else os.strerror(number)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.errno, self.filename)


class MissingFileError(FileError, FileNotFoundError):
    """A FileError whose cause is that the file, or a folder on the way to it, is not there."""


class FormatError(Error, ValueError):
    """A model or pool file is damaged, or no such file."""

    status = 'format'


class UnsupportedError(Error):
    """A well-formed file, or a call, asks for something that this version, or this model, cannot do."""

    status = 'unsupported'


class MismatchError(Error, ValueError):
    """A pool, memory or prompt of another model."""

    status = 'mismatch'


class ImageError(Error, ValueError):
    """An image cannot be decoded."""

    status = 'image'


class LimitError(Error, ValueError):
    """Larger than a documented limit: image size, prompt length, counts in a file."""

    status = 'limit'


class LabelError(Error, ValueError):
    """A label is empty or has characters that the model cannot write."""

    status = 'label'


class FullError(Error):
    """The pool's max_bytes leaves no room for this example."""

    status = 'full'


class NotFoundError(Error, KeyError):
    """No example with that id is in the pool, or nothing was learnt."""

    status = 'not found'


class ConflictError(Error):
    """A pool file was changed by somebody else since it was loaded or saved."""

    status = 'conflict'


_SAID = {'is a directory': errno.EISDIR, 'is a link to a file that is not there': errno.ENOENT}  # in our own words


def failure(status: str, message: str, filename: str | None = None) -> Error:
    """The exception of a status. Why a file failed is what its message ends with: as the system says it."""
    if status != FileError.status:
        return BY_STATUS.get(status, Error)(message)
    reason = message.rpartition(': ')[2]
    number = _SAID.get(reason) or next((one for one in errno.errorcode if os.strerror(one) == reason), None)
    return (MissingFileError if number == errno.ENOENT else FileError)(message, number, filename)


def within(error: Error, what: str) -> Error:
    """The same error, of WHAT: in front of the message."""
    if isinstance(error, FileError):
        return type(error)(f'{what}: {error}', error.errno, error.filename)
    return type(error)(f'{what}: {error}')


BY_STATUS: dict[str, type[Error]] = {kind.status: kind for kind in Error.__subclasses__()}
