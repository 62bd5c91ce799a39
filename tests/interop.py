"""Model and pool files against the Python package gguf, an independent writer and reader: make interop

Prints "ok - name" or "not ok - name" lines for tests/run.sh. SPDX-License-Identifier: MIT
"""

import os
import subprocess
import sys
import tempfile

import gguf
import numpy as np

BUILD = os.environ.get('BUILD', 'build')
os.environ['E2STR_LIBRARY'] = os.path.join(BUILD, 'libe2str.so')
sys.path.append('examples/python')
from e2str import Reader

E2STR = os.path.join(BUILD, 'e2str')
MODEL = 'weights/e2str-small.gguf'
IMAGES = 'examples/images'
GOLDEN = 'tests/golden/plain'  # in F32; rows of 32 and 64 columns, and of 48 in vision.patch.weight


def check(name, good):
    print(('ok - ' if good else 'not ok - ') + name, flush=True)


def run(*arguments):
    result = subprocess.run([E2STR, *arguments], stdout=subprocess.PIPE, check=True)
    return result.stdout.decode()


def rewrite(source, target, tensor_type):
    """Writes the model again with gguf.GGUFWriter: tensors in reverse order, matrices in another type."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, 'e2str')
    for name, field in reader.fields.items():
        if name.startswith('GGUF.') or name == 'general.architecture':
            continue
        kind = field.types[0]
        sub_type = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type)
    for tensor in reversed(reader.tensors):
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        values = values.reshape(tensor.shape[::-1])
        fits = tensor_type != gguf.GGMLQuantizationType.Q8_0 or values.shape[-1] % 32 == 0
        kind = tensor_type if values.ndim == 2 and fits else gguf.GGMLQuantizationType.F32
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(source, target, kind):
    """Runs the tool; returns (exit status, what it printed)."""
    command = [sys.executable, 'weights/quantize', source, target, '--type', kind.lower()]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return result.returncode, result.stdout.decode()


def metadata(reader):
    return {
        name: b''.join(part.tobytes() for part in field.parts)
        for name, field in reader.fields.items()
        if not name.startswith('GGUF.')
    }


def expected_type(tensor, kind):
    if len(tensor.shape) == 1:
        return 'F32'
    if tensor.name in ('vision.positions', 'vision.row_positions', 'vision.column_positions', 'decoder.positions'):
        return 'F32' if kind == 'F32' else 'F16'
    return 'BF16' if kind == 'Q8_0' and tensor.shape[0] % 32 else kind


def one_scale_per_row(values, data):
    """Whether Q8_0 `data` holds `values` with one scale per row: the least F16 that is not below largest / 127."""
    blocks = data.reshape(len(values), -1, 34)
    scales = np.ascontiguousarray(blocks[:, :, :2]).view(np.float16)[:, :, 0]
    quants = np.ascontiguousarray(blocks[:, :, 2:]).view(np.int8).reshape(values.shape).astype(np.float64)
    scale, least = scales[:, :1].astype(np.float64), np.abs(values).max(axis=1, keepdims=True) / 127.0
    below = np.nextafter(scales[:, :1], np.float16(0)).astype(np.float64)
    return (
        (scales == scales[:, :1]).all()
        and (below < least).all()
        and (least <= scale).all()
        and (np.abs(quants).max(axis=1) == 127).all()
        and (np.abs(quants * scale - values) <= scale * 0.500001).all()
    )


def read_golden(path, image):
    """(retrieval key, what is read) by the library."""
    with Reader(path, precision='file') as reader:
        return reader.encode([image]).keys[0], reader.read(image, max_tokens=8)


def check_quantize(folder):
    reader, golden = gguf.GGUFReader(GOLDEN + '.gguf'), gguf.GGUFReader(GOLDEN + '.golden.gguf')
    image = next(t.data for t in golden.tensors if t.name == 'image.0').view(np.uint8).copy()
    key, answer = read_golden(GOLDEN + '.gguf', image)
    for kind, limit in (('F32', 0), ('F16', 1e-3), ('BF16', 5e-3), ('Q8_0', 1e-2)):
        path = os.path.join(folder, f'quantized-{kind}.gguf')
        status, lines = quantize(GOLDEN + '.gguf', path, kind)
        written = gguf.GGUFReader(path)
        check(
            f'quantize to {kind}: a line for each tensor and a total',
            status == 0
            and [line.split()[0] for line in lines.splitlines()] == [t.name for t in reader.tensors] + [path + ':'],
        )
        check(f'quantize to {kind}: metadata', metadata(written) == metadata(reader))
        check(
            f'quantize to {kind}: types, names and shapes',
            [(t.name, t.tensor_type.name, t.shape.tolist()) for t in written.tensors]
            == [(t.name, expected_type(t, kind), t.shape.tolist()) for t in reader.tensors],
        )
        its_key, its_answer = read_golden(path, image)
        check(
            f'quantize to {kind}: the library reads it, key off by at most {limit}',
            np.abs(its_key - key).max() <= limit * np.abs(key).max(),
        )
        if kind in ('F32', 'F16'):
            check(f'quantize to {kind}: the same text', its_answer.tokens == answer.tokens)
        if kind == 'Q8_0':
            check(
                'quantize to Q8_0: one scale per row',
                all(
                    one_scale_per_row(a.data, b.data)
                    for a, b in zip(reader.tensors, written.tensors)
                    if b.tensor_type.name == 'Q8_0'
                ),
            )

    path, back, again = (os.path.join(folder, f'quantized-{part}.gguf') for part in ('Q8_0', 'back', 'again'))
    quantize(path, back, 'F32')
    quantize(back, again, 'Q8_0')
    contents = [open(name, 'rb').read() for name in (path, again)]
    check('quantize from Q8_0 to F32 and back loses nothing', contents[0] == contents[1])

    refused = os.path.join(folder, 'refused.gguf')
    status, lines = quantize(GOLDEN + '.golden.gguf', refused, 'F16')
    check('quantize refuses what is no model, by name', status == 1 and GOLDEN + '.golden.gguf' in lines)
    check('and leaves no file', not [name for name in os.listdir(folder) if name.startswith('refused')])


def check_set_key(folder):
    path, again = os.path.join(folder, 'trimmed.gguf'), os.path.join(folder, 'again.gguf')
    tool = [sys.executable, 'weights/set_key']
    subprocess.run([*tool, GOLDEN + '.gguf', path, 'e2str.image.trim', 'true'], check=True)
    before, after = gguf.GGUFReader(GOLDEN + '.gguf'), gguf.GGUFReader(path)
    added = dict(metadata(after))
    check('set_key adds a key', after.fields['e2str.image.trim'].contents() is True and added.pop('e2str.image.trim'))
    check('and keeps the others', added == metadata(before))
    check(
        'and the tensors',
        [(t.name, t.tensor_type, t.data.tobytes()) for t in after.tensors]
        == [(t.name, t.tensor_type, t.data.tobytes()) for t in before.tensors],
    )
    check('the library opens it', 'trimmed' in run('info', path))
    subprocess.run([*tool, path, again, 'e2str.image.trim', 'false'], check=True)
    subprocess.run([*tool, again, again, 'e2str.image.trim', 'true'], check=True)
    contents = [open(name, 'rb').read() for name in (path, again)]
    check('set_key replaces a key in its place', contents[0] == contents[1])


def main():
    images = sorted(os.path.join(IMAGES, name) for name in os.listdir(IMAGES) if name.endswith(('.png', '.jpg')))
    expected = run('read', '--precision', 'f32', '-m', MODEL, *images)
    texts = [line.split('\t')[1] for line in expected.splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        check_quantize(folder)
        check_set_key(folder)
        for kind in ('F32', 'F16', 'BF16', 'Q8_0'):
            path = os.path.join(folder, kind + '.gguf')
            rewrite(MODEL, path, gguf.GGMLQuantizationType[kind])
            read = run('read', '--precision', 'f32', '-m', path, *images)
            if kind == 'F32':  # nothing is lost
                check(f'a model in {kind} of another writer reads the same', read == expected)
            else:
                same = sum(a == b.split('\t')[1] for a, b in zip(texts, read.splitlines()))
                check(f'a model in {kind} of another writer reads nearly the same', same >= len(texts) - 2)

        labels = {line.split('\t')[1].strip() for line in open(os.path.join(IMAGES, 'labels.tsv'), encoding='utf-8')}
        for storage, kind in (('f16', 'F16'), ('f32', 'F32')):
            path = os.path.join(folder, storage + '.pool')
            run('pool', 'add', path, '-m', MODEL, '--storage', storage, '--labels', os.path.join(IMAGES, 'labels.tsv'))
            reader = gguf.GGUFReader(path)
            tensors = {tensor.name: tensor for tensor in reader.tensors}
            keys, tokens = tensors['keys'], tensors['tokens']
            check(
                f"another reader finds the {storage} pool's architecture",
                reader.fields['general.architecture'].contents() == 'e2str-pool',
            )
            check(f'its labels in {storage}', set(reader.fields['e2str.pool.labels'].contents()) == labels)
            check(
                f'its ids in {storage}', reader.fields['e2str.pool.ids'].contents() == list(range(1, len(labels) + 1))
            )
            check(f'its keys in {storage}', np.allclose(np.linalg.norm(keys.data, axis=1), 1, atol=1e-5))
            counts = reader.fields['e2str.pool.token_counts'].contents()
            check(
                f'its tokens in {storage}',
                tokens.tensor_type.name == kind and len(counts) == len(labels) and tokens.shape[-1] == sum(counts),
            )


if __name__ == '__main__':
    main()
