# SPDX-License-Identifier: MIT
"""Encoding one image of the paper's size: PyTorch through the reference program against the library, in turn.

    pytorch.py REFERENCE.py LIBRARY.so SECONDS TYPE=FILE...

Random weights on both sides; what is compared is time. Two threads each.
"""

import importlib.util
import os
import sys
import time

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'examples', 'python'))

THREADS = 2


def library_encoder(path, pixels):
    """A function that encodes the picture once."""
    from e2str import Reader

    reader = Reader(path, threads=THREADS)
    return lambda: reader.encode([pixels])


def torch_encoder(reference, dtype, pixels):
    config = reference.Config()
    random = {name: torch.randn(shape) for name, shape in reference.shapes(config).items()}
    scaled = {name: weight / max(1, weight[0].numel()) ** 0.5 for name, weight in random.items()}
    model = reference.E2STR(config, {name: weight.to(dtype) for name, weight in scaled.items()})
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(dtype) / 255

    def run():
        with torch.inference_mode():
            model.encode(planes)

    return run


def race(entries, seconds):
    """Least time of each entry. They take turns until each has run for `seconds`; between two turns the threads of
    OpenMP, which go on spinning for a while after their work, get time to fall asleep."""
    best = dict.fromkeys(entries, float('inf'))
    spent = dict.fromkeys(entries, 0.0)
    for run in entries.values():
        run()
    while min(spent.values()) < seconds:
        for name, run in entries.items():
            if spent[name] >= seconds:
                continue
            time.sleep(0.05)
            begin = time.perf_counter()
            run()
            took = time.perf_counter() - begin
            best[name] = min(best[name], took)
            spent[name] += took
    return best


def main():
    reference_path, library_path, seconds, *models = sys.argv[1:]
    spec = importlib.util.spec_from_file_location('reference', reference_path)
    reference = importlib.util.module_from_spec(spec)
    sys.modules['reference'] = reference
    spec.loader.exec_module(reference)
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    pixels = np.random.default_rng(1).integers(0, 256, (32, 128, 3), np.uint8)
    os.environ['E2STR_LIBRARY'] = library_path
    entries = {('libe2str', *model.split('=', 1)): None for model in models}
    for by, name, path in entries:
        entries[by, name, path] = library_encoder(path, pixels)
    for name, dtype in (('f32', torch.float32), ('bf16', torch.bfloat16)):
        entries['PyTorch', name, ''] = torch_encoder(reference, dtype, pixels)
    print('what,by,type,model,shape,threads,us,rate,unit,of_peak')
    for (by, name, _), took in race(entries, float(seconds)).items():
        print(f'encode against PyTorch,{by},{name},paper,,{THREADS},{took * 1e6:.3f},{1 / took:.4g},images/s,')


main()
