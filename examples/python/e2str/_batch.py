# SPDX-License-Identifier: MIT
"""Images of a batch: in groups, opened, numbered in what is said of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import _abi
from .errors import Error, within
from .picture import Picture

if TYPE_CHECKING:
    from .picture import Source

AT_ONCE = 256  # pictures of a batch that are in memory together


def numbered(images: Iterable[Source]) -> Iterator[list[tuple[int, Source]]]:
    """Groups of images, with their numbers."""
    if isinstance(images, (str, bytes, os.PathLike, Picture)):
        raise TypeError(f'several pictures, not one {type(images).__name__}')
    try:
        counted = enumerate(images)
    except TypeError:
        raise _abi.wrong('images', 'an iterable of pictures', images) from None
    while group := list(islice(counted, AT_ONCE)):
        yield group


def open_one(index: int, image: Source) -> Picture | Error:
    """A picture, or why it is none."""
    try:
        return Picture.of(image)
    except Error as error:
        return error.with_traceback(None)  # whose frames would keep the whole batch in memory
    except TypeError as error:
        raise TypeError(f'image {index}: {error}') from None


def pictures(images: Iterable[Source]) -> Iterator[list[Picture]]:
    """Groups of pictures. A failure says which one it was."""
    for group in numbered(images):
        together = []
        for index, image in group:
            if isinstance(picture := open_one(index, image), Error):
                raise within(picture, f'image {index}')
            together.append(picture)
        yield together


def counted_on(error: Error, before: int) -> Error:
    """A failure in a group of pictures, which are numbered through all groups."""
    number, colon, why = str(error).removeprefix('image ').partition(': ')
    if not before or not colon or not number.isdecimal():
        return error
    return type(error)(f'image {before + int(number)}: {why}')


def views(pictures: list[Picture]) -> Any:
    return (_abi.HEADER.structs['e2str_image'] * len(pictures))(*(picture._view for picture in pictures))
