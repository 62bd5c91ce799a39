# SPDX-License-Identifier: MIT
"""What bench/accuracy.py measures with: sets and the parts they are cut into, runs of `e2str eval` and of others that
read words, and where their results are kept. Environment: BUILD, PEERS_PYTHON (a Python with what ppocr.py needs)."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from metric import alphanumeric, any_case

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get('BUILD') or 'build')
E2STR = os.path.join(BUILD, 'e2str')
CACHE = os.path.join(BUILD, 'accuracy')
SEED = 1
POOLS = (10, 30, 100, 300)
LARGE = 1000
PPOCR = [os.environ.get('PEERS_PYTHON') or sys.executable, os.path.join(ROOT, 'bench', 'ppocr.py')]
ONE_THREAD = {**os.environ, 'OMP_THREAD_LIMIT': '1', 'OPENBLAS_NUM_THREADS': '1'}


@functools.lru_cache
def version():
    return subprocess.run([E2STR, '--version'], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


# ---- sets ----


def splitmix64(state):
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def shuffled(items, seed=SEED):
    """The order that `e2str eval --seed` gives."""
    items, numbers = list(items), splitmix64(seed)
    for i in range(len(items), 1, -1):
        j = next(numbers) % i
        items[i - 1], items[j] = items[j], items[i - 1]
    return items


class Set:
    """rows: (path, text) in shuffled order. The first `reserve` are for pools, the others are read; after a large pool
    the others of those."""

    def __init__(self, folder):
        folder = os.path.abspath(folder)
        self.name = os.path.basename(folder)
        self.labels = os.path.join(folder, 'labels.tsv')
        with open(self.labels, 'rb') as file:
            data = file.read()
        self.digest = hashlib.sha256(data).hexdigest()
        lines = data.decode('utf-8-sig').split('\n')
        pairs = [line.rstrip('\r').split('\t', 1) for line in lines if '\t' in line]
        rows = [(self.find(folder, image), text) for image, text in pairs if image and text]
        if len({path for path, _ in rows}) != len(rows):
            sys.exit(f'{self.labels}: an image has two lines')
        self.rows = shuffled(rows)
        self.reserve = 300 if len(rows) >= 450 else 100
        self.pools = [n for n in POOLS if n <= self.reserve]
        self.large = len(rows) >= LARGE + 150

    @staticmethod
    def find(folder, image):
        beside = os.path.join(folder, image)
        return beside if os.path.exists(beside) else os.path.join(folder, 'images', image)

    def test(self, limit, pool=0):
        return self.rows[max(self.reserve, pool) :][:limit]


def find_sets(data):
    folders = sorted(entry.path for entry in os.scandir(data) if os.path.exists(os.path.join(entry.path, 'labels.tsv')))
    sets = [Set(folder) for folder in folders]
    for one in sets:
        if len(one.rows) < 150:
            print(f'{one.name} is left out: {len(one.rows)} images are too few', file=sys.stderr)
    sets = [one for one in sets if len(one.rows) >= 150]
    return sets or sys.exit(f'{data}: no folder with labels.tsv and 150 images or more')


def wrong_labels(rows, share):
    """The rows, with the labels of so large a share of them handed round among those."""
    places = shuffled(range(len(rows)))[: round(share * len(rows))]
    labels = [text for _, text in rows]
    for here, there in zip(places, places[1:] + places[:1]):
        labels[here] = rows[there][1]
    return tuple((path, label) for (path, _), label in zip(rows, labels))


# ---- reads ----


class Reads:
    """What was read in the test part of a set; `about` goes into the CSV file."""

    def __init__(self, rows, texts, **about):
        self.rows, self.texts, self.about = rows, texts, about
        self.right = [alphanumeric(label) == alphanumeric(text) for (_, label), text in zip(rows, texts)]

    def among(self, paths):
        """The reads of these images."""
        kept = [pair for pair in zip(self.rows, self.texts) if pair[0][0] in paths]
        return Reads([row for row, _ in kept], [text for _, text in kept], **self.about)

    def share(self, same):
        return 100 * sum(same(label, text) for (_, label), text in zip(self.rows, self.texts)) / len(self.rows)

    def accuracy(self):
        return 100 * sum(self.right) / len(self.right)

    def exact(self):
        return self.share(lambda label, text: label == text)

    def case_insensitive(self):
        return self.share(lambda label, text: any_case(label) == any_case(text))


class Hard:
    """What `e2str eval --hard` counted: wrong reads, how many became the pool, what the others were read as then."""

    def __init__(self, summary):
        self.wrong, self.shown = summary['errors'], summary['pool_examples']
        self.others, self.fine = self.wrong - self.shown, summary['images'] - self.wrong
        self.mended, self.broken = self.others - summary['still_wrong'], summary['now_wrong']

    def accuracy(self):
        return 100 * (self.mended + self.fine - self.broken) / ((self.others + self.fine) or 1)


@dataclass(frozen=True)
class Model:
    path: str
    digest: str
    size: int


def open_model(path):
    with open(path, 'rb') as file:
        data = file.read()
    return Model(os.path.abspath(path), hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True)
class Run:
    """One `e2str eval`. pool: so many of the set's first rows, or rows from anywhere. options: without any, the pool
    acts as it does by default."""

    what: str
    set: Set
    model: Model
    pool: object = 0
    options: tuple = ()

    def size(self):
        return self.pool if isinstance(self.pool, int) else len(self.pool)

    def test(self, limit):
        return self.set.test(limit, self.pool if isinstance(self.pool, int) else 0)

    def key(self, limit):
        """All that the result depends on; images by set and name, so that the data may be moved."""
        pool = self.pool
        if not isinstance(pool, int):
            pool = [(*path.split(os.sep)[-3:], text) for path, text in pool]
        return [version(), self.model.digest, self.set.name, self.set.digest, pool, self.options, limit]

    def stored(self, limit):
        """The summary and the wrong reads, measured or found."""
        name = f'{self.set.name}-{self.what.replace(" ", "-")}-{self.size()}'
        return cached(name, self.key(limit), lambda: self.evaluate(self.test(limit)))

    def hard(self, limit):
        """The summary of a run with --hard."""
        return Hard(self.stored(limit)['summary'])

    def reads(self, limit):
        test, stored = self.test(limit), self.stored(limit)
        wrong = {int(index): text for index, text in stored['wrong'].items()}
        texts = [wrong.get(index, label) for index, (_, label) in enumerate(test)]
        found = stored['summary']
        strength = found['memory']['strength'] if found['memory'] else ''
        size, k = found['pool_examples'], found['k'] if found['pool_examples'] else 0
        reads = Reads(test, texts, what=self.what, pool=size, k=k, memory=strength)
        if len(test) != found['images'] or abs(reads.accuracy() - found['alphanumeric']) > 0.006:
            raise RuntimeError(f'{self.set.name}: e2str eval counts {found}, we {reads.accuracy()} of {len(test)}')
        return reads

    def evaluate(self, test):
        command = [E2STR, 'eval', '-m', self.model.path, '--json', '--verbose', *self.options]
        if isinstance(self.pool, int):
            skip = max(self.set.reserve - self.pool, 0)
            part = ['--seed', str(SEED), '--pool-first', str(self.pool), '--skip', str(skip)]
            return evaluate([*command, '--labels', self.set.labels, *part, '--limit', str(len(test))], test)
        with tempfile.NamedTemporaryFile('w', suffix='.tsv', encoding='utf-8') as file:
            file.writelines(f'{path}\t{text}\n' for path, text in (*self.pool, *test))
            file.flush()
            return evaluate([*command, '--labels', file.name, '--pool-first', str(len(self.pool))], test)


def evaluate(command, test):
    """The summary, and the reads that are not exactly right by their place in the test part."""
    done = subprocess.run(command, capture_output=True, encoding='utf-8', env=ONE_THREAD)
    lines = [json.loads(line) for line in done.stdout.split('\n')[:-1]]
    if not lines or 'alphanumeric' not in lines[-1] or lines[-1]['failed']:
        raise RuntimeError(f'{" ".join(command)}\nfailed: {done.stderr}')
    places = {path: index for index, (path, _) in enumerate(test)}
    return {'summary': lines[-1], 'wrong': {places[line['image']]: line['text'] for line in lines[:-1]}}


def cached(name, key, work, keep=lambda result: True):
    """What work() gave, kept in CACHE under the key, if keep(result)."""
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = os.path.join(CACHE, f'{name}-{digest}.json')
    if os.path.exists(path):
        with open(path) as file:
            return json.load(file)
    result = work()
    if keep(result):
        with open(path + '.part', 'w') as file:
            json.dump(result, file)
        os.rename(path + '.part', path)
    return result


class Peers:
    """Others that read the same crops, as single words. releases: {name: what was found}, by peers that are there."""

    def __init__(self):
        self.releases = {}
        if not shutil.which('tesseract'):
            print('skipped: Tesseract is not installed (Debian: tesseract-ocr)', file=sys.stderr)
        else:
            done = subprocess.run(
                ['tesseract', '--version'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            self.releases['Tesseract'] = done.stdout.split()[1]
        for name in ('PP-OCRv6 tiny', 'PP-OCRv6 small'):
            done = subprocess.run([*PPOCR, name], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                why = done.stderr.strip().rpartition('\n')[2] or f'exit status {done.returncode}'
                print(f'skipped: {name} ({why}; PEERS_PYTHON)', file=sys.stderr)
            else:
                self.releases[name] = ''

    def titles(self):
        return {name: f'{name} {release}'.strip() for name, release in self.releases.items()}

    def reads(self, name, one, limit):
        """None when it gives another number of texts."""
        test = one.test(limit)
        work = tesseract_texts if name == 'Tesseract' else functools.partial(ppocr_texts, name)
        key = [name.lower(), self.releases[name], one.name, one.digest, limit]
        texts = cached(f'{one.name}-{name.replace(" ", "-").lower()}', key, lambda: work([path for path, _ in test]))
        if len(texts) != len(test):
            print(f'{one.name}: {name} wrote {len(texts)} texts for {len(test)} images', file=sys.stderr)
            return None
        return Reads(test, texts, what=self.titles()[name], pool=0, k=0, memory='')


def ppocr_texts(name, paths):
    done = subprocess.run(
        [*PPOCR, name], input=''.join(f'{path}\n' for path in paths), stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def tesseract_texts(paths):
    with tempfile.TemporaryDirectory() as folder:
        images, out = os.path.join(folder, 'images.txt'), os.path.join(folder, 'out')
        with open(images, 'w') as file:
            file.writelines(path + '\n' for path in paths)
        command = ['tesseract', images, out, '-l', 'eng', '--psm', '8']
        subprocess.run(command, stderr=subprocess.DEVNULL, env=ONE_THREAD, check=True)
        with open(out + '.txt', encoding='utf-8') as file:
            return [text.strip() for text in file.read().split('\f')]
