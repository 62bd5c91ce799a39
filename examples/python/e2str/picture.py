# SPDX-License-Identifier: MIT
"""What can be read: files, bytes, arrays and PIL's images, as the library's views."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from . import _abi
from .errors import ArgumentError

if TYPE_CHECKING:
    from typing import TypeAlias, Unpack

    import numpy
    import numpy.typing
    import PIL.Image

    Path: TypeAlias = str | os.PathLike[str] | os.PathLike[bytes]
    Source: TypeAlias = Path | bytes | numpy.typing.NDArray[numpy.uint8] | PIL.Image.Image | 'Picture'


class PictureOptions(TypedDict, total=False):
    """Of the view."""

    rotate: int | Literal['auto']  # clockwise before it is read, degrees: 0 (default), 90, 180, 270; 'auto': found out
    trim: Literal['of_model', 'never', 'always']  # leave out borders round the ink; default: as the model was tuned


class FileLimits(TypedDict, total=False):
    """Of files and bytes: checked from the header, before there are pixels."""

    max_pixels: int  # default 64 Mi
    max_side: int  # pixels, default 16384
    max_scans: int  # of progressive JPEG, default 100
    ignore_orientation: bool  # leave the picture as it is stored; default False: turned as EXIF says


class Options(PictureOptions, FileLimits, total=False):
    pass


class Picture:
    """A picture with options of its own; immutable, so that it can be read any number of times, by any thread.

    source:
        path (str or os.PathLike, any bytes in its name), or the content of a file as bytes: PNG, JPEG, BMP, PBM, PGM,
        PPM, told by the content, with EXIF orientation;
        uint8 array [height][width] or [height][width][1] grey, [height][width][3] RGB, [height][width][4] RGBA (alpha
        not premultiplied), with any strides. It is not copied where its rows are packed: leave it as it is meanwhile;
        PIL image of any mode but 'I' and 'F', as it stands (PIL.ImageOps.exif_transpose turns it).
    bgr: the array's first colour is blue.

    What needs no options need not be wrapped: read() and the other calls take a source as well.
    """

    def __init__(self, source: Source, *, bgr: bool = False, **options: Unpack[Options]) -> None:
        self._keep: list[object] = []
        self._view = _abi.struct('image')
        of_view = {name: value for name, value in options.items() if name in PictureOptions.__annotations__}
        of_file = {name: value for name, value in options.items() if name not in of_view}
        pil = sys.modules.get('PIL.Image')
        if isinstance(source, (str, bytes, os.PathLike)):
            if bgr:
                raise TypeError('bgr is for arrays')
            self._load(source, of_file)
        elif of_file:
            for name in of_file:
                if name not in FileLimits.__annotations__:
                    raise _abi.unknown(name, self._view)
            raise TypeError(f'{", ".join(of_file)}: for files only')
        elif pil is not None and isinstance(source, pil.Image):
            if bgr:
                raise TypeError('bgr is for arrays')
            self._of_pil(source)
        elif hasattr(source, '__array__') or hasattr(source, '__array_interface__'):
            self._of_array(source, bgr)
        else:
            raise _abi.wrong('a picture', 'a path, bytes, an array of uint8, a PIL image or a Picture', source)
        _abi.fill(self._view, of_view, self._keep)

    @staticmethod
    def of(source: Source) -> Picture:
        """The picture itself, or one of a source."""
        return source if isinstance(source, Picture) else Picture(source)

    @property
    def width(self) -> int:
        """Pixels, as stored, before `rotate`."""
        return int(self._view.width)

    @property
    def height(self) -> int:
        """Pixels, as stored, before `rotate`."""
        return int(self._view.height)

    def cut(self, corners: Any, width: int = 0, height: int = 0) -> Picture:
        """A quadrangle of it, pulled straight by perspective: a picture of its own, with this one's options.

        corners: four (x, y), or an array [4][2]: left upper, right upper, right lower, left lower corner of the text,
            as it is read, in pixels of the picture as it is stored.
        width, height: of the cut, in pixels; 0: the longer of the two edges that run that way.
        """
        numbers = [float(number) for corner in corners for number in corner]
        if len(numbers) != 8:
            raise ValueError(f'four corners (x, y), not {len(numbers)} numbers')
        made = Picture.__new__(Picture)
        made._keep = []
        made._view = _abi.struct('image')
        size = [_abi.number(ctypes.c_uint32, value, 'a side') for value in (width, height)]
        view = ctypes.byref(made._view)
        _abi.call('image_cut', ctypes.byref(self._view), (ctypes.c_float * 8)(*numbers), *size, view)
        weakref.finalize(made, _free, made._view).atexit = False
        return made

    def array(self) -> numpy.typing.NDArray[numpy.uint8]:
        """A copy of its pixels: [height][width] grey, [height][width][3] RGB or BGR, [height][width][4] RGBA."""
        import numpy

        view = self._view
        channels = {number: len(name) for name, number in _abi.HEADER.enums['e2str_format'].items()}
        channels[_abi.HEADER.enums['e2str_format']['grey']] = 1
        row = view.width * channels[view.format]
        rows = [ctypes.string_at(view.pixels + y * view.stride, row) for y in range(view.height)]
        pixels = numpy.frombuffer(b''.join(rows), numpy.uint8).copy()
        return pixels.reshape(view.height, view.width, -1) if row > view.width else pixels.reshape(view.height, -1)

    def _load(self, source: Any, limits: dict[str, Any]) -> None:
        options, _ = _abi.options('image_limits', limits)
        what, view = ctypes.byref(options), ctypes.byref(self._view)
        if isinstance(source, bytes):
            _abi.call('image_load_memory', source, len(source), what, view)
        else:
            path = os.fsencode(source)
            if b'\0' in path:
                raise ArgumentError('a NUL in a path')
            _abi.call('image_load', path, what, view, file=path)
        weakref.finalize(self, _free, self._view).atexit = False

    def _of_pil(self, image: Any) -> None:
        if image.mode.startswith('I;16'):
            high = image.tobytes()[0 if image.mode.endswith('B') else 1 :: 2]
            return self._of_bytes(high, image.size, 'grey')
        if image.mode in ('I', 'F'):
            raise TypeError(f"a PIL image of mode {image.mode!r}: convert('L') it")
        if image.mode == 'La':
            image = image.convert('LA')
        if 'transparency' in image.info or image.mode in ('LA', 'PA', 'RGBa'):
            image = image.convert('RGBA')
        elif image.mode == '1':
            image = image.convert('L')
        elif image.mode not in ('L', 'RGB', 'RGBA'):
            image = image.convert('RGB')
        return self._of_bytes(image.tobytes(), image.size, 'grey' if image.mode == 'L' else image.mode.lower())

    def _of_bytes(self, pixels: bytes, size: tuple[int, int], format: str) -> None:
        address = ctypes.cast(ctypes.c_char_p(pixels), ctypes.c_void_p).value
        self._point(pixels, address, size, len(pixels) // max(size[1], 1), format)

    def _of_array(self, source: Any, bgr: bool) -> None:
        import numpy

        array = numpy.asarray(source)
        if array.dtype != numpy.uint8:
            raise TypeError(f'pixels are uint8, not {array.dtype}')
        channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
        if channels not in (1, 3, 4):
            raise ArgumentError(f'pixels are [height][width] with 1, 3 or 4 channels, not {list(array.shape)}')
        if bgr and channels == 4:
            array = array[:, :, [2, 1, 0, 3]]
        array = array.reshape(*array.shape[:2], channels)
        row, *packed = array.strides
        if packed != [channels, 1] or abs(row) < array.shape[1] * channels:
            array = numpy.ascontiguousarray(array)
        format = {1: 'grey', 3: 'bgr' if bgr else 'rgb', 4: 'rgba'}[channels]
        self._point(array, array.ctypes.data, (array.shape[1], array.shape[0]), array.strides[0], format)

    def _point(self, keep: object, address: int | None, size: tuple[int, int], stride: int, format: str) -> None:
        self._keep.append(keep)
        members = dict(width=size[0], height=size[1], stride=stride, format=format)
        _abi.fill(self._view, members, self._keep)
        self._view.pixels = address


def _free(view: Any) -> None:
    _abi.lib.e2str_image_free(ctypes.byref(view))
