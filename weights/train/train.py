"""Trains e2str-small: a small E2STR (reference.py of the specification, no resampler, characters as tokens) learns to read
rendered words, some of them in sequences of up to four that share a style.

  python3 train.py REFERENCE_FOLDER MINUTES OUT.pt [START.pt]

Three things make it learn on two cores where plain autoregressive training with AdamW stands still: a dense loss (each image
patch names the character under it, from the renderer's map), Muon for the matrices, and short easy words first.
"""
import math
import multiprocessing as mp
import os
import random
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import render
sys.path.insert(0, sys.argv[1])
from reference import Config, E2STR  # noqa: E402

PAD, BOS, EOC, IMAGE, FIRST = 0, 1, 2, 3, 4
TOKEN = {c: FIRST + i for i, c in enumerate(render.CHARSET)}
VOCAB, MAX_TOKENS, BATCH, CHUNK = FIRST + len(render.CHARSET), 28, 64, 256


def config():
    return Config(patch_h=8, patch_w=4, vit_width=192, vit_layers=6, vit_heads=6, vit_mlp=768, use_perceiver=False, vocab=VOCAB, d_model=192,
                  layers=3, heads=6, ffn=768, max_pos=254, x_heads=6, x_dim_head=32, x_ff_mult=2, pad_id=PAD, bos_id=BOS, eoc_id=EOC, image_id=IMAGE)


class Reader(nn.Module):
    """The model and a linear head that names the character under each patch (training only)."""
    def __init__(self):
        super().__init__()
        self.m = E2STR(config())
        self.aux = nn.Linear(192, VOCAB)
        for layer in self.m.lang_encoder.model.decoder.layers:      # open gates: there is no pretrained language model to protect
            layer.gated_cross_attn_layer.attn_gate.data.fill_(1.)
            layer.gated_cross_attn_layer.ff_gate.data.fill_(.5)


def normalise(images):
    """uint8 [N,32,128,3] -> float [N,3,32,128]; mean and std 0.5 of the 0..1 range."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def encode_row(text, char_map, grid_h=4, grid_w=32):
    """Token row [MAX_TOKENS] = BOS IMAGE text EOC, and the character token under the centre of every patch [grid_h * grid_w]."""
    row = np.zeros(MAX_TOKENS, np.int64)
    ids = [TOKEN[c] for c in text]
    row[:len(ids) + 3] = [BOS, IMAGE, *ids, EOC]
    dy, dx = char_map.shape[0] // grid_h, char_map.shape[1] // grid_w
    centres = char_map[dy // 2::dy, dx // 2::dx]
    return row, np.array([PAD] + ids)[np.minimum(centres, len(ids))].reshape(-1)


def worker(queue, seed, start_hard):
    """Chunks of CHUNK samples in runs of 4 that share a style."""
    os.nice(5)
    chunks = 0
    while True:
        hard = 1.0 if start_hard else min(1.0, max(0.1, (chunks * CHUNK - 50000) / 250000))
        images, rows, patches = [], [], []
        while len(images) < CHUNK:
            if len(images) % 4 == 0:
                style = seed + 500000003
            seed += 1
            try:
                s = render.sample(seed, hard, style)
            except Exception:                                       # a font that fails on a glyph
                style = seed + 500000003
                continue
            if s and len(s[1]) <= MAX_TOKENS - 3 and all(c in TOKEN for c in s[1]):
                images.append(s[0])
                row, patch = encode_row(s[1], s[2])
                rows.append(row)
                patches.append(patch)
        chunks += 1
        queue.put((np.stack(images), np.stack(rows), np.stack(patches)))


def sequences(rows, n):
    """Token rows of single samples [B, MAX_TOKENS] -> in-context rows [B / n, .]: BOS (IMAGE text EOC) * n."""
    made = []
    for i in range(0, len(rows), n):
        row = [BOS]
        for one in rows[i:i + n]:
            row += [t for t in one[1:].tolist() if t != PAD]
        made.append(row)
    out = np.zeros((len(made), max(map(len, made))), np.int64)
    for i, row in enumerate(made):
        out[i, :len(row)] = row
    return out


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration towards the nearest (semi-)orthogonal matrix, as in the Muon optimizer."""
    x = g.bfloat16() if g.shape[0] <= g.shape[1] else g.bfloat16().T
    x = x / (x.float().norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x if g.shape[0] <= g.shape[1] else x.T).float()


class Muon:
    def __init__(self, matrices, lr=.02, momentum=.95, decay=.02):
        self.matrices, self.lr, self.momentum, self.decay = matrices, lr, momentum, decay
        self.buffers = [torch.zeros_like(p) for p in matrices]

    @torch.no_grad()
    def step(self, scale):
        lr = self.lr * scale
        for p, b in zip(self.matrices, self.buffers):
            b.lerp_(p.grad, 1 - self.momentum)
            update = b.lerp(p.grad, 1 - self.momentum)
            fused = 3 if p.shape[0] == 3 * p.shape[1] else 1        # q, k, v stacked: three matrices
            for u, w in zip(update.chunk(fused), p.chunk(fused)):
                w.mul_(1 - lr * self.decay).add_(orthogonalise(u), alpha=-lr * max(1, w.shape[0] / w.shape[1]) ** .5)


@torch.no_grad()
def read(model, images):
    """Greedy texts of uint8 [N,32,128,3]; no cache."""
    texts = []
    for i in range(0, len(images), 128):
        with torch.autocast('cpu', dtype=torch.bfloat16):
            media = model.encode(normalise(images[i:i + 128]))[:, None]
            rows = torch.tensor([[BOS, IMAGE]]).repeat(len(media), 1)
            for _ in range(MAX_TOKENS - 3):
                logits = model.lang_encoder(rows, media)[:, -1].float()
                logits[:, IMAGE] = -1e9
                rows = torch.cat([rows, logits.argmax(-1, keepdim=True)], 1)
                if (rows == EOC).any(1).all():
                    break
        for row in rows[:, 2:].tolist():
            row = row[:row.index(EOC)] if EOC in row else row
            texts.append(''.join(render.CHARSET[t - FIRST] for t in row if t >= FIRST))
    return texts


def main(minutes, out, start=None):
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    net = Reader()
    if start:
        net.load_state_dict({k: v.float() for k, v in torch.load(start, map_location='cpu').items()})
    queue = mp.Queue(4)
    mp.Process(target=worker, args=(queue, int(time.time()) * 1000 if start else 10 ** 7, bool(start)), daemon=True).start()
    matrices = [p for n, p in net.named_parameters() if p.ndim == 2 and 'embed' not in n and 'aux' not in n]
    chosen = {id(p) for p in matrices}
    muon = Muon(matrices)
    adam = torch.optim.AdamW([p for p in net.parameters() if id(p) not in chosen], 1.5e-3, betas=(.9, .98), weight_decay=0.)
    began, it, mean_read, mean_aux = time.time(), 0, None, None
    held_out = [s for s in (render.sample(i) for i in range(600)) if s][:512]
    while (done := (time.time() - began) / 60 / minutes) < 1:
        images, rows, patches = queue.get()
        for i in range(0, CHUNK, BATCH):
            scale = .2 * min(1, (it + 1) / 50) * min(1, (1 - done) + .01)
            for g in adam.param_groups:
                g['lr'] = 1.5e-3 * scale
            n = random.choice([1, 1, 2, 4, 4])                       # images per sequence
            row = torch.from_numpy(sequences(rows[i:i + BATCH], n))
            with torch.autocast('cpu', dtype=torch.bfloat16):
                media = net.m.encode(normalise(images[i:i + BATCH]))
                logits, aux = net.m.lang_encoder(row[:, :-1], media.view(BATCH // n, n, *media.shape[1:])), net.aux(media)
            target = row[:, 1:].clone()
            target[target == IMAGE] = PAD                           # <image> is never a target
            loss_read = F.cross_entropy(logits.float().reshape(-1, VOCAB), target.reshape(-1), ignore_index=PAD)
            loss_aux = F.cross_entropy(aux.float().reshape(-1, VOCAB), torch.from_numpy(patches[i:i + BATCH]).reshape(-1))
            net.zero_grad(set_to_none=True)
            (loss_read + loss_aux).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.)
            adam.step()
            muon.step(scale)
            it += 1
            mean_read = loss_read.item() if mean_read is None else .98 * mean_read + .02 * loss_read.item()
            mean_aux = loss_aux.item() if mean_aux is None else .98 * mean_aux + .02 * loss_aux.item()
            if it % 100 == 0:
                print(f'samples {it * BATCH} read {mean_read:.3f} aux {mean_aux:.3f} {it * BATCH / (time.time() - began):.0f}/s', flush=True)
            if it % 500 == 0:
                torch.save(net.state_dict(), out)
    torch.save(net.state_dict(), out)
    texts = read(net.m.eval(), np.stack([s[0] for s in held_out]))
    print('held-out words exact %.3f' % np.mean([a == s[1] for a, s in zip(texts, held_out)]))


if __name__ == '__main__':
    main(float(sys.argv[2]), *sys.argv[3:])
