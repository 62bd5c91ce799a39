#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains e2str-small, or the official architecture, on rendered words (README.md has the commands and what they cost).

  train.py stage1 --out FOLDER [--samples N | --minutes M] [--start CHECKPOINT]
      one word per sequence: reading
  train.py stage2 --out FOLDER --start FOLDER/stage1.pt [...]
      sequences of related words: reading with examples
  train.py stage1 --out FOLDER --resume
      go on after an interruption

Writes FOLDER/STAGE.weights.pt (for weights/export), FOLDER/STAGE.pt (all that --resume and --start need),
FOLDER/STAGE.tsv and FOLDER/STAGE.png (the curve).

Three things make a model of this size learn soon, where autoregressive training with AdamW stands still: a dense loss
(each patch names the character under it), Muon for the matrices, and short easy words first.
"""

import argparse
import functools
import itertools
import math
import os
import sys
import time
from dataclasses import asdict

import numpy as np
import torch
from curve import draw_curve
from data import Stream, draw
from model import PAD, PRESETS, Reader, Sizes
from muon import Muon
from render import Renderer

# Images per sequence, batch by batch; 0: single ones whose width follows the text.
LENGTHS = {'stage1': (1, 0), 'stage2': (9, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, 2, 0)}
LOG_EVERY, SAVE_EVERY, LONG_STEP = 6_400, 600, 30  # samples, seconds, seconds
MUON_LR, ADAM_LR = 0.02, 1.5e-3


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('stage', choices=LENGTHS)
    p.add_argument('--out', required=True, help='folder for checkpoint and curve')
    p.add_argument('--start', help='checkpoint to begin from (weights only)')
    p.add_argument('--resume', action='store_true', help='go on with FOLDER/STAGE.pt, with its optimizer and count')
    p.add_argument('--samples', type=int, default=2_000_000, help='images to train on (default 2,000,000)')
    p.add_argument('--minutes', type=float, help='wall-clock budget of this run instead of --samples')
    p.add_argument(
        '--minutes-at-most',
        type=float,
        default=math.inf,
        help='save and stop by then; --resume goes on towards --samples',
    )
    p.add_argument(
        '--decay',
        type=float,
        default=0.4,
        help='last share of the run in which the learning rate falls to nothing (default .4)',
    )
    p.add_argument('--lr', type=float, default=1.0, help='factor on both learning rates (Muon .02, AdamW 1.5e-3)')
    p.add_argument(
        '--token-lr', type=float, default=1.0, help="factor on the learning rate of characters' vectors beside that"
    )
    p.add_argument(
        '--stem-lr',
        type=float,
        default=1.0,
        help="factor on the stem's learning rate beside that (after a warm start: .25)",
    )
    p.add_argument('--batch', type=int, default=64, help='images per step (default 64; 512 on a GPU)')
    p.add_argument(
        '--curriculum', type=int, default=0, help='samples until words are as hard as they get (from nothing: 500,000)'
    )
    p.add_argument('--size', choices=PRESETS, default='small')
    p.add_argument('--vision', type=int, nargs=2, metavar=('WIDTH', 'LAYERS'), help='other than the preset')
    p.add_argument('--decoder', type=int, nargs=2, metavar=('WIDTH', 'LAYERS'))
    p.add_argument(
        '--all-media', action='store_true', help='text sees the images of the examples too, not only its own'
    )
    p.add_argument('--workers', type=int, default=max(1, (os.cpu_count() or 2) - 1), help='rendering processes')
    p.add_argument('--threads', type=int, default=os.cpu_count(), help='of the steps on a CPU (default: all)')
    p.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    if a.stage == 'stage2' and not a.start and not a.resume:
        p.error('stage2 needs --start CHECKPOINT, or --resume')
    return a


def chosen_sizes(a):
    s = Sizes(**asdict(PRESETS[a.size]))
    if a.vision:
        s.vision_width, s.vision_layers, s.vision_mlp = a.vision[0], a.vision[1], 4 * a.vision[0]
    if a.decoder:
        s.decoder_width, s.decoder_layers = a.decoder
        s.decoder_mlp, s.cross_inner, s.cross_mlp = 4 * a.decoder[0], a.decoder[0], 2 * a.decoder[0]
    s.immediate = not a.all_media
    return s


def turns(name, parameter, sizes):
    """Whether Muon takes a parameter: matrices and the stem, but no table, and no patch product or head."""
    if 'stem' in name or sizes.stem and 'conv1' in name:
        return parameter.ndim == 4
    return parameter.ndim == 2 and not any(part in name for part in ('embed', 'latents', 'aux'))


class Run:
    """Model, optimizers and counts; what a checkpoint holds."""

    def __init__(self, a):
        self.a, self.path = a, os.path.join(a.out, a.stage + '.pt')
        begin = self.path if a.resume else a.start
        state = torch.load(begin, map_location='cpu') if begin else None
        sizes = Sizes(**state['sizes']) if state else chosen_sizes(a)
        sizes.immediate = sizes.immediate and not a.all_media
        torch.manual_seed(a.seed)
        self.net = Reader(sizes).to(a.device)
        if state:
            self.net.load_state_dict({k: v.float() for k, v in state['model'].items()})
        if a.stage == 'stage2' and sizes.stride and not a.resume and state.get('stage') != 'stage2':
            self.net.m.lang_encoder.model.decoder.spread_positions()
        # matrices turn in space, everything else (norms, biases, gates, embeddings, the patch head) takes AdamW
        matrices = [p for n, p in self.net.named_parameters() if turns(n, p, sizes)]
        self.muon = Muon(matrices, [a.stem_lr if p.ndim == 4 else 1.0 for p in matrices], MUON_LR * a.lr)
        rest = [(n, p) for n, p in self.net.named_parameters() if not turns(n, p, sizes)]
        tables = [p for n, p in rest if 'embed_tokens' in n or 'aux' in n]
        others = [p for n, p in rest if not ('embed_tokens' in n or 'aux' in n)]
        groups = [{'params': others, 'factor': 1.0}, {'params': tables, 'factor': a.token_lr}]
        self.adam = torch.optim.AdamW(groups, ADAM_LR * a.lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.samples, self.before, self.curve = 0, state.get('seen', 0) if state else 0, []
        if a.resume:
            self.samples, self.before, self.curve = state['samples'], state['before'], state['curve']
            self.muon.load(state['muon'])
            self.adam.load_state_dict(state['adam'])

    def save(self):
        """Replaces the files only when the new ones are whole."""
        state = {
            'model': self.net.state_dict(),
            'sizes': asdict(self.net.sizes),
            'stage': self.a.stage,
            'samples': self.samples,
            'before': self.before,
            'seen': self.before + self.samples,
            'curve': self.curve,
            'muon': self.muon.state(),
            'adam': self.adam.state_dict(),
        }
        weights = {name: state[name] for name in ('model', 'sizes', 'stage', 'seen')}
        for path, what in ((self.path, state), (os.path.join(self.a.out, self.a.stage + '.weights.pt'), weights)):
            torch.save(what, path + '.part')
            os.replace(path + '.part', path)
        draw_curve(self.curve, os.path.join(self.a.out, self.a.stage))

    def step(self, images, ids, under, taught, scale):
        device = self.a.device
        images, ids, under, taught = (
            torch.from_numpy(x).to(device, non_blocking=True) for x in (images, ids, under, taught)
        )
        with torch.autocast(device.split(':')[0], dtype=torch.bfloat16, enabled=has_bf16(device)):
            read, target, patch = self.net.losses(images, ids, under, taught)
        real = target != PAD
        self.net.zero_grad(set_to_none=True)
        (read.sum() / real.sum() + patch).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for group in self.adam.param_groups:
            group['lr'] = ADAM_LR * self.a.lr * scale * group['factor']
        self.adam.step()
        self.muon.step(scale)
        self.samples += len(images)
        with torch.no_grad():  # [T] summed loss and count by place in the sequence
            return read.sum((0, 2)).tolist(), real.sum((0, 2)).tolist(), patch.item()


class Means:
    """Running means of the losses since the last line of the log; by place in the sequence, since that shows whether
    examples help."""

    def __init__(self):
        self.sums, self.patch = {}, []

    def add(self, read, count, patch):
        self.patch.append(patch)
        for place, (loss, n) in enumerate(zip(read, count)):
            old = self.sums.get(place, (0.0, 0))
            self.sums[place] = (old[0] + loss, old[1] + n)

    def take(self):
        def mean(*places):
            chosen = [self.sums[p] for p in places if p in self.sums]
            return sum(loss for loss, _ in chosen) / max(1, sum(n for _, n in chosen)) if chosen else math.nan

        row = {
            'read': mean(*self.sums),
            'patch': float(np.mean(self.patch)),
            'first': mean(0),
            'third': mean(2),
            'ninth': mean(8),
        }
        self.__init__()
        return row


@functools.cache
def has_bf16(device):
    """Whether the device multiplies bfloat16 itself; a CPU that does not is the faster in float32."""
    if not device.startswith('cpu'):
        return True
    try:
        with open('/proc/cpuinfo') as f:
            return not {'avx512_bf16', 'amx_bf16', 'bf16'}.isdisjoint(f.read().split())
    except OSError:
        return False


def held_out(net, samples, device):
    """Share of held-out words read exactly, without examples."""
    net.eval()
    with torch.autocast(device.split(':')[0], dtype=torch.bfloat16, enabled=has_bf16(device)):
        right = [
            text == sample.text
            for _, alike in itertools.groupby(samples, lambda s: s.image.shape)
            for some in [list(alike)]
            for text, sample in zip(net.read(torch.from_numpy(np.stack([s.image for s in some])).to(device)), some)
        ]
    net.train()
    return float(np.mean(right))


def words_held_out(free):
    """256, free: in their own widths; ordered by width."""
    renderer = Renderer()
    words = [s for i in range(300) for s in draw(renderer, f'held out {i}', 1, free=free)][:256]
    return sorted(words, key=lambda s: s.image.shape)


def scale_of(a, steps, done):
    """Learning rate as a share of the full one: 100 steps of warming up, and a fall to nothing over the last part of
    the run. done: 0..1."""
    falling = (1 - done) / a.decay + 0.005 if a.decay else 1.0
    return min(1, steps / 100) * min(1, falling)


class Clock:
    """Seconds of running: an interruption (a stopped process, a machine asleep) counts as no more than a long step."""

    def __init__(self):
        self.seconds, self.last = 0.0, time.monotonic()

    def tick(self):
        now = time.monotonic()
        self.seconds += min(now - self.last, LONG_STEP)
        self.last = now
        return self.seconds


def report(run, means, test, device, scale, rate):
    """Adds a row to the curve and prints it."""
    row = {'samples': run.before + run.samples, 'scale': scale, **means.take()}
    row.update(held_out=held_out(run.net, test, device), rate=rate)
    run.curve.append(row)
    print('  '.join(f'{k} {v:.4g}' if isinstance(v, float) else f'{k} {v}' for k, v in row.items()), flush=True)


def learn(a, run, stream, test):
    """Steps until the run is done or its time is over, with a line of the log and a checkpoint from time to time."""
    clock, means = Clock(), Means()
    steps, logged, logged_at, saved_at = 0, run.samples, 0.0, 0.0
    while True:
        now = clock.tick()
        done = now / 60 / a.minutes if a.minutes else run.samples / a.samples
        if done >= 1 or now > 60 * a.minutes_at_most:
            return
        steps += 1
        scale = scale_of(a, steps, done)
        means.add(*run.step(*next(stream), scale))
        if run.samples - logged >= LOG_EVERY:
            now = clock.tick()
            report(run, means, test, a.device, scale, (run.samples - logged) / (now - logged_at))
            logged, logged_at = run.samples, now
        if clock.tick() - saved_at >= SAVE_EVERY:
            run.save()
            saved_at = clock.tick()


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    if a.device == 'cpu':
        torch.set_num_threads(a.threads)
    run = Run(a)
    test = words_held_out(run.net.sizes.columns > 0)
    stream = Stream(
        a.workers,
        f'{a.seed} {a.stage} {run.samples + run.before}',
        run.net.sizes.patch,
        LENGTHS[a.stage],
        a.curriculum,
        a.batch,
    )
    print(f'{sum(p.numel() for p in run.net.parameters()):,} weights on {a.device}, {a.workers} rendering', flush=True)
    learn(a, run, stream, test)
    run.save()
    exact = held_out(run.net, test, a.device)
    print(f'{run.path}: {run.before + run.samples:,} samples in all, {exact:.3f} of held-out words exact')


if __name__ == '__main__':
    sys.exit(main())
