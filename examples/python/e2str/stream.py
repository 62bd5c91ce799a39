# SPDX-License-Identifier: MIT
"""Reading that does not end, with a pool that looks after itself."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from . import _abi
from ._abi import Handle, Owner, lib
from .picture import Picture
from .reader import Pool, ReadOptions, _held, _id, _Session
from .results import Correction, Reading, StreamReport, reading

if TYPE_CHECKING:
    from typing import Unpack

    from .picture import Path, Source


class StreamOptions(TypedDict, total=False):
    """Of a stream. None, or left out: the library's default."""

    max_examples: int | None  # cap for the pool's examples; default 1000; 0: none
    max_bytes: int | None  # cap for Pool.bytes; default 0: none
    drop: Literal['least_useful', 'oldest', 'random', 'least_used'] | None  # for the cap; default 'least_useful'
    contradiction: Literal['newer_wins', 'older_wins'] | None  # of two labels of a picture; default 'newer_wins'
    learn_share: float | None  # the pool learns again when this share of it has changed, 0 to 1; default 0.1
    learn_least: int | None  # examples, but no fewer; default 5
    add_right: Literal['with_room', 'always', 'never'] | None  # reads that were right, as examples; default 'with_room'
    max_tickets: int | None  # open at most; default 256
    ticket_bytes: int | None  # memory of all tickets, pixels included; default 64 MiB
    window: int | None  # judged reads in which drift is looked for; default 50
    seed: int | None  # of 'random'; default 1


class Stream(Handle):
    """Reads with a pool, and keeps it: corrections become examples, what helps least goes, it learns now and then.

        stream = Stream(pool, max_examples=500)
        found, ticket = stream.read('word.png')
        stream.correct(ticket, 'A-113')      # or stream.confirm(ticket)
        stream.save('words.pool')

    Threads may share it: their calls wait for one another. Others may read with the pool meanwhile.
    """

    def __init__(self, pool: Pool, **options: Unpack[StreamOptions]) -> None:
        settings, _ = _abi.options('stream_options', options)
        owner, reader = _held(pool, Pool, 'pool'), pool._reader
        self._session = _Session(reader._held(), *reader._help)
        self._turn = threading.Lock()
        arguments = owner.pointer, self._session.pointer, ctypes.byref(settings)
        self._owner = Owner('stream_new', 'stream_free', *arguments, keep=(owner, self._session))

    def read(self, image: Source, **options: Unpack[ReadOptions]) -> tuple[Reading, int]:
        """What the picture says, and a ticket by which it is corrected or confirmed later; 0: the picture is too large
        to be kept until then."""
        given: Mapping[str, Any] = options
        settings, keep = _abi.options('read_options', given)
        picture, ticket = Picture.of(image), ctypes.c_uint64()
        with self._turn:
            result = self._session.results(1)[0]
            arguments = ctypes.byref(picture._view), ctypes.byref(settings), result, ctypes.byref(ticket)
            _abi.call('stream_read', self._held().pointer, *arguments)
            return reading(result, bool(given.get('places')), bool(given.get('attention'))), ticket.value

    def correct(self, ticket: int, text: str) -> Correction:
        """What the picture of the ticket says. KeyError: the ticket is not open."""
        data = _abi.text(text, 'text')
        return self._judge('correct', _id(ticket), data, len(data))

    def confirm(self, ticket: int) -> Correction:
        """It was read right. KeyError: the ticket is not open."""
        return self._judge('confirm', _id(ticket))

    def _judge(self, call: str, *arguments: Any) -> Correction:
        made, _ = _abi.options('correction', {})
        with self._turn:
            _abi.call(f'stream_{call}', self._held().pointer, *arguments, ctypes.byref(made))
        outcomes = {number: name for name, number in _abi.HEADER.enums['e2str_outcome'].items()}
        return Correction(
            outcome=outcomes[made.outcome],
            right=bool(made.right),
            id=made.id,
            other=made.other,
            dropped=made.dropped,
            learnt=bool(made.learnt),
            learning=lib.e2str_status_name(made.learning).decode(),
            drift=bool(made.drift),
        )

    def learn(self) -> None:
        """Learns now what has changed."""
        with self._turn:
            _abi.call('stream_learn', self._held().pointer)

    def save(self, path: Path) -> None:
        """Learns what has changed, and saves the pool."""
        file = _abi.path(path, 'path')
        with self._turn:
            _abi.call('stream_save', self._held().pointer, file, file=file)

    @property
    def report(self) -> StreamReport:
        with self._turn:
            return _abi.ask(StreamReport, 'stream_report', 'stream_get_report', self._held().pointer)

    def use(self, id: int) -> float:
        """What an example did for reads that were judged, in logits. KeyError: no such example."""
        amount = ctypes.c_float()
        with self._turn:
            _abi.call('stream_use', self._held().pointer, _id(id), ctypes.byref(amount))
        return amount.value
