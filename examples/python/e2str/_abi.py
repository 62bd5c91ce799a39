# SPDX-License-Identifier: MIT
"""The library as it is loaded: calls that raise, handles that are freed, options by keyword."""

from __future__ import annotations

import ctypes
import dataclasses
import difflib
import logging
import operator
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ._header import Header
from .errors import ArgumentError, FileError, failure

if TYPE_CHECKING:
    from typing import Self

PACKAGE = Path(__file__).parent
TREE = PACKAGE.parents[2]  # where the package lies in its repository
Answer = TypeVar('Answer')


def find(variable: str, *places: Path) -> Path:
    """The file that an environment variable names, or the first of these that is there."""
    if given := os.environ.get(variable):
        return Path(given)
    for place in places:
        if place.is_file():
            return place
    raise FileError(f'none of these files is there, and {variable} is not set: {", ".join(map(str, places))}')


HEADER = Header(next(p for p in (PACKAGE / 'e2str.h', TREE / 'include' / 'e2str.h') if p.is_file()))


def _load() -> ctypes.CDLL:
    path = find('E2STR_LIBRARY', PACKAGE / 'libe2str.so', TREE / 'build' / 'libe2str.so')
    library = ctypes.CDLL(os.fspath(path))
    for name, (result, parameters) in HEADER.functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, parameters
    return library


lib = _load()
__version__: str = lib.e2str_version().decode()
expected = '.'.join(str(HEADER.constants[f'E2STR_VERSION_{part}']) for part in ('MAJOR', 'MINOR', 'PATCH'))
if __version__ != expected:
    raise ImportError(f'this package is for version {expected} of the library, not {__version__}')


def struct(name: str) -> Any:
    """A structure of the header, without its "e2str_", all 0."""
    return HEADER.structs[f'e2str_{name}']()


def call(name: str, *arguments: Any, file: bytes | None = None) -> None:
    """e2str_NAME(arguments, &error). Raises the exception of its status. file: the one that it opens or writes."""
    error = struct('error')
    status = getattr(lib, f'e2str_{name}')(*arguments, ctypes.byref(error))
    if status:
        message = error.message.decode(errors='backslashreplace')
        raise failure(lib.e2str_status_name(status).decode(), message, None if file is None else os.fsdecode(file))


# ---- handles ----


def _free(function: str, pointer: int | None, pid: int, keep: tuple[object, ...]) -> None:
    if pid == os.getpid():  # a child of fork() has no session's threads
        getattr(lib, f'e2str_{function}')(pointer)


class Owner:
    """Owns something of the library's: freed when nobody refers to the owner any more, then what it keeps."""

    def __init__(
        self, make: str, free: str, *arguments: Any, keep: tuple[object, ...] = (), file: bytes | None = None
    ) -> None:
        pointer = ctypes.c_void_p()
        call(make, *arguments, ctypes.byref(pointer), file=file)
        self.pointer = pointer.value
        self.pid = os.getpid()
        # The finalizer holds what is kept, so that it outlives this even where both are garbage of one circle.
        # At the end of the process nothing is freed: threads may still be reading.
        weakref.finalize(self, _free, free, self.pointer, self.pid, keep).atexit = False


class Handle:
    """Base of what can be closed. A call of another thread that has begun goes on with what was closed meanwhile."""

    _owner: Owner | None = None
    _option = ''
    """The option whose value it is."""

    def _held(self) -> Owner:
        owner = self._owner
        if owner is None:
            raise ValueError(f'this {type(self).__name__} is closed')
        return owner

    def close(self) -> None:
        """Gives its memory back: at once, or with the last call that is using it. Without close(), when it is gone."""
        self._owner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---- structures ----


def wrong(name: str, accepted: str, value: object) -> TypeError:
    """NAME is ACCEPTED, not what it is."""
    return TypeError(f'{name} is {accepted}, not {type(value).__name__}')


def number(kind: Any, value: Any, name: str, accepted: str = '') -> Any:
    """The value, unless C would see another one. TypeError: it is no number; `accepted` says what else it may be."""
    try:
        if kind is not ctypes.c_float:
            value = operator.index(value)
        elif isinstance(value, (str, bytes, bytearray)):
            raise TypeError
        else:
            value = float(value)
    except TypeError:
        accepted = accepted or ('a number' if kind is ctypes.c_float else 'an integer')
        raise wrong(name, accepted, value) from None
    if kind is not ctypes.c_float and kind(value).value != value:
        raise ArgumentError(f'{name} is {value}')
    return value


def text(value: Any, name: str) -> bytes:
    """A str as UTF-8."""
    if not isinstance(value, str):
        raise wrong(name, 'a str', value)
    return value.encode()


def path(value: Any, name: str, accepted: str = 'a path (str, bytes or os.PathLike)') -> bytes:
    """A path as the system has it."""
    try:
        return os.fsencode(value)
    except TypeError:
        raise wrong(name, accepted, value) from None


def ids(values: Sequence[int], name: str = 'ids') -> Any:
    """uint64_t[]"""
    try:
        values = list(values)
    except TypeError:
        raise wrong(name, 'a sequence of ids', values) from None
    return (ctypes.c_uint64 * len(values))(*(number(ctypes.c_uint64, value, 'an id') for value in values))


def _member(kind: Any, name: str, value: Any, keep: list[object]) -> Any:
    """A value of Python as what the member of this name takes. What must stay alive meanwhile goes to `keep`."""
    if kind is ctypes.c_void_p or isinstance(value, Handle):
        if not isinstance(value, Handle) or value._option != name:
            raise wrong(name, f'a {name.capitalize()}' if kind is ctypes.c_void_p else 'a number', value)
        keep.append(owner := value._held())
        return owner.pointer
    if kind in HEADER.callbacks.values():
        keep.append(function := kind(value))
        return function
    if kind is ctypes.c_char_p:
        data = path(value, name) if name.endswith('_path') else text(value, name)
        if b'\0' in data:
            raise ArgumentError(f'{name} has a NUL')
        return data
    choices = HEADER.choices(name)
    if not choices:
        return number(kind, value, name)
    if isinstance(value, str):
        if value not in choices:
            raise ArgumentError(f'{name} is {value!r}, not one of {", ".join(map(repr, choices))}')
        return choices[value]
    return number(kind, value, name, f'an integer or {", ".join(map(repr, choices))}')


TAKERS = {
    'read_options': 'read(image, {}=...)',
    'image': 'Picture(image, {}=...)',
    'image_limits': 'Picture(file, {}=...)',
    'constraint_options': 'Constraint({}=...)',
    'model_options': 'Reader(model, {}=...)',
    'session_options': 'Reader(model, {}=...)',
    'pool_options': 'Pool(reader, {}=...)',
    'learn_options': 'Pool.learn({}=...)',
    'archive_options': 'Pool.save_archive(path, {}=...)',
    'stream_options': 'Stream(pool, {}=...)',
}
_PIXELS = {'pixels', 'width', 'height', 'stride', 'format', 'owned'}  # of an image; the rest are its options


def _names(kind: type[ctypes.Structure]) -> list[str]:
    """Members of a structure that can be given: all but those that follow from others."""
    names = [field[0] for field in kind._fields_]
    follow = {form.format(name) for name in names for form in ('n_{}', '{}_size', '{}_user')}
    return [name for name in names if name not in follow and name not in ('size', 'log')]


def unknown(name: str, target: Any) -> TypeError:
    """An option that a structure does not have, with the one that may be meant."""
    others = {one: form for kind, form in TAKERS.items() for one in _names(HEADER.structs[f'e2str_{kind}'])}
    others = {one: form for one, form in others.items() if one not in _PIXELS}
    if name in others:
        return TypeError(f'there is no option {name!r} here: it is {others[name].format(name)}')
    if near := difflib.get_close_matches(name, _names(type(target)), 1):
        return TypeError(f'there is no option {name!r}: is it {near[0]!r}?')
    if near := difflib.get_close_matches(name, others, 1):
        return TypeError(f'there is no option {name!r} here: is it {others[near[0]].format(near[0])}?')
    return TypeError(f'there is no option {name!r}')


def fill(target: Any, given: Mapping[str, Any], keep: list[object]) -> None:
    """Sets members. None leaves one as it is; a list of ids also sets the member of its length, n_NAME, and text that
    of its size, NAME_size."""
    kinds, names = dict(target._fields_), _names(type(target))
    for name, value in given.items():
        if name not in names:
            raise unknown(name, target)
        if value is None:
            continue
        if f'n_{name}' in kinds:
            array = ids(value, name)
            setattr(target, f'n_{name}', len(array))
            setattr(target, name, array)
            continue
        value = _member(kinds[name], name, value, keep)
        setattr(target, name, value)
        if f'{name}_size' in kinds:
            setattr(target, f'{name}_size', len(value))


def options(name: str, given: Mapping[str, Any]) -> tuple[Any, list[object]]:
    """(a structure e2str_NAME with the library's defaults but for what is given, what it points to)"""
    made, keep = struct(name), list[object]()
    getattr(lib, f'e2str_{name}_init_size')(ctypes.byref(made), ctypes.sizeof(made))
    if hasattr(made, 'log'):
        made.log = _LOG
    fill(made, given, keep)
    return made, keep


def answer(kind: type[Answer], source: Any) -> Answer:
    """A dataclass of the structure's members."""
    found = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = getattr(source, field.name)
        if field.type == 'bool':
            value = bool(value)
        elif field.type == 'str':
            names = {number: name for name, number in HEADER.choices(field.name).items()}
            value = names.get(value) or value.decode()
        found[field.name] = value
    return kind(**found)


def ask(kind: type[Answer], name: str, call_name: str, pointer: Any) -> Answer:
    """What e2str_CALL_NAME says of a handle in a structure e2str_NAME."""
    made, _ = options(name, {})
    call(call_name, pointer, ctypes.byref(made))
    return answer(kind, made)


def _log(_: Any, message: int) -> None:
    logging.getLogger('e2str').info('%s', ctypes.string_at(message).decode(errors='backslashreplace'))


_LOG = HEADER.callbacks['e2str_log_fn'](_log)
