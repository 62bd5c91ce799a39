#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a checkpoint to go on training from (train.py --start) out of the shipped model file and what it leaves out.

  build/venv/bin/python weights/train/from_gguf.py [weights/e2str-small.gguf [weights/train/rest.npz]] OUT.pt

rest.npz (weights/export --rest) holds that, as float16: `head`, weight rows and bias of the head that names the
character under each patch [tokens, width + 1], and `columns`, the positions of all columns [columns, width], of which
a file of one width for all pictures has only its own; one of free widths has them all. A head that the file has
(calibrate.py) counts instead.
"""

import argparse
import os
import sys
from dataclasses import asdict

import gguf
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from e2str_gguf import Settings, as_float32, layout, shapes_of  # noqa: E402
from model import FIRST, STEM_STRIDES, Reader, Sizes  # noqa: E402

VISION = 'm.vision_encoder.'


def sizes_in(reader):
    """The Sizes that the metadata of one of our own files tells."""

    def value(key):
        return reader.fields[key].contents()

    def optional(key, default):
        return value(key) if key in reader.fields else default

    return Sizes(
        patch=(value('e2str.vision.patch_height'), value('e2str.vision.patch_width')),
        stem=tuple(optional('e2str.vision.stem.channels', ())),
        vision_width=value('e2str.vision.width'),
        vision_layers=value('e2str.vision.layers'),
        vision_mlp=value('e2str.vision.feed_forward'),
        decoder_width=value('e2str.decoder.width'),
        decoder_layers=value('e2str.decoder.layers'),
        decoder_mlp=value('e2str.decoder.feed_forward'),
        cross_inner=value('e2str.cross.heads') * value('e2str.cross.head_size'),
        cross_mlp=value('e2str.cross.feed_forward'),
        head=value('e2str.cross.head_size'),
        positions=value('e2str.decoder.positions'),
        stride=optional('e2str.decoder.segment_stride', 0),
        immediate=value('e2str.cross.only_immediate_media'),
        columns=value('e2str.image.width') // value('e2str.vision.patch_width')
        if 'e2str.image.min_width' in reader.fields
        else 0,
        alphabet=''.join(value('tokenizer.ggml.tokens')[FIRST:]),
    )


def split_positions(state, columns):
    """Row and column embeddings in place of the table, which is their sum."""
    table = state.pop(VISION + 'positional_embedding')[1:]
    grid = table.view(-1, 32, table.shape[1])
    state[VISION + 'row_embedding'] = (grid - columns[: grid.shape[1]]).mean(1)
    state[VISION + 'column_embedding'] = columns


def read(path: str, rest=None) -> Reader:
    """The Reader that a model file holds. rest: what rest.npz holds; without it a table of positions stays one, and the
    patch head is random, unless the file has it (calibrate.py), which then counts."""
    reader = gguf.GGUFReader(path)
    sizes = sizes_in(reader)
    net = Reader(sizes)
    shapes = as_float32({k[2:]: v for k, v in net.state_dict().items() if k.startswith('m.')})
    settings = Settings(
        image_width=reader.fields['e2str.image.width'].contents(),
        min_width=sizes.patch[1] if sizes.columns else 0,  # any: only the layout depends on it
        stem_strides=STEM_STRIDES if sizes.stem else (),
    )
    tensors = {t.name: t for t in reader.tensors}
    state = net.state_dict()
    for entry in layout(shapes_of(shapes, settings), norm_post=True):
        rows = gguf.quants.dequantize(tensors[entry.name].data, tensors[entry.name].tensor_type).reshape(entry.shape)
        for part, (name, shape) in zip(np.split(rows, len(entry.parts)), entry.parts):
            state['m.' + name] = torch.from_numpy(np.array(part, np.float32).reshape(shape))
    if rest is not None:
        if not sizes.columns and len(rest['columns']):
            sizes.columns = len(rest['columns'])
            net = Reader(sizes)
            split_positions(state, torch.from_numpy(rest['columns'].astype(np.float32)))
        head = torch.from_numpy(rest['head'].astype(np.float32))
        state['aux.weight'], state['aux.bias'] = head[:, :-1].contiguous(), head[:, -1].contiguous()
    if 'vision.head.weight' in tensors:
        for part in ('weight', 'bias'):
            found = tensors[f'vision.head.{part}']
            rows = gguf.quants.dequantize(found.data, found.tensor_type).reshape(state[f'aux.{part}'].shape)
            state[f'aux.{part}'] = torch.from_numpy(np.array(rows, np.float32))
    net.load_state_dict(state)
    return net


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('given', nargs='*', metavar='FILE', help='model file, then .npz; default: the shipped ones')
    p.add_argument('out', metavar='OUT.pt')
    a = p.parse_args()
    if len(a.given) > 2:
        p.error('more than a model file, an .npz and OUT.pt')
    shipped = os.path.join(HERE, '..', 'e2str-small.gguf'), os.path.join(HERE, 'rest.npz')
    path, rest = (*a.given, *shipped[len(a.given) :])
    net = read(path, np.load(rest))
    torch.save({'model': net.state_dict(), 'sizes': asdict(net.sizes), 'stage': 'stage2', 'seen': 0}, a.out)
    print(f'{a.out}: the weights of {os.path.normpath(path)}')


if __name__ == '__main__':
    main()
