# SPDX-License-Identifier: MIT
"""Compares libe2str with golden/reference.py at full size (323,888,664 random weights), through weights/convert.

  build/venv/bin/python tests/parity.py [--type f32]        or: make parity

Writes build/parity/checkpoint.pth in the official layout with its aliases and a synthetic BPE vocabulary of 50,265
tokens, converts them with weights/convert to build/parity/model-TYPE.gguf, reads images with build/libe2str.so in a
process of its own, and compares tokens, keys, ids and probabilities. Exits with 1 when a difference is beyond 1e-4 of
the largest magnitude or an id differs. Takes about 6 GB of memory and 3 GB of disk.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path += [os.path.join(HERE, 'golden'), os.path.join(ROOT, 'weights'), os.path.join(ROOT, 'examples', 'python')]
FOLDER = os.path.join(ROOT, 'build', 'parity')
TOLERANCE = 1e-4
MAX_TOKENS = 10
BASE_VOCABULARY = 50265
SPECIALS = ['</s>', '<pad>', '<|endofchunk|>', '<image>']
SHAPES = [(32, 128), (21, 77), (48, 160), (30, 200)]  # of the images, height x width; the first needs no resize
LABELS = ['Adieu', "it's 42", 'naïve']  # of images 1.. as examples
CASES = [(query, examples, beams) for query in (0, 3) for examples in ([], [1], [2, 1]) for beams in (1, 3)]


def images():
    from make_golden import random_image

    rng = np.random.default_rng(7)
    return [random_image(rng, *shape) for shape in SHAPES]


# ------------------------------------------------------------------------------------------------ the library's side --


def peak():
    """Largest resident memory of this process so far. (getrusage would start from its parent's.)"""
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith('VmHWM:'))


def read_with_library(model_path, library):
    """Runs in a process without torch, so that its peak memory is the library's. Writes library.npz and .json."""
    os.environ['E2STR_LIBRARY'] = library
    import e2str

    pictures = np.load(os.path.join(FOLDER, 'images.npz'))
    pictures = [np.ascontiguousarray(pictures[f'arr_{i}']) for i in range(len(SHAPES))]
    before = peak()
    began = time.perf_counter()
    reader = e2str.Reader(model_path, precision='f32')
    seconds = {'open': time.perf_counter() - began}
    reader.encode(pictures[:1])
    began = time.perf_counter()
    encoding = reader.encode(pictures)
    seconds['encode one image'] = (time.perf_counter() - began) / len(pictures)
    pool = e2str.Pool(reader, storage='f32')
    ids = {i + 1: pool.add(pictures[i + 1], label) for i, label in enumerate(LABELS)}
    answers = []
    for query, examples, beams in CASES:
        began = time.perf_counter()
        chosen = [ids[i] for i in examples]
        read = reader.read(pictures[query], pool, k=0, examples=chosen, beams=beams, max_tokens=MAX_TOKENS)
        answers.append(
            dict(
                tokens=read.tokens,
                text=read.text,
                score=read.score,
                truncated=read.truncated,
                characters=[character.probability for character in read.characters],
                end=read.end_probability,
            )
        )
        name = f'read, {"greedy" if beams == 1 else f"{beams} beams"}, {len(examples)} examples, {MAX_TOKENS} tokens'
        seconds[name] = time.perf_counter() - began
    np.savez(os.path.join(FOLDER, 'library.npz'), tokens=np.stack(encoding.tokens), keys=encoding.keys)
    info = dict(
        answers=answers,
        seconds=seconds,
        peak=peak() - before,
        session=reader.session_bytes,
        parameters=reader.info.parameters,
        file=reader.info.file_bytes,
        version=e2str.__version__,
        cpu=e2str.cpu_name(),
    )
    with open(os.path.join(FOLDER, 'library.json'), 'w') as file:
        json.dump(info, file)


# ----------------------------------------------------------------------------------------- checkpoint and vocabulary --


def write_tokenizer():
    """vocab.json and merges.txt with OPT's four specials and size: all byte symbols, then random merges."""
    from bpe import SPELLING, ByteBPE

    rng = random.Random(5)
    tokens = ['<s>', '<pad>', '</s>', '<unk>'] + sorted(SPELLING.values())
    known, merges = set(tokens), []
    parts = [c for c in tokens[4:] if c.isascii() and c.isalnum()]
    while len(tokens) < BASE_VOCABULARY:
        left, right = rng.choice(parts), rng.choice(parts)
        if left + right not in known and len(left + right) <= 6:
            known.add(left + right)
            tokens.append(left + right)
            merges.append((left, right))
            if len(merges) % 8 == 0:
                parts.append(left + right)
    vocab = {token: i for i, token in enumerate(tokens)}
    with open(os.path.join(FOLDER, 'vocab.json'), 'w', encoding='utf-8') as file:
        json.dump(vocab, file)
    with open(os.path.join(FOLDER, 'merges.txt'), 'w', encoding='utf-8') as file:
        file.write('#version: 0.2\n' + ''.join(f'{left} {right}\n' for left, right in merges))
    added = {token: BASE_VOCABULARY + i for i, token in enumerate(SPECIALS[2:])}
    return ByteBPE({**vocab, **added}, merges, SPECIALS)


def official_layout(weights, torch):
    """The 873 entries of an official checkpoint: prefixed, with every alias (sharing storage, as there) and the matrix
    that reading does not use."""
    from reference import DECODER

    state = {f'model.{name}': tensor for name, tensor in weights.items()}
    state['model.vision_encoder.proj'] = torch.zeros(768, 512)
    decoder = f'model.{DECODER}.'
    aliases = {'model.lang_encoder.lm_head.weight': state[f'{decoder}embed_tokens.weight']}
    for key, tensor in state.items():
        if key.startswith(f'{decoder}layers.'):
            layer, kind, rest = key[len(decoder) + len('layers.') :].split('.', 2)
            family = {'decoder_layer': 'old_decoder_blocks', 'gated_cross_attn_layer': 'gated_cross_attn_layers'}[kind]
            aliases[f'model.lang_encoder.{family}.{layer}.{rest}'] = tensor
    return {**aliases, **state}


def let_some_texts_end(net, media, torch):
    """Takes the direction that all the decoder's outputs share out of the token table (otherwise one token would always
    win), then puts the end token's row along it, as long as makes it win in a third of the outputs."""
    from make_golden import TOKENS

    rows, outputs = net.weights[TOKENS], []
    for seed in range(4):
        ids = np.random.default_rng(seed).integers(4, BASE_VOCABULARY, 12).tolist()
        outputs.append(net.hidden(torch.tensor([net.prompt([]) + ids]), media[seed % len(media)][None])[0])
    h = torch.cat(outputs)
    mean = h.mean(0)
    rows -= torch.outer(rows @ mean, mean) / mean.dot(mean)
    along = h @ mean
    needed = ((h @ rows.T).max(1).values / along)[along > 0]
    rows[net.config.end] = mean * needed.quantile(1 / 3)


def build(torch, kind):
    """(the reference with the values that the file holds, planes, tokenizer, the file's path)"""
    from e2str_gguf import Settings, layout, rounded, shapes_of
    from make_golden import random_weights
    from reference import E2STR, Config, preprocess

    config = Config()
    arrays = random_weights(config, np.random.default_rng(3))
    net = E2STR(config, {name: torch.from_numpy(array) for name, array in arrays.items()})
    pictures = images()
    np.savez(os.path.join(FOLDER, 'images.npz'), *pictures)
    planes = torch.stack([preprocess(config, picture) for picture in pictures])
    let_some_texts_end(net, net.encode(planes), torch)
    bpe = write_tokenizer()
    checkpoint, model_path = (os.path.join(FOLDER, name) for name in ('checkpoint.pth', f'model-{kind}.gguf'))
    entries = official_layout(net.weights, torch)
    torch.save(entries, checkpoint)
    print(f'checkpoint: {len(entries)} entries, {os.path.getsize(checkpoint):,} bytes', flush=True)
    began = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            os.path.join(ROOT, 'weights', 'convert'),
            checkpoint,
            model_path,
            '--vocab',
            os.path.join(FOLDER, 'vocab.json'),
            '--merges',
            os.path.join(FOLDER, 'merges.txt'),
            '--type',
            kind,
        ],
        check=True,
    )
    print(f'converted in {time.perf_counter() - began:.0f} s: {os.path.getsize(model_path):,} bytes', flush=True)
    os.remove(checkpoint)
    if kind != 'f32':
        stored = rounded(arrays, layout(shapes_of(arrays, Settings()), config.norm_post), kind)
        net.weights = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in stored.items()}
    return net, planes, bpe, model_path


# ---------------------------------------------------------------------------------------------------- the comparison --


def relative(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def log_probabilities(net, torch, seen, prompt, ids, limit):
    """(log-probability of each token written, the end token's included if it was; the largest logit)"""
    written = ids + ([net.config.end] if len(ids) < limit else [])
    logits = net.logits(torch.tensor([prompt + written]), seen)[0, len(prompt) - 1 : -1].clone()
    largest = float(logits.abs().max())
    logits[:, net.config.image] = -torch.inf
    return logits.log_softmax(-1)[range(len(written)), written].numpy(), largest


def compare_case(net, torch, bpe, media, case, answer):
    """Returns (list of what is wrong, largest error of a log-probability relative to the largest logit)."""
    from make_golden import beam_with_margin, greedy_margin
    from reference import greedy

    query, examples, beams = case
    prompt = net.prompt([bpe.encode(LABELS[i - 1]) for i in examples])
    seen = media[list(examples) + [query]]
    following, end = net.following(prompt, seen), net.config.end
    if beams == 1:
        ids = greedy(following, end, MAX_TOKENS)
        margin = greedy_margin(following, end, ids, MAX_TOKENS)
    else:
        ids, margin = beam_with_margin(following, end, MAX_TOKENS)
    visible = [t for t in ids if t not in bpe.specials]
    wrong = []
    if answer['tokens'] != visible:
        wrong.append(f'ids {answer["tokens"]}, expected {visible} (margin {margin:.2g})')
    elif answer['truncated'] != (len(ids) == MAX_TOKENS):
        wrong.append(f'truncated: {answer["truncated"]}')
    if wrong:
        return wrong, 0.0, margin, len(ids)
    text = bpe.decode(ids)
    if '\ufffd' not in text and answer['text'] != text:
        wrong.append(f'text {answer["text"]!r}, expected {text!r}')
    logp, largest = log_probabilities(net, torch, seen, prompt, ids, MAX_TOKENS)
    errors = [abs(np.log(answer['score']) - logp.mean())]
    if not answer['truncated']:
        errors.append(abs(np.log(answer['end']) - logp[-1]))
    if all(32 < ord(c) < 127 for c in text) and visible == ids:  # each character in exactly one token
        owners = [float(p) for t, p in zip(ids, logp) for _ in bpe.tokens[t]]
        errors += [abs(np.log(ours) - theirs) for ours, theirs in zip(answer['characters'], owners)]
    return wrong, max(errors) / largest, margin, len(ids)


def compare(net, torch, bpe, planes):
    """Prints the table; returns whether all is as it should be."""
    library = np.load(os.path.join(FOLDER, 'library.npz'))
    with open(os.path.join(FOLDER, 'library.json')) as file:
        info = json.load(file)
    vision = net.vision_tokens(planes)
    media = net.media_of(vision)
    keys = net.keys(vision, media)
    errors = {
        'visual tokens': relative(library['tokens'], media.numpy()),
        'keys': relative(library['keys'], keys.numpy()),
    }
    good, probabilities = True, []
    for case, answer in zip(CASES, info['answers']):
        wrong, error, margin, length = compare_case(net, torch, bpe, media, case, answer)
        probabilities.append(error)
        good &= not wrong
        print(
            f'image {case[0]}, {len(case[1])} examples, {case[2]} beams: {length} tokens, margin {margin:.2g}: '
            + ('; '.join(wrong) or 'same ids'),
            flush=True,
        )
    errors['log-probabilities'] = max(probabilities)
    print(f'libe2str {info["version"]}, kernels {info["cpu"]}, {info["parameters"]:,} weights')
    for name, error in errors.items():
        print(f'{name:20s} largest error {error:.2e} of the largest magnitude (limit {TOLERANCE:.0e})')
    for name, seconds in info['seconds'].items():
        print(f'{name:44s} {seconds * 1000:8.0f} ms')
    print(
        f'peak memory {info["peak"] / 1e6:,.0f} MB, of which session {info["session"] / 1e6:,.0f} MB '
        f'(model file {info["file"] / 1e6:,.0f} MB)'
    )
    return good and max(errors.values()) <= TOLERANCE and info['parameters'] == 323_888_664


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        '--type',
        choices=('f32', 'f16', 'bf16', 'q8_0'),
        default='f32',
        help='stored type of the matrices (default f32)',
    )
    p.add_argument('--library', default=os.path.join(ROOT, 'build', 'libe2str.so'))
    p.add_argument('--read', metavar='MODEL', help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.read:
        return read_with_library(a.read, a.library)
    import torch

    os.makedirs(FOLDER, exist_ok=True)
    with torch.no_grad():
        net, planes, bpe, model_path = build(torch, a.type)
        subprocess.run(
            [sys.executable, os.path.abspath(__file__), '--read', model_path, '--library', a.library], check=True
        )
        good = compare(net, torch, bpe, planes)
    print('parity: ' + ('passed' if good else 'FAILED'))
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
