"""Model and pool files against the Python package gguf, an independent writer and reader: make interop

Prints "ok - name" or "not ok - name" lines for tests/run.sh. SPDX-License-Identifier: MIT
"""
import os
import subprocess
import tempfile

import gguf
import numpy as np

E2STR = os.path.join(os.environ.get("BUILD", "build"), "e2str")
MODEL = "weights/e2str-small.gguf"
IMAGES = "examples/images"


def check(name, good):
    print(("ok - " if good else "not ok - ") + name, flush=True)


def run(*arguments):
    result = subprocess.run([E2STR, *arguments], stdout=subprocess.PIPE, check=True)
    return result.stdout.decode()


def rewrite(source, target, tensor_type):
    """Writes the model again with gguf.GGUFWriter: tensors in reverse order, matrices in another type."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "e2str")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
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


def main():
    images = sorted(os.path.join(IMAGES, name) for name in os.listdir(IMAGES) if name.endswith((".png", ".jpg")))
    expected = run("read", "-m", MODEL, *images)
    texts = [line.split("\t")[1] for line in expected.splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("F32", "F16", "BF16", "Q8_0"):
            path = os.path.join(folder, kind + ".gguf")
            rewrite(MODEL, path, gguf.GGMLQuantizationType[kind])
            read = run("read", "-m", path, *images)
            if kind in ("F32", "F16"):  # the weights are f16 in the shipped file: nothing is lost
                check(f"a model in {kind} of another writer reads the same", read == expected)
            else:
                same = sum(a == b.split("\t")[1] for a, b in zip(texts, read.splitlines()))
                check(f"a model in {kind} of another writer reads nearly the same", same >= len(texts) - 2)

        labels = {line.split("\t")[1].strip() for line in open(os.path.join(IMAGES, "labels.tsv"), encoding="utf-8")}
        for storage, kind in (("f16", "F16"), ("f32", "F32")):
            path = os.path.join(folder, storage + ".pool")
            run("pool", "add", path, "-m", MODEL, "--storage", storage, "--labels", os.path.join(IMAGES, "labels.tsv"))
            reader = gguf.GGUFReader(path)
            tensors = {tensor.name: tensor for tensor in reader.tensors}
            keys, tokens = tensors["keys"], tensors["tokens"]
            check(f"another reader finds the {storage} pool's architecture",
                  reader.fields["general.architecture"].contents() == "e2str-pool")
            check(f"its labels in {storage}", set(reader.fields["e2str.pool.labels"].contents()) == labels)
            check(f"its ids in {storage}", reader.fields["e2str.pool.ids"].contents() == list(range(1, len(labels) + 1)))
            check(f"its keys in {storage}", np.allclose(np.linalg.norm(keys.data, axis=1), 1, atol=1e-5))
            check(f"its tokens in {storage}", tokens.tensor_type.name == kind and tokens.shape[-1] == len(labels))


if __name__ == "__main__":
    main()
