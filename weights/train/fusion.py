#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds to a model file the fusion block of a second look (docs/two-looks.md; docs/model.md, section 14), trained on
drawn words while all other weights stay as they are.

  build/venv/bin/python weights/train/fusion.py IN.gguf OUT.gguf [--words 1000] [--groups 0] [--steps 1200]
      [--minutes 5] [--threads 1] [--part FILE] [--from FILE]

Half of the words stand alone, in their own widths; the other half are the last of three that were drawn alike, which a
second look reads with examples before them. The frozen decoder runs along the right text; the block learns that the
output matrix names the next token from the fused states better than from the states themselves. With --groups, it also
learns a key: the mean of the fused states, along the model's own reading of a query and along the label of an example,
is to be alike where that example, put before that query, makes the right text more likely (by the frozen model itself,
in groups of words drawn alike). A fifth of words and groups is kept for measuring: the loss and the share of tokens
named right, without and with the block; the nats that the nearest example gains by the key of the picture and by the
fused one, by chance and at best. What the file had of fusion.* is replaced, all else stays byte for byte. --part: an
.npz with the tensors, too; --from FILE takes them from there instead of training.
"""

import argparse
import sys
import time
from typing import NamedTuple

import from_gguf
import numpy as np
import torch
import torch.nn.functional as F
from data import draw
from e2str_gguf import replace_part
from memory import Steps
from model import BOS, END, FIRST, IMAGE, PAD, Reader
from render import Renderer
from torch import nn

HELD_OUT = 5  # one in so many words
BATCH = 64
TEMPERATURE, GAIN_SCALE, KEY_WEIGHT = 0.1, 0.1, 0.2
SHUT = -3.0  # the gate's bias at first: fused states are the states, nearly


class Fusion(nn.Module):
    """docs/model.md, section 14: states [B,n,D] and visual tokens [B,m,W] to [B,n,D]."""

    def __init__(self, d: int, w: int):
        super().__init__()
        self.visual = nn.Linear(w, d)
        self.attn_query, self.attn_key_value, self.attn_out = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)
        self.gate = nn.Linear(2 * d, d)
        nn.init.constant_(self.gate.bias, SHUT)

    def forward(self, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        q, (k, v) = self.attn_query(h), self.attn_key_value(self.visual(x)).chunk(2, -1)
        z = self.attn_out((q @ k.transpose(1, 2) * h.shape[-1] ** -0.5).softmax(-1) @ v)
        gate = torch.sigmoid(self.gate(torch.cat([h, z], -1)))
        return (1 - gate) * h + gate * z

    def tensors(self) -> dict[str, np.ndarray]:
        """For the model file: matrices in float16, biases in float32."""
        return {
            name: value.numpy().astype(np.float16 if value.ndim > 1 else np.float32)
            for name, value in self.state_dict().items()
        }


def drawn(count: int, seed: str, free: bool, alphabet: str, longest: int) -> list[list]:
    """Lists of samples: single words (of their own widths, if widths are free), and as many of words with examples;
    without characters that the model has no token for."""
    renderer, found, tried = Renderer(), [[], []], 0
    while min(map(len, found)) < count // 2:
        alone = len(found[0]) <= len(found[1])
        try:
            some = draw(renderer, f'{seed} {tried}', 1, free=free) if alone else draw(renderer, f'{seed} {tried}', 3)
        except (OSError, ValueError, OverflowError):  # a face without these characters
            some = []
        tried += 1
        if some and some[-1].text and all(set(s.text) <= set(alphabet) and len(s.text) <= longest for s in some):
            found[0 if alone else 1].append(some)
    return found[0] + found[1]


@torch.no_grad()
def states(net: Reader, words: list[list]) -> list[tuple]:
    """For each word (h [n,D], x [m,W], next [n]): states along its text, visual tokens, and what follows each."""
    steps, rows = Steps(net.m.lang_encoder.model.decoder), []
    token = {c: FIRST + i for i, c in enumerate(net.sizes.alphabet)}
    for samples in words:
        media = net.m.media(net.m.patches(torch.from_numpy(np.stack([s.image for s in samples]))))
        parts = [[PAD if i else BOS, IMAGE, *(token[c] for c in s.text), END] for i, s in enumerate(samples)]
        longest = max(map(len, parts))
        ids = torch.tensor([[part + [PAD] * (longest - len(part)) for part in parts]])
        net.m.logits(ids, media[None])
        n, first = len(samples[-1].text) + 1, (len(samples) - 1) * longest + 1  # from <image> on
        h = steps.hidden[0, first : first + n].clone()
        rows.append((h, media[-1].clone(), torch.tensor(parts[-1][2 : 2 + n])))
    return rows


def batches(rows: list[tuple], generator: np.random.Generator | None = None):
    """(h [B,n,D], x [B,m,W], next [B,n] with PAD behind the end) of words with as many visual tokens; in any order with
    a generator, each once without."""
    groups: dict[int, list] = {}
    for row in rows:
        groups.setdefault(len(row[1]), []).append(row)
    parts = [some[i : i + BATCH] for some in groups.values() for i in range(0, len(some), BATCH)]
    while True:
        if generator is not None:
            for some in groups.values():
                generator.shuffle(some)
            parts = [some[i : i + BATCH] for some in groups.values() for i in range(0, len(some), BATCH)]
            generator.shuffle(parts)
        for part in parts:
            h = nn.utils.rnn.pad_sequence([row[0] for row in part], True)
            yield h, torch.stack([row[1] for row in part]), nn.utils.rnn.pad_sequence([r[2] for r in part], True, PAD)
        if generator is None:
            return


@torch.no_grad()
def measure(block, output: torch.Tensor, rows: list[tuple]) -> tuple[float, float]:
    """Mean loss of a token, and how many in a hundred are named right; block None: of the states themselves."""
    loss = right = count = 0
    for h, x, following in batches(rows):
        logits, real = F.linear(block(h, x) if block else h, output), following != PAD
        logits[..., IMAGE] = -torch.inf
        loss += F.cross_entropy(logits[real], following[real], reduction='sum').item()
        right += (logits[real].argmax(1) == following[real]).sum().item()
        count += real.sum().item()
    return loss / count, 100 * right / count


class Group(NamedTuple):
    """Words drawn alike, each as query and as example."""

    read: list[tuple]  # (h, x) along the model's own reading
    shown: list[tuple]  # the same along the label
    keys: torch.Tensor  # [n, W], of the picture
    gains: torch.Tensor  # [n, n]: nats of query i's text, of a token in the mean, that example j before it gains


def run(net: Reader, steps: Steps, tokens: list[list[list[int]]], media: list[torch.Tensor]):
    """Sequences of as many segments each: (logits [B,S,vocabulary], states [B,S,D], ids [B,S]) of the last segments."""
    longest = max(len(part) for parts in tokens for part in parts) + 3
    ids = torch.full((len(tokens), len(tokens[0]), longest), PAD)
    for b, parts in enumerate(tokens):
        for t, part in enumerate(parts):
            ids[b, t, : len(part) + 3] = torch.tensor([PAD if t else BOS, IMAGE, *part, END])
    logits = net.m.logits(ids, torch.stack(media))
    hidden = steps.hidden.view(*ids.shape, -1)
    return logits[:, -1], hidden[:, -1], ids[:, -1]


def loss_of(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """[B]: of the text and its end, of a token in the mean."""
    following = ids[:, 2:]
    losses = F.cross_entropy(logits[:, 1:-1].transpose(1, 2), following, ignore_index=PAD, reduction='none')
    return losses.sum(1) / (following != PAD).sum(1)


@torch.no_grad()
def grouped(net: Reader, count: int, size: int = 8) -> list[Group]:
    renderer, steps, groups, tried = Renderer(), Steps(net.m.lang_encoder.model.decoder), [], 0
    token = {c: FIRST + i for i, c in enumerate(net.sizes.alphabet)}
    while len(groups) < count:
        try:
            some = draw(renderer, f'fusion group {tried}', size)
        except (OSError, ValueError, OverflowError):
            some = []
        tried += 1
        if not some or not all(s.text and set(s.text) <= set(token) for s in some):
            continue
        images = torch.from_numpy(np.stack([s.image for s in some]))
        media, labels = net.m.media(net.m.patches(images)), [[token[c] for c in s.text] for s in some]
        alone, hidden, ids = run(net, steps, [[label] for label in labels], [m[None] for m in media])
        shown = [(hidden[i, 1 : len(label) + 2].clone(), media[i]) for i, label in enumerate(labels)]
        readings = [[token[c] for c in text if c in token] for text in net.read(images)]
        hidden = run(net, steps, [[text] for text in readings], [m[None] for m in media])[1]
        read = [(hidden[i, 1 : len(text) + 2].clone(), media[i]) for i, text in enumerate(readings)]
        pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
        logits, _, pair_ids = run(
            net,
            steps,
            [[labels[j], labels[i]] for i, j in pairs],
            [torch.stack([media[j], media[i]]) for i, j in pairs],
        )
        gains, before = torch.full((size, size), -torch.inf), loss_of(alone, ids)
        for (i, j), loss in zip(pairs, loss_of(logits, pair_ids)):
            gains[i, j] = before[i] - loss
        groups.append(Group(read, shown, F.normalize(media.mean(1), dim=1), gains))
    return groups


def keys_of(block: Fusion, parts: list[tuple]) -> torch.Tensor:
    """[n, D] of unit length: means of the fused states."""
    lengths = torch.tensor([len(h) for h, _ in parts])
    fused = block(nn.utils.rnn.pad_sequence([h for h, _ in parts], True), torch.stack([x for _, x in parts]))
    real = torch.arange(fused.shape[1]) < lengths[:, None]
    return F.normalize((fused * real[..., None]).sum(1) / lengths[:, None], dim=1)


def key_loss(block: Fusion, group: Group) -> torch.Tensor:
    """How far the nearness of the keys is from the share of each example in what is gained."""
    alike = (keys_of(block, group.read) @ keys_of(block, group.shown).T) / TEMPERATURE
    diagonal = torch.eye(len(alike), dtype=torch.bool)
    wanted = (group.gains / GAIN_SCALE).softmax(1)
    return -(wanted * alike.masked_fill(diagonal, -1e4).log_softmax(1)).sum(1).mean()


@torch.no_grad()
def measure_keys(block: Fusion | None, groups: list[Group]) -> float:
    """Nats that the nearest example gains, in the mean; block None: by the key of the picture."""
    gained = []
    for group in groups:
        alike = keys_of(block, group.read) @ keys_of(block, group.shown).T if block else group.keys @ group.keys.T
        alike.fill_diagonal_(-2)
        gained.append(group.gains.gather(1, alike.argmax(1, keepdim=True)).mean().item())
    return float(np.mean(gained))


def bounds(groups: list[Group]) -> tuple[float, float]:
    """Gained by chance, and at best."""
    chance = [group.gains[group.gains > -torch.inf].mean().item() for group in groups]
    return float(np.mean(chance)), float(np.mean([group.gains.max(1).values.mean().item() for group in groups]))


def train(
    net: Reader, words: list[list], groups: list[Group], n_steps: int, minutes: float, rate: float = 5e-4
) -> Fusion:
    """For so many steps or minutes, whichever is over first; the block as it was best on what is kept for measuring."""
    rows = states(net, words)
    held, taught = rows[::HELD_OUT], [row for i, row in enumerate(rows) if i % HELD_OUT]
    output = net.m.lang_encoder.model.decoder.embed_tokens.weight.detach()
    block = Fusion(net.sizes.decoder_width, net.sizes.vision_width)
    optimizer = torch.optim.AdamW(block.parameters(), rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, n_steps)
    held_groups, taught_groups = groups[::HELD_OUT], [group for i, group in enumerate(groups) if i % HELD_OUT]
    begin, best, kept = time.time(), np.inf, None
    endless = batches(taught, np.random.default_rng(1))
    print('without: loss %.4f, %.2f %% of tokens' % measure(None, output, held), flush=True)
    if groups:
        print(
            'gained by the picture %.4f' % measure_keys(None, held_groups),
            'chance %.4f, best %.4f' % bounds(held_groups),
        )
    for step in range(1, n_steps + 1):
        h, x, following = next(endless)
        logits = F.linear(block(h, x), output)
        loss = F.cross_entropy(logits.flatten(0, 1), following.flatten(), ignore_index=PAD)
        if taught_groups:
            loss = loss + KEY_WEIGHT * key_loss(block, taught_groups[step % len(taught_groups)])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(block.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        over = time.time() - begin > 60 * minutes
        if step % max(1, n_steps // 10) == 0 or over:
            now = measure(block, output, held)
            gained = measure_keys(block, held_groups) if groups else 0.0
            print(
                f'step {step}: loss {now[0]:.4f}, {now[1]:.2f} % of tokens, gained {gained:.4f}, '
                f'{time.time() - begin:.0f} s',
                flush=True,
            )
            if now[0] - gained < best:  # stops early, in effect: words are few
                best, kept = now[0] - gained, {name: value.clone() for name, value in block.state_dict().items()}
        if over:
            break
    block.load_state_dict(kept)
    return block


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='IN.gguf')
    parser.add_argument('target', metavar='OUT.gguf')
    parser.add_argument('--words', type=int, default=1000, help='words to draw (default 1000)')
    parser.add_argument('--steps', type=int, default=1200, help='of training (default 1200)')
    parser.add_argument('--groups', type=int, default=0, help='of words drawn alike, for the key (default 0: none)')
    parser.add_argument('--minutes', type=float, default=5, help='of training at most (default 5)')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--part', metavar='FILE', help='write the tensors there, too')
    parser.add_argument('--from', dest='given', metavar='FILE', help='add these tensors instead of training')
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    if a.given:
        tensors = dict(np.load(a.given))
    else:
        net = from_gguf.read(a.source).eval()
        begin = time.time()
        longest = net.sizes.stride - 3 if net.sizes.stride else 40
        words = drawn(a.words, 'fusion', net.sizes.columns > 0, net.sizes.alphabet, longest)
        print(f'{len(words)} words drawn in {time.time() - begin:.0f} s', flush=True)
        groups = grouped(net, a.groups)
        print(f'{len(groups)} groups, {time.time() - begin:.0f} s', flush=True)
        tensors = train(net, words, groups, a.steps, a.minutes).tensors()
    if a.part:
        np.savez(a.part, **tensors)
    replace_part(a.source, a.target, 'e2str.none.', {}, 'fusion.', tensors)
    print(f'{a.target}: {sum(t.size for t in tensors.values()):,} weights of fusion')


if __name__ == '__main__':
    sys.exit(main())
