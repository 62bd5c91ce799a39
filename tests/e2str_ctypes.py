# SPDX-License-Identifier: MIT
"""libe2str through ctypes, for the tests in Python: the structures and calls of include/e2str.h that they use."""

import ctypes as c
import os

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY = os.path.join(ROOT, 'build', 'libe2str.so')
STORE_F16, STORE_F32 = 1, 2
RGB = 3


class E2strError(Exception):
    """A call failed: `status` is the status's name."""

    def __init__(self, status, message):
        super().__init__(f'{status}: {message}')
        self.status = status


class ErrorStruct(c.Structure):
    _fields_ = [('message', c.c_char * 256)]


class Image(c.Structure):
    _fields_ = [
        ('pixels', c.c_void_p),
        ('width', c.c_uint32),
        ('height', c.c_uint32),
        ('stride', c.c_ssize_t),
        ('format', c.c_int),
        ('rotate', c.c_uint32),
        ('owned', c.c_void_p),
        ('trim', c.c_int),
    ]


class ModelInfo(c.Structure):
    _fields_ = (
        [('size', c.c_size_t), ('name', c.c_char * 64), ('parameters', c.c_uint64), ('file_bytes', c.c_uint64)]
        + [
            (n, c.c_uint32)
            for n in (
                'image_width',
                'image_height',
                'visual_tokens',
                'visual_width',
                'vision_layers',
                'resampler_layers',
                'decoder_layers',
                'decoder_width',
                'vocabulary',
                'positions',
            )
        ]
        + [
            ('tokenizer', c.c_char_p),
            ('segment_stride', c.c_uint32),
            ('min_similarity', c.c_float),
            ('memory', c.c_uint32),
            ('trim', c.c_uint32),
            ('precision', c.c_int),
            ('calibrated', c.c_uint32),
            ('places', c.c_uint32),
            ('min_width', c.c_uint32),
            ('max_width', c.c_uint32),
        ]
    )


class ModelOptions(c.Structure):
    _fields_ = [
        ('size', c.c_size_t),
        ('log', c.c_void_p),
        ('log_user', c.c_void_p),
        ('precision', c.c_int),
        ('products', c.c_int),
    ]


class PoolOptions(c.Structure):
    _fields_ = [('size', c.c_size_t), ('max_bytes', c.c_uint64), ('storage', c.c_int), ('cache_bytes', c.c_uint64)]


class ReadOptions(c.Structure):
    _fields_ = [
        ('size', c.c_size_t),
        ('k', c.c_uint32),
        ('min_similarity', c.c_float),
        ('examples', c.POINTER(c.c_uint64)),
        ('n_examples', c.c_size_t),
        ('prompt', c.c_void_p),
        ('beams', c.c_uint32),
        ('max_tokens', c.c_uint32),
        ('alternatives', c.c_uint32),
        ('clean_up', c.c_uint32),
        ('memory', c.c_void_p),
        ('memory_factor', c.c_float),
        ('influences', c.c_uint32),
        ('memory_everywhere', c.c_uint32),
        ('places', c.c_uint32),
        ('reject_below', c.c_float),
        ('textless_from', c.c_float),
        ('constraint', c.c_void_p),
    ]


class Character(c.Structure):
    _fields_ = [('offset', c.c_size_t), ('length', c.c_size_t), ('probability', c.c_float)]


def image_of(pixels):
    """A view of a uint8 array [height][width][3]; the array must outlive it."""
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous and pixels.shape[2] == 3
    return Image(pixels.ctypes.data, pixels.shape[1], pixels.shape[0], pixels.shape[1] * 3, RGB, 0, None)


class Library:
    def __init__(self, path=LIBRARY):
        self.lib = lib = c.CDLL(path)
        pointer, error = c.c_void_p, c.POINTER(ErrorStruct)
        floats, out = c.POINTER(c.c_float), c.POINTER(c.c_void_p)

        def declare(name, result, *arguments):
            function = getattr(lib, f'e2str_{name}')
            function.restype, function.argtypes = result, arguments

        declare('version', c.c_char_p)
        declare('cpu_name', c.c_char_p)
        declare('status_name', c.c_char_p, c.c_int)
        declare('model_options_init_size', None, c.POINTER(ModelOptions), c.c_size_t)
        declare('model_open', c.c_int, c.c_char_p, pointer, out, error)
        declare('model_info_init_size', None, c.POINTER(ModelInfo), c.c_size_t)
        declare('model_get_info', c.c_int, pointer, c.POINTER(ModelInfo), error)
        declare('model_close', None, pointer)
        declare('session_new', c.c_int, pointer, pointer, out, error)
        declare('session_bytes', c.c_size_t, pointer)
        declare('session_free', None, pointer)
        declare('encode', c.c_int, pointer, c.POINTER(Image), c.c_size_t, floats, floats, error)
        declare('pool_options_init_size', None, c.POINTER(PoolOptions), c.c_size_t)
        declare('pool_new', c.c_int, pointer, c.POINTER(PoolOptions), out, error)
        declare(
            'pool_add',
            c.c_int,
            pointer,
            pointer,
            c.POINTER(Image),
            c.c_char_p,
            c.c_size_t,
            c.POINTER(c.c_uint64),
            error,
        )
        declare('pool_remove', c.c_int, pointer, c.c_uint64, error)
        declare('pool_count', c.c_size_t, pointer)
        declare(
            'pool_nearest',
            c.c_int,
            pointer,
            floats,
            c.c_size_t,
            c.c_float,
            c.POINTER(c.c_uint64),
            floats,
            c.POINTER(c.c_size_t),
            error,
        )
        declare('pool_save', c.c_int, pointer, c.c_char_p, error)
        declare('pool_load', c.c_int, pointer, c.c_char_p, c.POINTER(PoolOptions), out, error)
        declare('pool_free', None, pointer)
        declare('read_options_init_size', None, c.POINTER(ReadOptions), c.c_size_t)
        declare('result_new', c.c_int, out, error)
        declare('result_free', None, pointer)
        declare('read', c.c_int, pointer, c.POINTER(Image), pointer, c.POINTER(ReadOptions), pointer, error)
        declare('result_text', c.c_char_p, pointer)
        declare('result_score', c.c_float, pointer)
        declare('result_truncated', c.c_int, pointer)
        declare('result_end_probability', c.c_float, pointer)
        declare('result_characters', c.c_size_t, pointer)
        declare('result_character', c.c_int, pointer, c.c_size_t, c.POINTER(Character), error)
        declare('result_tokens', c.c_size_t, pointer, c.POINTER(c.POINTER(c.c_uint32)))

    def call(self, name, *arguments):
        """Adds the error parameter and raises E2strError unless the status is ok."""
        error = ErrorStruct()
        status = getattr(self.lib, f'e2str_{name}')(*arguments, c.byref(error))
        if status:
            raise E2strError(self.lib.e2str_status_name(status).decode(), error.message.decode(errors='replace'))

    def make(self, name, *arguments):
        handle = c.c_void_p()
        self.call(name, *arguments, c.byref(handle))
        return handle


class Model:
    """A model with one session and one result: what one thread needs."""

    def __init__(self, library, path, f32=False):
        """f32: multiply in f32 whatever the weights' type."""
        self.library, self.lib = library, library.lib
        options = ModelOptions()
        self.lib.e2str_model_options_init_size(c.byref(options), c.sizeof(options))
        options.precision = int(f32)  # E2STR_PRECISION_FILE is 0
        self.handle = library.make('model_open', os.fsencode(path), c.byref(options))
        self.session = library.make('session_new', self.handle, None)
        self.result = library.make('result_new')
        self.info = ModelInfo()
        self.lib.e2str_model_info_init_size(c.byref(self.info), c.sizeof(self.info))
        library.call('model_get_info', self.handle, c.byref(self.info))

    def close(self):
        self.lib.e2str_result_free(self.result)
        self.lib.e2str_session_free(self.session)
        self.lib.e2str_model_close(self.handle)

    def encode(self, images):
        """(tokens [n][visual tokens][width], keys [n][width]) of a list of uint8 arrays; for fixed widths"""
        n = len(images)
        views = (Image * n)(*map(image_of, images))
        tokens = np.empty((n, self.info.visual_tokens, self.info.visual_width), np.float32)
        keys = np.empty((n, self.info.visual_width), np.float32)
        self.library.call(
            'encode',
            self.session,
            views,
            n,
            tokens.ctypes.data_as(c.POINTER(c.c_float)),
            keys.ctypes.data_as(c.POINTER(c.c_float)),
        )
        return tokens, keys

    def read(self, image, pool=None, examples=(), beams=1, max_tokens=48):
        """examples: ids in prompt order. Gives a dict: tokens, text, score, truncated; probabilities of the characters
        and of the end"""
        options = ReadOptions()
        self.lib.e2str_read_options_init_size(c.byref(options), c.sizeof(options))
        options.k, options.beams, options.max_tokens = 0, beams, max_tokens
        options.examples, options.n_examples = (c.c_uint64 * len(examples))(*examples), len(examples)
        view = image_of(image)
        self.library.call(
            'read', self.session, c.byref(view), pool.handle if pool else None, c.byref(options), self.result
        )
        ids = c.POINTER(c.c_uint32)()
        n = self.lib.e2str_result_tokens(self.result, c.byref(ids))
        characters, character = [], Character()
        for i in range(self.lib.e2str_result_characters(self.result)):
            self.library.call('result_character', self.result, i, c.byref(character))
            characters.append(character.probability)
        return dict(
            tokens=ids[:n],
            text=self.lib.e2str_result_text(self.result).decode(),
            score=self.lib.e2str_result_score(self.result),
            truncated=bool(self.lib.e2str_result_truncated(self.result)),
            characters=characters,
            end=self.lib.e2str_result_end_probability(self.result),
        )


class Pool:
    def __init__(self, model, storage=STORE_F32, path=None):
        self.model, self.library, self.lib = model, model.library, model.lib
        options = PoolOptions()
        self.lib.e2str_pool_options_init_size(c.byref(options), c.sizeof(options))
        options.storage = storage
        if path is None:
            self.handle = self.library.make('pool_new', model.handle, c.byref(options))
        else:
            self.handle = self.library.make('pool_load', model.handle, os.fsencode(path), c.byref(options))

    def add(self, image, label):
        view, text, new = image_of(image), label.encode(), c.c_uint64()
        self.library.call('pool_add', self.handle, self.model.session, c.byref(view), text, len(text), c.byref(new))
        return new.value

    def count(self):
        return self.lib.e2str_pool_count(self.handle)

    def nearest(self, key, k):
        ids, similar, found = (c.c_uint64 * k)(), (c.c_float * k)(), c.c_size_t()
        key = np.ascontiguousarray(key, np.float32)
        self.library.call(
            'pool_nearest', self.handle, key.ctypes.data_as(c.POINTER(c.c_float)), k, -1.0, ids, similar, c.byref(found)
        )
        return list(ids[: found.value]), list(similar[: found.value])

    def save(self, path):
        self.library.call('pool_save', self.handle, os.fsencode(path))

    def close(self):
        self.lib.e2str_pool_free(self.handle)
