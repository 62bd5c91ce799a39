# SPDX-License-Identifier: MIT
"""What the programs of this package share: e2str-teach and e2str-report."""

import sys

from ..errors import Error


def complain(program: str, error: BaseException | str) -> None:
    """One line on standard error. The library's messages name the file already."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, Error):
        error = f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    print(f'{program}: {error}', file=sys.stderr)
