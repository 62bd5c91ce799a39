# SPDX-License-Identifier: MIT
"""e2str-teach: a page on this machine on which a person corrects what was read, and the pool learns at once."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NoReturn

from ..errors import Error
from ..reader import Pool, Reader
from ..tools import complain
from ..tools.crops import Folder, parse_labels, shown
from .server import Server
from .state import POOL, BadLabel, State
from .work import Teacher

_ABOUT = """\
Shows the crops of a folder with what is read on them, least certain first, on a page that only this machine can open.
What you type there is learnt at once, and what is left is read again. Your work is in FOLDER, saved with each Enter:
teach.tsv (labels), teach.pool (for e2str read -p), teach.json (for undo). Stop it with Ctrl+C; begin again at any time.
"""


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser('e2str-teach', description=_ABOUT, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('folder', metavar='FOLDER', help='crops: PNG, JPEG, BMP, PBM, PGM, PPM; folders below as well')
    parser.add_argument('--labels', metavar='FILE', help='labels to begin with, for crops that have none yet')
    parser.add_argument('--pool', metavar='FILE', help='examples to begin with, at each start; the file stays')
    parser.add_argument('-m', '--model', metavar='FILE', help='another model')
    parser.add_argument('-t', '--threads', type=int, default=min(os.cpu_count() or 1, 8), metavar='N')
    parser.add_argument('--port', type=int, default=0, metavar='N', help='default: one that is free')
    parser.add_argument('--open', action='store_true', help='open the page in the browser')
    return parser.parse_args(arguments)


def _begin(given: argparse.Namespace) -> Server:
    reader = Reader(given.model, threads=given.threads)
    folder = Folder(given.folder)
    try:
        folder.lock()
    except BlockingIOError:
        raise OSError(f'{given.folder}: somebody is teaching here already') from None
    state = State(folder)
    if not state.crops:
        raise OSError(f'{given.folder}: no pictures in it')
    if given.pool and os.path.realpath(given.pool) == os.path.realpath(os.path.join(given.folder, POOL)):
        raise OSError(f'{given.pool} is made of the labels of this folder: no need to give it')
    if given.labels:
        with open(given.labels, 'rb') as file:
            labels = parse_labels(file.read())
        for fault in labels.faults:
            complain('e2str-teach', f'{given.labels}:{fault}: left out')
        print(f'{state.import_labels(labels)} labels taken from {shown(given.labels)}')
    pool = Pool.load(reader, given.pool) if given.pool else Pool(reader)
    return Server(state, Teacher(state, reader, pool), given.port)


@contextmanager
def _opened(url: str) -> Iterator[None]:
    """Opens the browser, through a file that only this user can read: other users see the arguments of programs."""
    with tempfile.NamedTemporaryFile('w', suffix='.html') as file:
        file.write(f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={url}">')
        file.flush()
        threading.Thread(target=webbrowser.open, args=(f'file://{file.name}',), daemon=True).start()  # some wait for it
        yield


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit status."""
    given = _arguments(arguments)
    try:
        server = _begin(given)
    except (OSError, Error, BadLabel, OverflowError) as error:
        complain('e2str-teach', error)
        return 1
    signal.signal(signal.SIGTERM, _end)
    server.teacher.start()
    try:
        print(f'{len(server.state.crops)} crops; open this in a browser, Ctrl+C ends it:\n{server.url}', flush=True)
        with _opened(server.url) if given.open else nullcontext():
            server.serve_forever()
    except KeyboardInterrupt:
        print('\nsaving the pool', flush=True)
    server.server_close()
    try:
        server.teacher.stop()
    except KeyboardInterrupt:
        print('the pool is not saved; the labels are, and will make it anew')
        return 1
    if server.teacher.failure is not None:
        complain('e2str-teach', f'the pool is not saved: {server.teacher.failure}')
        return 1
    return 0
