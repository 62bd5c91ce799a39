# SPDX-License-Identifier: MIT
"""E2STR for training, with the official tensor names (weights/export and the library read them; docs/model-format.md).

An image goes through a vision transformer and, if the sizes ask for one, a resampler; a causal decoder with gated
cross-attention before its layers writes the text. A row of the decoder is a sequence of T segments of S token slots,

    [BOS <image> c a t END pad]  [pad <image> d o g END pad]  ...

one per image: text sees its own image by cross-attention (or all images so far, immediate=False) and all text before
it by self-attention. Padding inside a row is masked and takes no position, so the row equals the unpadded sequence.

With `stride` (e2str.decoder.segment_stride of the model file) slot i of segment t has position t * stride + i, so
that a character's position in its word is known whatever stands before it; without, positions count through, as in
the paper.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from alphabet import CHARSET
from torch import nn

PAD, BOS, END, IMAGE, FIRST = range(5)
UNKNOWN = -100  # where a loss has no target (PyTorch's default)
TOKEN = {c: FIRST + i for i, c in enumerate(CHARSET)}
STEM, STEM_STRIDES = (48, 96, 192), ((2, 2), (2, 2), (2, 1))


@dataclass
class Sizes:
    """The defaults are e2str-small; `paper` below is the official architecture."""

    patch: tuple = (8, 4)
    stem: tuple = STEM  # channels of the convolutions before the patches; empty: patches are cut from the pixels
    vision_width: int = 192
    vision_layers: int = 6
    vision_mlp: int = 768
    latents: int = 0  # of the resampler; 0: none
    resampler_layers: int = 6
    decoder_width: int = 192
    decoder_layers: int = 3
    decoder_mlp: int = 768
    cross_inner: int = 192  # columns of cross-attention's queries
    cross_mlp: int = 384
    head: int = 32  # columns per attention head, everywhere
    positions: int = 396
    stride: int = 44  # positions from one segment to the next; 0: they count through
    immediate: bool = True  # text sees its own image only
    columns: int = 128  # of patches at most: positions are a row's plus a column's. 0: a table of 32 x 128 pixels
    alphabet: str = CHARSET  # one token each

    @property
    def vocabulary(self):
        return FIRST + len(self.alphabet)


PRESETS = {
    'small': Sizes(),
    'paper': Sizes((4, 4), (), 768, 12, 3072, 64, 6, 768, 12, 3072, 512, 3072, 64, 2048, 0, columns=0),
}


def attention(q, k, v, head, mask=None):
    """q [B,L,h*head], k and v [B,M,h*head]; mask: bool [B or 1,1,L or 1,M], True where a key is seen, or None."""

    def split(x):
        return x.view(x.shape[0], x.shape[1], -1, head).transpose(1, 2)

    q, k, v = split(q), split(k), split(v)
    if q.is_cuda:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    else:  # the fused kernel halves the speed on two cores at these sizes (PyTorch 2.15)
        s = (q * head**-0.5) @ k.transpose(-1, -2)
        y = (s if mask is None else s.masked_fill(~mask, -3e4)).softmax(-1) @ v
    return y.transpose(1, 2).flatten(2)


class VisionAttention(nn.Module):
    def __init__(self, w, head):
        super().__init__()
        self.head = head
        self.in_proj_weight, self.in_proj_bias = nn.Parameter(torch.empty(3 * w, w)), nn.Parameter(torch.zeros(3 * w))
        self.out_proj = nn.Linear(w, w)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x):
        return self.out_proj(attention(*F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1), self.head))


class VisionBlock(nn.Module):
    def __init__(self, s):
        super().__init__()
        w = s.vision_width
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(w), VisionAttention(w, s.head), nn.LayerNorm(w)
        self.mlp = nn.ModuleDict({'c_fc': nn.Linear(w, s.vision_mlp), 'c_proj': nn.Linear(s.vision_mlp, w)})

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp['c_proj'](F.gelu(self.mlp['c_fc'](self.ln_2(x))))


class VisionEncoder(nn.Module):
    """float [N,3,32,pixels] in -1..1 -> tokens [N, patches, width]."""

    def __init__(self, s):
        super().__init__()
        w = s.vision_width
        if s.stem:
            self.stem = nn.ModuleList(
                [nn.Conv2d(n, m, 3, stride, 1) for n, m, stride in zip((3, *s.stem), s.stem, STEM_STRIDES)]
            )
            self.conv1 = nn.Conv2d(s.stem[-1], w, 1)
        else:
            self.stem = ()
            self.conv1 = nn.Conv2d(3, w, s.patch, s.patch)
        self.class_embedding = nn.Parameter(w**-0.5 * torch.randn(w))
        if s.columns:  # the class token's is part of its embedding
            self.row_embedding = nn.Parameter(w**-0.5 * torch.randn(32 // s.patch[0], w))
            self.column_embedding = nn.Parameter(w**-0.5 * torch.randn(s.columns, w))
        else:
            self.positional_embedding = nn.Parameter(
                w**-0.5 * torch.randn((32 // s.patch[0]) * (128 // s.patch[1]) + 1, w)
            )
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList([VisionBlock(s) for _ in range(s.vision_layers)])
        self.ln_post = nn.LayerNorm(w)

    def forward(self, images):
        x = images
        for convolution in self.stem:
            x = F.gelu(convolution(x))
        x = self.conv1(x)
        if hasattr(self, 'row_embedding'):
            grid = self.row_embedding[:, None] + self.column_embedding[: x.shape[3]]
            positions = F.pad(grid.flatten(0, 1), (0, 0, 1, 0))
        else:
            positions = self.positional_embedding
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.to(x.dtype).expand(len(x), 1, -1), x], 1) + positions
        for block in self.transformer.resblocks:
            x = block(x)
        return self.ln_post(x)[:, 1:]


def feed_forward(w, inner):  # the official names count from 0: norm, up, GELU, down
    return nn.Sequential(nn.LayerNorm(w), nn.Linear(w, inner, bias=False), nn.GELU(), nn.Linear(inner, w, bias=False))


class ResamplerAttention(nn.Module):
    def __init__(self, w, inner, head):
        super().__init__()
        self.head = head
        self.norm_media, self.norm_latents = nn.LayerNorm(w), nn.LayerNorm(w)
        self.to_q, self.to_kv = nn.Linear(w, inner, bias=False), nn.Linear(w, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, w, bias=False)

    def forward(self, x, latents):
        x, latents = self.norm_media(x), self.norm_latents(latents)
        return self.to_out(
            attention(self.to_q(latents), *self.to_kv(torch.cat([x, latents], 1)).chunk(2, -1), self.head)
        )


class Resampler(nn.Module):
    """tokens [N, patches, width] -> latents [N, latents, width]."""

    def __init__(self, s):
        super().__init__()
        w = s.vision_width
        self.latents = nn.Parameter(torch.randn(s.latents, w))
        self.layers = nn.ModuleList(
            [
                nn.ModuleList([ResamplerAttention(w, w * 2 // 3 // s.head * s.head, s.head), feed_forward(w, 4 * w)])
                for _ in range(s.resampler_layers)
            ]
        )
        self.norm = nn.LayerNorm(w)

    def forward(self, x):
        latents = self.latents.expand(len(x), -1, -1)
        for attend, ff in self.layers:
            latents = latents + attend(x, latents)
            latents = latents + ff(latents)
        return self.norm(latents)


class CrossAttention(nn.Module):
    """x [B, T*S, d]; media [B, T, n, w]: each segment of S slots sees its image, or all images up to it."""

    def __init__(self, s):
        super().__init__()
        d, w, inner = s.decoder_width, s.vision_width, s.cross_inner
        self.head, self.immediate = s.head, s.immediate
        self.norm = nn.LayerNorm(d)
        self.to_q, self.to_kv = nn.Linear(d, inner, bias=False), nn.Linear(w, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, d, bias=False)

    def forward(self, x, media, mask):
        q, (k, v) = self.to_q(self.norm(x)), self.to_kv(media).chunk(2, -1)
        if self.immediate:
            b, t = media.shape[:2]
            y = attention(q.reshape(b * t, -1, q.shape[-1]), k.flatten(0, 1), v.flatten(0, 1), self.head)
            return self.to_out(y.reshape(b, -1, y.shape[-1]))
        return self.to_out(attention(q, k.flatten(1, 2), v.flatten(1, 2), self.head, mask))


class GatedCrossAttention(nn.Module):
    """The gates are open from the start: there is no pre-trained language model to protect."""

    def __init__(self, s):
        super().__init__()
        self.attn, self.ff = CrossAttention(s), feed_forward(s.decoder_width, s.cross_mlp)
        self.attn_gate, self.ff_gate = nn.Parameter(torch.tensor([1.0])), nn.Parameter(torch.tensor([0.5]))

    def forward(self, x, media, mask, has_image):
        x = x + self.attn(x, media, mask) * has_image * self.attn_gate.tanh()
        return x + self.ff(x) * self.ff_gate.tanh()


class SelfAttention(nn.Module):
    def __init__(self, d, head):
        super().__init__()
        self.head = head
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x, mask):
        return self.out_proj(attention(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.head, mask))


class TextLayer(nn.Module):
    def __init__(self, s):
        super().__init__()
        d = s.decoder_width
        self.self_attn, self.self_attn_layer_norm = SelfAttention(d, s.head), nn.LayerNorm(d)
        self.fc1, self.fc2, self.final_layer_norm = (
            nn.Linear(d, s.decoder_mlp),
            nn.Linear(s.decoder_mlp, d),
            nn.LayerNorm(d),
        )

    def forward(self, x, mask):
        x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
        return x + self.fc2(F.relu(self.fc1(self.final_layer_norm(x))))


class DecoderLayer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gated_cross_attn_layer, self.decoder_layer = GatedCrossAttention(s), TextLayer(s)


class Decoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.stride, self.immediate = s.stride, s.immediate
        self.embed_tokens = nn.Embedding(s.vocabulary, s.decoder_width)
        self.embed_positions = nn.Embedding(s.positions + 2, s.decoder_width)
        self.final_layer_norm = nn.LayerNorm(s.decoder_width)
        self.layers = nn.ModuleList([DecoderLayer(s) for _ in range(s.decoder_layers)])
        for name, p in self.named_parameters():
            if 'gated' not in name and p.ndim > 1:
                nn.init.normal_(p, std=0.02)

    def place(self, real: torch.Tensor, t: int, s: int) -> torch.Tensor:
        """Positions of the slots of T segments, row by row (with a stride the same for all rows); -1 for padding
        without a stride."""
        if not self.stride:
            return real.cumsum(1) * real - 1
        slot = torch.arange(t * s, device=real.device)
        return slot // s * self.stride + slot % s

    @torch.no_grad()
    def spread_positions(self):
        """Before stage 2: every segment begins with the positions that stage 1 learnt for the first, and a mark of
        its own."""
        table, n = self.embed_positions.weight, self.stride
        for first in range(2 + n, len(table), n):
            part = table[first : first + n]
            part.copy_(table[2 : 2 + len(part)] + 0.02 * torch.randn_like(part[:1]))

    def forward(self, ids, media):
        """ids [B,T,S], media [B,T,n,w] -> logits [B,T,S,vocabulary] of the token that follows."""
        b, t, s = ids.shape
        row = ids.flatten(1)
        real = row != PAD
        x = self.embed_tokens(row) + self.embed_positions(self.place(real, t, s) + 2)
        causal = torch.ones(t * s, t * s, dtype=torch.bool, device=ids.device).tril()
        seen = causal & real[:, None] | torch.eye(t * s, dtype=torch.bool, device=ids.device)
        media_mask = None
        if not self.immediate:
            image = torch.arange(t, device=ids.device)
            media_mask = (image.repeat_interleave(s)[:, None] >= image.repeat_interleave(media.shape[2])[None])[
                None, None
            ]
        has_image = (row != BOS)[..., None].to(x.dtype)
        for layer in self.layers:
            x = layer.gated_cross_attn_layer(x, media, media_mask, has_image)
            x = layer.decoder_layer(x, seen[:, None])
        return F.linear(self.final_layer_norm(x), self.embed_tokens.weight).view(b, t, s, -1)


class E2STR(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.vision_encoder = VisionEncoder(sizes)
        if sizes.latents:
            self.perceiver = Resampler(sizes)
        self.lang_encoder = nn.Module()
        self.lang_encoder.model = nn.Module()
        self.lang_encoder.model.decoder = Decoder(sizes)

    def patches(self, images):
        """uint8 [N,32,pixels,3] -> patch tokens [N, patches, width]; mean and standard deviation 0.5 of the 0..1
        range."""
        return self.vision_encoder(images.permute(0, 3, 1, 2).float() / 127.5 - 1)

    def media(self, patches):
        return self.perceiver(patches) if hasattr(self, 'perceiver') else patches

    def logits(self, ids, media):
        return self.lang_encoder.model.decoder(ids, media)


class Reader(nn.Module):
    """The model and a linear head that names the character under each patch (for training only)."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes
        self.m, self.aux = E2STR(sizes), nn.Linear(sizes.vision_width, sizes.vocabulary)

    def losses(self, images, ids, under, taught):
        """images [B*T,...], ids [B,T,S], under [B*T, patches]: token under each patch, taught [B,T]: whether its text
        counts. (loss per target [B,T,S], 0 where there is no target; targets; patch loss)."""
        patches = self.m.patches(images)
        media = self.m.media(patches)
        logits = self.m.logits(ids, media.view(*ids.shape[:2], *media.shape[1:]))
        target = F.pad(ids[..., 1:], (0, 1), value=PAD)
        target = target.masked_fill((target == IMAGE) | ~taught[..., None], PAD)
        read = F.cross_entropy(logits.float().flatten(0, 2), target.flatten(), ignore_index=PAD, reduction='none').view(
            target.shape
        )
        return read, target, F.cross_entropy(self.aux(patches).float().flatten(0, 1), under.flatten())

    @torch.no_grad()
    def read(self, images: torch.Tensor, most: int = 26) -> list[str]:
        """Greedy texts of uint8 [N,32,pixels,3] without examples."""
        media = self.m.media(self.m.patches(images))[:, None]
        ids = torch.tensor([BOS, IMAGE], device=images.device).repeat(len(images), 1, 1)
        for _ in range(most):
            ids = torch.cat([ids, self.m.logits(ids, media)[:, :, -1:].argmax(-1)], 2)
            if (ids == END).any(2).all():
                break
        rows = (row[: row.index(END)] if END in row else row for row in ids[:, 0, 2:].tolist())
        return [''.join(self.sizes.alphabet[t - FIRST] for t in row if t >= FIRST) for row in rows]
