# SPDX-License-Identifier: MIT
"""What `make accuracy` writes from a Study of accuracy.py: the tables of accuracy.md, accuracy.csv and accuracy.svg."""

import csv
import os
import re
import sys
import textwrap

from metric import alphanumeric

COLUMNS = (
    *('set', 'what', 'pool', 'k', 'memory', 'images', 'exact', 'case_insensitive', 'alphanumeric'),
    *('learn_ms', 'read_ms'),
)
COLOURS = ('#1f77b4', '#d95f02', '#1b7f4d', '#7b3fa0', '#a6761d', '#c2185b', '#444444', '#0097a7', '#8bab00')
NONE = '–'


NOTHING = 0, ''  # the key of the reads without a pool


# ---- figures ----


def together(study, one, keys):
    """The reads under each key, all of the same images; None where not measured."""
    found = [study.reads[one.name].get(key) for key in keys]
    paths = set.intersection(*({path for path, _ in reads.rows} for reads in found if reads))
    return [reads and reads.among(paths) for reads in found]


def pair(reads):
    """(alphanumeric, exact), in per cent"""
    return reads and (reads.accuracy(), reads.exact())


def both(pair):
    return f'{pair[0]:.1f} / {pair[1]:.1f}' if pair else NONE


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def mean_pair(pairs):
    known = [pair for pair in pairs if pair]
    return tuple(map(mean, zip(*known))) if known else None


def changed(before, after):
    """(wrong reads that became right, right ones that became wrong)"""
    pairs = list(zip(before.right, after.right))
    return pairs.count((False, True)), pairs.count((True, False))


def change(study, one, key):
    """(of alphanumeric, of exact) against no pool, in points"""
    before, after = map(pair, together(study, one, [NOTHING, key]))
    return after[0] - before[0], after[1] - before[1]


def part(some, whole):
    return f'{some} of {whole} ({100 * some / whole:.1f} %)' if whole else NONE


# ---- tables ----


def table(head, lines):
    yield '| ' + ' | '.join(head) + ' |'
    yield '|' + ' --- |' * len(head)
    for line in lines:
        yield '| ' + ' | '.join(str(cell) for cell in line) + ' |'


def wrapped(*sentences):
    return ['', *textwrap.wrap(' '.join(sentences), 145, break_on_hyphens=False)]


def mean_row(rows):
    """Of rows of pairs; a mean over fewer sets says so."""
    for pairs in zip(*rows):
        known = sum(pair is not None for pair in pairs)
        yield both(mean_pair(pairs)) + (f' (of {known})' if 0 < known < len(pairs) else '')


def side_by_side(study):
    keys = [NOTHING, *((pool, study.memory) for pool in study.pools)]
    found = [together(study, one, keys) for one in study.sets]
    rows = [list(map(pair, reads)) for reads in found]
    own = keys.index((study.own, study.memory))
    counts = [(len(reads[0].rows), *changed(reads[0], reads[own])) for reads in found]
    lines = [[one.name, n, *map(both, row), *moved] for one, row, (n, *moved) in zip(study.sets, rows, counts)]
    images, *moved = map(sum, zip(*counts))
    lines.append(['**mean**', images, *mean_row(rows), *moved])
    names = [f'{pool} examples' for pool in study.pools]
    yield from table(['set', 'images', 'no pool', *names, f'corrected by {study.own}', 'broken'], lines)
    before, after = (mean_pair(row[place] for row in rows) for place in (0, own))
    gone = [100 * (y - x) / (100 - x) for x, y in zip(before, after)]
    few = [(*change(study, one, (study.pools[0], study.memory)), one.name) for one in study.sets]
    yield from wrapped(
        f'{study.own} examples change the mean by {after[0] - before[0]:+.1f} points alphanumeric and',
        f'{after[1] - before[1]:+.1f} exact: {gone[0]:.0f} % and {gone[1]:.0f} % of the errors less.',
        f'{study.pools[0]} examples: {mean(line[0] for line in few):+.1f} and {mean(line[1] for line in few):+.1f};',
        f'the worst set alphanumeric is {min(few)[2]} with {min(few)[0]:+.1f}.',
    )


def others(study):
    """The model, without a pool and with one, beside others on the first images of each set."""
    names = list(study.peers.releases)
    keys = [NOTHING, (study.own, study.memory), *names]
    rows = [list(map(pair, together(study, one, keys))) for one in study.sets]
    counts = [len(together(study, one, [NOTHING, *names])[0].rows) for one in study.sets]
    lines = [[one.name, n, *map(both, row)] for one, n, row in zip(study.sets, counts, rows)]
    lines.append(['**mean**', sum(counts), *mean_row(rows)])
    head = ['no pool', f'{study.own} examples', *study.peers.titles().values()]
    yield from table(['set', 'images', *head], lines)
    for place, name in enumerate(names, len(keys) - len(names)):
        leads = [row[0][0] - row[place][0] for row in rows if row[place]]
        better = sum(lead > 0 for lead in leads)
        yield from wrapped(
            f'Without a pool the model reads more words than {study.peers.titles()[name]} on {better} of {len(leads)}',
            f'sets (alphanumeric, {min(leads):+.0f} to {max(leads):+.0f} points).',
        )


def grid(study):
    keys, lines, means = [NOTHING], [], {}
    for pool in (*study.pools, study.large):
        keys = [NOTHING, *((pool, way) for way in study.ways)]
        having = [one for one in study.sets if (pool, study.memory) in study.reads[one.name]]
        rows = [list(map(pair, together(study, one, keys))) for one in having]
        lines += [[one.name, pool, *map(both, row)] for one, row in zip(having, rows)]
        if having:
            means[pool] = dict(zip(('', *study.ways), map(mean_pair, zip(*rows))))
            label = 'mean' if len(having) == len(study.sets) else f'mean of these {len(having)}'
            lines.append([f'**{label}**', pool, *map(both, means[pool].values())])
    yield from table(['set', 'pool', 'no pool', *study.ways], lines)
    found = means[study.own]
    order = sorted(study.ways, key=lambda way: -sum(found[way]))
    yield from wrapped(
        f'Best to worst with {study.own} examples, by the mean of alphanumeric and exact, against no pool:',
        '; '.join(f'{way} ({both_changes(found[""], found[way])})' for way in order) + '.',
    )


def both_changes(before, after):
    return ' / '.join(f'{y - x:+.1f}' for x, y in zip(before, after))


def new_words(study):
    keys = [NOTHING, (study.own, study.prompt), (study.own, study.memory)]
    counts = []
    for one in study.sets:
        known = {alphanumeric(text) for _, text in one.rows[: study.own]}
        reads = together(study, one, keys)
        seen = [alphanumeric(label) in known for _, label in reads[0].rows]
        right = [[sum(r for r, s in zip(read.right, seen) if s == kind) for read in reads] for kind in (False, True)]
        counts.append([seen.count(False), *right[0], seen.count(True), *right[1]])
    lines = [[one.name, *shares(line)] for one, line in zip(study.sets, counts)]
    lines.append(['**all**', *shares(list(map(sum, zip(*counts))))])
    head = ['no pool', study.prompt, study.memory]
    return table(['set', 'new words', *head, 'words of the pool', *head], lines)


def shares(line):
    for words, *right in (line[:4], line[4:]):
        yield words
        yield from (f'{100 * n / words:.1f}' if words else NONE for n in right)


def other_pools(study):
    lines, pairs = [], []
    for one in study.sets:
        line = [one.name]
        for other in study.sets:
            if other is one:
                line.append('')
                continue
            points = change(study, one, (other.name,))
            line.append(f'{points[0]:+.1f}')
            pairs.append((*points, f'{one.name} with a pool of {other.name}'))
        lines.append(line)
    yield from table(['read', *(f'pool of {one.name}' for one in study.sets)], lines)
    sentences = []
    for place, name in enumerate(('Alphanumeric', 'Exact')):
        values = [line[place] for line in pairs]
        worst = min(pairs, key=lambda line: line[place])
        below = sum(value < -2 for value in values)
        sentences.append(
            f'{name}: mean of the {len(pairs)} pairs {mean(values):+.2f} points, worst {worst[place]:+.1f}'
            f' ({worst[2]}), {part(below, len(pairs))} more than 2 lower.'
        )
    yield from wrapped(*sentences)


def wrong_labels(study):
    keys = [NOTHING, (study.own, study.memory), 'wrong', 'wrong, kept']
    rows = [list(map(pair, together(study, one, keys))) for one in study.sets]
    lines = [[one.name, *map(both, row)] for one, row in zip(study.sets, rows)]
    lines.append(['**mean**', *mean_row(rows)])
    share = f'{100 * study.wrong:.0f} % wrong'
    head = ['no pool', 'labels as they are', f'{share}, doubtful left out', f'{share}, `--keep-doubtful`']
    yield from table(['set', *head], lines)
    before, *after = (mean_pair(column) for column in zip(*rows))
    gains = [[y - x for x, y in zip(before, column)] for column in after]
    yield from wrapped(
        f'The mean gain of the pool is {gains[0][0]:+.1f} / {gains[0][1]:+.1f} points; with the wrong labels',
        f'{gains[1][0]:+.1f} / {gains[1][1]:+.1f}, and with the doubtful kept {gains[2][0]:+.1f} / {gains[2][1]:+.1f}.',
    )


def hard_samples(study):
    head, lines = ['set', 'wrong without a pool'], []
    for share in study.shares:
        head += [f'{share} %: shown', 'right of the other wrong ones', 'broken of the right ones']
    names = [one.name for one in study.sets]
    for label, some in (*((name, [name]) for name in names), ('**all**', names)):
        line = [label, sum(study.hard[name][study.shares[0]].wrong for name in some)]
        for share in study.shares:
            found = [study.hard[name][share] for name in some]
            shown, others, mended, fine, broken = (
                sum(getattr(hard, what) for hard in found) for what in ('shown', 'others', 'mended', 'fine', 'broken')
            )
            line += [shown, part(mended, others), part(broken, fine)]
        lines.append(line)
    return table(head, lines)


def times(study):
    nothing, lines = study.times[0][3], []
    for pool in study.timed.pools:
        found = {way: (learn, read) for size, way, learn, read in study.times if size == pool}
        (_, prompt), (learn, memory) = found[study.prompt], found[study.memory]
        lines.append([pool, f'{learn:.0f}', *(f'{read:.2f}' for read in (nothing, memory, prompt))])
    yield from table(['examples', 'to learn', 'read, no pool', f'read, {study.memory}', f'read, {study.prompt}'], lines)
    shared = ', and shared caches: on a machine of its own all is quicker' if study.busy > study.quiet else ''
    others = f'Other processes took {100 * study.busy:.0f} % of the CPUs meanwhile'
    yield from wrapped(f'Images of {study.timed.name}. {others}{shared}.')


def about(study, machine, commit):
    model = study.model
    name = os.path.basename(model.path)
    yield f'`{name}`, {model.size / 1e6:.1f} MB, SHA-256 {model.digest[:16]}…; commit {commit}; {machine}.'
    if study.limit:
        yield f'**Only {study.limit} images of each set: figures for testing the program.**'


# ---- files ----


def rows(study):
    """Of the CSV file."""
    for one in study.sets:
        for reads in study.reads[one.name].values():
            figures = reads.exact(), reads.case_insensitive(), reads.accuracy()
            measured = dict(zip(COLUMNS[6:9], (f'{value:.2f}' for value in figures)))
            yield {'set': one.name, 'images': len(reads.rows), **reads.about, **measured}
        for share, hard in study.hard[one.name].items():
            counted = (('not shown', hard.others, hard.mended), ('right before', hard.fine, hard.fine - hard.broken))
            for what, number, right in counted:
                line = {'set': one.name, 'what': f'hard {share} %: {what}', 'pool': hard.shown, 'images': number}
                yield {**line, 'alphanumeric': f'{100 * right / number:.2f}' if number else ''}
    for pool, way, learn, read in study.times:
        line = {'set': study.timed.name, 'what': f'time: {way or "no pool"}', 'pool': pool}
        yield {**line, 'learn_ms': f'{learn:.1f}', 'read_ms': f'{read:.3f}'}


def write_csv(study, path):
    with open(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows(study))


def fill(path, parts):
    """Puts each part between its two marks."""
    with open(path, encoding='utf-8') as file:
        text = file.read()
    for name, lines in parts.items():
        marks = f'<!-- begin {name} -->', f'<!-- end {name} -->'
        if text.count(marks[0]) != 1 or text.count(marks[1]) != 1:
            sys.exit(f'{path}: {marks[0]} and {marks[1]} have to be there once')
        pattern = re.escape(marks[0]) + '.*?' + re.escape(marks[1])
        before, after = re.split(pattern, text, flags=re.DOTALL)
        text = before + '\n'.join((marks[0], '', *lines, '', marks[1])) + after
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def spread(heights, least):
    """The heights, moved apart by at least so much, in the same order."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    for _ in range(200):
        for low, high in zip(order, order[1:]):
            lack = least - (placed[high] - placed[low])
            if lack > 0:
                placed[low] -= lack / 2
                placed[high] += lack / 2
    return placed


def plot(study, path):
    """Accuracy over the size of the pool, one line per set."""
    try:
        import matplotlib
    except ImportError:
        print('no picture: it needs matplotlib (Debian: python3-matplotlib)', file=sys.stderr)
        return
    matplotlib.use('svg')
    style = {'svg.fonttype': 'none', 'svg.hashsalt': 'e2str', 'font.family': 'sans-serif', 'font.size': 9}
    matplotlib.rcParams.update(style)
    import matplotlib.pyplot as plt

    sizes = [0, *study.pools]
    figure_, axes = plt.subplots(figsize=(7.2, 4.6))
    ends = []
    for i, one in enumerate(study.sets):
        ways = [[NOTHING, *((size, way) for size in study.pools)] for way in (study.memory, study.prompt)]
        found = together(study, one, [*ways[0], *ways[1]])
        colour = COLOURS[i % len(COLOURS)]
        for reads, style in ((found[: len(sizes)], 'o-'), (found[len(sizes) :], ':')):
            values = [read.accuracy() for read in reads if read]
            axes.plot(range(len(values)), values, style, color=colour, ms=4, lw=1.4)
            if style == 'o-':
                ends.append((len(values) - 1, values[-1], one.name, colour))
    axes.set_ylim(0, 100)
    for (x, value, name, colour), y in zip(ends, spread([end[1] for end in ends], 4.4)):
        line = {'arrowstyle': '-', 'color': colour, 'lw': 0.6}
        where = (len(sizes) - 1 + 0.22, y)
        text = f'{name} {value:.0f}'
        axes.annotate(text, (x, value), where, color=colour, va='center', arrowprops=line, annotation_clip=False)
    axes.set_xticks(range(len(sizes)), ['no pool', *map(str, study.pools)])
    axes.set_xlim(-0.2, len(sizes) - 0.9)
    axes.set(xlabel=f'examples of the set in the pool; dotted: {study.prompt}', ylabel='words right, per cent')
    axes.grid(axis='y', color='#dddddd', lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    figure_.subplots_adjust(left=0.08, right=0.77, top=0.97, bottom=0.12)
    figure_.savefig(path, metadata={'Date': None})


PARTS = {
    'side by side': side_by_side,
    'others': others,
    'grid': grid,
    'new words': new_words,
    'other pools': other_pools,
    'wrong labels': wrong_labels,
    'hard samples': hard_samples,
    'times': times,
}


def write(study, folder, machine, commit):
    parts = {'about': about(study, machine, commit), **{name: make(study) for name, make in PARTS.items()}}
    parts = {name: list(lines) for name, lines in parts.items()}
    for lines in parts.values():
        print('\n'.join(lines) + '\n')
    write_csv(study, os.path.join(folder, 'accuracy.csv'))
    plot(study, os.path.join(folder, 'accuracy.svg'))
    fill(os.path.join(folder, 'accuracy.md'), parts)
    print(f'written: {os.path.join(folder, "accuracy.md")}', file=sys.stderr)
