#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a pool that looks after itself is worth (docs/stream.md): sets of labelled words as streams of which a share is
corrected, through `e2str stream`, by each way of keeping the pool under a cap.

    /usr/bin/python3 bench/stream.py DATA [--share 5,10,20] [--sets NAME,...] [--limit READS] [--jobs 2]
                                     [--change] [--picture FILE]

Prints the tables. Each run is kept in BUILD/stream and done once for the same command. The corrected reads are drawn by
splitmix64 from the seed, the same for each way. An error is counted before anything is learnt of it."""

import argparse
import functools
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import accuracy_runs
from accuracy_runs import BUILD, E2STR, ONE_THREAD, find_sets, shuffled, splitmix64
from metric import alphanumeric

CACHE = os.path.join(BUILD, 'stream')
SETS = ('handwriting-gw', 'plates-cn', 'cheque-digits')
WAYS = {
    'none': 'no corrections',
    'frozen': 'frozen when full',
    'oldest': 'the oldest goes',
    'random': 'a random one goes',
    'least-used': 'the least used goes',
    'least-useful': 'the least useful goes',
}
COLOURS = {
    'none': '#999999',
    'frozen': '#0072b2',
    'oldest': '#e69f00',
    'random': '#009e73',
    'least-used': '#cc79a7',
    'least-useful': '#d55e00',
}
SEED = 1
CAP_PER_SHARE = 2  # examples of cap for each per cent that is corrected: the cap bites alike for all shares


def draws(seed, share):
    """For each read whether it is corrected."""
    limit = share * (1 << 64) // 100
    return (number < limit for number in splitmix64(seed))


class Command:
    """`e2str stream`, a line at a time."""

    def __init__(self, options):
        pool = os.path.join(CACHE, f'{os.getpid()}-{id(self)}.pool')
        command = [E2STR, 'stream', pool, '--save-every', '0', *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=ONE_THREAD, encoding='utf-8', bufsize=1
        )
        self.pool = pool

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        for path in (self.pool, self.pool + '.lock'):
            if os.path.exists(path):
                os.unlink(path)


def stream(rows, way, share, cap, options, wrong=0):
    """right: '1' or '0' for each read; drift: reads at which it was noticed; learnt, dropped: how often."""
    drop = way if way in ('oldest', 'random', 'least-used', 'least-useful') else 'oldest'
    command = Command(['--max-examples', str(cap), '--drop', drop, *options])
    right, drift, examples, typos = [], [], 0, draws(SEED + 1, wrong)
    for at, ((path, label), corrected) in enumerate(zip(rows, draws(SEED, share))):
        says = corrected and way != 'none' and not (way == 'frozen' and examples >= cap)
        said = rows[at - 1][1] if next(typos) else label
        answer = command.ask(f'{path}\t{said}' if says else path)
        if 'error' in answer:
            raise RuntimeError(f'{path}: {answer["error"]}')
        right.append('1' if alphanumeric(answer['text']) == alphanumeric(label) else '0')
        examples += answer.get('outcome') == 'added'
        if 'drift' in answer:
            drift.append(at)
    report = command.ask('=')['report']
    command.close()
    return {'right': ''.join(right), 'drift': drift, 'learnt': report['learnt'], 'dropped': report['dropped']}


@functools.lru_cache
def binary():
    with open(E2STR, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def run(name, rows, way, share, cap, options=(), wrong=0):
    key = [binary(), [(*path.split(os.sep)[-3:], label) for path, label in rows], way, share, cap, list(options), wrong]
    return accuracy_runs.cached(f'{name}-{way}-{share}', key, lambda: stream(rows, way, share, cap, options, wrong))


def errors(right, first=0, last=None):
    part = right[first:last]
    return 100 * part.count('0') / len(part)


def table(results, sets, shares):
    """Errors by share and way; each cell: all reads / the second half of them."""
    print('| corrected, cap | way | ' + ' | '.join(sets) + ' | mean | learnt |')
    print('| --- ' * (len(sets) + 4) + '|')
    for share in shares:
        for way, title in WAYS.items():
            rights = [results[name, share, way] for name in sets]
            cells = [(errors(one['right']), errors(one['right'], len(one['right']) // 2)) for one in rights]
            cells.append(tuple(sum(column) / len(column) for column in zip(*cells)))
            learnt = sum(one['learnt'] for one in rights)
            text = ' | '.join(f'{whole:.1f} / {half:.1f}' for whole, half in cells)
            print(f'| {share} %, {cap_of(share)} | {title} | {text} | {learnt} |')


def cap_of(share):
    return CAP_PER_SHARE * share


def rolling(right, width):
    """Per cent wrong of the last `width` reads, from the width-th on."""
    wrong = [one == '0' for one in right]
    total = sum(wrong[:width])
    shares = [100 * total / width]
    for at in range(width, len(wrong)):
        total += wrong[at] - wrong[at - width]
        shares.append(100 * total / width)
    return shares


def draw(path, panels):
    import matplotlib

    matplotlib.use('svg')
    from matplotlib import pyplot

    pyplot.rcParams.update({'font.size': 9, 'svg.fonttype': 'none', 'svg.hashsalt': 'e2str'})
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.1 * len(panels), 3.9), sharey=True)
    for axis, (title, results, change, width) in zip(axes, panels):
        for way, one in results.items():
            shares = rolling(one['right'], width)
            axis.plot(range(width, width + len(shares)), shares, color=COLOURS[way], label=WAYS[way], linewidth=1.4)
        if change:
            axis.axvline(change, color='black', linewidth=0.8, linestyle='--')
            axis.text(change, 1.5, ' other set begins', fontsize=8)
            for at in results['least-useful']['drift']:
                axis.plot([at], [97], marker='v', color=COLOURS['least-useful'], clip_on=False)
                axis.text(at, 97, '  drift is told', va='center', fontsize=8, color=COLOURS['least-useful'])
        axis.set_title(title, fontsize=10)
        axis.set_xlabel('reads')
        axis.set_ylim(0, 100)
        axis.set_xlim(left=0)
        axis.grid(color='#dddddd', linewidth=0.5)
        axis.spines[['top', 'right']].set_visible(False)
    axes[0].set_ylabel(f'wrong words, % of the last {panels[0][3]}')
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='lower center', ncol=len(WAYS), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, metadata={'Date': None})


CHANGE = ('print-18c-fr', 'handwriting-gw', 400)  # the sets of a stream whose domain changes, reads of each


def change_rows(sets):
    first, second, count = CHANGE
    return [*sets[first].rows[:count], *sets[second].rows[:count]]


def change_table(results):
    first, second, count = CHANGE
    print(f'| way | {first} | {second}, first 150 | the others | dropped | drift told at read |')
    print('| --- ' * 6 + '|')
    for way, one in results.items():
        right = one['right']
        parts = [errors(right, 0, count), errors(right, count, count + 150), errors(right, count + 150)]
        told = ', '.join(map(str, one['drift'])) or 'not'
        print(f'| {WAYS[way]} | ' + ' | '.join(f'{part:.1f}' for part in parts) + f' | {one["dropped"]} | {told} |')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('data')
    parser.add_argument('--share', default='5,10,20')
    parser.add_argument('--sets', default=','.join(SETS))
    parser.add_argument('--ways', default=','.join(WAYS))
    parser.add_argument('--limit', type=int)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--change', action='store_true', help='the stream whose domain changes, too')
    parser.add_argument('--picture')
    parser.add_argument('--wrong', type=int, default=0, help='per cent of the corrections that are of another image')
    parser.add_argument('--extra', default='', help='more options of e2str stream')
    options = parser.parse_args()
    os.makedirs(CACHE, exist_ok=True)
    accuracy_runs.CACHE = CACHE
    shares, names = [int(one) for one in options.share.split(',')], options.sets.split(',')
    for way in [way for way in WAYS if way not in options.ways.split(',')]:
        del WAYS[way]
    sets = {one.name: one for one in find_sets(options.data)}
    missing = [name for name in names if name not in sets]
    if missing:
        sys.exit(f'{options.data}: no {", ".join(missing)}')
    work = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for name in names:
            rows = shuffled(sets[name].rows, SEED)[: options.limit]
            for share in shares:
                for way in WAYS:
                    work[name, share, way] = pool.submit(
                        run, name, rows, way, share, cap_of(share), options.extra.split(), options.wrong
                    )
        for way in WAYS if options.change else ():
            work[way] = pool.submit(run, 'change', change_rows(sets), way, 20, cap_of(20), ('--window', '25'))
        results = {key: one.result() for key, one in work.items()}
    table(results, names, shares)
    if options.change:
        print()
        change_table({way: results[way] for way in WAYS})
    if options.picture:
        share = shares[-1]
        panels = [
            (
                f'{name}, {share} % corrected, cap {cap_of(share)}',
                {way: results[name, share, way] for way in WAYS},
                None,
            )
            for name in ('plates-cn', 'handwriting-gw')
        ]
        title = f'{CHANGE[0]}, then {CHANGE[1]}; 20 %, cap {cap_of(20)}'
        panels.append((title, {way: results[way] for way in WAYS}, CHANGE[2]))
        draw(options.picture, [(*panel, 100) for panel in panels])


if __name__ == '__main__':
    main()
