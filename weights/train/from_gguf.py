#!/usr/bin/env python3
"""Makes a checkpoint to go on training from (train.py --start) out of the shipped model file and its patch head.

  build/venv/bin/python weights/train/from_gguf.py [weights/e2str-small.gguf] OUT.pt

For models of train.py's default sizes. patch_head.npy holds what the model file leaves out: weight rows and bias of the head that names the
character under each patch, float16 [98, 193].
"""
import os
import sys
from dataclasses import asdict

import gguf
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from e2str_gguf import Settings, as_float32, layout, sizes_of  # noqa: E402
from model import Reader, Sizes  # noqa: E402


def read(path):
    """State dict of a Reader with the weights of the model file."""
    net = Reader(Sizes())
    shapes = as_float32({k[2:]: v for k, v in net.state_dict().items() if k.startswith('m.')})
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}
    state = {}
    for entry in layout(sizes_of(shapes, Settings()), norm_post=True):
        rows = gguf.quants.dequantize(tensors[entry.name].data, tensors[entry.name].tensor_type).reshape(entry.shape)
        for part, (name, shape) in zip(np.split(rows, len(entry.parts)), entry.parts):
            state['m.' + name] = torch.from_numpy(np.array(part, np.float32).reshape(shape))
    head = torch.from_numpy(np.load(os.path.join(HERE, 'patch_head.npy')).astype(np.float32))
    state['aux.weight'], state['aux.bias'] = head[:, :-1].contiguous(), head[:, -1].contiguous()
    net.load_state_dict(state)
    return net.state_dict()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    path = sys.argv[1] if len(sys.argv) == 3 else os.path.join(HERE, '..', 'e2str-small.gguf')
    torch.save({'model': read(path), 'sizes': asdict(Sizes()), 'stage': 'stage2'}, sys.argv[-1])
    print(f'{sys.argv[-1]}: the weights of {os.path.normpath(path)}')


if __name__ == '__main__':
    main()
