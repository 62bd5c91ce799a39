# SPDX-License-Identifier: MIT
"""Makes the small random models of this folder and their golden values from reference.py; README.md has the layout.

make golden                                                                  all of them, compared with these
build/venv/bin/python tests/golden/make_golden.py [--only NAME] [--out FOLDER]
"""

import argparse
import os
import sys
from dataclasses import dataclass, field

import gguf
import numpy as np
import torch
from reference import DECODER, E2STR, Config, beam, fuse, greedy, patch_evidence, preprocess, shapes

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), 'weights'))
from e2str_gguf import (  # noqa: E402
    Settings,
    character_tokenizer,
    layout,
    replace_part,
    rounded,
    shapes_of,
    write_model,
)

MARGIN = 1e-3  # least distance of every decision, in log-probability
SIMILARITY_MARGIN = 1e-5
CASES, BEAMS, MOST_EXAMPLES = 30, 3, 8
PAD, BOS, END, IMAGE, FIRST = range(5)
TOKENS, POSITIONS = f'{DECODER}.embed_tokens.weight', f'{DECODER}.embed_positions.weight'
LOWER = 'abcdefghijklmnopqrstuvwxyz0123456789'
# docs/model.md, section 1b: the constants for R, G, B act on B, G, R.
IMAGENET_BGR = dict(channels='bgr', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@dataclass
class Model:
    """One golden model. sizes: fields of the reference's Config."""

    name: str
    seed: int
    store: str
    sizes: dict
    alphabet: str = LOWER
    images: int = 10
    head: bool = False
    fusion: bool = False
    config: Config = field(init=False)

    def __post_init__(self):
        ids = dict(vocabulary=FIRST + len(self.alphabet), pad=PAD, bos=BOS, end=END, image=IMAGE)
        self.config = Config(**ids, **self.sizes)


PLAIN = dict(
    image_height=24,
    image_width=64,
    vision_width=32,
    vision_layers=2,
    vision_heads=2,
    vision_feed_forward=64,
    resampler_layers=0,
    decoder_width=32,
    decoder_layers=2,
    decoder_heads=4,
    decoder_feed_forward=64,
    positions=124,
    cross_heads=2,
    cross_head_size=16,
    cross_feed_forward=64,
)
LATENTS = dict(resampler_layers=2, resampler_heads=2, resampler_head_size=16, latents=6, resampler_feed_forward=64)
RESAMPLER = dict(PLAIN, **LATENTS)
FREE = dict(PLAIN, patch_height=8, min_width=12, image_width=144)
ODD = dict(
    image_height=20,
    image_width=50,
    patch_height=5,
    patch_width=10,
    vision_width=27,
    vision_layers=1,
    vision_heads=3,
    vision_feed_forward=37,
    resampler_layers=1,
    resampler_heads=3,
    resampler_head_size=7,
    latents=5,
    resampler_feed_forward=54,
    decoder_width=35,
    decoder_layers=1,
    decoder_heads=5,
    decoder_feed_forward=51,
    positions=124,
    cross_heads=3,
    cross_head_size=13,
    cross_feed_forward=70,
)
MODELS = [
    Model('plain', 1, 'f32', dict(PLAIN, vision_layers=1, mean=(0.5,) * 3, std=(0.5,) * 3), images=26),
    Model('resampler', 2, 'f16', dict(RESAMPLER, image_height=32, image_width=128, vision_layers=3), images=26),
    Model(
        'oblong',
        3,
        'f16',
        dict(
            PLAIN,
            **IMAGENET_BGR,
            patch_height=8,
            image_height=32,
            image_width=128,
            vision_activation='quick_gelu',
            norm_post=False,
            cross_every=2,
            decoder_layers=3,
        ),
        alphabet='0123456789',
    ),
    Model(
        'vision-key',
        4,
        'bf16',
        dict(RESAMPLER, patch_height=8, norm_post=False, vision_activation='quick_gelu', retrieval_key='vision_tokens'),
        images=26,
    ),
    Model('blocks', 5, 'q8_0', dict(PLAIN, **IMAGENET_BGR, patch_width=8, cross_head_size=32, vision_feed_forward=96)),
    Model(
        'all-media',
        6,
        'bf16',
        dict(RESAMPLER, only_immediate_media=False, vision_epsilon=1e-6, resampler_epsilon=1e-4, decoder_epsilon=1e-3),
        alphabet='aäßçéñøαβγ漢字あ😀',
    ),
    Model(
        'no-class',
        7,
        'f16',
        dict(PLAIN, patch_height=8, vision_layers=1, decoder_layers=3, class_token=False, decoder_activation='gelu'),
    ),
    Model('odd', 8, 'f32', ODD, alphabet=LOWER + 'AB', fusion=True),
    Model(
        'stride',
        9,
        'f16',
        dict(PLAIN, patch_height=8, segment_stride=12, decoder_activation='quick_gelu'),
        head=True,
        fusion=True,
    ),
    Model('stem', 10, 'q8_0', dict(PLAIN, patch_height=8, stem=((7, 2, 2), (32, 2, 1), (24, 2, 2)), norm_post=False)),
    Model('free', 11, 'f16', dict(FREE, stem=((9, 2, 2), (16, 2, 1), (24, 2, 2)), segment_stride=12), images=26),
    Model('free-all-media', 12, 'f32', dict(FREE, only_immediate_media=False, class_token=False, norm_post=False)),
    Model('free-resampler', 13, 'bf16', dict(FREE, **LATENTS, retrieval_key='vision_tokens')),
]


# ---------------------------------------------------------------------------------------------------- random content --


def random_weights(c, rng):
    """{name: float32 array}: attention uneven, logits spread, and every tensor matters; the tied output matrix would
    repeat the last token for ever if positions and layers did not outweigh the embeddings."""

    def draw(name, shape):
        if name.endswith('gate'):
            return rng.uniform(0.5, 0.9, shape)
        if len(shape) == 1:
            return rng.normal(1.0 if name.endswith('weight') else 0.0, 0.2, shape)
        if name == POSITIONS:
            return rng.normal(0.0, 1.2, shape)
        if any(part in name for part in ('embed_tokens', 'positional', 'row_', 'column_', 'latents')):
            return rng.normal(0.0, 0.5, shape)
        sharp = any(part in name for part in ('in_proj', 'q_proj', 'k_proj', 'to_q', 'to_kv', 'stem'))
        strong = name.startswith(DECODER) and any(part in name for part in ('out_proj', 'fc2', 'to_out', 'ff.3'))
        return rng.normal(0.0, (1.7 if sharp else 3.0 if strong else 1.0) / np.prod(shape[1:]) ** 0.5, shape)

    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes(c).items()}


def random_image(rng, height, width):
    """Blobs of colour on a gradient, with noise: structure on several scales."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    image = rng.uniform(0, 255, 3) + (x * rng.uniform(-200, 200) + y * rng.uniform(-200, 200))[..., None]
    for _ in range(rng.integers(2, 7)):
        cy, cx, r = rng.uniform(0, y.max() + 0.01), rng.uniform(0, x.max() + 0.01), rng.uniform(0.05, 0.3)
        inside = np.exp(-((((y - cy) ** 2 + (x - cx) ** 2) / r**2) ** 2))[..., None]
        image = image * (1 - inside) + rng.uniform(0, 255, 3) * inside
    return (image + rng.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def random_images(rng, model):
    """The first has the model's size; then one is small, one tall and narrow, one larger than the model's size."""
    sizes = [(model.config.image_height, model.config.image_width), (2, 3), (30, 7), (41, 133)]
    sizes += [(int(rng.integers(8, 34)), int(rng.integers(12, 72))) for _ in range(model.images - len(sizes))]
    return [random_image(rng, *size) for size in sizes]


@dataclass
class Case:
    query: int  # image
    examples: list  # (image, label), in prompt order
    limit: int  # most tokens to write
    prompt: list
    media: list  # of the examples and the query: [n, w]
    greedy: list = None
    beam: list = None
    logits: torch.Tensor = None  # of the prompt's last row


def random_case(net, media, rng, n_examples):
    c = net.config
    longest = min(6, c.segment_stride - 3) if c.segment_stride else 6
    room = c.segment_stride - 1 if c.segment_stride else 16
    pictures = [int(i) for i in rng.integers(len(media), size=n_examples)]
    labels = [rng.integers(FIRST, c.vocabulary, int(rng.integers(1, longest + 1))).tolist() for _ in pictures]
    query, limit = int(rng.integers(len(media))), int(rng.integers(6, room + 1))
    seen = [media[i] for i in pictures + [query]]
    return Case(query, list(zip(pictures, labels)), limit, net.prompt(labels), seen)


def balance_tokens(net, media, rng):
    """Makes texts varied: takes the mean direction of the decoder's output out of the token table, so that no token is
    favoured everywhere, then shifts the end token along it until about half of the runs end before the limit."""
    rows = net.weights[TOKENS]
    trials = [random_case(net, media, rng, i % (MOST_EXAMPLES + 1)) for i in range(18)]
    for _ in range(3):
        texts = [trial.prompt + rng.integers(net.config.vocabulary, size=8).tolist() for trial in trials]
        outputs = [net.hidden(torch.tensor([ids]), trial.media)[0] for ids, trial in zip(texts, trials)]
        mean = torch.cat(outputs).mean(0)
        rows -= torch.outer(rows @ mean, mean) / mean.dot(mean)
    base = rows[END].clone()
    low, high = -20.0, 20.0
    for _ in range(8):
        shift = (low + high) / 2
        rows[END] = base + shift * mean / mean.dot(mean)
        ended = 0
        for trial in trials:
            following = net.following(trial.prompt, trial.media)
            ended += len(greedy(following, END, trial.limit)) < trial.limit
            ended += len(beam(following, END, trial.limit, BEAMS)) < trial.limit
        low, high = (shift, high) if ended < len(trials) else (low, shift)


# ------------------------------------------------------------------------------------------------- decoding, margins --


def distances(descending):
    return [a - b for a, b in zip(descending, descending[1:])]


def greedy_margin(following, end, text, limit):
    """The least distance between the two best tokens over all steps."""
    steps = [following([text[:n]])[0].topk(2).values.tolist() for n in range(min(len(text) + 1, limit))]
    return min(best - second for best, second in steps)


def second_beam(following, end, limit):
    """Beam search of docs/model.md, section 6, written a second time; with the least distance of its decisions: the
    7 best candidates of each step, the rule that ends it, the order of the finished texts."""
    beams, finished, margins = [([], 0.0)], [], []
    for step in range(1, limit + 1):
        logp = following([text for text, _ in beams]).log_softmax(-1)
        scores = logp + torch.tensor([score for _, score in beams], dtype=logp.dtype)[:, None]
        top = scores.view(-1).topk(2 * BEAMS + 1)
        margins += distances(top.values.tolist())
        best = list(zip(top.values.tolist(), top.indices.tolist()))[:-1]
        following_beams = []
        for rank, (score, index) in enumerate(best):
            text, token = beams[index // logp.shape[1]][0], index % logp.shape[1]
            if token == end:
                if rank < BEAMS:
                    finished.append((score / step, text))
            elif len(following_beams) < BEAMS:
                following_beams.append((text + [token], score))
            if len(following_beams) == BEAMS:
                break
        beams = following_beams
        finished.sort(key=lambda h: -h[0])
        margins += distances([score for score, _ in finished])
        finished = finished[:BEAMS]
        if len(finished) == BEAMS:
            margins.append(abs(finished[-1][0] - best[0][0] / step))
            if finished[-1][0] >= best[0][0] / step:
                return finished[0][1], min(margins)
    finished = sorted(finished + [(score / limit, text) for text, score in beams], key=lambda h: -h[0])
    return finished[0][1], min(margins + distances([score for score, _ in finished]))


def beam_with_margin(following, end, limit):
    """(text by beam search, least distance of its decisions)"""
    text, (second, margin) = beam(following, end, limit, BEAMS), second_beam(following, end, limit)
    if text != second and margin > 1e-6:
        raise SystemExit(f'two beam searches disagree: {text} and {second}')
    return text, margin


def make_cases(net, media, rng):
    """(CASES cases without near-ties, with 0 to 8 examples in turn; how many were drawn)"""
    cases, drawn = [], 0
    while len(cases) < CASES:
        case = random_case(net, media, rng, len(cases) % (MOST_EXAMPLES + 1))
        following, drawn = net.following(case.prompt, case.media), drawn + 1
        case.greedy = greedy(following, END, case.limit)
        if greedy_margin(following, END, case.greedy, case.limit) < MARGIN:
            continue
        case.beam, margin = beam_with_margin(following, END, case.limit)
        if margin < MARGIN:
            continue
        case.logits = net.logits(torch.tensor([case.prompt]), case.media)[0, -1]
        cases.append(case)
    return cases, drawn


# --------------------------------------------------------------------------------------------------------- the files --


def nearest(keys, n_pool):
    """Queries without near-ties and, for each, the order of the first n_pool images by falling similarity."""
    queries, orders = [], []
    for q in range(len(keys)):
        similarities, order = (keys[:n_pool] @ keys[q]).sort(descending=True)
        if min(distances(similarities.tolist())) >= SIMILARITY_MARGIN:
            queries.append(q)
            orders.append(order.tolist())
    return queries[-8:], orders[-8:]


def offsets(lists):
    return np.cumsum([0] + [len(x) for x in lists])


def flat(lists):
    return [x for part in lists for x in part]


def together(model, tokens):
    """[n, tokens, w], or, where their number varies, one image's under the other's."""
    return torch.cat(tokens) if model.config.min_width else torch.stack(tokens)


def random_head(c, seed):
    """(weight, bias) of a patch head, as a float16 and a float32 array; from numbers of its own."""
    rng = np.random.default_rng([seed, 1])
    weight = rng.normal(0.0, 1.0, (c.vocabulary, c.vision_width)).astype(np.float16)
    return weight, rng.normal(0.0, 0.5, c.vocabulary).astype(np.float32)


FUSION_STATES = 7


def random_fusion(c, seed):
    """The fusion block's tensors by name, matrices float16, and states [n, D] for it; from numbers of their own."""
    rng = np.random.default_rng([seed, 2])
    d = c.decoder_width
    shapes = {'visual': (d, c.vision_width), 'attn_query': (d, d), 'attn_key_value': (2 * d, d), 'attn_out': (d, d)}
    tensors = {}
    for name, shape in {**shapes, 'gate': (d, 2 * d)}.items():
        scale = 0.8 / shape[1] ** 0.5
        tensors[f'{name}.weight'] = rng.normal(0.0, scale, shape).astype(np.float16)
        tensors[f'{name}.bias'] = rng.normal(0.0, 0.5, shape[0]).astype(np.float32)
    return tensors, rng.normal(0.0, 1.0, (FUSION_STATES, d)).astype(np.float32)


def write_golden(path, model, images, planes, vision, media, keys, cases, evidence, fusion):
    writer = gguf.GGUFWriter(path, 'e2str-golden')
    writer.add_string('golden.command', 'make golden')
    writer.add_string('golden.model', f'{model.name}.gguf')
    writer.add_float32('golden.margin', MARGIN)

    def floats(name, tensor):
        writer.add_tensor(name, np.ascontiguousarray(tensor.numpy(), np.float32))

    def integers(name, values):
        writer.add_tensor(name, np.array(values, np.int32))

    for i, image in enumerate(images):
        writer.add_tensor(f'image.{i}', image.view(np.int8))
    for i in range(2):
        floats(f'planes.{i}', planes[i])
    if model.config.resampler_layers:
        floats('vision_tokens', together(model, vision[:1]))
    n = 6 if model.config.min_width else 3 if media[0].numel() < 8000 else 2
    floats('tokens', together(model, media[:n]))
    floats('keys', keys)
    if evidence is not None:
        floats('patch_evidence', evidence)
    for name, tensor in fusion.items():
        floats(name, tensor)
    if len(images) > 20:
        queries, orders = nearest(keys, 22)
        integers('nearest.query', queries)
        integers('nearest.order', orders)
    integers('case.query', [case.query for case in cases])
    integers('case.max_new', [case.limit for case in cases])
    integers('case.prompt_offset', offsets([case.examples for case in cases]))
    examples = flat(case.examples for case in cases)
    integers('prompt.image', [image for image, _ in examples])
    integers('prompt.label_offset', offsets([label for _, label in examples]))
    integers('prompt.label', flat(label for _, label in examples))
    for kind, texts in (('greedy', [case.greedy for case in cases]), ('beam', [case.beam for case in cases])):
        integers(f'case.{kind}_offset', offsets(texts))
        integers(f'case.{kind}', flat(texts))
    integers('logits.case', range(0, CASES, 2))
    floats('logits', torch.stack([case.logits for case in cases[::2]]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def settings_of(c, name):
    """The same configuration in the words of the module that writes model files."""
    same = (
        'image_height',
        'image_width',
        'min_width',
        'channels',
        'mean',
        'std',
        'vision_activation',
        'vision_epsilon',
    )
    same += ('norm_post', 'resampler_head_size', 'resampler_epsilon', 'decoder_activation', 'decoder_epsilon')
    same += ('position_offset', 'segment_stride', 'cross_head_size', 'only_immediate_media', 'retrieval_key')
    return Settings(
        name=name,
        stem_strides=tuple(strides for _, *strides in c.stem),
        vision_head_size=c.vision_width // c.vision_heads,
        decoder_head_size=c.decoder_width // c.decoder_heads,
        **{key: getattr(c, key) for key in same},
    )


def encode(net, planes):
    """Vision tokens, visual tokens and keys of each image."""
    vision = [net.vision_tokens(image[None].double()) for image in planes]
    media = [net.media_of(tokens) for tokens in vision]
    keys = torch.cat([net.keys(*both) for both in zip(vision, media)])
    return [tokens[0] for tokens in vision], [tokens[0] for tokens in media], keys


def in_double(weights):
    return {name: torch.from_numpy(np.array(array, np.float64)) for name, array in weights.items()}


@torch.no_grad()
def make(model, folder):
    """Writes the model and its golden file. All values are computed in double precision and rounded once, so that their
    bytes do not depend on the machine; planes in float32, as the library has them, to the bit."""
    rng = np.random.default_rng(model.seed)
    c, settings = model.config, settings_of(model.config, f'golden {model.name}')
    weights = random_weights(c, rng)
    images = random_images(rng, model)
    planes = [preprocess(c, image) for image in images]
    net = E2STR(c, in_double(weights))
    balance_tokens(net, encode(net, planes)[1], rng)
    weights[TOKENS] = net.weights[TOKENS].numpy().astype(np.float32)

    model_path, golden_path = (os.path.join(folder, model.name + end) for end in ('.gguf', '.golden.gguf'))
    write_model(model_path, weights, settings, character_tokenizer(model.alphabet), model.store)
    head = random_head(c, model.seed) if model.head else None
    if head:
        replace_part(model_path, model_path, 'e2str.none.', {}, 'vision.head.', dict(zip(('weight', 'bias'), head)))
    fusion, states = random_fusion(c, model.seed) if model.fusion else (None, None)
    if fusion:
        replace_part(model_path, model_path, 'e2str.none.', {}, 'fusion.', fusion)
    net = E2STR(c, in_double(rounded(weights, layout(shapes_of(weights, settings), c.norm_post), model.store)))
    vision, media, keys = encode(net, planes)
    cases, drawn = make_cases(net, media, rng)
    evidence = (
        patch_evidence(c, torch.stack(vision[:3]), *(torch.from_numpy(part.astype(np.float64)) for part in head))
        if head
        else None
    )
    fused = {}
    if fusion:
        states = torch.from_numpy(states.astype(np.float64))
        fused = {f'fusion.fused.{i}': fuse(in_double(fusion), states, media[i]) for i in range(2)}
        fused['fusion.states'] = states
    write_golden(golden_path, model, images, planes, vision, media, keys, cases, evidence, fused)

    print(
        f'# {model.name}: {len(cases)} of {drawn} cases; ended: '
        f'greedy {sum(len(case.greedy) < case.limit for case in cases)}, '
        f'beam {sum(len(case.beam) < case.limit for case in cases)}; '
        f'beam differs in {sum(case.greedy != case.beam for case in cases)}; '
        f'{len({tuple(case.greedy) for case in cases})} distinct greedy texts',
        flush=True,
    )


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--only', choices=[model.name for model in MODELS], help='one of the models')
    p.add_argument('--out', default=HERE, help='folder to write to (default: this one)')
    a = p.parse_args()
    torch.set_num_threads(1)
    for model in MODELS:
        if a.only in (None, model.name):
            make(model, a.out)


if __name__ == '__main__':
    main()
