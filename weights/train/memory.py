#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds to a model file what the pool's memory needs to know of it (docs/in-context.md): how long the final hidden state
is, and how the features of the decoder's steps vary on ordinary text, taken from words that render.py draws.

  build/venv/bin/python weights/train/memory.py IN.gguf OUT.gguf [--words 4000] [--styles 32]

Writes memory.whitening = (S + I)^(-1/2), S the mean of phi phi' over the steps of the words as the model reads them;
memory.key_mean and memory.key_whitening, the same of their retrieval keys; and the keys e2str.memory.*, with a gate
that lets a tenth of the words of strange styles in, and one of 200 wholly. What stood there before is replaced.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator

import from_gguf
import numpy as np
import torch
from e2str_gguf import replace_part
from model import BOS, IMAGE, PAD, TOKEN, Reader
from render import Renderer
from styles import Dice, sequence

LAYERS = 2  # the last cross-attention layers, whose attended vectors are features
FLOOR, KEY_FLOOR = 1.0, 0.001  # epsilon; for keys, of their mean variance
HIDDEN_SCALE = 1.0  # scaled down to the length of the attended vectors it is as good as left out
STRENGTH = 0.3  # docs/in-context.md has what was measured
STRANGERS = 0.9, 0.995  # share of strangers' words at which the gate begins to open, and is open
WORDS_OF_STYLE = 40


def rendered(count: int, seed: str, free: bool) -> list[np.ndarray]:
    """uint8 [32,pixels,3] each: 128 pixels wide or, if widths are free, as wide as its text asks for; by width."""
    renderer, images, tried = Renderer(), [], 0
    while len(images) < count:
        try:
            sample = renderer.sample(Dice(f'{seed} {tried}'), free=free)
        except (OSError, ValueError, OverflowError):  # a face without these characters
            sample = None
        tried += 1
        if sample is not None:
            images.append(sample.image)
    return sorted(images, key=lambda image: image.shape[1])


def batches(images: list[np.ndarray], most: int = 64) -> Iterator[torch.Tensor]:
    """Images of one width that follow each other, together."""
    for _, alike in itertools.groupby(images, lambda image: image.shape[1]):
        alike = np.stack(list(alike))
        for i in range(0, len(alike), most):
            yield torch.from_numpy(alike[i : i + most])


def in_styles(count: int, free: bool) -> list[list[np.ndarray]]:
    """Images as above of WORDS_OF_STYLE words of each of so many styles."""
    renderer, styles, tried = Renderer(), [], 0
    while len(styles) < count:
        try:
            samples = renderer.several(sequence(f'gate {tried}', 9), WORDS_OF_STYLE, free=free)
        except (OSError, ValueError, OverflowError):
            samples = []
        tried += 1
        if len(samples) == WORDS_OF_STYLE:
            styles.append(sorted((sample.image for sample in samples), key=lambda image: image.shape[1]))
    return styles


class Steps:
    """Hidden states and attended vectors of a decoder's run, caught by hooks."""

    def __init__(self, decoder):
        self.hidden, self.attended = None, {}
        decoder.final_layer_norm.register_forward_hook(self._keep_hidden)
        crossed = [layer.gated_cross_attn_layer for layer in decoder.layers][-LAYERS:]
        for i, layer in enumerate(crossed):
            layer.attn.to_out.register_forward_pre_hook(lambda module, inputs, i=i: self._keep_attended(i, inputs))

    def _keep_hidden(self, module, inputs, output):
        self.hidden = output

    def _keep_attended(self, i, inputs):
        self.attended[i] = inputs[0]

    def rows(self, real: torch.Tensor):
        """(hidden [n,w], attended [n, layers * inner]) where `real` [B,L] is true."""
        return self.hidden[real], torch.cat([self.attended[i][real] for i in sorted(self.attended)], 1)


def retrieval_keys(tokens: torch.Tensor) -> torch.Tensor:
    """[n,tokens,width] -> [n,width]: the direction of the mean visual token."""
    return torch.nn.functional.normalize(tokens.mean(1), dim=1)


@torch.no_grad()
def features(net: Reader, images: list[np.ndarray]):
    """Hidden states and attended vectors of each step of each word, along the model's own reading; each word's
    retrieval key."""
    steps, hidden, attended, keys = Steps(net.m.lang_encoder.model.decoder), [], [], []
    for part in batches(images):
        paths = [[TOKEN[c] for c in text] for text in net.read(part)]
        longest = max(map(len, paths))
        ids = torch.tensor([[[BOS, IMAGE, *path, *[PAD] * (longest - len(path))]] for path in paths])
        tokens = net.m.media(net.m.patches(part))
        keys.append(retrieval_keys(tokens))
        net.m.logits(ids, tokens[:, None])
        h, a = steps.rows((ids[:, 0] != PAD) & (ids[:, 0] != BOS))
        hidden.append(h)
        attended.append(a)
    return torch.cat(hidden), torch.cat(attended), torch.cat(keys)


@torch.no_grad()
def keys_of(net: Reader, images: list[np.ndarray]) -> torch.Tensor:
    """Retrieval keys [n,width]."""
    return torch.cat([retrieval_keys(net.m.media(net.m.patches(part))) for part in batches(images)])


def gate(keys: list[torch.Tensor], tensors: dict[str, np.ndarray]) -> tuple[float, float]:
    """Where the gate begins to open and where it is open at the latest: quantiles of the cosine of whitened keys to
    the mean direction of a style that is not theirs."""
    mean, whitening = (torch.from_numpy(tensors[name]) for name in ('key_mean', 'key_whitening'))
    white = [(k - mean) @ whitening.T for k in keys]
    domains = torch.nn.functional.normalize(torch.stack([w.sum(0) for w in white]), dim=1)
    near = [torch.nn.functional.normalize(w, dim=1) @ domains.T for w in white]
    strange = torch.cat([torch.cat([n[:, :i], n[:, i + 1 :]], 1).flatten() for i, n in enumerate(near)])
    opens, is_open = (round(torch.quantile(strange, share).item(), 3) for share in STRANGERS)
    return opens, is_open


def root_of_inverse(matrix: torch.Tensor) -> np.ndarray:
    """Symmetric, float32."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values**-0.5 @ vectors.T).float().numpy()


def statistics(hidden: torch.Tensor, attended: torch.Tensor, keys: torch.Tensor):
    """Tensors by name."""
    phi = torch.cat([hidden / HIDDEN_SCALE, attended, torch.ones(len(hidden), 1)], 1).double()
    whitening = root_of_inverse(phi.T @ phi / len(phi) + FLOOR * torch.eye(phi.shape[1], dtype=torch.float64))
    mean = keys.double().mean(0)
    covariance = (keys.double() - mean).T @ (keys.double() - mean) / len(keys)
    floor = KEY_FLOOR * covariance.trace() / len(mean) * torch.eye(len(mean), dtype=torch.float64)
    return {
        'whitening': whitening,
        'key_mean': mean.float().numpy(),
        'key_whitening': root_of_inverse(covariance + floor),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='IN.gguf')
    parser.add_argument('target', metavar='OUT.gguf')
    parser.add_argument('--words', type=int, default=4000, help='words to draw (default 4000)')
    parser.add_argument('--styles', type=int, default=32, help=f'of {WORDS_OF_STYLE} words each (default 32)')
    a = parser.parse_args()
    if a.styles < 2:
        parser.error('--styles: 2 or more, since they are compared with each other')
    net = from_gguf.read(a.source)
    free = net.sizes.columns > 0
    hidden, attended, keys = features(net.eval(), rendered(a.words, 'memory', free))
    tensors = statistics(hidden, attended, keys)
    opens, is_open = gate([keys_of(net, images) for images in in_styles(a.styles, free)], tensors)
    metadata = {'hidden_scale': HIDDEN_SCALE, 'strength': STRENGTH, 'gate_from': opens, 'gate_to': is_open}
    replace_part(a.source, a.target, 'e2str.memory.', metadata, 'memory.', tensors)
    print(f'{a.target}: {len(tensors["whitening"])} features over {len(hidden):,} steps of {a.words:,} words')
    print(f'gate from {opens} to {is_open}, by {a.styles} styles')


if __name__ == '__main__':
    sys.exit(main())
