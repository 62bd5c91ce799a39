# SPDX-License-Identifier: MIT
"""The Muon optimizer: momentum, then the nearest (semi-)orthogonal matrix as the update (Jordan and others, 2024)."""

import torch


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration; the coefficients drive all singular values towards 1 quickly rather than exactly."""
    wide = g.shape[0] <= g.shape[1]
    x = g.bfloat16() if wide else g.bfloat16().T
    x = x / (x.float().norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x if wide else x.T).float()


class Muon:
    """For matrices [out, in] and convolutions [out, ...], taken as such. One of three stacked squares (query, key and
    value) is three."""

    def __init__(self, matrices, factors, lr=0.02, momentum=0.95, decay=0.02):
        """factors: one per matrix, of its learning rate."""
        self.matrices, self.factors, self.lr, self.momentum, self.decay = matrices, factors, lr, momentum, decay
        self.buffers = [torch.zeros_like(p) for p in matrices]

    @torch.no_grad()
    def step(self, scale):
        for parameter, factor, b in zip(self.matrices, self.factors, self.buffers):
            lr = self.lr * scale * factor
            b.lerp_(parameter.grad, 1 - self.momentum)
            p, update = parameter.flatten(1), b.lerp(parameter.grad, 1 - self.momentum).flatten(1)
            parts = 3 if p.shape[0] == 3 * p.shape[1] else 1
            for u, w in zip(update.chunk(parts), p.chunk(parts)):
                w.mul_(1 - lr * self.decay).add_(orthogonalise(u), alpha=-lr * max(1, w.shape[0] / w.shape[1]) ** 0.5)

    def state(self):
        return self.buffers

    def load(self, buffers):
        for own, saved in zip(self.buffers, buffers):
            own.copy_(saved)
