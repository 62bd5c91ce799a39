"""The training recipe on a very small scale: make train-test

Rendering, both stages with an interruption, export, and that the library reads as the program which trained the model
does. Prints "ok - name" or "not ok - name" lines for tests/run.sh. SPDX-License-Identifier: MIT
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict

sys.path.insert(0, 'weights/train')
import numpy as np  # noqa: E402
import torch  # noqa: E402
from alphabet import ASCII, CHARSET, base, upper  # noqa: E402
from data import Stream, Worker, batch  # noqa: E402
from hand import CAN_WRITE, Hand  # noqa: E402
from kinds import KINDS, KindRenderer  # noqa: E402
from model import BOS, END, FIRST, IMAGE, PAD, STEM, TOKEN, UNKNOWN, Reader, Sizes  # noqa: E402
from PIL import Image  # noqa: E402
from render import DOMAINS, FREE_LENGTH, Renderer  # noqa: E402
from styles import Dice, convention, sequence  # noqa: E402
from text import MAX_LENGTH, Text  # noqa: E402

BUILD = os.environ.get('BUILD', 'build')
TINY = ['--vision', '32', '1', '--decoder', '32', '1', '--batch', '32', '--workers', '1', '--device', 'cpu']


def check(name, good):
    print(('ok - ' if good else 'not ok - ') + name, flush=True)


def check_text():
    import random

    texts, r = Text(), random.Random(1)
    drawn = {domain: [texts.draw(r, domain) for _ in range(300)] for domain in DOMAINS}
    check(
        'texts have characters of the alphabet only, and a length that fits',
        all(
            0 < len(t) <= MAX_LENGTH and set(t) <= set(CHARSET) and t == t.strip()
            for some in drawn.values()
            for t in some
        ),
    )
    check(
        'every character in another case, or as another convention writes it, is one of the alphabet',
        all(set(convention(random.Random(i), CHARSET)) <= set(CHARSET) for i in range(50)),
    )
    check('texts differ', all(len(set(some)) > 100 for some in drawn.values()))
    check(
        'the alphabet has every character once, and ASCII first',
        len(set(CHARSET)) == len(CHARSET) and CHARSET.startswith(ASCII),
    )
    check(
        'every character looks like one of ASCII, and capitals stay in the alphabet',
        all(base(c) in ASCII and len(upper(c)) == 1 and upper(c) in CHARSET for c in CHARSET)
        and base('é') == 'e'
        and upper('ß') == 'ß',
    )


def check_hands():
    import random

    text = ''.join(sorted(CAN_WRITE - {' '}))[:20]
    one, again, other = (Hand(random.Random(seed)).write(random.Random(5), text, 32) for seed in (1, 1, 2))
    check(
        "a writer's hand depends on the seed only",
        np.array_equal(one[0], again[0]) and (one[0].shape != other[0].shape or not np.array_equal(one[0], other[0])),
    )
    check('every character of a written word has its region', set(np.unique(one[1])) == set(range(len(text) + 1)))


def check_renderer(renderer):
    samples = renderer.several((Dice(i) for i in range(400)), 80)
    check('samples come out', len(samples) == 80)
    check(
        'samples are whole',
        all(
            s.image.shape == (32, 128, 3)
            and s.image.dtype == np.uint8
            and len(s.text) <= MAX_LENGTH
            and s.chars.max() <= len(s.text)
            and (s.text == '') == (s.chars.max() == 0)
            for s in samples
        ),
    )
    free = renderer.several((Dice(i) for i in range(400)), 80, free=True)
    check(
        'free widths follow the text',
        len({s.image.shape[1] for s in free}) > 5
        and all(len(s.text) <= FREE_LENGTH and s.chars.shape == (16, s.image.shape[1] // 2) for s in free),
    )
    blank = [renderer.textless(Dice(i), i % 2) for i in range(4)]
    check('textless pictures have no text', all(s.text == '' and not s.chars.any() for s in blank))
    again = renderer.several((Dice(i) for i in range(400)), 80)
    check(
        'the same dice draw the same samples',
        all(np.array_equal(a.image, b.image) and a.text == b.text for a, b in zip(samples, again)),
    )
    sequences = [renderer.several(sequence(str(i), 4), 4) for i in range(60)]
    whole = [some for some in sequences if len(some) == 4]
    check('sequences come out', len(whole) > 45)
    check('in some of them words come again', 5 < sum(len({s.text for s in some}) < 4 for some in whole) < 45)
    check('some can be read with examples only', 5 < sum(some[-1].needs != '' for some in whole) < 45)
    return samples


def check_kinds(renderer):
    kinds = KindRenderer()
    drawn = {name: kinds.of(name, 3) for name in KINDS}
    check(
        'every kind of text can be drawn', all(len(some) == 3 and all(s.text for s in some) for some in drawn.values())
    )
    families = [{face.family for face in r.fonts.faces} for r in (renderer, kinds)]
    check('kinds are drawn from families that training never sees', all(families) and not families[0] & families[1])


def check_dead_worker():
    """Training does not wait for ever for one that draws no more."""
    stream = Stream(1, '1', (8, 4), (1,), 0, 4)
    next(stream)
    stream.workers[0].kill()
    stream.workers[0].join()
    try:
        for _ in range(9):  # more than it had drawn in advance
            next(stream)
    except RuntimeError as error:
        return check('a worker that has ended is missed', 'worker' in str(error))
    check('a worker that has ended is missed', False)


def check_batches():
    worker = Worker('batches', 16)
    same = [worker.free(1.0) for _ in range(3)]
    check(
        'a free batch has one width and about as many pixels as another',
        all(len({s.image.shape for s in some}) == 1 for some in same)
        and all(0.9 < len(some) * max(some[0].image.shape[1], 64) / (16 * 128) < 1.6 for some in same),
    )
    images, ids, under, taught = batch(same[0], 1, (8, 4))
    check('its patches are as many as its pictures have', under.shape == (len(same[0]), 4 * (images.shape[2] // 4)))


def train(folder, *arguments):
    subprocess.run(
        [sys.executable, 'weights/train/train.py', *arguments, '--out', folder, *TINY],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    state = torch.load(os.path.join(folder, arguments[0] + '.pt'))
    return state


def check_training(folder):
    first = train(folder, 'stage1', '--samples', '96', '--curriculum', '1000')
    gone_on = train(folder, 'stage1', '--samples', '192', '--resume')
    check(
        'stage 1 goes on where it was interrupted',
        96 <= first['samples'] < 160
        and 192 <= gone_on['samples'] < 256
        and gone_on['before'] == 0
        and not torch.equal(
            first['model']['m.vision_encoder.stem.0.weight'], gone_on['model']['m.vision_encoder.stem.0.weight']
        ),
    )
    second = train(folder, 'stage2', '--samples', '320', '--start', os.path.join(folder, 'stage1.pt'))
    check(
        'stage 2 starts from stage 1 and counts on',
        second['before'] == gone_on['seen'] and 320 <= second['samples'] < 384,
    )
    paths = [os.path.join(folder, name) for name in ('stage1.pt', 'stage2.pt', 'mean.pt')]
    subprocess.run([sys.executable, 'weights/train/average.py', *paths, '--share', '.25'], check=True)
    mean = torch.load(paths[2])['model']
    check(
        'the mean of two checkpoints lies between them',
        all(torch.allclose(mean[n], 0.75 * gone_on['model'][n] + 0.25 * t) for n, t in second['model'].items()),
    )
    check('weights stay finite', all(torch.isfinite(t).all() for t in second['model'].values()))
    check('a curve is written', os.path.getsize(os.path.join(folder, 'stage2.tsv')) > 0)
    return second


def check_learning(samples):
    """The same few samples again and again: both losses must fall."""
    torch.manual_seed(1)
    net = Reader(
        Sizes(
            vision_width=64,
            vision_layers=1,
            vision_mlp=128,
            decoder_width=64,
            decoder_layers=1,
            decoder_mlp=128,
            cross_inner=64,
            cross_mlp=64,
        )
    )
    samples = [s._replace(needs=needs) for s, needs in zip(samples, ('a', 'a', 'b', 'a', '', '', '', ''))]
    images, ids, under, taught = map(torch.from_numpy, batch(samples, 2, net.sizes.patch))
    check(
        'a batch holds images, rows and patches',
        images.shape[0] == 8
        and ids.shape[:2] == (4, 2)
        and under.shape == (8, 128)
        and bool((ids[:, 0, 0] == BOS).all())
        and bool((ids[:, 1, 0] == PAD).all())
        and bool((ids[..., 1] == IMAGE).all()),
    )
    check(
        'what needs an example counts only after one of its style, its patches never',
        bool((under[:4] == UNKNOWN).all())
        and taught.tolist() == [[False, True], [False, False], [True, True], [True, True]]
        and not bool((under[4:] == UNKNOWN).any()),
    )
    optimizer, losses = torch.optim.Adam(net.parameters(), 3e-3), []
    for _ in range(60):
        read, target, patch = net.losses(images, ids, under, taught)
        loss = read.sum() / (target != PAD).sum()
        losses.append((loss.item(), patch.item()))
        optimizer.zero_grad()
        (loss + patch).backward()
        optimizer.step()
    check(
        'losses fall',
        losses[-1][0] < 0.7 * losses[0][0] and losses[-1][1] < 0.8 * losses[0][1] and math.isfinite(losses[-1][0]),
    )
    return net.eval()


@torch.no_grad()
def read_after(net, images, labels, most=20):
    """Greedy text of the last image after the others with their labels."""
    rows = [[BOS if i == 0 else PAD, IMAGE, *(TOKEN[c] for c in label), END] for i, label in enumerate(labels)]
    query, text = [PAD, IMAGE], ''
    media = net.m.media(net.m.patches(images))[None]
    for _ in range(most):
        longest = max(map(len, [*rows, query]))
        ids = torch.tensor([[row + [PAD] * (longest - len(row)) for row in [*rows, query]]])
        scores = net.m.logits(ids, media)[0, -1, len(query) - 1]
        scores[IMAGE] = -math.inf
        token = int(scores.argmax())
        if token == END:
            break
        query.append(token)
        text += CHARSET[token - FIRST] if token >= FIRST else ''
    return text


def e2str(*arguments):
    out = subprocess.run([os.path.join(BUILD, 'e2str'), *arguments], stdout=subprocess.PIPE, check=True).stdout.decode()
    return [json.loads(line)['text'] for line in out.splitlines() if line.startswith('{')]


def nearly(read, expected):
    """The same texts; one may differ, where two characters are as likely as each other to the last bits."""
    return len(read) == len(expected) and sum(a != b for a, b in zip(read, expected)) <= 1


def check_reshape(folder):
    """A checkpoint of the old shape in the new one: the stem computes the same, everything else nearly."""
    torch.manual_seed(2)
    old = Sizes(
        stem=(),
        vision_width=64,
        vision_layers=1,
        vision_mlp=64,
        decoder_width=32,
        decoder_layers=1,
        decoder_mlp=32,
        cross_inner=32,
        cross_mlp=32,
        positions=254,
        stride=28,
        columns=0,
        alphabet=ASCII,
    )
    paths = [os.path.join(folder, name) for name in ('old.pt', 'stem.pt', 'all.pt')]
    torch.save({'model': Reader(old).state_dict(), 'sizes': asdict(old), 'stage': 'stage1'}, paths[0])
    for path, shapes in zip(paths[1:], (['--stem'], ['--stem', '--columns', '--alphabet'])):
        subprocess.run(
            [sys.executable, 'weights/train/reshape.py', paths[0], path, *shapes], stdout=subprocess.DEVNULL, check=True
        )
    nets = []
    for path in paths:
        state = torch.load(path)
        nets.append(Reader(Sizes(**state['sizes'])).eval())
        nets[-1].load_state_dict(state['model'])
    images = torch.randint(0, 256, (2, 32, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        before, stem = (net.m.patches(images) for net in nets[:2])
        wide = nets[2].m.patches(torch.randint(0, 256, (2, 32, 512, 3), dtype=torch.uint8))
    check(
        'the stem begins as the patch product', nets[1].sizes.stem == STEM and torch.allclose(before, stem, atol=1e-4)
    )
    check('positions by row and column take any width', wide.shape == (2, 512, 64))
    tokens = nets[2].m.lang_encoder.model.decoder.embed_tokens.weight
    check(
        'new characters begin as what they look like',
        len(tokens) == FIRST + len(CHARSET)
        and torch.nn.functional.cosine_similarity(tokens[TOKEN['é']], tokens[TOKEN['e']], 0) > 0.6,
    )


def export(folder, name, net, *arguments):
    weights, model = os.path.join(folder, 'net.weights.pt'), os.path.join(folder, name)
    torch.save({'model': net.state_dict(), 'sizes': asdict(net.sizes)}, weights)
    subprocess.run(
        [f'{BUILD}/venv/bin/python', 'weights/export', weights, model, '--type', 'f32', *arguments],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return model


def check_export(folder, net, samples):
    model = export(folder, 'net.gguf', net, '--fixed')
    paths = [os.path.join(folder, f'{i:02d}.png') for i in range(12)]
    for path, sample in zip(paths, samples):
        Image.fromarray(sample.image).save(path)
    images = torch.from_numpy(np.stack([s.image for s in samples[:12]]))
    with torch.no_grad():
        expected = net.read(images, most=20)
    read = e2str('read', '--json', '--precision', 'f32', '--max-tokens', '20', '-m', model, *paths)
    check('the library reads what the trained program reads', nearly(read, expected) and any(expected))
    pool = os.path.join(folder, 'one.pool')
    with open(os.path.join(folder, 'labels.tsv'), 'w') as labels:
        print(f'00.png\t{samples[0].text}', file=labels)
    e2str('pool', 'add', pool, '-m', model, '--storage', 'f32', '--labels', os.path.join(folder, 'labels.tsv'))
    read = e2str(
        'read', '--json', '--precision', 'f32', '--max-tokens', '20', '-m', model, '-p', pool, '-k', '1', *paths[1:6]
    )
    expected = [read_after(net, images[[0, i]], [samples[0].text]) for i in range(1, 6)]
    check('the same with an example before it', nearly(read, expected))


def check_free_widths(folder, net, renderer):
    """Pictures of several widths, alone and after one of another width; the file as a checkpoint again."""
    rest = os.path.join(folder, 'rest.npz')
    model = export(folder, 'free.gguf', net, '--rest', rest)
    samples = [s for s in renderer.several((Dice(f'wide {i}') for i in range(400)), 14, free=True) if s.text]
    widths = {s.image.shape[1] for s in samples}
    check('pictures differ in width', len(widths) > 3)
    paths = [os.path.join(folder, f'free-{i:02d}.png') for i in range(len(samples))]
    for path, sample in zip(paths, samples):
        Image.fromarray(sample.image).save(path)
    images = [torch.tensor(s.image[None]) for s in samples]
    options = ['read', '--json', '--precision', 'f32', '--max-tokens', '20', '-m', model]
    with torch.no_grad():
        expected = [net.read(image, most=20)[0] for image in images]
    check('the library reads every width as the trained program does', nearly(e2str(*options, *paths), expected))
    common = max(widths, key=lambda w: sum(s.image.shape[1] == w for s in samples))  # the trainer's prompts have one
    alike = [i for i, s in enumerate(samples) if s.image.shape[1] == common]
    label, pool = samples[alike[0]].text, os.path.join(folder, 'free.pool')
    with open(os.path.join(folder, 'free.tsv'), 'w') as labels:
        print(f'{os.path.basename(paths[alike[0]])}\t{label}', file=labels)
    e2str('pool', 'add', pool, '-m', model, '--storage', 'f32', '--labels', os.path.join(folder, 'free.tsv'))
    expected = [read_after(net, torch.cat([images[alike[0]], images[i]]), [label]) for i in alike[1:]]
    read = e2str(*options, '-p', pool, '-k', '1', *(paths[i] for i in alike[1:]))
    check('the same with an example before it, at another width than 128', len(alike) > 1 and nearly(read, expected))
    done = subprocess.run(
        [f'{BUILD}/venv/bin/python', 'weights/train/calibrate.py', model, os.path.join(folder, 'none.gguf')],
        capture_output=True,
        text=True,
    )
    check('a patch head of other weights is refused', done.returncode == 2 and 'of other weights' in done.stderr)
    state, again = net.state_dict(), from_gguf(folder, model, rest)
    check(
        'the free file becomes a checkpoint with all its columns',
        again.sizes == net.sizes
        and all(torch.equal(t, state[n]) for n, t in again.state_dict().items() if not n.startswith('aux')),
    )


def from_gguf(folder, *arguments):
    """The Reader that train/from_gguf.py makes of a model file."""
    start = os.path.join(folder, 'start.pt')
    subprocess.run(
        [f'{BUILD}/venv/bin/python', 'weights/train/from_gguf.py', *arguments, start],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    state = torch.load(start)
    net = Reader(Sizes(**state['sizes'])).eval()
    net.load_state_dict(state['model'])
    return net


def check_shipped(folder, samples):
    """The shipped file as a checkpoint: nothing is lost on the way back."""
    net = from_gguf(folder)
    with torch.no_grad():
        expected = net.read(torch.from_numpy(np.stack([s.image for s in samples[:12]])), most=20)
    paths = [os.path.join(folder, f'{i:02d}.png') for i in range(12)]
    read = e2str('read', '--json', '--precision', 'f32', '--max-tokens', '20', '-m', 'weights/e2str-small.gguf', *paths)
    check('the shipped file becomes a checkpoint that reads the same', nearly(read, expected))


def check_fusion(folder):
    """The block is trained on top of a model file, whose own weights stay; a second look reads with it."""
    model, paths = 'weights/e2str-small.gguf', [os.path.join(folder, f'{i:02d}.png') for i in range(4)]
    trained, added, part = (os.path.join(folder, name) for name in ('fusion.gguf', 'added.gguf', 'fusion.npz'))
    command = [f'{BUILD}/venv/bin/python', 'weights/train/fusion.py', model]
    subprocess.run([*command, trained, '--words', '10', '--groups', '2', '--steps', '4', '--part', part], check=True)
    subprocess.run([*command, added, '--from', part], check=True)
    with open(trained, 'rb') as one, open(added, 'rb') as other:
        check('a fusion block that was trained can be added again', one.read() == other.read())
    check(
        'without a second look it changes nothing',
        e2str('read', '--json', '-m', trained, *paths) == e2str('read', '--json', '-m', model, *paths),
    )
    check('with one it reads', len(e2str('read', '--json', '--second-look', '1', '-m', trained, *paths)) == 4)


def main():
    check_text()
    check_hands()
    renderer = Renderer()
    samples = check_renderer(renderer)
    check_kinds(renderer)
    samples = [s for s in samples if s.text]
    check_batches()
    check_dead_worker()
    net = check_learning(samples)
    with tempfile.TemporaryDirectory() as folder:
        check_training(folder)
        check_reshape(folder)
        check_export(folder, net, samples)
        check_free_widths(folder, net, renderer)
        check_shipped(folder, samples)
        check_fusion(folder)


if __name__ == '__main__':
    main()
