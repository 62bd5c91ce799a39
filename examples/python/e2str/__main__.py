# SPDX-License-Identifier: MIT
"""The command e2str, as `e2str` and as `python -m e2str`: the program that lies in the package, with the package's
model; teach and report are the package's own."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn

from ._abi import PACKAGE, TREE
from .reader import SHIPPED
from .tools import complain

PROGRAMS = 'teach', 'report'
PLACES = PACKAGE / 'bin' / 'e2str', TREE / 'build' / 'e2str'


def _become(arguments: list[str]) -> NoReturn:
    """Runs the program in the place of this process."""
    program = next((place for place in PLACES if place.is_file()), None)
    if program is None:
        raise FileNotFoundError(f'none of these programs is there: {", ".join(map(str, PLACES))} (make)')
    environment = dict(os.environ)
    if not environment.get('E2STR_MODEL') and SHIPPED.is_file():
        environment['E2STR_MODEL'] = os.fspath(SHIPPED)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python; the program would go on ignoring them
        signal.signal(ignored, signal.SIG_DFL)
    os.execve(program, ['e2str', *arguments], environment)


def main() -> int:
    """The exit status of what the arguments ask for."""
    first, *others = sys.argv[1:] or ['']
    if first in ('help', '--help', '-h') and others and others[0] in PROGRAMS:
        first, others = others[0], ['--help']
    if first in PROGRAMS:
        status: int = importlib.import_module(f'.{first}', __package__).main(others)
        return status
    try:
        _become(sys.argv[1:])
    except OSError as error:
        complain('e2str', error)
        return 1


if __name__ == '__main__':
    sys.exit(main())
