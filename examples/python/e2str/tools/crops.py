# SPDX-License-Identifier: MIT
"""A folder of crops, and files of labels.

Names are strings as os.fsdecode makes them: bytes that are no UTF-8 are in them as surrogates.
"""

from __future__ import annotations

import fcntl
import os
import stat
from dataclasses import dataclass, field

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.pbm', '.pgm', '.ppm')
MAX_BYTES = 64 << 20  # of one picture's file, or one of labels


class Folder:
    """A folder, held open. Nothing outside it is read or written: symbolic links below it are not followed.

    A name is relative to the folder, with '/' between its parts.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Gives the folder back; no name can be opened any more."""
        os.close(self._fd)

    def lock(self) -> None:
        """Keeps others who ask for this out, until the process ends. BlockingIOError: somebody has it."""
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def crops(self) -> list[str]:
        """The names of all pictures, in folders below as well; hidden ones left out. In order."""
        names = []
        for folder, below, files, fd in os.fwalk('.', dir_fd=self._fd, follow_symlinks=False):
            below[:] = [name for name in below if not name.startswith('.')]
            for name in files:
                if name.lower().endswith(SUFFIXES) and not name.startswith('.'):
                    if stat.S_ISREG(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                        names.append(os.path.normpath(os.path.join(folder, name)))
        return sorted(names)

    def _open(self, name: str, flags: int) -> int:
        *folders, last = name.split('/')
        if not all(part not in ('', '.', '..') for part in (*folders, last)):
            raise FileNotFoundError(f'{name}: no name in a folder')
        fd = os.dup(self._fd)
        try:
            for folder in folders:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                os.close(fd)
                fd = inner
            return os.open(last, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=fd)
        finally:
            os.close(fd)

    def read(self, name: str) -> bytes:
        """The content of a file. OSError: it is no file of this folder, or has more than MAX_BYTES."""
        with open(self._open(name, os.O_RDONLY), 'rb') as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileNotFoundError(f'{name}: no file')
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OSError(f'{name}: more than {MAX_BYTES} bytes')
        return data

    def is_link(self, name: str) -> bool:
        """Whether there is a symbolic link of this name."""
        try:
            return stat.S_ISLNK(os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False

    def write(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Writes a file in the folder itself, whole or not at all, and on the disk when this is back. durable=False: a
        loss of power may cost it, the end of the process not."""
        new = f'.{name}.new'
        with open(self._open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 'wb') as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(new, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        if durable:
            os.fsync(self._fd)


@dataclass
class Labels:
    """What a file of labels says: `name TAB text` per line."""

    texts: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """Lines that are no label, with their number and why."""


def parse_labels(data: bytes) -> Labels:
    """As `e2str eval --labels` reads them. Of a name that comes again the last label counts."""
    labels = Labels()
    for number, line in enumerate(data.removeprefix(b'\xef\xbb\xbf').split(b'\n'), 1):
        line = line.removesuffix(b'\r')
        name, tab, text = line.partition(b'\t')
        if not line:
            continue
        try:
            why = (
                '' if name and text else 'no image before the tab' if tab and not name else 'no tab and text behind it'
            )
            label = text.decode()
        except UnicodeDecodeError:
            why = 'the text is not UTF-8'
        if b'\0' in line:
            why = 'a NUL'
        if why:
            labels.faults.append(f'{number}: {why}')
        else:
            labels.texts[os.fsdecode(name)] = label
    return labels


def labelled(path: str) -> Labels:
    """A file of labels whose names are paths: relative to its folder, or to images/ in it, where only those exist."""
    with open(path, 'rb') as file:
        labels = parse_labels(file.read())
    folder, texts = os.path.dirname(path), {}
    for name, text in labels.texts.items():
        there, below = os.path.join(folder, name), os.path.join(folder, 'images', name)
        texts[below if os.path.exists(below) and not os.path.exists(there) else there] = text
    return Labels(texts, labels.faults)


def write_labels(texts: dict[str, str]) -> bytes:
    """The content of a file of labels."""
    return b''.join(os.fsencode(name) + b'\t' + text.encode() + b'\n' for name, text in texts.items())


def shown(name: str) -> str:
    """A name as text that any program can write: what is no UTF-8 in it is U+FFFD."""
    return os.fsencode(name).decode(errors='replace')
