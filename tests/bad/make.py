#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the hostile model files of this folder and expected.tsv; standard library only.

    python3 tests/bad/make.py        (from anywhere; writes beside itself, always the same bytes: make golden compares)

The status that e2str_model_open must give begins each file's name ("ok" for the intact model that the others are made
from); expected.tsv holds file <TAB> words that the message must contain.
"""

import os
import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
CODES = {U8: 'B', I8: 'b', U16: 'H', I16: 'h', U32: 'I', I32: 'i', F32: 'f', BOOL: 'B', U64: 'Q', I64: 'q', F64: 'd'}
HUGE = 2**64 - 1


def number(kind, value):
    return struct.pack('<' + CODES[kind], value)


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return number(U64, len(data)) + data


def value(kind, content):
    """The bytes of a metadata value; an array's content is (element type, list)."""
    if kind == STRING:
        return string(content)
    if kind == ARRAY:
        element, items = content
        return number(U32, element) + number(U64, len(items)) + b''.join(value(element, item) for item in items)
    return number(kind, content)


def key(name, kind, content):
    return string(name) + number(U32, kind) + value(kind, content)


def entry(name, dims, kind, offset):
    """One line of the tensor list."""
    return (
        string(name)
        + number(U32, len(dims))
        + b''.join(number(U64, d) for d in dims)
        + number(U32, kind)
        + number(U64, offset)
    )


def head(n_tensors, n_keys, version=3, magic=b'GGUF'):
    return magic + number(U32, version) + number(U64, n_tensors) + number(U64, n_keys)


def keys(*items):
    """A file of keys only."""
    return head(0, len(items)) + b''.join(items)


def tensors(*entries, data=b'', alignment=None):
    """A file of tensors with the given list entries and data section."""
    step = 32 if alignment is None else alignment
    meta = [] if alignment is None else [key('general.alignment', U32, alignment)]
    file = head(len(entries), len(meta)) + b''.join(meta) + b''.join(entries)
    return file + bytes(-len(file) % step) + data


# ------------------------------------------------------------------------------------------------ a complete model


class Model:
    """The smallest model: change `keys` (name -> (type, content)) and `tensors` (name -> dims), then build()."""

    def __init__(self):
        self.keys = {
            'general.architecture': (STRING, 'e2str'),
            'general.name': (STRING, 'smallest'),
            'general.alignment': (U32, 4),
            'e2str.version': (U32, 1),
            'e2str.image.height': (U32, 2),
            'e2str.image.width': (U32, 4),
            'e2str.image.channels': (STRING, 'rgb'),
            'e2str.image.mean': (ARRAY, (F32, [0.5, 0.5, 0.5])),
            'e2str.image.std': (ARRAY, (F32, [0.5, 0.5, 0.5])),
            'e2str.vision.patch_height': (U32, 2),
            'e2str.vision.patch_width': (U32, 2),
            'e2str.vision.width': (U32, 2),
            'e2str.vision.layers': (U32, 1),
            'e2str.vision.heads': (U32, 1),
            'e2str.vision.feed_forward': (U32, 2),
            'e2str.vision.activation': (STRING, 'gelu'),
            'e2str.vision.class_token': (BOOL, 0),
            'e2str.vision.norm_post': (BOOL, 0),
            'e2str.vision.epsilon': (F32, 1e-5),
            'e2str.resampler.layers': (U32, 0),
            'e2str.decoder.width': (U32, 2),
            'e2str.decoder.layers': (U32, 1),
            'e2str.decoder.heads': (U32, 1),
            'e2str.decoder.feed_forward': (U32, 2),
            'e2str.decoder.activation': (STRING, 'relu'),
            'e2str.decoder.positions': (U32, 8),
            'e2str.decoder.position_offset': (U32, 0),
            'e2str.decoder.epsilon': (F32, 1e-5),
            'e2str.cross.every': (U32, 1),
            'e2str.cross.heads': (U32, 1),
            'e2str.cross.head_size': (U32, 2),
            'e2str.cross.feed_forward': (U32, 2),
            'e2str.cross.only_immediate_media': (BOOL, 1),
            'e2str.retrieval.key': (STRING, 'latents'),
            'tokenizer.ggml.model': (STRING, 'characters'),
            'tokenizer.ggml.tokens': (ARRAY, (STRING, ['<pad>', '<bos>', '<end>', '<image>', 'a', 'b'])),
            'tokenizer.ggml.padding_token_id': (U32, 0),
            'tokenizer.ggml.bos_token_id': (U32, 1),
            'tokenizer.ggml.eos_token_id': (U32, 2),
            'e2str.tokenizer.image_token_id': (U32, 3),
            'e2str.tokenizer.special_token_ids': (ARRAY, (U32, [0, 1, 2, 3])),
        }
        self.tensors = {'vision.patch.weight': (12, 2), 'vision.patch.bias': (2,), 'vision.positions': (2, 2)}
        self.block('vision.blk.0.')
        self.tensors.update({'decoder.tokens': (2, 6), 'decoder.positions': (2, 8)})
        self.norm('decoder.norm')
        self.norm('decoder.blk.0.cross.norm')
        for name, dims in (('query', (2, 2)), ('key_value', (2, 4)), ('out', (2, 2))):
            self.tensors[f'decoder.blk.0.cross.attn_{name}.weight'] = dims
        self.tensors.update({'decoder.blk.0.cross.attn_gate': (1,), 'decoder.blk.0.cross.ffn_gate': (1,)})
        self.norm('decoder.blk.0.cross.norm_ff')
        self.tensors.update({f'decoder.blk.0.cross.ffn_{way}.weight': (2, 2) for way in ('up', 'down')})
        self.block('decoder.blk.0.')
        self.types = {}  # name -> (type number, bytes), where not F32
        self.values = {}  # name -> what all its numbers are, where not 0.5

    def norm(self, name):
        self.tensors.update({f'{name}.weight': (2,), f'{name}.bias': (2,)})

    def block(self, prefix):
        self.norm(prefix + 'norm1')
        for name, rows in (('attn_qkv', 6), ('attn_out', 2), ('ffn_up', 2), ('ffn_down', 2)):
            self.tensors.update({f'{prefix}{name}.weight': (2, rows), f'{prefix}{name}.bias': (rows,)})
        self.norm(prefix + 'norm2')

    def build(self):
        alignment = self.keys['general.alignment'][1]
        infos, data = b'', b''
        for name, dims in self.tensors.items():
            elements = 1
            for dim in dims:
                elements *= dim
            kind, size = self.types.get(name, (0, 4 * elements))
            infos += entry(name, dims, kind, len(data))
            data += struct.pack('<f', self.values.get(name, 0.5)) * (size // 4) + bytes(size % 4)
            data += bytes(-len(data) % alignment)
        file = head(len(self.tensors), len(self.keys))
        file += b''.join(key(name, *item) for name, item in self.keys.items()) + infos
        return file + bytes(-len(file) % alignment) + data


def with_keys(**changes):
    """The model with e2str.* keys set; "__" stands for "."; None removes the key."""
    model = Model()
    for name, item in changes.items():
        name = name.replace('__', '.')
        name = name if name.startswith(('general.', 'tokenizer.')) else 'e2str.' + name
        if item is None:
            del model.keys[name]
        else:
            model.keys[name] = item
    return model.build()


def with_tensors(changes, types=None):
    model = Model()
    for name, dims in changes.items():
        if dims is None:
            del model.tensors[name]
        else:
            model.tensors[name] = dims
    model.types = types or {}
    return model.build()


def with_free_widths(changes=None, **keys):
    """The model with free widths of 2 or 4 pixels, its keys (image__width = ...) and tensors changed; None removes."""
    model = Model()
    model.keys['e2str.image.min_width'] = (U32, 2)
    del model.tensors['vision.positions']
    model.tensors.update({'vision.row_positions': (2, 1), 'vision.column_positions': (2, 2)})
    for name, dims in (changes or {}).items():
        model.tensors[name] = dims
    model.tensors = {name: dims for name, dims in model.tensors.items() if dims}
    for name, content in keys.items():
        model.keys['e2str.' + name.replace('__', '.')] = content
    return model.build()


def with_stem(changes=None, **keys):
    """The model with a stem of two layers, its keys and its tensors changed as above."""
    numbers = {'channels': [4, 5], 'stride_height': [2, 1], 'stride_width': [1, 2]}
    model = Model()
    for name, values in {**numbers, **keys}.items():
        if values is not None:
            model.keys[f'e2str.vision.stem.{name}'] = values if isinstance(values, tuple) else (ARRAY, (U32, values))
    for i, dims in enumerate(((27, 4), (36, 5))):
        model.tensors.update({f'vision.stem.{i}.weight': dims, f'vision.stem.{i}.bias': dims[1:]})
    model.tensors['vision.patch.weight'] = (5, 2)
    model.tensors.update(changes or {})
    return model


def with_memory(changes=None, values=None, **keys):
    """The model with the statistics of a pool's memory; None takes a key or a tensor away."""
    numbers = {'hidden_scale': 2, 'strength': 0.5, 'gate_from': 0.25, 'gate_to': 0.5}
    model = Model()
    for name, value in {**numbers, **keys}.items():
        if value is not None:
            model.keys[f'e2str.memory.{name}'] = value if isinstance(value, tuple) else (F32, value)
    tensors = {'whitening': (5, 5), 'key_mean': (2,), 'key_whitening': (2, 2), **(changes or {})}
    model.tensors.update({f'memory.{name}': dims for name, dims in tensors.items() if dims})
    model.values = {f'memory.{name}': value for name, value in (values or {}).items()}
    return model.build()


def with_confidence(changes=None, values=None, **keys):
    """The model with a patch head and its calibration; None takes a key or a tensor away."""
    numbers = {'weights': [0.0, 1.0, 0.5, -1.0, -1.0, 0.0], 'textless': [1.0, -1.0]}
    model = Model()
    for name, value in {**numbers, **keys}.items():
        if value is not None:
            model.keys[f'e2str.confidence.{name}'] = value if isinstance(value, tuple) else (ARRAY, (F32, value))
    tensors = {'weight': (2, 6), 'bias': (6,), **(changes or {})}
    model.tensors.update({f'vision.head.{name}': dims for name, dims in tensors.items() if dims})
    return model.build()


def with_fusion(changes=None, values=None):
    """The model with a fusion block; None takes a tensor away."""
    rows = {'visual': (2, 2), 'attn_query': (2, 2), 'attn_key_value': (2, 4), 'attn_out': (2, 2), 'gate': (4, 2)}
    tensors = {}
    for name, dims in rows.items():
        tensors.update({f'{name}.weight': dims, f'{name}.bias': dims[1:]})
    tensors.update(changes or {})
    model = Model()
    model.tensors.update({f'fusion.{name}': dims for name, dims in tensors.items() if dims})
    model.values = {f'fusion.{name}': value for name, value in (values or {}).items()}
    return model.build()


def odd_addresses():
    """Alignment 1 and a name of such a length that the F32 data begin off their boundary."""
    model = Model()
    model.keys['general.alignment'] = (U32, 1)
    if len(model.build()) % 4 == 0:  # the data are a multiple of 4, so this is where they begin
        model.keys['general.name'] = (STRING, 'smallest.')
    return model.build()


# ------------------------------------------------------------------------------------------------------- the files


def gguf_cases():
    row = 32 * number(F32, 1)  # 128 bytes: a tensor of 32 floats
    yield 'format-empty', b'', 'empty'
    yield 'format-too-short', b'GG', 'not a GGUF file'
    yield 'format-png', b'\x89PNG\r\n\x1a\n' + bytes(24), 'not a GGUF file'
    yield 'format-truncated-in-header', head(0, 0)[:20], 'header'
    yield 'unsupported-version-2', head(0, 0, version=2), 'version 2'
    yield 'unsupported-version-4', head(0, 0, version=4), 'version 4'
    yield 'unsupported-big-endian-version', head(0, 0, version=3 << 24), 'big-endian'
    yield 'unsupported-big-endian-magic', head(0, 0, magic=b'FUGG'), 'big-endian'
    yield 'format-key-count-huge', head(0, HUGE) + bytes(64), '18446744073709551615 keys'
    yield 'format-key-count-one-too-many', head(0, 5) + bytes(64), '5 keys'
    yield 'format-tensor-count-huge', head(2**63, 0) + bytes(64), '9223372036854775808 tensors'

    name = key('e2str.a', U32, 7)
    yield 'format-truncated-in-key-size', head(0, 2) + name + bytes(4), 'ends inside key 1'
    yield 'format-truncated-in-key', head(0, 2) + name + name[:11], 'ends inside key 1'
    yield 'format-truncated-in-kv', head(0, 1) + key('e2str.abcdef', U64, 7)[:-3], 'value of key e2str.abcdef'
    yield 'format-key-size-huge', head(0, 1) + number(U64, HUGE) + bytes(32), 'ends inside key 0'
    yield 'format-string-size-huge', head(0, 1) + string('s') + number(U32, STRING) + number(U64, HUGE) + b'x', 'key s'
    array = string('list') + number(U32, ARRAY)
    yield 'format-truncated-in-array-head', head(0, 1) + array + number(U32, U8) + bytes(3), 'array of key list'
    yield 'format-array-count-huge', head(0, 1) + array + number(U32, U8) + number(U64, HUGE), 'array of key list'
    yield (
        'format-array-bytes-overflow',
        head(0, 1) + array + number(U32, F64) + number(U64, 2**61 + 1) + bytes(8),
        'array of key list',
    )
    yield (
        'format-array-longer-than-file',
        head(0, 1) + array + number(U32, F64) + number(U64, 4) + bytes(31),
        'value of key list',
    )
    yield (
        'format-array-of-strings-longer-than-file',
        head(0, 1) + array + number(U32, STRING) + number(U64, 2) + string('abc') + number(U64, 4) + b'abc',
        'key list',
    )
    yield (
        'unsupported-array-of-arrays',
        head(0, 1) + array + number(U32, ARRAY) + number(U64, 1) + bytes(32),
        'array of arrays',
    )
    yield (
        'format-value-type-13',
        head(0, 1) + string('odd') + number(U32, 13) + bytes(32),
        'key odd has the unknown type 13',
    )
    yield ('format-element-type-77', head(0, 1) + array + number(U32, 77) + number(U64, 0), 'unknown type 77')
    yield 'format-bool-2', keys(key('yes', BOOL, 2)), 'key yes has the value 2'
    yield 'format-bool-255-in-array', keys(key('yes', ARRAY, (BOOL, [0, 1, 255]))), 'key yes has the value 255'
    yield 'format-duplicate-key', keys(name, key('b', U8, 1), name), 'key e2str.a occurs twice'
    escape = key(b'\x1b[2J\xff' + b'A' * 300, U8, 1)
    yield 'format-duplicate-key-escape-sequence', keys(escape, escape), '\\x1b[2J\\xffAAAA'
    for alignment in (0, 3, 131072):
        yield (
            f'format-alignment-{alignment}',
            keys(key('general.alignment', U32, alignment)),
            f'general.alignment is {alignment}',
        )
    yield 'format-alignment-string', keys(key('general.alignment', STRING, '32')), 'general.alignment'
    yield 'format-alignment-negative', keys(key('general.alignment', I32, -32)), 'general.alignment'

    whole = entry('weights', (32,), 0, 0)
    yield 'format-truncated-in-tensor-name', head(1, 0) + number(U64, 90) + bytes(32), 'name of tensor 0'
    second = head(2, 0) + entry('a' * 64, (32,), 0, 0)
    for cut, where in ((16, 'dimensions'), (25, 'dimension'), (29, 'type'), (38, 'offset')):
        yield f'format-truncated-in-tensor-{where}', second + whole[:cut], 'entry of tensor weights'
    pad = bytes(16)
    yield 'format-tensor-without-dimensions', tensors(entry('w', (), 0, 0) + pad), 'w has 0 dimensions'
    yield 'format-tensor-with-5-dimensions', tensors(entry('w', (1,) * 5, 0, 0), data=row), 'w has 5 dimensions'
    yield 'format-dimension-zero', tensors(entry('w', (32, 0), 0, 0), data=row), 'dimension 1 is 0'
    yield 'format-elements-overflow', tensors(entry('w', (2**33, 2**33), 0, 0), data=row), 'more elements'
    yield 'format-bytes-overflow', tensors(entry('w', (2**62,), 0, 0), data=row), 'more bytes'
    yield 'unsupported-tensor-type-q4_0', tensors(entry('w', (32,), 2, 0), data=row), 'unknown type 2'
    yield 'unsupported-tensor-type-huge', tensors(entry('w', (32,), 2**32 - 1, 0), data=row), 'unknown type 4294967295'
    yield 'format-q8_0-rows-not-whole-blocks', tensors(entry('w', (48, 2), 8, 0), data=row), 'whole blocks'
    yield 'format-offset-misaligned', tensors(entry('w', (8,), 0, 4), data=row), 'multiple of 32'
    yield 'format-offset-beyond-end', tensors(entry('w', (32,), 0, 4096), data=row), "beyond the file's end"
    yield 'format-offset-overflow', tensors(entry('w', (32,), 0, 2**64 - 32), data=row), "beyond the file's end"
    yield 'format-data-truncated', tensors(whole, data=row[:-1]), "beyond the file's end"
    yield 'format-data-missing', head(1, 0) + whole, "beyond the file's end"
    pair = entry('one', (32,), 0, 0), entry('two', (32,), 0, 96)
    yield 'format-data-overlap', tensors(*pair, data=2 * row), 'two overlap'
    yield (
        'format-data-descending',
        tensors(entry('one', (32,), 0, 128), entry('two', (32,), 0, 0), data=2 * row),
        'overlap',
    )
    yield 'format-bytes-after-last-tensor', tensors(whole, data=row + bytes(1)), '1 bytes follow'
    yield 'format-bytes-after-last-key', keys(name) + bytes(64), 'follow'
    yield (
        'format-duplicate-tensor',
        tensors(whole, entry('weights', (32,), 0, 128), data=2 * row),
        'weights occurs twice',
    )


def model_cases():
    yield 'ok-smallest-model', Model().build(), ''
    yield 'format-no-architecture', with_keys(general__architecture=None), 'general.architecture is missing'
    yield 'format-architecture-number', with_keys(general__architecture=(U32, 1)), 'general.architecture has type u32'
    yield 'unsupported-architecture-llama', with_keys(general__architecture=(STRING, 'llama')), '"llama"'
    yield 'unsupported-model-version-2', with_keys(version=(U32, 2)), 'e2str.version is 2'
    yield 'unsupported-unknown-key', with_keys(vision__windows=(U32, 7)), 'e2str.vision.windows'
    yield 'format-missing-key', with_keys(vision__width=None), 'e2str.vision.width is missing'
    yield 'format-mistyped-key', with_keys(vision__width=(STRING, '2')), 'e2str.vision.width'
    yield 'format-mistyped-flag', with_keys(vision__norm_post=(U32, 0)), 'e2str.vision.norm_post has type u32'
    yield 'ok-trim', with_keys(image__trim=(BOOL, 1)), ''
    yield 'format-mistyped-trim', with_keys(image__trim=(U32, 1)), 'e2str.image.trim has type u32'
    yield 'format-mistyped-epsilon', with_keys(vision__epsilon=(F64, 1e-5)), 'e2str.vision.epsilon has type f64'
    yield 'format-negative-width', with_keys(vision__width=(I32, -2)), 'e2str.vision.width'
    yield 'format-u64-out-of-range', with_keys(vision__width=(U64, 2**32 + 2)), 'out of range'
    yield 'format-zero-layers', with_keys(vision__layers=(U32, 0)), 'e2str.vision.layers is 0'
    yield 'limit-image-width', with_keys(image__width=(U32, 4098)), 'e2str.image.width is 4098'
    yield 'limit-layers', with_keys(decoder__layers=(U32, 4097)), 'e2str.decoder.layers is 4097'
    yield 'format-more-layers-than-tensors', with_keys(vision__layers=(U32, 4096)), '4096 vision layers'
    yield 'limit-width', with_keys(decoder__width=(U32, 65537)), 'e2str.decoder.width is 65537'
    yield 'limit-positions', with_keys(decoder__positions=(U32, 1048577)), 'e2str.decoder.positions'
    yield ('limit-patches', with_keys(image__width=(U32, 4096), image__height=(U32, 4096)), '4194304 patches')
    yield (
        'limit-cross-inner-width',
        with_keys(cross__heads=(U32, 4096), cross__head_size=(U32, 65536)),
        'e2str.cross.heads',
    )
    yield 'format-patch-does-not-divide', with_keys(vision__patch_width=(U32, 3)), 'patch_width (3) does not divide'
    yield 'format-heads-do-not-divide', with_keys(decoder__heads=(U32, 3)), 'e2str.decoder.heads (3) does not divide'
    yield 'format-cross-every-beyond-layers', with_keys(cross__every=(U32, 2)), 'e2str.cross.every is 2'

    def three(*numbers):
        return ARRAY, (F32, list(numbers))

    yield 'format-std-zero', with_keys(image__std=three(0.5, 0, 0.5)), 'e2str.image.std has the value 0'
    yield 'format-mean-nan', with_keys(image__mean=three(0.5, float('nan'), 0.5)), 'e2str.image.mean has the value'
    yield 'format-mean-of-two', with_keys(image__mean=three(0.5, 0.5)), '2 numbers, not 3'
    yield 'format-mean-of-doubles', with_keys(image__mean=(ARRAY, (F64, [0, 0, 0]))), 'e2str.image.mean is an array'
    yield 'format-epsilon-zero', with_keys(decoder__epsilon=(F32, 0)), 'e2str.decoder.epsilon is 0'
    yield 'format-epsilon-infinite', with_keys(vision__epsilon=(F32, float('inf'))), 'e2str.vision.epsilon is inf'
    yield 'unsupported-activation', with_keys(vision__activation=(STRING, 'relu')), 'e2str.vision.activation is "relu"'
    yield 'unsupported-channels', with_keys(image__channels=(STRING, 'grb')), '"grb"'
    yield 'unsupported-retrieval-key', with_keys(retrieval__key=(STRING, 'cls\n')), '"cls\\x0a"'
    yield 'format-resampler-keys-missing', with_keys(resampler__layers=(U32, 1)), 'e2str.resampler.latents is missing'
    yield 'format-name-number', with_keys(general__name=(U32, 1)), 'general.name has type u32'
    yield 'format-no-tokens', with_keys(tokenizer__ggml__tokens=None), 'tokenizer.ggml.tokens is missing'
    yield 'format-missing-tensor', with_tensors({'vision.blk.0.norm2.bias': None}), 'vision.blk.0.norm2.bias is missing'
    yield (
        'format-wrong-shape',
        with_tensors({'vision.patch.weight': (2, 12)}),
        'vision.patch.weight has dimensions {2, 12, 1, 1}, expected {12, 2, 1, 1}',
    )
    yield (
        'format-fourth-dimension',
        with_tensors({'vision.patch.weight': (12, 2, 1, 2)}),
        'vision.patch.weight has dimensions {12, 2, 1, 2}, expected {12, 2, 1, 1}',
    )
    yield 'format-gate-of-two', with_tensors({'decoder.blk.0.cross.ffn_gate': (2,)}), 'ffn_gate has dimensions {2'
    yield (
        'format-fewer-rows-than-tokens',
        with_tensors({'decoder.tokens': (2, 5)}),
        'decoder.tokens has dimensions {2, 5',
    )
    yield 'unsupported-unlisted-tensor', with_tensors({'vision.norm_post.weight': (2,)}), 'vision.norm_post.weight'
    yield (
        'unsupported-tensor-of-integers',
        with_tensors({}, {'decoder.positions': (26, 64)}),
        'decoder.positions has type I32',
    )
    yield 'format-f32-not-aligned-to-4', odd_addresses(), 'not aligned to 4'


def width_cases():
    key, rows, columns = 'e2str.image.min_width', 'vision.row_positions', 'vision.column_positions'
    yield 'ok-free-widths', with_free_widths(), ''
    yield 'ok-free-widths-all-alike', with_free_widths(image__min_width=(U32, 4)), ''
    yield 'format-min-width-zero', with_free_widths(image__min_width=(U32, 0)), key + ' is 0, less than 1'
    yield 'format-min-width-mistyped', with_free_widths(image__min_width=(F32, 2)), key
    yield 'limit-min-width', with_free_widths(image__min_width=(U32, 4098)), key + ' is 4098'
    yield (
        'format-min-width-above-width',
        with_free_widths(image__min_width=(U32, 6)),
        key + ' is 6, e2str.image.width only 4',
    )
    yield (
        'format-patch-does-not-divide-min-width',
        with_free_widths(image__min_width=(U32, 3)),
        f'e2str.vision.patch_width (2) does not divide {key} (3)',
    )
    yield 'format-row-positions-missing', with_free_widths({rows: None}), f'{rows} is missing'
    yield 'format-column-positions-missing', with_free_widths({columns: None}), f'{columns} is missing'
    shape = f'{rows} has dimensions {{2, 2, 1, 1}}, expected {{2, 1'
    yield 'format-row-positions-shape', with_free_widths({rows: (2, 2)}), shape
    shape = f'{columns} has dimensions {{2, 3, 1, 1}}, expected {{2, 2'
    yield 'format-column-positions-shape', with_free_widths({columns: (2, 3)}), shape
    yield (
        'unsupported-positions-of-both-kinds',
        with_free_widths({'vision.positions': (2, 2)}),
        "vision.positions is not one of this model's",
    )
    yield (
        'unsupported-column-positions-without-key',
        with_tensors({columns: (2, 2)}),
        f"{columns} is not one of this model's",
    )


def stem_cases():
    key = 'e2str.vision.stem.'
    yield 'ok-stem', with_stem().build(), ''
    yield 'ok-stem-of-signed-numbers', with_stem(channels=(ARRAY, (I32, [4, 5]))).build(), ''
    yield 'format-stem-channels-missing', with_stem(channels=None).build(), key + 'channels is missing'
    yield 'format-stem-strides-missing', with_stem(stride_width=None).build(), key + 'stride_width is missing'
    yield 'format-stem-empty', with_stem(channels=[]).build(), key + 'channels has 0 numbers'
    yield 'limit-stem-layers', with_stem(channels=[1] * 9).build(), key + 'channels has 9 numbers'
    yield (
        'format-stem-strides-too-few',
        with_stem(stride_height=[2]).build(),
        key + 'stride_height has 1 numbers, e2str.vision.stem.channels has 2',
    )
    yield 'format-stem-strides-too-many', with_stem(stride_width=[1, 2, 1]).build(), key + 'stride_width has 3 numbers'
    yield 'format-stem-channels-zero', with_stem(channels=[4, 0]).build(), key + 'channels has a number less than 1'
    negative = with_stem(channels=(ARRAY, (I32, [-4, 5])))
    yield 'format-stem-channels-negative', negative.build(), key + 'channels has a number less than 1'
    yield 'format-stem-channels-number', with_stem(channels=(U32, 4)).build(), key + 'channels has type u32'
    yield (
        'format-stem-channels-of-floats',
        with_stem(channels=(ARRAY, (F32, [4, 5]))).build(),
        key + 'channels is an array',
    )
    yield 'limit-stem-channels', with_stem(channels=[65537, 5]).build(), key + 'channels has the number 65537'
    yield 'format-stem-stride-zero', with_stem(stride_height=[0, 2]).build(), key + 'stride_height has a number less'
    yield (
        'limit-stem-stride',
        with_stem(stride_width=[1, 4]).build(),
        key + 'stride_width has the number 4, more than 2',
    )
    yield (
        'format-stem-height-is-not-the-patch',
        with_stem(stride_height=[2, 2]).build(),
        'stem.stride_height makes patches of 4, e2str.vision.patch_height is 2',
    )
    yield (
        'format-stem-width-is-not-the-patch',
        with_stem(stride_width=[1, 1]).build(),
        'stem.stride_width makes patches of 1, e2str.vision.patch_width is 2',
    )
    large = with_stem(channels=[65536, 5])
    for name in ('height', 'width'):
        large.keys[f'e2str.image.{name}'] = (U32, 256)
    yield 'limit-stem-values', large.build(), 'layer 0 gives 128 x 256 x 65536 numbers'
    yield 'unsupported-stem-key', with_stem(kernel_width=[3, 3]).build(), key + 'kernel_width is not known'
    shape = with_stem({'vision.stem.1.weight': (27, 5)})
    yield (
        'format-stem-weight-shape',
        shape.build(),
        'vision.stem.1.weight has dimensions {27, 5, 1, 1}, expected {36, 5',
    )
    shape = with_stem({'vision.patch.weight': (12, 2)})
    yield 'format-stem-patch-shape', shape.build(), 'vision.patch.weight has dimensions {12, 2, 1, 1}, expected {5, 2'
    missing = with_stem()
    del missing.tensors['vision.stem.0.bias']
    yield 'format-stem-bias-missing', missing.build(), 'vision.stem.0.bias is missing'
    yield (
        'unsupported-stem-tensors-without-keys',
        with_tensors({'vision.stem.0.weight': (27, 4)}),
        "vision.stem.0.weight is not one of this model's",
    )


def memory_cases():
    key, nan = 'e2str.memory.', float('nan')
    yield 'ok-memory', with_memory(), ''
    for name in ('hidden_scale', 'strength', 'gate_from', 'gate_to'):
        yield f'format-memory-{name}-missing', with_memory(**{name: None}), f'{key}{name} is missing'
        yield f'format-memory-{name}-mistyped', with_memory(**{name: (U32, 1)}), f'{key}{name} has type u32'
        yield f'format-memory-{name}-nan', with_memory(**{name: nan}), f'{key}{name} is '
    for name in ('hidden_scale', 'strength'):
        yield f'format-memory-{name}-zero', with_memory(**{name: 0}), f'{key}{name} is 0'
        yield f'format-memory-{name}-infinite', with_memory(**{name: float('inf')}), f'{key}{name} is inf'
    yield 'format-memory-gate-below', with_memory(gate_from=-1.5), f'{key}gate_from is -1.5'
    yield 'format-memory-gate-above', with_memory(gate_to=1.5), f'{key}gate_to is 1.5'
    yield 'format-memory-gate-descending', with_memory(gate_from=0.75), f'{key}gate_from (0.75) is above gate_to (0.5)'
    for name in ('whitening', 'key_mean', 'key_whitening'):
        yield f'format-memory-{name}-tensor-missing', with_memory({name: None}), f'memory.{name} is missing'
    yield (
        'format-memory-whitening-shape',
        with_memory({'whitening': (4, 5)}),
        'memory.whitening has dimensions {4, 5, 1, 1}, expected {5, 5, 1, 1}',
    )
    yield 'format-memory-key_whitening-shape', with_memory({'key_whitening': (5, 5)}), 'expected {2, 2'
    yield 'format-memory-key_mean-shape', with_memory({'key_mean': (2, 2)}), 'memory.key_mean has dimensions {2, 2'
    yield (
        'format-memory-whitening-nan',
        with_memory(values={'whitening': nan}),
        'memory.whitening: a value is not finite',
    )
    yield 'unsupported-memory-key', with_memory(colour=1), key + 'colour'
    yield 'unsupported-memory-tensors-without-keys', with_tensors({'memory.whitening': (5, 5)}), 'memory.whitening'


def confidence_cases():
    key, head, nan = 'e2str.confidence.', 'vision.head.', float('nan')
    yield 'ok-confidence', with_confidence(), ''
    yield 'ok-confidence-without-head', with_confidence({'weight': None, 'bias': None}), ''
    yield 'ok-head-without-confidence', with_confidence(weights=None, textless=None), ''
    for name, numbers in (('weights', 6), ('textless', 2)):
        yield f'format-confidence-{name}-missing', with_confidence(**{name: None}), f'{key}{name} is missing'
        yield f'format-confidence-{name}-mistyped', with_confidence(**{name: (F32, 1)}), f'{key}{name} has type f32'
        yield (
            f'format-confidence-{name}-integers',
            with_confidence(**{name: (ARRAY, (U32, [1] * numbers))}),
            f'{key}{name}',
        )
        for count in (0, numbers - 1, numbers + 1):
            yield (
                f'format-confidence-{name}-{count}',
                with_confidence(**{name: [1.0] * count}),
                f'{key}{name} has {count} numbers, not {numbers}',
            )
        for value in (nan, float('inf')):
            bad = [0.0] * (numbers - 1) + [value]
            yield f'format-confidence-{name}-{value}', with_confidence(**{name: bad}), f'{key}{name} has the value'
    yield 'unsupported-confidence-key', with_confidence(colour=[1.0]), key + 'colour'
    yield 'format-head-weight-shape', with_confidence({'weight': (2, 5)}), head + 'weight has dimensions {2, 5'
    yield 'format-head-bias-shape', with_confidence({'bias': (5,)}), head + 'bias has dimensions {5'
    yield 'format-head-bias-missing', with_confidence({'bias': None}), head + 'bias is missing'
    yield 'unsupported-head-bias-alone', with_confidence({'weight': None}), head + 'bias'


def fusion_cases():
    yield 'ok-fusion', with_fusion(), ''
    for name in ('visual', 'attn_query', 'attn_key_value', 'attn_out', 'gate'):
        for part in ('weight', 'bias'):
            missing = f'{name}.{part}'
            yield f'format-fusion-{name}-{part}-missing', with_fusion({missing: None}), f'fusion.{missing} is missing'
    alone = {name: dims for name, dims in (('fusion.gate.bias', (2,)),)}
    yield 'format-fusion-alone', with_tensors(alone), 'fusion.visual.weight is missing'
    shapes = {'visual.weight': (3, 2), 'attn_query.weight': (2, 4), 'attn_key_value.weight': (2, 2)}
    shapes.update({'attn_key_value.bias': (2,), 'attn_out.bias': (3,), 'gate.weight': (2, 2), 'gate.bias': (4,)})
    for name, dims in shapes.items():
        sizes = ', '.join(str(dim) for dim in dims)
        yield (
            f'format-fusion-{name.replace(".", "-")}-shape',
            with_fusion({name: dims}),
            f'fusion.{name} has dimensions {{{sizes}',
        )
    nan = float('nan')
    yield 'format-fusion-nan', with_fusion(values={'attn_out.weight': nan}), 'attn_out.weight: a value is not finite'
    yield 'unsupported-fusion-tensor', with_fusion({'colour': (2,)}), 'fusion.colour'


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    for name in os.listdir(folder):
        if name.endswith('.gguf'):
            os.remove(os.path.join(folder, name))
    lines = []
    for cases in (
        gguf_cases(),
        model_cases(),
        width_cases(),
        stem_cases(),
        memory_cases(),
        confidence_cases(),
        fusion_cases(),
    ):
        for name, data, words in cases:
            with open(os.path.join(folder, name + '.gguf'), 'wb') as file:
                file.write(data)
            lines.append(f'{name}.gguf\t{words}\n')
    with open(os.path.join(folder, 'expected.tsv'), 'w') as file:
        file.writelines(sorted(lines))


if __name__ == '__main__':
    main()
