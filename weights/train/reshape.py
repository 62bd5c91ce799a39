#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Gives a checkpoint another shape and keeps what it learnt.

  reshape.py IN.pt OUT.pt [--stem] [--columns] [--alphabet]

--stem      the patch product becomes three convolutions and a 1 x 1 that compute the same, to the last bits
--columns   the table of positions becomes a row's plus a column's, by least squares; columns beyond the 32nd begin as
            the last
--alphabet  tokens for all of alphabet.CHARSET, which begin as a weak copy of what they look like; longer texts
"""

import argparse
from dataclasses import asdict

import torch
from alphabet import base
from model import PAD, STEM, STEM_STRIDES, TOKEN, Reader, Sizes


def rotation(n, seed):
    """A random orthogonal matrix [n, n]."""
    return torch.linalg.qr(torch.randn(n, n, generator=torch.Generator().manual_seed(seed)))[0]


def stem_of(patch: torch.Tensor) -> dict[str, torch.Tensor]:
    """The stem that computes the patch product `patch` [w, 3, 8, 4] exactly, as {name: tensor}, with its 1 x 1 [w,
    channels].

    Since GELU(v) - GELU(-v) = v, a pair of channels carries a value through the activation. Each convolution gathers
    the block of values that its stride leaves room for (2 x 2 pixels of 3 values, 2 x 2 of 12, 2 x 1 of 48: all 96 of
    a patch), turned at random, in pairs; the other taps of its 3 x 3 begin at zero. Spare channels are random, and
    nothing reads them yet."""
    state, channels, values = {}, 3, 3
    basis = torch.eye(3).view(3, 3, 1, 1)  # [value, 3, height, width]: value = basis . the pixels under it
    for i, (out, (dy, dx)) in enumerate(zip(STEM, STEM_STRIDES)):
        block = values * dy * dx
        turn = rotation(block, i).view(block, values, dy, dx)
        gather = torch.zeros(block, channels, 3, 3)
        inside = slice(1, 1 + dx)  # columns of the kernel that lie in the block; its rows are the last two
        gather[:, :values, 1:, inside] = turn
        if i > 0:
            gather[:, values : 2 * values, 1:, inside] = -turn
        spare = (
            torch.randn(out - 2 * block, channels, 3, 3, generator=torch.Generator().manual_seed(9))
            * (2 / 9 / channels) ** 0.5
        )
        state[f'stem.{i}.weight'], state[f'stem.{i}.bias'] = torch.cat([gather, -gather, spare]), torch.zeros(out)
        height, width = basis.shape[2:]
        basis = torch.einsum('bvyx,vchw->bcyhxw', turn, basis).reshape(block, 3, dy * height, dx * width)
        channels, values = out, block
    product = patch.flatten(1) @ basis.flatten(1).T  # the basis is orthogonal
    state['conv1.weight'] = torch.cat([product, -product], 1)[..., None, None]
    return state


def add_stem(model: dict[str, torch.Tensor], sizes: Sizes):
    sizes.stem = STEM
    for name, tensor in stem_of(model['m.vision_encoder.conv1.weight']).items():
        model['m.vision_encoder.' + name] = tensor.contiguous()


def add_columns(model: dict[str, torch.Tensor], sizes: Sizes):
    """Row and column means of the old table: what is left over is printed as a share of its variance."""
    wanted = Sizes()
    table, vision = model.pop('m.vision_encoder.positional_embedding'), 'm.vision_encoder.'
    grid = table[1:].view(32 // sizes.patch[0], -1, table.shape[1])
    rows, columns = grid.mean(1), grid.mean(0) - grid.mean((0, 1))
    rest = grid - rows[:, None] - columns
    print(f"positions: {rest.var() / grid.var():.3f} of their variance are neither a row's nor a column's")
    more = columns[-1] + 0.02 * torch.randn(wanted.columns - len(columns), table.shape[1])
    model[vision + 'class_embedding'] = model[vision + 'class_embedding'] + table[0]
    model[vision + 'row_embedding'], model[vision + 'column_embedding'] = rows, torch.cat([columns, more])
    sizes.columns = wanted.columns


def add_characters(model: dict[str, torch.Tensor], sizes: Sizes):
    """New rows of the token table and of the patch head: .7 of what the character looks like, so that the old one
    wins at first; longer segments, whose further slots begin as the last of the old ones."""
    wanted, tokens, positions = (
        Sizes(),
        'm.lang_encoder.model.decoder.embed_tokens.weight',
        'm.lang_encoder.model.decoder.embed_positions.weight',
    )
    assert wanted.alphabet.startswith(sizes.alphabet)
    like = torch.tensor([PAD if c == ' ' else TOKEN[base(c)] for c in wanted.alphabet[len(sizes.alphabet) :]])
    for name in (tokens, 'aux.weight'):
        table = model[name]
        rows = torch.where(like[:, None] == PAD, torch.zeros(()), 0.7 * table[like])
        model[name] = torch.cat([table, rows + 0.02 * torch.randn_like(rows)])
    model['aux.bias'] = torch.cat([model['aux.bias'], model['aux.bias'][like] - 2])
    old = model[positions]
    segments = [old[2 + i : 2 + i + sizes.stride] for i in range(0, sizes.positions - sizes.stride + 1, sizes.stride)]
    longer = [torch.cat([s, s[-1:] + 0.02 * torch.randn(wanted.stride - len(s), s.shape[1])]) for s in segments]
    table = torch.cat([old[:2], *longer])
    assert len(table) == wanted.positions + 2
    model[positions] = table
    sizes.alphabet, sizes.stride, sizes.positions = wanted.alphabet, wanted.stride, wanted.positions


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('checkpoint')
    p.add_argument('out')
    for shape in ('--stem', '--columns', '--alphabet'):
        p.add_argument(shape, action='store_true')
    a = p.parse_args()
    state = torch.load(a.checkpoint, map_location='cpu')
    model, sizes = dict(state['model']), Sizes(**state['sizes'])
    torch.manual_seed(1)
    if a.stem:
        add_stem(model, sizes)
    if a.columns:
        add_columns(model, sizes)
    if a.alphabet:
        add_characters(model, sizes)
    Reader(sizes).load_state_dict(model)
    torch.save({**state, 'model': model, 'sizes': asdict(sizes)}, a.out)


if __name__ == '__main__':
    main()
