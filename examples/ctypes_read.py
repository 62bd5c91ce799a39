#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads word images through the C interface with nothing but Python's standard library.

ctypes_read.py LIBE2STR.so MODEL IMAGE...

"""

import ctypes
import os
import sys


class Error(ctypes.Structure):
    _fields_ = [('message', ctypes.c_char * 256)]


class Image(ctypes.Structure):
    _fields_ = [
        ('pixels', ctypes.c_void_p),
        ('width', ctypes.c_uint32),
        ('height', ctypes.c_uint32),
        ('stride', ctypes.c_ssize_t),
        ('format', ctypes.c_int),
        ('rotate', ctypes.c_uint32),
        ('owned', ctypes.c_void_p),
        ('trim', ctypes.c_int),
    ]


class Reader:
    """One model and one session: for one thread, like the session itself."""

    def __init__(self, library, model):
        self.lib = ctypes.CDLL(library)
        self.lib.e2str_status_name.restype = ctypes.c_char_p
        self.lib.e2str_result_text.restype = ctypes.c_char_p
        self.lib.e2str_result_score.restype = ctypes.c_float
        self.model, self.session, self.result = (ctypes.c_void_p() for _ in range(3))
        try:
            self._call('e2str_model_open', os.fsencode(model), None, ctypes.byref(self.model))
            self._call('e2str_session_new', self.model, None, ctypes.byref(self.session))
            self._call('e2str_result_new', ctypes.byref(self.result))
        except RuntimeError:
            self.close()
            raise

    def _call(self, name, *arguments):
        error = Error()
        status = getattr(self.lib, name)(*arguments, ctypes.byref(error))
        if status:
            raise RuntimeError(f'{self.lib.e2str_status_name(status).decode()}: {os.fsdecode(error.message)}')

    def read(self, path):
        image = Image()
        self._call('e2str_image_load', os.fsencode(path), None, ctypes.byref(image))
        try:
            self._call('e2str_read', self.session, ctypes.byref(image), None, None, self.result)
        finally:
            self.lib.e2str_image_free(ctypes.byref(image))
        return self.lib.e2str_result_text(self.result).decode(), self.lib.e2str_result_score(self.result)

    def close(self):
        self.lib.e2str_result_free(self.result)
        self.lib.e2str_session_free(self.session)
        self.lib.e2str_model_close(self.model)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    reader = Reader(sys.argv[1], sys.argv[2])
    try:
        for path in sys.argv[3:]:
            text, score = reader.read(path)
            sys.stdout.buffer.write(os.fsencode(path) + f'\t{text}\t{score:.3f}\n'.encode())
    finally:
        reader.close()


if __name__ == '__main__':
    main()
