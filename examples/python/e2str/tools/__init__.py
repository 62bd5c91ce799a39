# SPDX-License-Identifier: MIT
"""What the programs of this package share: e2str-teach and e2str-report."""

import sys


def complain(program: str, error: BaseException | str) -> None:
    """One line on standard error."""
    if isinstance(error, OSError) and error.strerror:
        error = f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    print(f'{program}: {error}', file=sys.stderr)
