# SPDX-License-Identifier: MIT
"""E2STR in PyTorch, as docs/model.md writes it down (comments here give its sections): any size, no cache, no padding.

The golden values of this folder and `make parity` come from it. A model is a Config and the weights under the names of
an official checkpoint without the leading "model.", each tensor once. Everything is computed in the weights' own type.
PyTorch from 1.13 on; Pillow for the resize. Shapes in comments: N images, B sequences, L tokens, T images per sequence.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

VISION, RESAMPLER, DECODER = 'vision_encoder', 'perceiver', 'lang_encoder.model.decoder'
ACTIVATIONS = {'relu': F.relu, 'gelu': F.gelu, 'quick_gelu': lambda x: x * torch.sigmoid(1.702 * x)}

# Texts of equal length, as token ids -> logits of each one's next token, [texts, vocabulary].
Following = Callable[[list[list[int]]], Tensor]


@dataclass
class Config:
    """The metadata of a model file (docs/model-format.md) by the same words; the defaults are the paper's."""

    image_height: int = 32
    image_width: int = 128
    min_width: int = 0  # 0: all images have image_width; otherwise widths are free between these two
    channels: str = 'rgb'
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)
    patch_height: int = 4
    patch_width: int = 4
    stem: tuple[
        tuple[int, int, int], ...
    ] = ()  # channels, stride height, stride width: convolutions before the patches
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    vision_feed_forward: int = 3072
    vision_activation: str = 'gelu'
    vision_epsilon: float = 1e-5
    class_token: bool = True
    norm_post: bool = True
    resampler_layers: int = 6  # 0: none
    latents: int = 64
    resampler_heads: int = 8
    resampler_head_size: int = 64
    resampler_feed_forward: int = 3072
    resampler_epsilon: float = 1e-5
    decoder_width: int = 768
    decoder_layers: int = 12
    decoder_heads: int = 12
    decoder_feed_forward: int = 3072
    decoder_activation: str = 'relu'
    decoder_epsilon: float = 1e-5
    positions: int = 2048
    position_offset: int = 2
    segment_stride: int = 0  # 0: positions count through
    cross_every: int = 1
    cross_heads: int = 8
    cross_head_size: int = 64
    cross_feed_forward: int = 3072
    only_immediate_media: bool = True
    retrieval_key: str = 'latents'  # or 'vision_tokens'
    vocabulary: int = 50267
    pad: int = 1
    bos: int = 2
    end: int = 50265
    image: int = 50266

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches; of free widths the most columns."""
        return self.image_height // self.patch_height, self.image_width // self.patch_width

    def width_of(self, height: int, width: int) -> int:
        """The width at which a picture of this size is read (section 1)."""
        if not self.min_width:
            return self.image_width
        columns = math.floor(Fraction(self.image_height * width, self.patch_width * height) + Fraction(1, 2))
        return max(self.min_width, min(self.image_width, self.patch_width * columns))

    def has_cross(self, layer: int) -> bool:
        return (layer + 1) % self.cross_every == 0


def shapes(c: Config) -> dict[str, tuple[int, ...]]:
    """Every tensor's name and shape (section 8)."""
    found: dict[str, tuple[int, ...]] = {}

    def matrix(name: str, out: int, rows: int) -> None:
        found[f'{name}.weight'] = (out, rows)

    def biased(name: str, *shape: int) -> None:
        found[f'{name}.weight'], found[f'{name}.bias'] = shape, shape[:1]

    def attention_of(name: str, width: int, media: int, inner: int) -> None:
        matrix(f'{name}.to_q', inner, width)
        matrix(f'{name}.to_kv', 2 * inner, media)
        matrix(f'{name}.to_out', width, inner)

    def feed_forward_of(name: str, width: int, inner: int) -> None:
        biased(f'{name}.0', width)
        matrix(f'{name}.1', inner, width)
        matrix(f'{name}.3', width, inner)

    w, d = c.vision_width, c.decoder_width
    channels = [3, *(out for out, *_ in c.stem)]
    for i, (below, out) in enumerate(zip(channels, channels[1:])):
        biased(f'{VISION}.stem.{i}', out, below, 3, 3)
    biased(f'{VISION}.conv1', w, channels[-1], *((1, 1) if c.stem else (c.patch_height, c.patch_width)))
    if c.class_token:
        found[f'{VISION}.class_embedding'] = (w,)
    rows, columns = c.grid
    if c.min_width:
        found[f'{VISION}.row_embedding'], found[f'{VISION}.column_embedding'] = (rows, w), (columns, w)
    else:
        found[f'{VISION}.positional_embedding'] = (rows * columns + c.class_token, w)
    for i in range(c.vision_layers):
        name = f'{VISION}.transformer.resblocks.{i}'
        biased(f'{name}.ln_1', w)
        found[f'{name}.attn.in_proj_weight'], found[f'{name}.attn.in_proj_bias'] = (3 * w, w), (3 * w,)
        biased(f'{name}.attn.out_proj', w, w)
        biased(f'{name}.ln_2', w)
        biased(f'{name}.mlp.c_fc', c.vision_feed_forward, w)
        biased(f'{name}.mlp.c_proj', w, c.vision_feed_forward)
    if c.norm_post:
        biased(f'{VISION}.ln_post', w)
    if c.resampler_layers:
        found[f'{RESAMPLER}.latents'] = (c.latents, w)
        biased(f'{RESAMPLER}.norm', w)
    for i in range(c.resampler_layers):
        name = f'{RESAMPLER}.layers.{i}'
        biased(f'{name}.0.norm_media', w)
        biased(f'{name}.0.norm_latents', w)
        attention_of(f'{name}.0', w, w, c.resampler_heads * c.resampler_head_size)
        feed_forward_of(f'{name}.1', w, c.resampler_feed_forward)
    found[f'{DECODER}.embed_tokens.weight'] = (c.vocabulary, d)
    found[f'{DECODER}.embed_positions.weight'] = (c.positions + c.position_offset, d)
    for i in range(c.decoder_layers):
        name = f'{DECODER}.layers.{i}.gated_cross_attn_layer'
        if c.has_cross(i):
            biased(f'{name}.attn.norm', d)
            attention_of(f'{name}.attn', d, w, c.cross_heads * c.cross_head_size)
            feed_forward_of(f'{name}.ff', d, c.cross_feed_forward)
            found[f'{name}.attn_gate'] = found[f'{name}.ff_gate'] = (1,)
        name = f'{DECODER}.layers.{i}.decoder_layer'
        biased(f'{name}.self_attn_layer_norm', d)
        for part in 'qkv':
            biased(f'{name}.self_attn.{part}_proj', d, d)
        biased(f'{name}.self_attn.out_proj', d, d)
        biased(f'{name}.final_layer_norm', d)
        biased(f'{name}.fc1', c.decoder_feed_forward, d)
        biased(f'{name}.fc2', d, c.decoder_feed_forward)
    biased(f'{DECODER}.final_layer_norm', d)
    return found


def preprocess(c: Config, pixels: np.ndarray) -> Tensor:
    """uint8 RGB [height, width, 3] -> float32 planes [3, image height, width_of(height, width)] (section 1a)."""
    from PIL import Image

    size = c.width_of(*pixels.shape[:2]), c.image_height
    resized = Image.fromarray(pixels).resize(size, Image.BILINEAR)
    planes = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float().div(255)
    if c.channels == 'bgr':
        planes = planes.flip(0)
    return (planes - torch.tensor(c.mean)[:, None, None]) / torch.tensor(c.std)[:, None, None]


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int, seen: Tensor | None = None) -> Tensor:
    """query [B, L, heads * size], key and value [B or 1, M, heads * size] -> [B, L, heads * size]. seen: bool,
    broadcast to [B, heads, L, M], True where a key counts; a row that sees no key gives 0."""
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    scores = q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)
    if seen is None:
        shares = scores.softmax(-1)
    else:
        shares = scores.masked_fill(~seen, -math.inf).softmax(-1).masked_fill(~seen, 0.0)
    return (shares @ v).transpose(1, 2).flatten(2)


class E2STR:
    def __init__(self, config: Config, weights: dict[str, Tensor]):
        self.config, self.weights = config, weights

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[f'{name}.weight'], self.weights.get(f'{name}.bias'))

    def norm(self, name: str, x: Tensor, epsilon: float) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weights[f'{name}.weight'], self.weights[f'{name}.bias'], epsilon)

    def feed_forward(self, name: str, x: Tensor, epsilon: float) -> Tensor:
        return self.linear(f'{name}.3', F.gelu(self.linear(f'{name}.1', self.norm(f'{name}.0', x, epsilon))))

    # ---- images ----

    def positions_of(self, columns: int) -> Tensor:
        """[class token + patches, w] of an image of so many columns."""
        c, w = self.config, self.weights
        if not c.min_width:
            return w[f'{VISION}.positional_embedding']
        rows, across = w[f'{VISION}.row_embedding'], w[f'{VISION}.column_embedding'][:columns]
        grid = (rows[:, None] + across).flatten(0, 1)
        return torch.cat([torch.zeros_like(grid[:1]), grid]) if c.class_token else grid

    def vision_tokens(self, planes: Tensor) -> Tensor:
        """Planes [N, 3, H, W] of images of one width -> [N, patches, vision width] (section 2)."""
        c, w = self.config, self.weights
        x = planes
        for i, (_, *stride) in enumerate(c.stem):
            name = f'{VISION}.stem.{i}'
            x = F.gelu(F.conv2d(x, w[f'{name}.weight'], w[f'{name}.bias'], stride, padding=1))
        patch = w[f'{VISION}.conv1.weight']
        x = F.conv2d(x, patch, w[f'{VISION}.conv1.bias'], patch.shape[2:])
        positions, x = self.positions_of(x.shape[3]), x.flatten(2).transpose(1, 2)
        if c.class_token:
            x = torch.cat([w[f'{VISION}.class_embedding'].expand(len(x), 1, -1), x], 1)
        x = x + positions
        for i in range(c.vision_layers):
            name = f'{VISION}.transformer.resblocks.{i}'
            y = self.norm(f'{name}.ln_1', x, c.vision_epsilon)
            qkv = F.linear(y, w[f'{name}.attn.in_proj_weight'], w[f'{name}.attn.in_proj_bias'])
            x = x + self.linear(f'{name}.attn.out_proj', attention(*qkv.chunk(3, -1), c.vision_heads))
            y = self.linear(f'{name}.mlp.c_fc', self.norm(f'{name}.ln_2', x, c.vision_epsilon))
            x = x + self.linear(f'{name}.mlp.c_proj', ACTIVATIONS[c.vision_activation](y))
        x = x[:, int(c.class_token) :]
        return self.norm(f'{VISION}.ln_post', x, c.vision_epsilon) if c.norm_post else x

    def resample(self, tokens: Tensor) -> Tensor:
        """Vision tokens [N, patches, w] -> latents [N, latents, w] (section 3)."""
        c, epsilon = self.config, self.config.resampler_epsilon
        x = self.weights[f'{RESAMPLER}.latents'].expand(len(tokens), -1, -1)
        for i in range(c.resampler_layers):
            name = f'{RESAMPLER}.layers.{i}'
            latents = self.norm(f'{name}.0.norm_latents', x, epsilon)
            both = torch.cat([self.norm(f'{name}.0.norm_media', tokens, epsilon), latents], 1)
            key, value = self.linear(f'{name}.0.to_kv', both).chunk(2, -1)
            query = self.linear(f'{name}.0.to_q', latents)
            x = x + self.linear(f'{name}.0.to_out', attention(query, key, value, c.resampler_heads))
            x = x + self.feed_forward(f'{name}.1', x, epsilon)
        return self.norm(f'{RESAMPLER}.norm', x, epsilon)

    def media_of(self, vision_tokens: Tensor) -> Tensor:
        """What the decoder reads of an image: its visual tokens."""
        return self.resample(vision_tokens) if self.config.resampler_layers else vision_tokens

    def encode(self, planes: Tensor) -> Tensor:
        """Planes [N, 3, H, W] -> visual tokens [N, n, w]."""
        return self.media_of(self.vision_tokens(planes))

    def keys(self, vision_tokens: Tensor, media: Tensor) -> Tensor:
        """Retrieval keys [N, w] of unit length (section 7)."""
        source = vision_tokens if self.config.retrieval_key == 'vision_tokens' else media
        return F.normalize(source.mean(1), dim=-1)

    # ---- text ----

    def prompt(self, labels: Sequence[Sequence[int]]) -> list[int]:
        """Token ids before an answer, of the examples' labels in prompt order (section 6)."""
        c = self.config
        return [c.bos] + [t for label in labels for t in (c.image, *label, c.end)] + [c.image]

    def places(self, ids: Tensor) -> Tensor:
        """Positions [B, L] of the tokens, without the table's offset (section 4)."""
        index, image = torch.arange(ids.shape[1]).expand_as(ids), ids == self.config.image
        if not self.config.segment_stride:
            return index
        images = image.cumsum(1)
        since_image = index - (index * image).cummax(1).values
        return ((images - 1) * self.config.segment_stride + 1 + since_image) * (images > 0)

    def cross(self, name: str, x: Tensor, media: Tensor, seen: Tensor) -> Tensor:
        """The gated cross-attention block (section 5). x [B, L, d], media [1, M, w], seen [B, 1, L, M]."""
        c, w = self.config, self.weights
        query = self.linear(f'{name}.attn.to_q', self.norm(f'{name}.attn.norm', x, c.decoder_epsilon))
        key, value = self.linear(f'{name}.attn.to_kv', media).chunk(2, -1)
        attended = self.linear(f'{name}.attn.to_out', attention(query, key, value, c.cross_heads, seen))
        x = x + w[f'{name}.attn_gate'].tanh() * attended
        return x + w[f'{name}.ff_gate'].tanh() * self.feed_forward(f'{name}.ff', x, c.decoder_epsilon)

    def layer(self, name: str, x: Tensor, causal: Tensor) -> Tensor:
        """A decoder layer (section 4)."""
        c = self.config
        y = self.norm(f'{name}.self_attn_layer_norm', x, c.decoder_epsilon)
        query, key, value = (self.linear(f'{name}.self_attn.{part}_proj', y) for part in 'qkv')
        x = x + self.linear(f'{name}.self_attn.out_proj', attention(query, key, value, c.decoder_heads, causal))
        y = self.linear(f'{name}.fc1', self.norm(f'{name}.final_layer_norm', x, c.decoder_epsilon))
        return x + self.linear(f'{name}.fc2', ACTIVATIONS[c.decoder_activation](y))

    def hidden(self, ids: Tensor, media: Sequence[Tensor]) -> Tensor:
        """ids [B, L], media: T times [n, w], each with its own n, the same for all B -> [B, L, d], after the final
        norm."""
        c, w = self.config, self.weights
        images_so_far = (ids == c.image).cumsum(1)[:, None, :, None]
        image_of_key = torch.cat([torch.full((len(tokens),), i + 1) for i, tokens in enumerate(media)])
        media = torch.cat(list(media))[None]
        seen = images_so_far == image_of_key if c.only_immediate_media else images_so_far >= image_of_key
        causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
        places = self.places(ids) + c.position_offset
        x = w[f'{DECODER}.embed_tokens.weight'][ids] + w[f'{DECODER}.embed_positions.weight'][places]
        for i in range(c.decoder_layers):
            name = f'{DECODER}.layers.{i}'
            if c.has_cross(i):
                x = self.cross(f'{name}.gated_cross_attn_layer', x, media, seen)
            x = self.layer(f'{name}.decoder_layer', x, causal)
        return self.norm(f'{DECODER}.final_layer_norm', x, c.decoder_epsilon)

    def logits(self, ids: Tensor, media: Sequence[Tensor]) -> Tensor:
        """[B, L, vocabulary]: of the token that follows each."""
        return F.linear(self.hidden(ids, media), self.weights[f'{DECODER}.embed_tokens.weight'])

    def following(self, prompt: list[int], media: Sequence[Tensor]) -> Following:
        """What may be written after a prompt whose images' visual tokens are media (as above). <image> never is."""
        known: dict[tuple[int, ...], Tensor] = {}

        def next_logits(texts: list[list[int]]) -> Tensor:
            fresh = [text for text in texts if tuple(text) not in known]
            if fresh:
                ids = torch.tensor([prompt + text for text in fresh])
                rows = self.logits(ids, media)[:, -1].clone()
                rows[:, self.config.image] = -math.inf
                known.update(zip(map(tuple, fresh), rows))
            return torch.stack([known[tuple(text)] for text in texts])

        return next_logits


# ---- decoding (section 6) ----


def greedy(following: Following, end: int, limit: int) -> list[int]:
    """The token ids written, the end token left out; at most `limit` with it."""
    text: list[int] = []
    while len(text) < limit:
        token = int(following([text])[0].argmax())
        if token == end:
            break
        text.append(token)
    return text


def beam(following: Following, end: int, limit: int, width: int) -> list[int]:
    """The same by beam search with `width` beams."""
    beams, stored, done = [(0.0, [])], [], False  # stored: (score, text), oldest first

    def store(score: float, text: list[int]) -> None:
        worst = min(range(len(stored)), key=lambda i: stored[i][0], default=None)
        if len(stored) == width:
            if score <= stored[worst][0]:
                return
            del stored[worst]
        stored.append((score, text))

    for length in range(1, limit + 1):
        scores = following([text for _, text in beams]).log_softmax(-1)
        scores = scores + torch.tensor([score for score, _ in beams], dtype=scores.dtype)[:, None]
        best = scores.flatten().topk(min(2 * width, scores.numel()))
        candidates = [(s, *divmod(i, scores.shape[1])) for s, i in zip(best.values.tolist(), best.indices.tolist())]
        alive = []
        for rank, (score, parent, token) in enumerate(candidates):
            if token != end:
                alive.append((score, beams[parent][1] + [token]))
            elif rank < width:
                store(score / length, beams[parent][1])
            if len(alive) == width:
                break
        beams = alive
        done = len(stored) == width and min(stored)[0] >= candidates[0][0] / length
        if done:
            break
    for score, text in beams if not done else []:
        store(score / limit, text)
    return max(reversed(stored), key=lambda s: s[0])[1]


def patch_evidence(c: Config, vision_tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What the patch head says of vision tokens [N, patches, width] (section 12): [N, vocabulary, columns]."""
    logits = F.linear(vision_tokens, weight, bias)
    evidence = (logits - logits[..., c.pad, None]).clamp(-32, 32)
    return evidence.unflatten(1, (c.grid[0], -1)).amax(1).transpose(1, 2)


def fuse(weights: dict[str, Tensor], states: Tensor, tokens: Tensor) -> Tensor:
    """The fusion block (section 14) by PyTorch's own attention: states [n, D] and visual tokens [m, W] to [n, D].
    weights: those of the model file without the leading "fusion."."""
    width = states.shape[1]
    attention = torch.nn.MultiheadAttention(width, 1, batch_first=True).to(states.dtype)
    with torch.no_grad():
        for part in ('weight', 'bias'):
            parts = weights[f'attn_query.{part}'], weights[f'attn_key_value.{part}']
            getattr(attention, f'in_proj_{part}').copy_(torch.cat(parts))
            getattr(attention.out_proj, part).copy_(weights[f'attn_out.{part}'])
        visual = F.linear(tokens, weights['visual.weight'], weights['visual.bias'])
        seen = attention(states[None], visual[None], visual[None], need_weights=False)[0][0]
    gate = torch.sigmoid(F.linear(torch.cat([states, seen], 1), weights['gate.weight'], weights['gate.bias']))
    return (1 - gate) * states + gate * seen
