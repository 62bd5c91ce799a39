"""Makes the golden files in this folder from reference.py; their layout is in README.md.

build/venv/bin/python tests/golden/make_golden.py [--reference ../shared/spec/reference.py] [--only NAME]
"""

import argparse
import os
import sys
import types
from dataclasses import dataclass, field

import gguf
import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'weights'))
from e2str_gguf import CLIP_MEAN, CLIP_STD, DECODER, Settings  # noqa: E402
from e2str_gguf import character_tokenizer, layout, rounded, sizes_of, write_model  # noqa: E402

MARGIN = 1e-3  # least distance of every decision, in log-probability
SIMILARITY_MARGIN = 1e-5
CASES, BEAMS = 30, 3
# Spec section 1b: the constants for R, G, B act on B, G, R.
IMAGENET_BGR = dict(channels='bgr', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
PAD, BOS, END, IMAGE, FIRST = 0, 1, 2, 3, 4
LOWER = 'abcdefghijklmnopqrstuvwxyz0123456789'


@dataclass
class Model:
    """One golden configuration: `sizes` go to the reference's Config, `settings` to the model file."""

    name: str
    seed: int
    store: str
    sizes: dict
    settings: dict = field(default_factory=dict)
    alphabet: str = LOWER
    images: int = 10
    class_token: bool = True
    decoder_activation: str = 'relu'


PLAIN = dict(
    img_h=24,
    img_w=64,
    patch_h=4,
    patch_w=4,
    vit_width=32,
    vit_layers=2,
    vit_heads=2,
    vit_mlp=64,
    use_perceiver=False,
    d_model=32,
    layers=2,
    heads=4,
    ffn=64,
    max_pos=124,
    x_heads=2,
    x_dim_head=16,
    x_ff_mult=2,
)
RESAMPLER = dict(PLAIN, use_perceiver=True, p_depth=2, p_heads=2, p_dim_head=16, p_latents=6, p_ff_mult=2)
MODELS = [
    Model('plain', 1, 'f32', dict(PLAIN, vit_layers=1), dict(mean=(0.5,) * 3, std=(0.5,) * 3), images=26),
    Model(
        'resampler',
        2,
        'f16',
        dict(RESAMPLER, img_h=32, img_w=128, vit_layers=3),
        dict(mean=CLIP_MEAN, std=CLIP_STD),
        images=26,
    ),
    Model(
        'oblong',
        3,
        'f16',
        dict(PLAIN, img_h=32, img_w=128, patch_h=8, vit_quick_gelu=True, vit_ln_post=False, x_every=2, layers=3),
        IMAGENET_BGR,
        alphabet='0123456789',
    ),
    Model(
        'vision-key',
        4,
        'bf16',
        dict(RESAMPLER, patch_h=8, vit_ln_post=False, vit_quick_gelu=True),
        dict(retrieval_key='vision_tokens'),
        images=26,
    ),
    Model('blocks', 5, 'q8_0', dict(PLAIN, patch_w=8, x_dim_head=32, vit_mlp=96), dict(IMAGENET_BGR)),
    Model(
        'all-media', 6, 'bf16', dict(RESAMPLER, only_immediate=False, vit_eps=1e-6), {}, alphabet='aäßçéñøαβγ漢字あ😀'
    ),
    Model(
        'no-class',
        7,
        'f16',
        dict(PLAIN, patch_h=8, vit_layers=1, layers=3),
        {},
        class_token=False,
        decoder_activation='gelu',
    ),
    Model(
        'odd',
        8,
        'f32',
        dict(
            RESAMPLER,
            img_h=20,
            img_w=50,
            patch_h=5,
            patch_w=10,
            vit_width=27,
            vit_layers=1,
            vit_heads=3,
            vit_mlp=37,
            p_depth=1,
            p_heads=3,
            p_dim_head=7,
            p_latents=5,
            d_model=35,
            heads=5,
            ffn=51,
            layers=1,
            x_heads=3,
            x_dim_head=13,
        ),
        alphabet=LOWER + 'AB',
    ),
]


def import_reference(path):
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    import reference

    return reference


# -------------------------------------------------------------------------------- where we differ from the reference --


def no_class_forward(self, images):
    x = self.conv1(images).flatten(2).transpose(1, 2) + self.positional_embedding
    for block in self.transformer.resblocks:
        x = block(x)
    return self.ln_post(x) if self.c.vit_ln_post else x


def gelu_layer_forward(self, x, mask):
    x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
    return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


def adapt(ref, net, class_token=True, decoder_activation='relu'):
    """README.md, "What differs from reference.py"."""
    attention = ref.MaskedCrossAttention
    plain_next = net._next

    def masked_attention(self, x, media, text_time):
        return attention.forward(self, x, media, text_time).masked_fill(
            text_time[..., None] == 0, 0.0
        )  # to_out has no bias

    def next_logits(self, seqs, media):
        logits = plain_next(seqs, media)
        logits[:, net.c.image_id] = -torch.inf
        return logits

    net._next = types.MethodType(next_logits, net)
    for layer in net.lang_encoder.model.decoder.layers:
        if layer.gated_cross_attn_layer is not None:
            layer.gated_cross_attn_layer.attn.forward = types.MethodType(
                masked_attention, layer.gated_cross_attn_layer.attn
            )
        if decoder_activation == 'gelu':
            layer.decoder_layer.forward = types.MethodType(gelu_layer_forward, layer.decoder_layer)
    if not class_token:
        vision = net.vision_encoder
        del vision.class_embedding
        vision.positional_embedding = torch.nn.Parameter(vision.positional_embedding[1:].detach().clone())
        vision.forward = types.MethodType(no_class_forward, vision)


# ---------------------------------------------------------------------------------------------------- random content --


@torch.no_grad()
def randomise(net, rng):
    """Weights that make attention uneven, logits spread and every tensor matter; the tied output matrix would repeat
    the last token for ever if positions and layers did not outweigh the embeddings."""

    def normal(shape, scale, centre=0.0):
        return torch.from_numpy(rng.normal(centre, scale, shape).astype(np.float32))

    for name, p in net.named_parameters():
        if name.endswith('gate'):
            p.copy_(torch.from_numpy(rng.uniform(0.5, 0.9, p.shape).astype(np.float32)))
        elif p.dim() == 1 and name.endswith('weight'):
            p.copy_(normal(p.shape, 0.2, 1.0))
        elif p.dim() == 1:
            p.copy_(normal(p.shape, 0.2))
        elif 'embed_positions' in name:
            p.copy_(normal(p.shape, 1.2))
        elif 'embed_tokens' in name or 'positional' in name or 'latents' in name:
            p.copy_(normal(p.shape, 0.5))
        else:
            sharp = any(part in name for part in ('in_proj', 'q_proj', 'k_proj', 'to_q', 'to_kv'))
            strong = 'lang_encoder' in name and any(part in name for part in ('out_proj', 'fc2', 'to_out', 'ff.3'))
            p.copy_(normal(p.shape, (1.7 if sharp else 3.0 if strong else 1.0) / p[0].numel() ** 0.5))


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
    height, width = model.sizes['img_h'], model.sizes['img_w']
    shapes = [(height, width), (2, 3), (30, 7), (41, 133)]
    shapes += [(int(rng.integers(8, 34)), int(rng.integers(12, 72))) for _ in range(model.images - len(shapes))]
    return [random_image(rng, *shape) for shape in shapes]


def preprocess(ref, config, settings, image):
    """Spec section 1a with the model's own constants; planes in the model's channel order."""
    pixels = ref.pil_bilinear(image, config.img_h, config.img_w)
    planes = (
        torch.from_numpy(np.ascontiguousarray(pixels[..., ::-1] if settings.channels == 'bgr' else pixels))
        .permute(2, 0, 1)
        .float()
        .div(255)
    )
    return (planes - torch.tensor(settings.mean).view(3, 1, 1)) / torch.tensor(settings.std).view(3, 1, 1)


# ------------------------------------------------------------------------------------------------- decoding, margins --


@torch.no_grad()
def greedy_margin(net, media, prompt, written, limit):
    """The least distance between the two best tokens over all steps."""
    margin = float('inf')
    for n in range(min(len(written) + 1, limit)):
        top = net._next([prompt + written[:n]], media)[0].topk(2).values
        margin = min(margin, float(top[0] - top[1]))
    return margin


@torch.no_grad()
def second_beam(net, media, prompt, limit):
    """Beam search of spec section 6, written a second time, and the least distance of its decisions."""
    beams, finished, margins = [([], 0.0)], [], []
    for step in range(1, limit + 1):
        logp = net._next([prompt + ids for ids, _ in beams], media).log_softmax(-1)
        scores = (logp + torch.tensor([score for _, score in beams])[:, None]).view(-1).topk(2 * BEAMS + 1)
        candidates = [
            (score, *divmod(i, logp.shape[1])) for score, i in zip(scores.values.tolist(), scores.indices.tolist())
        ]
        margins += [a[0] - b[0] for a, b in zip(candidates, candidates[1:])]
        best = candidates[:-1]
        following = []
        for rank, (score, b, token) in enumerate(best):
            if token == net.c.eoc_id:
                if rank < BEAMS:
                    finished.append((score / step, beams[b][0]))
            elif len(following) < BEAMS:
                following.append((beams[b][0] + [token], score))
            if len(following) == BEAMS:
                break
        finished.sort(key=lambda h: -h[0])
        margins += [a[0] - b[0] for a, b in zip(finished, finished[1:])]
        finished = finished[:BEAMS]
        beams = following
        if len(finished) == BEAMS:
            margins.append(abs(finished[-1][0] - best[0][0] / step))
            if finished[-1][0] >= best[0][0] / step:
                return finished[0][1], min(margins)
    finished += [(score / limit, ids) for ids, score in beams]
    finished.sort(key=lambda h: -h[0])
    margins += [a[0] - b[0] for a, b in zip(finished, finished[1:])]
    return finished[0][1], min(margins)


def beam_with_margin(net, media, prompt, limit):
    """(ids by the reference's beam search, least distance of its decisions)"""
    (ids, margin), reference_ids = second_beam(net, media, prompt, limit), net.beam(media, prompt, limit, BEAMS)
    if ids != reference_ids and margin > 1e-6:
        raise SystemExit(f'two beam searches disagree: {ids} and {reference_ids}')
    return reference_ids, margin


def random_case(net, media, config, rng, n_examples):
    """(images of the examples, their labels, query, limit, prompt ids, visual tokens in prompt order)"""
    pictures = [int(i) for i in rng.integers(len(media), size=n_examples)]
    labels = [rng.integers(FIRST, config.vocab, int(rng.integers(1, 7))).tolist() for _ in pictures]
    query, limit = int(rng.integers(len(media))), int(rng.integers(6, 17))
    return pictures, labels, query, limit, net.prompt(labels), media[pictures + [query]][None]


@torch.no_grad()
def balance_tokens(net, media, config, rng, state):
    """Makes texts varied: takes the mean direction of the decoder's output out of the token table, so that no token is
    favoured everywhere, then shifts the end token along it until about half of the runs end before the limit."""
    rows = state[f'{DECODER}.embed_tokens.weight']
    trials = [random_case(net, media, config, rng, i % 9) for i in range(18)]
    outputs = []
    hook = net.lang_encoder.model.decoder.final_layer_norm.register_forward_hook(
        lambda module, given, output: outputs.append(output[0])
    )
    for _ in range(3):
        outputs.clear()
        for _, _, _, _, prompt, seen in trials:
            net.lang_encoder(torch.tensor([prompt + rng.integers(config.vocab, size=8).tolist()]), seen)
        mean = torch.cat(outputs).mean(0)
        rows -= torch.outer(rows @ mean, mean) / mean.dot(mean)
    hook.remove()
    base = rows[END].clone()
    low, high = -20.0, 20.0
    for _ in range(8):
        shift = (low + high) / 2
        rows[END] = base + shift * mean / mean.dot(mean)
        ended = sum(
            (len(net.greedy(seen, prompt, limit)) < limit) + (len(net.beam(seen, prompt, limit, BEAMS)) < limit)
            for _, _, _, limit, prompt, seen in trials
        )
        low, high = (shift, high) if ended < len(trials) else (low, shift)


def make_cases(net, media, config, rng):
    """CASES accepted cases, with 0 to 8 examples in turn."""
    cases, tried = [], 0
    while len(cases) < CASES:
        tried += 1
        pictures, labels, query, limit, prompt, seen = random_case(net, media, config, rng, len(cases) % 9)
        greedy = net.greedy(seen, prompt, limit)
        if greedy_margin(net, seen, prompt, greedy, limit) < MARGIN:
            continue
        beam, margin = beam_with_margin(net, seen, prompt, limit)
        if margin < MARGIN:
            continue
        logits = net.lang_encoder(torch.tensor([prompt]), seen)[0, -1]
        cases.append(
            dict(
                query=query, limit=limit, examples=list(zip(pictures, labels)), greedy=greedy, beam=beam, logits=logits
            )
        )
    return cases, tried


# --------------------------------------------------------------------------------------------------------- the files --


def nearest(keys, pool_size):
    """Queries: all images behind the pool, and those of the pool itself that are no ties."""
    queries, orders = [], []
    for q in range(len(keys)):
        similar = keys[:pool_size] @ keys[q]
        values, order = similar.sort(descending=True)
        if float((values[:-1] - values[1:]).min()) >= SIMILARITY_MARGIN:
            queries.append(q)
            orders.append(order.tolist())
    return queries[-8:], orders[-8:]


def offsets(lists):
    return np.cumsum([0] + [len(x) for x in lists])


def flat(lists):
    return [x for part in lists for x in part]


def write_golden(path, model, images, planes, vision, media, keys, cases, command):
    writer = gguf.GGUFWriter(path, 'e2str-golden')
    writer.add_string('golden.command', command)
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
    kept = 3 if media.shape[1] * media.shape[2] < 8000 else 2
    if model.sizes['use_perceiver']:
        floats('vision_tokens', vision[:1])
    floats('tokens', media[:kept])
    floats('keys', keys)
    if len(images) > 20:
        queries, orders = nearest(keys, 22)
        integers('nearest.query', queries)
        integers('nearest.order', orders)
    integers('case.query', [c['query'] for c in cases])
    integers('case.max_new', [c['limit'] for c in cases])
    integers('case.prompt_offset', offsets([c['examples'] for c in cases]))
    examples = flat(c['examples'] for c in cases)
    integers('prompt.image', [image for image, _ in examples])
    integers('prompt.label_offset', offsets([label for _, label in examples]))
    integers('prompt.label', flat(label for _, label in examples))
    for kind in ('greedy', 'beam'):
        integers(f'case.{kind}_offset', offsets([c[kind] for c in cases]))
        integers(f'case.{kind}', flat(c[kind] for c in cases))
    with_logits = list(range(0, CASES, 2))
    integers('logits.case', with_logits)
    floats('logits', torch.stack([cases[i]['logits'] for i in with_logits]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def config_of(ref, model):
    return ref.Config(
        vocab=FIRST + len(model.alphabet), pad_id=PAD, bos_id=BOS, eoc_id=END, image_id=IMAGE, **model.sizes
    )


def settings_of(model, config):
    return Settings(
        name=f'golden {model.name}',
        image_height=config.img_h,
        image_width=config.img_w,
        vision_head_size=config.vit_width // config.vit_heads,
        vision_activation='quick_gelu' if config.vit_quick_gelu else 'gelu',
        vision_epsilon=config.vit_eps,
        norm_post=config.vit_ln_post,
        resampler_head_size=config.p_dim_head,
        decoder_head_size=config.d_model // config.heads,
        decoder_activation=model.decoder_activation,
        cross_head_size=config.x_dim_head,
        only_immediate_media=config.only_immediate,
        **model.settings,
    )


def numpy_state(net):
    return {k: v.detach().numpy() for k, v in net.state_dict().items()}


@torch.no_grad()
def make(ref, model, folder, command):
    rng = np.random.default_rng(model.seed)
    torch.manual_seed(model.seed)
    config = config_of(ref, model)
    settings = settings_of(model, config)
    net = ref.E2STR(config).eval()
    adapt(ref, net, model.class_token, model.decoder_activation)
    randomise(net, rng)

    images = random_images(rng, model)
    planes = torch.stack([preprocess(ref, config, settings, image) for image in images])
    state = net.state_dict()
    balance_tokens(net, net.encode(planes), config, rng, state)
    ignored = [] if config.vit_ln_post else ['vision_encoder.ln_post.weight', 'vision_encoder.ln_post.bias']
    arrays = numpy_state(net)
    write_model(
        os.path.join(folder, f'{model.name}.gguf'),
        arrays,
        settings,
        character_tokenizer(model.alphabet),
        model.store,
        ignored,
    )
    stored = rounded(arrays, layout(sizes_of(arrays, settings), settings.norm_post), model.store)
    net.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in stored.items()})

    vision = net.vision_encoder(planes)
    media = net.perceiver(vision) if config.use_perceiver else vision
    keys = F.normalize((vision if settings.retrieval_key == 'vision_tokens' else media).mean(1), dim=-1)
    cases, tried = make_cases(net, media, config, rng)
    write_golden(
        os.path.join(folder, f'{model.name}.golden.gguf'), model, images, planes, vision, media, keys, cases, command
    )
    ended = [sum(len(c[kind]) < c['limit'] for c in cases) for kind in ('greedy', 'beam')]
    differ = sum(c['greedy'] != c['beam'] for c in cases)
    distinct = len({tuple(c['greedy']) for c in cases})
    size = sum(os.path.getsize(os.path.join(folder, model.name + end)) for end in ('.gguf', '.golden.gguf'))
    print(
        f'{model.name:10s} {size:8d} bytes, {len(cases)} cases of {tried} tried; '
        f'ended: greedy {ended[0]}, beam {ended[1]}; beam differs in {differ}; {distinct} distinct greedy',
        flush=True,
    )


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--reference', default=os.path.join(ROOT, '..', 'shared', 'spec', 'reference.py'))
    p.add_argument('--only', help='the name of one configuration')
    p.add_argument('--out', default=HERE, help='folder to write to (default: this one)')
    a = p.parse_args()
    torch.set_num_threads(1)
    ref = import_reference(a.reference)
    for model in MODELS:
        if a.only in (None, model.name):
            make(ref, model, a.out, f'build/venv/bin/python tests/golden/make_golden.py --only {model.name}')


if __name__ == '__main__':
    main()
