# SPDX-License-Identifier: MIT
"""What a second look (docs/two-looks.md) does: words read right with and without it, by set, pool and way to read.

/usr/bin/python3 bench/two_looks.py DATA [--second-look X]... [--pools N]... [--ways WAY]... [--part test|choose]
                                    [--limit N] [--model FILE] [--csv FILE]

DATA holds folders with labels.tsv and images. Labels are shuffled as `e2str eval --seed 1` does; the first N are the
pool. --part test (default) reads what follows the first 300 (100 of small sets), --part choose what lies between the
pool and there, for choosing the threshold without looking at the test. For each set, pool and way it prints the words
right (alphanumeric) and exact without and with the second look, their difference with a 95 % interval (paired
bootstrap over words, 10,000 draws), for how many words the text changed, to right and from right, how many were looked
at again, and milliseconds per read (only to be trusted when nothing else runs). Environment: BUILD.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from accuracy_runs import E2STR, ONE_THREAD, ROOT, SEED, find_sets
from metric import alphanumeric

WAYS = {'prompt': ['-k', '2', '--memory', '0'], 'memory': ['-k', '0'], 'both': ['-k', '2']}
DRAWS = 10000
FIELDS = (
    'set way pool images second_look right_without right_with difference low high exact_without exact_with '
    'exact_difference exact_low exact_high looked changed to_right from_right ms_without ms_with'
).split()


def run(*arguments):
    done = subprocess.run([E2STR, *arguments], capture_output=True, text=True, env=ONE_THREAD)
    if done.returncode:
        sys.exit(f'{" ".join(arguments)}\n{done.stderr}')
    return done.stdout


def write_labels(path, rows):
    with open(path, 'w', encoding='utf-8') as file:
        file.writelines(f'{image}\t{text}\n' for image, text in rows)


class Part:
    """The words of a set that are read with a pool of its first ones, both in files of a folder."""

    def __init__(self, one, pool, folder, a):
        behind = one.rows[one.reserve :] if a.part == 'test' else one.rows[pool : one.reserve]
        self.name, self.rows, self.pool, self.model = one.name, behind[: a.limit], pool, ['--model', a.model]
        self.labels, self.pool_path = (os.path.join(folder, name) for name in ('read.tsv', 'pool.gguf'))
        if pool:
            write_labels(self.labels, one.rows[:pool])
            if os.path.exists(self.pool_path):
                os.remove(self.pool_path)
            run('pool', 'add', *self.model, '--labels', self.labels, '--no-progress', self.pool_path)
        write_labels(self.labels, self.rows)


class Run:
    """One `e2str eval`: for each word of the part whether it was read right, and exactly, and as what where not."""

    def __init__(self, part, way, threshold):
        rows = part.rows
        options = ['--labels', part.labels, '--json', '--verbose', '--no-progress', *part.model]
        options += ['--pool', part.pool_path, *WAYS[way]] if part.pool else []
        options += ['--second-look', str(threshold)] if threshold else []
        lines = [json.loads(line) for line in run('eval', *options).splitlines()]
        self.summary = lines[-1]
        wrong = {line['image']: line['text'] for line in lines[:-1]}
        self.texts = [wrong.get(path, label) for path, label in rows]
        self.right = np.array([alphanumeric(label) == alphanumeric(t) for (_, label), t in zip(rows, self.texts)])
        self.exact = np.array([label == text for (_, label), text in zip(rows, self.texts)])
        if self.summary['images'] != len(rows) or set(wrong) - {path for path, _ in rows}:
            sys.exit(f'{part.name}: the command read other images than those expected')


def interval(before, after):
    """Difference of the shares in points, and where it lies in 95 % of the draws."""
    change = after.astype(float) - before
    draws = np.random.default_rng(SEED).integers(len(change), size=(DRAWS, len(change)))
    means = change[draws].mean(1)
    return [100 * value for value in (change.mean(), np.quantile(means, 0.025), np.quantile(means, 0.975))]


def compare(part, way, threshold, without, looked):
    differ = np.array([x != y for x, y in zip(without.texts, looked.texts)])
    right = [100 * run.right.mean() for run in (without, looked)]
    exact = [100 * run.exact.mean() for run in (without, looked)]
    values = [
        part.name,
        way if part.pool else 'none',
        part.pool,
        len(differ),
        threshold,
        *right,
        *interval(without.right, looked.right),
    ]
    values += [*exact, *interval(without.exact, looked.exact), looked.summary['looked_again'], int(differ.sum())]
    values += [int((looked.right & ~without.right).sum()), int((without.right & ~looked.right).sum())]
    values += [run.summary['ms_read'] for run in (without, looked)]
    return dict(zip(FIELDS, values))


def show(row):
    print(
        '{set:20} {way:6} {pool:3} {second_look:4} | {right_without:5.1f} {right_with:5.1f} {difference:+5.1f} '
        '[{low:+5.1f} {high:+5.1f}] | exact {exact_without:5.1f} {exact_with:5.1f} {exact_difference:+5.1f} '
        '[{exact_low:+5.1f} {exact_high:+5.1f}] | looked {looked:3} changed {changed:3} +{to_right} -{from_right} | '
        '{ms_without:.2f} {ms_with:.2f} ms'.format(**row),
        flush=True,
    )


def totals(rows):
    """Means over the sets, by way, pool and threshold."""
    for key in sorted({(row['way'], row['pool'], row['second_look']) for row in rows}):
        part = [row for row in rows if (row['way'], row['pool'], row['second_look']) == key]
        mean = {name: np.mean([row[name] for row in part]) for name in FIELDS[5:]}
        worse, better = (sum(test(row) for row in part) for test in (lambda r: r['high'] < 0, lambda r: r['low'] > 0))
        print(
            f'mean of {len(part)}, {key[0]:6} {key[1]:3} {key[2]:4} | {mean["right_without"]:.2f} '
            f'{mean["right_with"]:.2f} {mean["difference"]:+.2f} | exact {mean["exact_difference"]:+.2f} | '
            f'surely better {better}, worse {worse}; least {min(row["difference"] for row in part):+.1f}'
        )


def measure(a, folder, keep):
    """One row after the other, each handed to `keep` as soon as it is there."""
    rows = []
    for pool in a.pools:
        for one in find_sets(a.data):
            if (a.sets and one.name not in a.sets) or (a.part == 'choose' and one.reserve - pool < 50):
                continue
            part = Part(one, pool, folder, a)
            for way in a.ways if pool else ['prompt']:
                without = Run(part, way, 0)
                for threshold in a.second_look:
                    rows.append(compare(part, way, threshold, without, Run(part, way, threshold)))
                    show(rows[-1])
                    keep(rows[-1])
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data')
    p.add_argument('--second-look', type=float, nargs='+', default=[0.8])
    p.add_argument('--pools', type=int, nargs='+', default=[0, 10, 100])
    p.add_argument('--ways', choices=WAYS, nargs='+', default=list(WAYS))
    p.add_argument('--part', choices=('test', 'choose'), default='test')
    p.add_argument('--limit', type=int, default=300, help='words of a set')
    p.add_argument('--sets', nargs='+')
    p.add_argument('--model', default=os.path.join(ROOT, 'weights', 'e2str-small.gguf'))
    p.add_argument('--csv')
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder, open(a.csv or os.devnull, 'w', newline='') as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()

        def keep(row):
            writer.writerow(row)
            file.flush()

        totals(measure(a, folder, keep))


if __name__ == '__main__':
    main()
