#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mean of two checkpoints, weight by weight: of one to go on from and of what a leg made of it.

  average.py BEFORE.pt AFTER.pt OUT.pt [--share .6]

Both have to be near each other, of one shape: the second learnt on from the first, for not too long. Such a mean reads
what either has unlearnt (README.md, What was learnt). OUT.pt is for weights/export and for --start.
"""

import argparse

import torch


def mean_of(before, after, share):
    """A checkpoint of weights alone, of two of the same sizes."""
    first, second = before['model'], after['model']
    model = {name: (1 - share) * first[name].float() + share * second[name].float() for name in second}
    return {'model': model, **{name: after[name] for name in ('sizes', 'stage', 'seen')}}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('before')
    p.add_argument('after')
    p.add_argument('out')
    p.add_argument('--share', type=float, default=0.6, help='of the second, 0 to 1 (default .6)')
    a = p.parse_args()
    if not 0 <= a.share <= 1:
        p.error('--share is from 0 to 1')
    before, after = (torch.load(path, map_location='cpu') for path in (a.before, a.after))
    if before['sizes'] != after['sizes']:
        p.error(f'{a.before} and {a.after} are of different sizes')
    torch.save(mean_of(before, after, a.share), a.out)


if __name__ == '__main__':
    main()
