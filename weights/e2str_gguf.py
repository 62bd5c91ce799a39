# SPDX-License-Identifier: MIT
"""E2STR weights as PyTorch code names them, to and from the GGUF layout of docs/model-format.md.

A state dict here has the official names without the leading "model." (vision_encoder.*, perceiver.*, lang_encoder.*),
each tensor once, as float32 arrays: the layout of tests/golden/reference.py. Sizes come from the tensors' shapes; what
shapes do not say is in Settings.
"""

import os
import struct
from dataclasses import dataclass, field

import gguf
import numpy as np

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
TYPES = {
    'f32': gguf.GGMLQuantizationType.F32,
    'f16': gguf.GGMLQuantizationType.F16,
    'bf16': gguf.GGMLQuantizationType.BF16,
    'q8_0': gguf.GGMLQuantizationType.Q8_0,
}
DECODER = 'lang_encoder.model.decoder'


class WeightsError(Exception):
    """A state dict, vocabulary or setting that does not make a model; the message names what is wrong."""


@dataclass
class Settings:
    """What the shapes of the weights do not say. The defaults are the paper's."""

    name: str = ''
    image_height: int = 32
    image_width: int = 128
    min_width: int = 0  # 0: all pictures have image_width; otherwise widths are free between these two
    channels: str = 'rgb'
    trim: bool = False  # even borders are left out
    mean: tuple = CLIP_MEAN
    std: tuple = CLIP_STD
    vision_head_size: int = 64
    vision_activation: str = 'gelu'
    stem_strides: tuple = ()  # (height, width) of each convolution before the patches
    vision_epsilon: float = 1e-5
    norm_post: bool = True
    resampler_head_size: int = 64
    resampler_epsilon: float = 1e-5
    decoder_head_size: int = 64
    decoder_activation: str = 'relu'
    decoder_epsilon: float = 1e-5
    position_offset: int = 2
    segment_stride: int = 0
    min_similarity: float = -1.0
    cross_head_size: int = 64
    only_immediate_media: bool = True
    retrieval_key: str = 'latents'


@dataclass
class Tokenizer:
    """tokens: one string per id. bos, end, pad, image: ids. merges: 'left right' strings of a byte-level BPE; None: one
    token per character."""

    tokens: list
    bos: int
    end: int
    pad: int
    image: int
    merges: list = None

    @property
    def specials(self):
        return sorted({self.bos, self.end, self.pad, self.image})


def character_tokenizer(alphabet):
    """Ids 0 padding, 1 BOS, 2 end of a label, 3 <image>, 4.. the characters: the numbering of our own training."""
    return Tokenizer(['<pad>', '<s>', '<|endofchunk|>', '<image>', *alphabet], bos=1, end=2, pad=0, image=3)


@dataclass
class Shapes:
    vision_width: int
    patch_height: int
    patch_width: int
    grid: tuple  # rows and columns of patches; of free widths the most columns
    free: bool  # positions by row and column
    class_token: bool
    vision_layers: int
    vision_feed_forward: int
    stem: list  # channels of each 3 x 3 convolution before the patches
    resampler_layers: int
    latents: int
    resampler_inner: int
    resampler_feed_forward: int
    vocabulary: int
    decoder_width: int
    decoder_layers: int
    decoder_feed_forward: int
    position_rows: int
    cross_layers: list = field(default_factory=list)
    cross_every: int = 1
    cross_inner: int = 0
    cross_feed_forward: int = 0


def _shape(state, name, n_dims):
    if name not in state:
        raise WeightsError(f'tensor missing: {name}')
    shape = tuple(state[name].shape)
    if len(shape) != n_dims:
        raise WeightsError(f'tensor {name}: {n_dims} dimensions expected, shape is {shape}')
    return shape


def _count(state, prefix):
    """How many numbered parts "PREFIX.0." .. there are; a gap is found later as a missing tensor."""
    numbers = (k[len(prefix) + 1 :].split('.')[0] for k in state if k.startswith(prefix + '.'))
    return max((int(n) + 1 for n in numbers if n.isdigit()), default=0)


def shapes_of(state, settings):
    """Shapes, of a state. Looks only at the tensors it needs; layout() lists all of them for the full check."""
    width, channels, ph, pw = _shape(state, 'vision_encoder.conv1.weight', 4)
    stem = [_shape(state, f'vision_encoder.stem.{i}.weight', 4)[0] for i in range(_count(state, 'vision_encoder.stem'))]
    if len(stem) != len(settings.stem_strides):
        raise WeightsError(f'the stem has {len(stem)} convolutions, and {len(settings.stem_strides)} strides are set')
    expected = stem[-1] if stem else 3
    if channels != expected:
        raise WeightsError(f'tensor vision_encoder.conv1.weight: {expected} channels expected, found {channels}')
    for dy, dx in settings.stem_strides:
        ph, pw = ph * dy, pw * dx
    if settings.image_height % ph or settings.image_width % pw:
        raise WeightsError(
            f'patches of {ph}x{pw} (height x width) do not divide an image of '
            f'{settings.image_height}x{settings.image_width}'
        )
    if settings.min_width % pw or settings.min_width > settings.image_width:
        raise WeightsError(f'widths from {settings.min_width} to {settings.image_width} in patches of {pw}')
    vocabulary, d = _shape(state, f'{DECODER}.embed_tokens.weight', 2)
    s = Shapes(
        vision_width=width,
        patch_height=ph,
        patch_width=pw,
        grid=(settings.image_height // ph, settings.image_width // pw),
        free=settings.min_width > 0,
        class_token='vision_encoder.class_embedding' in state,
        vision_layers=_count(state, 'vision_encoder.transformer.resblocks'),
        vision_feed_forward=_shape(state, 'vision_encoder.transformer.resblocks.0.mlp.c_fc.weight', 2)[0],
        stem=stem,
        resampler_layers=_count(state, 'perceiver.layers'),
        latents=0,
        resampler_inner=0,
        resampler_feed_forward=0,
        vocabulary=vocabulary,
        decoder_width=d,
        decoder_layers=_count(state, f'{DECODER}.layers'),
        decoder_feed_forward=_shape(state, f'{DECODER}.layers.0.decoder_layer.fc1.weight', 2)[0],
        position_rows=_shape(state, f'{DECODER}.embed_positions.weight', 2)[0],
    )
    if s.resampler_layers:
        s.latents = _shape(state, 'perceiver.latents', 2)[0]
        s.resampler_inner = _shape(state, 'perceiver.layers.0.0.to_q.weight', 2)[0]
        s.resampler_feed_forward = _shape(state, 'perceiver.layers.0.1.1.weight', 2)[0]
    s.cross_layers = [
        i
        for i in range(s.decoder_layers)
        if any(k.startswith(f'{DECODER}.layers.{i}.gated_cross_attn_layer.') for k in state)
    ]
    if not s.cross_layers:
        raise WeightsError(f'tensor missing: no {DECODER}.layers.*.gated_cross_attn_layer.*')
    s.cross_every = s.cross_layers[0] + 1
    if s.cross_layers != [i for i in range(s.decoder_layers) if (i + 1) % s.cross_every == 0]:
        raise WeightsError(
            f'gated cross-attention in layers {s.cross_layers} of {s.decoder_layers}: not every n-th layer'
        )
    first = f'{DECODER}.layers.{s.cross_layers[0]}.gated_cross_attn_layer'
    s.cross_inner = _shape(state, f'{first}.attn.to_q.weight', 2)[0]
    s.cross_feed_forward = _shape(state, f'{first}.ff.1.weight', 2)[0]
    return s


@dataclass
class Entry:
    """One GGUF tensor: `shape` [out, in] as stored; `parts`: (state dict name, its own shape), one under the other."""

    name: str
    shape: tuple
    parts: list


def layout(s, norm_post):
    """All tensors of a model of these sizes, in file order."""
    entries = []

    def add(name, official, *shape, own=None):
        entries.append(Entry(name, shape, [(official, tuple(own or shape))]))

    def pair(name, official, *shape):
        add(f'{name}.weight', f'{official}.weight', *shape)
        add(f'{name}.bias', f'{official}.bias', shape[0])

    def stacked(name, official, kind, *shape):
        entries.append(
            Entry(f'{name}.{kind}', (3 * shape[0], *shape[1:]), [(f'{official}.{p}_proj.{kind}', shape) for p in 'qkv'])
        )

    w, f = s.vision_width, s.vision_feed_forward
    channels, kernel = 3, (s.patch_height, s.patch_width)
    for i, out in enumerate(s.stem):
        of = f'vision_encoder.stem.{i}'
        add(f'vision.stem.{i}.weight', f'{of}.weight', out, channels * 9, own=(out, channels, 3, 3))
        add(f'vision.stem.{i}.bias', f'{of}.bias', out)
        channels, kernel = out, (1, 1)
    add(
        'vision.patch.weight',
        'vision_encoder.conv1.weight',
        w,
        channels * kernel[0] * kernel[1],
        own=(w, channels, *kernel),
    )
    add('vision.patch.bias', 'vision_encoder.conv1.bias', w)
    if s.class_token:
        add('vision.class_embedding', 'vision_encoder.class_embedding', w)
    rows, columns = s.grid
    if s.free:
        add('vision.row_positions', 'vision_encoder.row_embedding', rows, w)
        add('vision.column_positions', 'vision_encoder.column_embedding', columns, w)
    else:
        add('vision.positions', 'vision_encoder.positional_embedding', rows * columns + s.class_token, w)
    for i in range(s.vision_layers):
        to, of = f'vision.blk.{i}', f'vision_encoder.transformer.resblocks.{i}'
        pair(f'{to}.norm1', f'{of}.ln_1', w)
        add(f'{to}.attn_qkv.weight', f'{of}.attn.in_proj_weight', 3 * w, w)
        add(f'{to}.attn_qkv.bias', f'{of}.attn.in_proj_bias', 3 * w)
        pair(f'{to}.attn_out', f'{of}.attn.out_proj', w, w)
        pair(f'{to}.norm2', f'{of}.ln_2', w)
        pair(f'{to}.ffn_up', f'{of}.mlp.c_fc', f, w)
        pair(f'{to}.ffn_down', f'{of}.mlp.c_proj', w, f)
    if norm_post:
        pair('vision.norm_post', 'vision_encoder.ln_post', w)

    if s.resampler_layers:
        add('resampler.latents', 'perceiver.latents', s.latents, w)
    for i in range(s.resampler_layers):
        to, of, inner, f = f'resampler.blk.{i}', f'perceiver.layers.{i}', s.resampler_inner, s.resampler_feed_forward
        pair(f'{to}.norm_media', f'{of}.0.norm_media', w)
        pair(f'{to}.norm_latents', f'{of}.0.norm_latents', w)
        add(f'{to}.attn_query.weight', f'{of}.0.to_q.weight', inner, w)
        add(f'{to}.attn_key_value.weight', f'{of}.0.to_kv.weight', 2 * inner, w)
        add(f'{to}.attn_out.weight', f'{of}.0.to_out.weight', w, inner)
        pair(f'{to}.norm_ff', f'{of}.1.0', w)
        add(f'{to}.ffn_up.weight', f'{of}.1.1.weight', f, w)
        add(f'{to}.ffn_down.weight', f'{of}.1.3.weight', w, f)
    if s.resampler_layers:
        pair('resampler.norm', 'perceiver.norm', w)

    d, f = s.decoder_width, s.decoder_feed_forward
    add('decoder.tokens', f'{DECODER}.embed_tokens.weight', s.vocabulary, d)
    add('decoder.positions', f'{DECODER}.embed_positions.weight', s.position_rows, d)
    for i in range(s.decoder_layers):
        to, of = f'decoder.blk.{i}', f'{DECODER}.layers.{i}.decoder_layer'
        if i in s.cross_layers:
            cross, inner, cf = f'{DECODER}.layers.{i}.gated_cross_attn_layer', s.cross_inner, s.cross_feed_forward
            pair(f'{to}.cross.norm', f'{cross}.attn.norm', d)
            add(f'{to}.cross.attn_query.weight', f'{cross}.attn.to_q.weight', inner, d)
            add(f'{to}.cross.attn_key_value.weight', f'{cross}.attn.to_kv.weight', 2 * inner, w)
            add(f'{to}.cross.attn_out.weight', f'{cross}.attn.to_out.weight', d, inner)
            add(f'{to}.cross.attn_gate', f'{cross}.attn_gate', 1)
            pair(f'{to}.cross.norm_ff', f'{cross}.ff.0', d)
            add(f'{to}.cross.ffn_up.weight', f'{cross}.ff.1.weight', cf, d)
            add(f'{to}.cross.ffn_down.weight', f'{cross}.ff.3.weight', d, cf)
            add(f'{to}.cross.ffn_gate', f'{cross}.ff_gate', 1)
        pair(f'{to}.norm1', f'{of}.self_attn_layer_norm', d)
        stacked(f'{to}.attn_qkv', f'{of}.self_attn', 'weight', d, d)
        stacked(f'{to}.attn_qkv', f'{of}.self_attn', 'bias', d)
        pair(f'{to}.attn_out', f'{of}.self_attn.out_proj', d, d)
        pair(f'{to}.norm2', f'{of}.final_layer_norm', d)
        pair(f'{to}.ffn_up', f'{of}.fc1', f, d)
        pair(f'{to}.ffn_down', f'{of}.fc2', d, f)
    pair('decoder.norm', f'{DECODER}.final_layer_norm', d)
    return entries


def check(state, entries, ignored=()):
    """Every tensor of the layout there, with its shape, and no others; the message lists all that are wrong."""
    expected = {name: shape for e in entries for name, shape in e.parts}
    wrong = [f'tensor missing: {name}' for name in expected if name not in state]
    wrong += [
        f'tensor {name}: shape {tuple(state[name].shape)}, expected {shape}'
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    wrong += [
        f'unexpected tensor: {name} {tuple(state[name].shape)}'
        for name in state
        if name not in expected and name not in ignored
    ]
    if wrong:
        more = [f'... and {len(wrong) - 20} more'] if len(wrong) > 20 else []
        raise WeightsError('\n'.join(wrong[:20] + more))


def type_of(entry, wanted):
    """Vectors (norms, biases, gates) stay F32; matrices take the wanted type; where rows are not whole blocks
    of Q8_0, F16."""
    if len(entry.shape) < 2:
        return TYPES['f32']
    if wanted == 'q8_0' and entry.shape[1] % 32:
        return TYPES['f16']
    return TYPES[wanted]


def store(array, kind):
    """float32 array -> the bytes of a tensor of this type, as an array that GGUFWriter takes."""
    stored = gguf.quants.quantize(np.ascontiguousarray(array, np.float32), kind)
    if not np.isfinite(gguf.quants.dequantize(stored, kind)).all():
        raise WeightsError(f'a value is not finite, or too large for {kind.name}')
    return stored


def rounded(state, entries, wanted):
    """The state dict with the values that a file of this type holds."""
    result = dict(state)
    for e in entries:
        kind = type_of(e, wanted)
        for name, shape in e.parts:
            rows = state[name].reshape(shape[0], -1)
            result[name] = gguf.quants.dequantize(store(rows, kind), kind).reshape(shape)
    return result


def _heads(part, inner, head_size):
    if head_size < 1 or inner % head_size:
        raise WeightsError(f'{part}: {inner} columns are not a multiple of the head size {head_size}')
    return inner // head_size


def _write_metadata(writer, s, settings):
    u32, f32 = writer.add_uint32, writer.add_float32
    u32('e2str.version', 1)
    u32('e2str.image.height', settings.image_height)
    u32('e2str.image.width', settings.image_width)
    if settings.min_width:
        u32('e2str.image.min_width', settings.min_width)
    writer.add_string('e2str.image.channels', settings.channels)
    if settings.trim:
        writer.add_bool('e2str.image.trim', True)
    writer.add_array('e2str.image.mean', [float(x) for x in settings.mean])
    writer.add_array('e2str.image.std', [float(x) for x in settings.std])
    u32('e2str.vision.patch_height', s.patch_height)
    u32('e2str.vision.patch_width', s.patch_width)
    if s.stem:
        writer.add_array('e2str.vision.stem.channels', s.stem)
        writer.add_array('e2str.vision.stem.stride_height', [dy for dy, _ in settings.stem_strides])
        writer.add_array('e2str.vision.stem.stride_width', [dx for _, dx in settings.stem_strides])
    u32('e2str.vision.width', s.vision_width)
    u32('e2str.vision.layers', s.vision_layers)
    u32('e2str.vision.heads', _heads('vision', s.vision_width, settings.vision_head_size))
    u32('e2str.vision.feed_forward', s.vision_feed_forward)
    writer.add_string('e2str.vision.activation', settings.vision_activation)
    writer.add_bool('e2str.vision.class_token', s.class_token)
    writer.add_bool('e2str.vision.norm_post', settings.norm_post)
    f32('e2str.vision.epsilon', settings.vision_epsilon)
    u32('e2str.resampler.layers', s.resampler_layers)
    if s.resampler_layers:
        u32('e2str.resampler.latents', s.latents)
        u32('e2str.resampler.heads', _heads('resampler', s.resampler_inner, settings.resampler_head_size))
        u32('e2str.resampler.head_size', settings.resampler_head_size)
        u32('e2str.resampler.feed_forward', s.resampler_feed_forward)
        f32('e2str.resampler.epsilon', settings.resampler_epsilon)
    u32('e2str.decoder.width', s.decoder_width)
    u32('e2str.decoder.layers', s.decoder_layers)
    u32('e2str.decoder.heads', _heads('decoder', s.decoder_width, settings.decoder_head_size))
    u32('e2str.decoder.feed_forward', s.decoder_feed_forward)
    writer.add_string('e2str.decoder.activation', settings.decoder_activation)
    if s.position_rows <= settings.position_offset:
        raise WeightsError(f'tensor {DECODER}.embed_positions.weight: only {s.position_rows} rows')
    u32('e2str.decoder.positions', s.position_rows - settings.position_offset)
    if settings.segment_stride:
        u32('e2str.decoder.segment_stride', settings.segment_stride)
    u32('e2str.decoder.position_offset', settings.position_offset)
    f32('e2str.decoder.epsilon', settings.decoder_epsilon)
    u32('e2str.cross.every', s.cross_every)
    u32('e2str.cross.heads', _heads('cross-attention', s.cross_inner, settings.cross_head_size))
    u32('e2str.cross.head_size', settings.cross_head_size)
    u32('e2str.cross.feed_forward', s.cross_feed_forward)
    writer.add_bool('e2str.cross.only_immediate_media', settings.only_immediate_media)
    writer.add_string('e2str.retrieval.key', settings.retrieval_key)
    if settings.min_similarity > -1:
        f32('e2str.retrieval.min_similarity', settings.min_similarity)


def _write_tokenizer(writer, tokenizer):
    writer.add_string('tokenizer.ggml.model', 'characters' if tokenizer.merges is None else 'gpt2')
    writer.add_array('tokenizer.ggml.tokens', tokenizer.tokens)
    if tokenizer.merges is not None:
        writer.add_array('tokenizer.ggml.merges', tokenizer.merges)
    writer.add_uint32('tokenizer.ggml.bos_token_id', tokenizer.bos)
    writer.add_uint32('tokenizer.ggml.eos_token_id', tokenizer.end)
    writer.add_uint32('tokenizer.ggml.padding_token_id', tokenizer.pad)
    writer.add_uint32('e2str.tokenizer.image_token_id', tokenizer.image)
    writer.add_array('e2str.tokenizer.special_token_ids', tokenizer.specials)


def write_model(path, state, settings, tokenizer, wanted, ignored=()):
    """Writes the model file; `wanted`: f32, f16, bf16 or q8_0 for the matrices. `ignored`: names in `state` left out.
    Returns (number of weights, number of tensors). Raises WeightsError before anything is written."""
    sizes = shapes_of(state, settings)
    entries = layout(sizes, settings.norm_post)
    check(state, entries, ignored)
    if len(tokenizer.tokens) != sizes.vocabulary:
        raise WeightsError(
            f'the vocabulary has {len(tokenizer.tokens)} tokens, '
            f'tensor {DECODER}.embed_tokens.weight has {sizes.vocabulary} rows'
        )
    if len(set(tokenizer.tokens)) != len(tokenizer.tokens):
        raise WeightsError('the vocabulary has a token twice')
    writer = gguf.GGUFWriter(path, 'e2str')
    if settings.name:
        writer.add_name(settings.name)
    _write_metadata(writer, sizes, settings)
    _write_tokenizer(writer, tokenizer)
    for e in entries:
        parts = [state[name] for name, _ in e.parts]
        kind = type_of(e, wanted)
        array = (parts[0] if len(parts) == 1 else np.concatenate(parts)).reshape(e.shape)
        try:
            writer.add_tensor(e.name, store(array, kind), raw_dtype=kind)
        except WeightsError as error:
            raise WeightsError(f'tensor {e.name}: {error}') from None
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sum(int(np.prod(e.shape)) for e in entries), len(entries)


def _padded(data, alignment):
    return data + bytes(-len(data) % alignment)


def _text(string):
    return struct.pack('<Q', len(string)) + string.encode()


def _number_or_list(value):
    if isinstance(value, float):
        return struct.pack('<If', gguf.GGUFValueType.FLOAT32, value)
    head = struct.pack('<IIQ', gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.FLOAT32, len(value))
    return head + np.asarray(value, '<f4').tobytes()


def replace_part(source, target, metadata_prefix, metadata, tensor_prefix, tensors):
    """The file again, byte for byte, but for the keys and tensors with these prefixes: in their place, behind all
    others, float or list of floats by key, and array (float32 or float16) by tensor."""
    reader = gguf.GGUFReader(source)
    keys = [
        b''.join(p.tobytes() for p in f.parts)
        for name, f in reader.fields.items()
        if not name.startswith(('GGUF.', metadata_prefix))
    ]
    keys += [_text(metadata_prefix + name) + _number_or_list(value) for name, value in metadata.items()]
    entries, data = [], b''
    for tensor in reader.tensors:
        if not tensor.name.startswith(tensor_prefix):
            entries.append(
                b''.join(p.tobytes() for p in tensor.field.parts[:4])
                + struct.pack('<IQ', tensor.tensor_type, len(data))
            )
            data = _padded(data + tensor.data.tobytes(), reader.alignment)
    for name, values in tensors.items():
        shape = struct.pack(f'<I{values.ndim}Q', values.ndim, *reversed(values.shape))
        kind = TYPES['f16' if values.dtype == np.float16 else 'f32']
        entries.append(_text(tensor_prefix + name) + shape + struct.pack('<IQ', kind, len(data)))
        data = _padded(data + np.ascontiguousarray(values).tobytes(), reader.alignment)
    head = struct.pack('<4sIQQ', b'GGUF', 3, len(entries), len(keys)) + b''.join(keys) + b''.join(entries)
    with open(target + '.part', 'wb') as file:
        file.write(_padded(head, reader.alignment) + data)
    os.replace(target + '.part', target)


def load_torch(path):
    """A file made by torch.save from a flat state dict, as {name: float32 tensor}; runs no code from the file."""
    import torch

    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise WeightsError(f'{path}: not a state dict saved by torch.save ({type(error).__name__}: {error})') from None
    if not isinstance(state, dict) or not all(isinstance(k, str) and torch.is_tensor(v) for k, v in state.items()):
        raise WeightsError(f'{path}: not a flat state dict of tensors')
    return state


def load_checkpoint(path):
    """A checkpoint of weights/train: {'model': flat state dict, 'sizes': fields of its Sizes, ...}; runs no code from
    the file."""
    import torch

    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise WeightsError(f'{path}: not a checkpoint of weights/train ({type(error).__name__}: {error})') from None
    if not isinstance(checkpoint, dict) or not {'model', 'sizes'} <= checkpoint.keys():
        raise WeightsError(f'{path}: not a checkpoint of weights/train')
    return checkpoint


def as_float32(state):
    return {k: v.float().numpy() for k, v in state.items()}
