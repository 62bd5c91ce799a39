# SPDX-License-Identifier: MIT
"""A model that reads, and pools of examples that it reads with."""

from __future__ import annotations

import ctypes
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from . import _abi, _batch
from ._abi import Handle, Owner, lib
from .errors import ArgumentError, Error, LabelError, LimitError, NotFoundError, OutOfMemoryError, failure, within
from .picture import Picture
from .results import Encoding, ModelInfo, PoolInfo, Reading, Report, reading
from .tools.crops import labelled

if TYPE_CHECKING:
    from typing import Self, Unpack

    import numpy
    import numpy.typing

    from .picture import Path, Source

SHIPPED = _abi.PACKAGE / 'e2str-small.gguf'
_OF_ONE = ArgumentError, LimitError, OutOfMemoryError  # what a read can say of one picture of a batch


class ModelOptions(TypedDict, total=False):
    """Of opening a model. None, or left out: the library's default."""

    precision: Literal['file', 'f32', 'auto', 'int8', 'bf16'] | None  # of products; default 'auto': the fastest here
    products: Literal['auto', 'openblas', 'own'] | None  # who multiplies; 'auto': OpenBLAS where we have plain C only
    max_operations: int | None  # multiplications of one read; a model that asks for more is refused; default 2^36


class ReadOptions(TypedDict, total=False):
    """Of a read. None, or left out: the library's default."""

    k: int | None  # examples put before the query, the nearest, 0 to 64; default 2, with a memory of 8 or more 0
    min_similarity: float | None  # examples less similar are left out, -1 to 1; default: what the model was tuned to
    examples: Sequence[int] | None  # these ids instead, in this order; none: the nearest
    prompt: Prompt | None  # a prepared prompt instead of both
    beams: int | None  # 1 (default): greedy, 2 to 16: beam search
    max_tokens: int | None  # at most to write, end included; default 48
    alternatives: int | None  # per character, 0 (default) to 8
    clean_up: bool | None  # drop the blank in " .", " n't" and the like; default False
    memory: Memory | None  # instead of the pool's
    memory_factor: float | None  # of the memory's own strength, 0 (reads without it) to 4; default 1
    influences: int | None  # per character, 0 (default) to 16
    memory_everywhere: bool | None  # the memory is for every picture, not only for those like its own; default False
    places: bool | None  # find where each character lies: Character.box; default False
    reject_below: float | None  # 0 to 1: a reading with less confidence is marked as rejected; default 0
    textless_from: float | None  # from this probability of no text on, the text is empty; default 0.5; above 1: never
    constraint: Constraint | None  # what the text may be
    attention: bool | None  # keep where the decoder looked: Character.attention; default False
    second_look: float | None  # 0 to 1: with less confidence a picture is looked at once more; default 0: never
    nearest: Callable[[numpy.ndarray, int], Iterable[int]] | None  # proposes ids for a key, at most so many: Pool


class PoolOptions(TypedDict, total=False):
    """Of a pool. None, or left out: the library's default."""

    max_bytes: int | None  # of examples and cache together; default: no limit
    storage: Literal['f16', 'f32'] | None  # of visual tokens; default 'f16'; a file has its own
    cache_bytes: int | None  # for what reads will need again; default 64 MiB
    unmapped: bool | None  # an archive is read where it is needed, and not mapped; default False
    index_from: int | None  # examples from which on an index finds the nearest; default 65,536; 2**64 - 1: never


class LearnOptions(TypedDict, total=False):
    """Of learning. None, or left out: the library's default."""

    strength: float | None  # of what is added, 0 to 4; default: 1, or 0 if that does not help its own examples
    keep_doubtful: bool | None  # learn from labels that contradict their picture, too; default False


class ConstraintOptions(TypedDict, total=False):
    """What a text may be; all of what is given must hold."""

    characters: str | None  # that may occur, like the inside of a class: '0-9.,'
    pattern: str | None  # of the whole text: '[A-Z]{2}[0-9]{6}'
    lexicon: str | None  # entries, one per line
    lexicon_path: Path | None  # a file of the same
    lexicon_bonus: float | None  # 0 (default): the text must be an entry; B to 100: others are e^B times less likely
    ignore_case: bool | None  # default False
    min_length: int | None  # code points, 0 (default) to 255
    max_length: int | None  # code points; default 0: no limit


class _Session(Owner):
    """Scratch memory of one thread, with results to read into."""

    def __init__(self, model: Owner, threads: int, spin_microseconds: int) -> None:
        given = dict(threads=threads, spin_microseconds=spin_microseconds)
        options, _ = _abi.options('session_options', given)
        super().__init__('session_new', 'session_free', model.pointer, ctypes.byref(options), keep=(model,))
        self._results: list[Owner] = []

    def results(self, count: int) -> list[Any]:
        while len(self._results) < count:
            self._results.append(Owner('result_new', 'result_free'))
        return [one.pointer for one in self._results[:count]]


def _proposing(
    nearest: Callable[[numpy.ndarray, int], Iterable[int]], raised: list[BaseException]
) -> Callable[..., int]:
    """A search of Python's as the library calls it; what it raises goes to the list, and ends the read."""

    def ask(_: Any, key: Any, width: int, most: int, ids: Any, found: Any) -> int:
        try:
            import numpy

            proposed = list(islice(nearest(numpy.ctypeslib.as_array(key, (width,)).copy(), most), most))
            for place, value in enumerate(proposed):
                ids[place] = _abi.number(ctypes.c_uint64, value, 'an id')
            found[0] = len(proposed)
        except BaseException as problem:
            raised.append(problem)
            return int(_abi.HEADER.constants['E2STR_ERROR_ARGUMENT'])
        return 0

    return ask


class Reader(Handle):
    """An open model. Any number of threads may use it at once; calls release the GIL, and none waits for another.

    model: path of a model file, or its content as bytes; default: $E2STR_MODEL, else the shipped model.
    threads: that work on one call, 1 to 256. Results are the same bits.
    spin_microseconds: how long such a thread looks on before it sleeps; see e2str.h.

        with Reader() as reader:
            print(reader.read('word.png').text)

    Messages that are no errors go to the logger 'e2str', at level INFO.

    A call takes a session of its own from those that are idle, or makes one, so there are as many as there were calls
    at once; close() frees them. The model itself goes with the last pool, prompt or memory that was made with it.
    """

    def __init__(
        self,
        model: Path | bytes | None = None,
        *,
        threads: int = 1,
        spin_microseconds: int = 0,
        **options: Unpack[ModelOptions],
    ) -> None:
        settings, keep = _abi.options('model_options', {**options, 'threads': threads})
        if isinstance(model, bytes):
            self._owner = Owner(
                'model_open_memory', 'model_close', model, len(model), ctypes.byref(settings), keep=(model,)
            )
        else:
            path = _abi.path(default_model() if model is None else model, 'model', 'a path, or the bytes of a file')
            self._owner = Owner('model_open', 'model_close', path, ctypes.byref(settings), file=path)
        self._help = threads, spin_microseconds
        self._idle = [_Session(self._owner, *self._help)]
        self.info: ModelInfo = _abi.ask(ModelInfo, 'model_info', 'model_get_info', self._owner.pointer)

    def close(self) -> None:
        super().close()
        self._idle.clear()

    @property
    def checksum(self) -> int:
        """XXH64 of the model file: what binds pool files to it."""
        return int(lib.e2str_model_checksum(self._held().pointer))

    @property
    def session_bytes(self) -> int:
        """Scratch memory of the sessions that are idle now."""
        return sum(lib.e2str_session_bytes(session.pointer) for session in list(self._idle))

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        model, session = self._held(), None
        while session is None or session.pid != os.getpid():  # those from before a fork() have lost their threads
            try:
                session = self._idle.pop()
            except IndexError:
                session = _Session(model, *self._help)
        try:
            yield session
        finally:
            if self._owner is not None:
                self._idle.append(session)

    def read(self, image: Source, pool: Pool | None = None, **options: Unpack[ReadOptions]) -> Reading:
        """Reads one picture; see Picture for what it may be, ReadOptions for the options."""
        return self._read([Picture.of(image)], pool, options)[0]

    @overload
    def read_batch(
        self,
        images: Iterable[Source],
        pool: Pool | None = None,
        *,
        errors: Literal['raise'] = 'raise',
        **options: Unpack[ReadOptions],
    ) -> list[Reading]: ...

    @overload
    def read_batch(
        self,
        images: Iterable[Source],
        pool: Pool | None = None,
        *,
        errors: Literal['return'],
        **options: Unpack[ReadOptions],
    ) -> list[Reading | Error]: ...

    def read_batch(
        self,
        images: Iterable[Source],
        pool: Pool | None = None,
        *,
        errors: Literal['raise', 'return'] = 'raise',
        **options: Unpack[ReadOptions],
    ) -> list[Reading] | list[Reading | Error]:
        """Reads several, which is faster than one by one and gives the same bits.

        errors: of images that cannot be opened or read. 'raise': the first one ends it, and the exception says which
            image it was. 'return': the exception, an Error, takes the place of the Reading in the list, and the others
            are read. What is wrong with every image, such as an option out of its range, is raised all the same.
        """
        if errors not in ('raise', 'return'):
            raise ArgumentError(f"errors is {errors!r}, not one of 'raise', 'return'")
        if errors == 'raise':
            readings: list[Reading] = []
            for pictures in _batch.pictures(images):
                try:
                    readings += self._read(pictures, pool, options)
                except Error as error:
                    raise _batch.counted_on(error, len(readings)) from None
            return readings
        self._read([], pool, options)
        found: list[Reading | Error] = []
        for group in _batch.numbered(images):
            opened = [_batch.open_one(*one) for one in group]
            read = iter(self._read_apart([one for one in opened if isinstance(one, Picture)], pool, options))
            found += [next(read) if isinstance(one, Picture) else one for one in opened]
        return found

    def _read_apart(
        self, pictures: list[Picture], pool: Pool | None, given: Mapping[str, Any]
    ) -> list[Reading | Error]:
        """All that can be read: where one cannot, the halves are tried."""
        try:
            return [*self._read(pictures, pool, given)]
        except _OF_ONE as error:
            if len(pictures) == 1:
                return [error.with_traceback(None)]
        half = len(pictures) // 2
        return self._read_apart(pictures[:half], pool, given) + self._read_apart(pictures[half:], pool, given)

    def _read(self, pictures: list[Picture], pool: Pool | None, given: Mapping[str, Any]) -> list[Reading]:
        raised: list[BaseException] = []
        if (nearest := given.get('nearest')) is not None:
            if not callable(nearest):
                raise _abi.wrong('nearest', 'a function of a key and a number', nearest)
            given = {**given, 'nearest': _proposing(nearest, raised)}
        options, keep = _abi.options('read_options', given)
        owner = _held(pool, Pool, 'pool') if pool is not None else None
        with self._session() as session:
            n, results = len(pictures), session.results(len(pictures))
            arguments = n, owner and owner.pointer, ctypes.byref(options), (ctypes.c_void_p * n)(*results)
            try:
                _abi.call('read_batch', session.pointer, _batch.views(pictures), *arguments)
            except Error:
                if raised:
                    raise raised[0] from None
                raise
            return [reading(result, bool(given.get('places')), bool(given.get('attention'))) for result in results]

    def _visual_tokens(self, picture: Picture) -> int:
        count = ctypes.c_uint32()
        _abi.call('visual_tokens', self._held().pointer, ctypes.byref(picture._view), ctypes.byref(count))
        return count.value

    def encode(self, images: Iterable[Source], *, tokens: bool = True) -> Encoding:
        """What the model sees of pictures: keys, and visual tokens unless tokens=False. Needs NumPy."""
        import numpy

        keys, rows = [numpy.empty((0, self.info.visual_width), numpy.float32)], []
        for pictures in _batch.pictures(images):
            counts = [self._visual_tokens(picture) for picture in pictures]
            keys.append(numpy.empty((len(pictures), self.info.visual_width), numpy.float32))
            parts = numpy.empty((sum(counts) if tokens else 0, self.info.visual_width), numpy.float32)
            with self._session() as session:
                output = _floats(parts) if tokens else None
                _abi.call('encode', session.pointer, _batch.views(pictures), len(pictures), output, _floats(keys[-1]))
            rows += numpy.split(parts, numpy.cumsum(counts)[:-1]) if tokens else []
        return Encoding(numpy.concatenate(keys), rows)


class Pool(Handle, Mapping[int, str]):
    """Labelled examples of one model: a mapping of ids to labels, in the order in which they were added.

        pool = Pool(reader)
        pool.add('seen.png', 'A-113')
        pool.learn()
        reader.read('next.png', pool)

    Any number of threads may use a pool at once; a read that has begun keeps the examples it chose.
    """

    def __init__(self, reader: Reader, **options: Unpack[PoolOptions]) -> None:
        self._open(reader, 'pool_new', options)

    @classmethod
    def load(cls, reader: Reader, path: Path, **options: Unpack[PoolOptions]) -> Self:
        """The pool that save() wrote, with what it had learnt."""
        pool = cls.__new__(cls)
        pool._open(reader, 'pool_load', options, _abi.path(path, 'path'))
        return pool

    def _open(self, reader: Reader, make: str, given: Mapping[str, Any], *arguments: Any) -> None:
        options, _ = _abi.options('pool_options', given)
        model = _held(reader, Reader, 'reader')
        self._reader = reader
        arguments, file = (*arguments, ctypes.byref(options)), arguments[0] if arguments else None
        self._owner = Owner(make, 'pool_free', model.pointer, *arguments, keep=(model,), file=file)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    # ---- examples ----

    def add(self, image: Source, label: str) -> int:
        """Adds an example, and gives its id. It counts in prompts from the next read on, in the memory from the next
        learn() on."""
        owner, picture, text, new = self._held(), Picture.of(image), _abi.text(label, 'label'), ctypes.c_uint64()
        with self._reader._session() as session:
            arguments = ctypes.byref(picture._view), text, len(text), ctypes.byref(new)
            _abi.call('pool_add', owner.pointer, session.pointer, *arguments)
        return new.value

    def add_labels(self, path: Path) -> list[int]:
        """Adds the examples of a labels file, `image TAB text` lines in UTF-8: all, or none. Gives their ids.

        An image is relative to the folder of the file, or to images/ in it; of one that comes again the last line
        counts. LabelError, with the number of the line: it is none of these.
        """
        file = os.fsdecode(_abi.path(path, 'path'))
        try:
            labels = labelled(file)
        except OSError as error:
            raise failure('io', f'{file}: {error.strerror}', file) from None
        if labels.faults:
            raise LabelError(f'{file}:{labels.faults[0]}')
        ids: list[int] = []
        try:
            for image, text in labels.texts.items():
                picture = Picture(image)
                try:
                    ids.append(self.add(picture, text))
                except Error as error:
                    raise within(error, image) from None
        except BaseException:
            for id in ids:
                with suppress(NotFoundError):  # another thread may be removing
                    self.remove(id)
            raise
        return ids

    def remove(self, id: int) -> None:
        """Takes an example out, and forgets a memory that was learnt from it."""
        _abi.call('pool_remove', self._held().pointer, _id(id))

    __delitem__ = remove

    def clear(self) -> None:
        """Takes all examples out."""
        lib.e2str_pool_clear(self._held().pointer)

    def __len__(self) -> int:
        return int(lib.e2str_pool_count(self._held().pointer))

    def __iter__(self) -> Iterator[int]:
        owner, room, count = self._held(), 0, len(self)
        while count > room:  # another thread may be adding
            room, ids = count, (ctypes.c_uint64 * count)()
            count = lib.e2str_pool_ids(owner.pointer, ids, room)
        return iter(ids[:count] if room else [])

    def __getitem__(self, id: int) -> str:
        owner, room, size = self._held(), 64, ctypes.c_size_t(64)
        while size.value >= room:
            room = size.value + 1
            label = ctypes.create_string_buffer(room)
            _abi.call('pool_label', owner.pointer, _id(id), label, room, ctypes.byref(size))
        return label.value.decode()

    @property
    def bytes(self) -> int:
        """Memory of all examples."""
        return int(lib.e2str_pool_bytes(self._held().pointer))

    def info(self) -> PoolInfo:
        """What it holds, and of an archive, what that takes."""
        return _abi.ask(PoolInfo, 'pool_info', 'pool_get_info', self._held().pointer)

    def key(self, id: int) -> numpy.typing.NDArray[numpy.float32]:
        """An example's retrieval key: [visual_width], of unit length. Needs NumPy."""
        import numpy

        key = numpy.empty(self._reader.info.visual_width, numpy.float32)
        _abi.call('pool_key', self._held().pointer, _id(id), _floats(key))
        return key

    def nearest(
        self, key: numpy.typing.NDArray[numpy.float32], k: int, *, min_similarity: float = -1.0
    ) -> list[tuple[int, float]]:
        """The k examples nearest to a key, as (id, cosine), most similar first. Needs NumPy."""
        import numpy

        owner, room = self._held(), max(0, min(_abi.number(ctypes.c_ssize_t, k, 'k'), len(self)))
        least = _abi.number(ctypes.c_float, min_similarity, 'min_similarity')
        key = numpy.ascontiguousarray(key, numpy.float32)
        if key.shape != (self._reader.info.visual_width,):
            raise ValueError(f'a key is [{self._reader.info.visual_width}], not {list(key.shape)}')
        ids, cosines, found = (ctypes.c_uint64 * (room or 1))(), (ctypes.c_float * (room or 1))(), ctypes.c_size_t()
        _abi.call('pool_nearest', owner.pointer, _floats(key), room, least, ids, cosines, ctypes.byref(found))
        return list(zip(ids[: found.value], cosines[: found.value]))

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Writes one file, whole or not at all. ConflictError: somebody else has changed it since it was loaded or
        saved; overwrite=True replaces it all the same."""
        file = _abi.path(path, 'path')
        _abi.call('pool_overwrite' if overwrite else 'pool_save', self._held().pointer, file, file=file)

    def save_archive(self, path: Path, *, without_tokens: bool = False) -> None:
        """Writes a file that load() maps instead of loading it, for pools of many examples; the pool lies in it from
        then on, and save() to it appends what is new. Without visual tokens it is small, and good for what was learnt,
        not for prompts."""
        settings, _ = _abi.options('archive_options', {'without_tokens': without_tokens})
        file = _abi.path(path, 'path')
        _abi.call('pool_save_archive', self._held().pointer, file, ctypes.byref(settings), file=file)

    def refresh(self) -> None:
        """Takes what others have saved since into a pool that lies in an archive. ConflictError: there is something
        new, and it has changes of its own."""
        _abi.call('pool_refresh', self._held().pointer)

    def verify(self) -> None:
        """Checks all of the archive that the pool lies in; the error says what is damaged."""
        _abi.call('pool_verify', self._held().pointer)

    # ---- memory ----

    def learn(self, **options: Unpack[LearnOptions]) -> Report | None:
        """Learns from the examples that are there; reads with the pool then use it. None: an empty pool forgets."""
        settings, _ = _abi.options('learn_options', options)
        with self._reader._session() as session:
            _abi.call('pool_learn', self._held().pointer, session.pointer, ctypes.byref(settings))
        return self.report()

    def forget(self) -> None:
        """Forgets the memory, not the examples."""
        lib.e2str_pool_forget(self._held().pointer)

    def report(self) -> Report | None:
        """What was found when it last learnt; None: nothing is learnt."""
        try:
            return _abi.ask(Report, 'memory_report', 'pool_report', self._held().pointer)
        except KeyError:
            return None

    def doubt(self, id: int) -> float:
        """How little the example's picture agrees with its label, 0 to 1, from the last learn(). KeyError: no such
        example, or nothing learnt of it."""
        doubt = ctypes.c_float()
        _abi.call('pool_doubt', self._held().pointer, _id(id), ctypes.byref(doubt))
        return doubt.value

    def memory(self) -> Memory:
        """The memory as it is now. KeyError: nothing is learnt."""
        return Memory(self)

    def prompt(self, ids: Sequence[int]) -> Prompt:
        """Examples, in this order, prepared to stand before many reads."""
        return Prompt(self, ids)


class Memory(Handle):
    """What a pool had learnt when this was made; immutable, stays when the pool changes or goes."""

    _option = 'memory'

    def __init__(self, pool: Pool) -> None:
        owner = _held(pool, Pool, 'pool')
        self._owner = Owner('pool_memory', 'memory_free', owner.pointer, keep=(owner,))

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return int(lib.e2str_memory_bytes(self._held().pointer))


class Prompt(Handle):
    """Examples that were run through the decoder once; immutable, stays when the pool changes or goes."""

    _option = 'prompt'

    def __init__(self, pool: Pool, ids: Sequence[int]) -> None:
        owner, chosen = _held(pool, Pool, 'pool'), _abi.ids(ids)
        with pool._reader._session() as session:
            arguments = session.pointer, owner.pointer, chosen, len(chosen)
            self._owner = Owner('prompt_new', 'prompt_free', *arguments, keep=(owner,))

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return int(lib.e2str_prompt_bytes(self._held().pointer))


class Constraint(Handle):
    """What a text may be, for reads to write nothing else; immutable, of no model. See ConstraintOptions.

    accept: is asked of finished texts that fit otherwise (check digits, say), from any thread that reads, and must
    answer the same each time. What it raises is printed, and the text refused.

        reader.read('date.png', constraint=Constraint(pattern='[0-9]{2}[.][0-9]{2}[.]20[0-9]{2}'))
    """

    _option = 'constraint'

    def __init__(self, *, accept: Callable[[str], bool] | None = None, **options: Unpack[ConstraintOptions]) -> None:
        given: dict[str, Any] = dict(options)
        if accept is not None and not callable(accept):
            raise _abi.wrong('accept', 'a function of a str', accept)
        if accept is not None:
            given['accept'] = lambda _, text, size: bool(accept(ctypes.string_at(text, size).decode()))
        made, keep = _abi.options('constraint_options', given)
        arguments, file = (ctypes.byref(made),), made.lexicon_path
        self._owner = Owner('constraint_new', 'constraint_free', *arguments, keep=tuple(keep), file=file)

    def matches(self, text: str) -> bool:
        """Whether a text fits."""
        data = _abi.text(text, 'text')
        return bool(lib.e2str_constraint_matches(self._held().pointer, data, len(data)))

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return int(lib.e2str_constraint_bytes(self._held().pointer))


def default_model() -> str:
    """Path of the model that Reader() opens: $E2STR_MODEL, the package's, or where the library finds one."""
    if not os.environ.get('E2STR_MODEL') and SHIPPED.is_file():
        return os.fspath(SHIPPED)
    path = ctypes.create_string_buffer(4096)
    _abi.call('default_model_path', path, len(path))
    return os.fsdecode(path.value)


def _held(value: Any, kind: type[Handle], name: str) -> Owner:
    """What a Reader or Pool owns."""
    if not isinstance(value, kind):
        raise _abi.wrong(name, f'a {kind.__name__}', value)
    return value._held()


def _id(value: int) -> int:
    try:
        index = operator.index(value)
    except TypeError:
        raise _abi.wrong('an id', 'an integer', value) from None
    if not 0 <= index < 1 << 64:
        raise NotFoundError(f'no example {value}')
    return index


def _floats(array: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(ctypes.c_float))
