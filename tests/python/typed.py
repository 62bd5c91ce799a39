# SPDX-License-Identifier: MIT
"""A user's program, as a type checker sees it: mypy --strict. It checks that what is marked has to be refused."""

from typing import assert_type

import e2str
import numpy
from PIL import Image


def program(page: numpy.typing.NDArray[numpy.uint8]) -> None:
    with e2str.Reader(threads=2, precision='f32') as reader, e2str.Pool(reader, storage='f32') as pool:
        reading = reader.read(page[2:20, 3:40], pool, beams=4, alternatives=2, k=None)
        assert_type(reading, e2str.Reading)
        assert_type(reading.characters[0].alternatives[0].probability, float)
        assert_type(
            reader.read_batch([page, 'a.png', Image.open('a.png'), b'', e2str.Picture(page, bgr=True)]),
            list[e2str.Reading],
        )
        assert_type(reader.read_batch(['a.png'], pool, errors='return', k=0), list[e2str.Reading | e2str.Error])
        assert_type(reader.read_batch(['a.png'], errors='raise'), list[e2str.Reading])
        assert_type(pool.add_labels('labels.tsv'), list[int])
        assert_type(pool.info().storage, str)
        try:
            reader.read('a.png')
        except e2str.FileError as error:
            assert_type(error.errno, int | None)
        assert_type(pool.learn(keep_doubtful=True), e2str.Report | None)
        assert_type(dict(pool), dict[int, str])
        with pool.memory() as memory:
            reader.read('a.png', memory=memory)
        assert_type(e2str.Pool.load(reader, b'a.pool'.decode()), e2str.Pool)
        assert_type(reader.encode([page]).tokens[0].nbytes, int)

        reader.read(3)  # type: ignore[arg-type]
        reader.read(page, beems=4)  # type: ignore[call-arg]
        reader.read(page, beams='4')  # type: ignore[arg-type]
        reader.read_batch([page], errors='ignore')  # type: ignore[call-overload]
        e2str.Pool(reader, storage='f64')  # type: ignore[arg-type]
        reading.text = ''  # type: ignore[misc]
