"""What `make accuracy` writes from a Study of accuracy.py: the tables of accuracy.md, accuracy.csv and accuracy.svg."""

import csv
import os
import re
import sys

COLUMNS = ('set', 'what', 'weights', 'pool', 'k', 'images', 'exact', 'case_insensitive', 'alphanumeric', 'ms')
COLOURS = ('#1f77b4', '#d95f02', '#1b7f4d', '#7b3fa0', '#a6761d', '#c2185b', '#444444', '#0097a7')
NONE = '–'


# ---- figures ----


def figure(value, digits=1):
    return NONE if value is None else f'{value:.{digits}f}'


def accuracy(study, one, key):
    """Alphanumeric, in per cent; None where it was not measured."""
    reads = study.reads[one.name].get(key)
    return reads.accuracy() if reads else None


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def changed(study, one, key):
    """(wrong reads that became right, right ones that became wrong) against no pool; None where not measured"""
    after = study.reads[one.name].get(key)
    if not after:
        return None, None
    pairs = list(zip(study.reads[one.name][0, 0].right, after.right))
    return pairs.count((False, True)), pairs.count((True, False))


# ---- tables ----


def table(head, lines):
    yield '| ' + ' | '.join(head) + ' |'
    yield '|' + ' --- |' * len(head)
    for line in lines:
        yield '| ' + ' | '.join(str(cell) for cell in line) + ' |'


def with_mean(study, row, label='mean'):
    """One line of figures per set, and their mean; a mean over fewer sets says so."""
    found = [row(one) for one in study.sets]
    for one, values in zip(study.sets, found):
        yield [one.name, *map(figure, values)]
    means = []
    for values in zip(*found):
        known = sum(value is not None for value in values)
        means.append(figure(mean(values)) + (f' (of {known})' if 0 < known < len(found) else ''))
    yield [f'**{label}**', *means]


def side_by_side(study):
    pools = [(pool, study.k) for pool in study.pools if pool != 30]
    keys = ['stage 1', (0, 0), *pools, 'Tesseract']
    keys = [key for key in keys if any(key in study.reads[one.name] for one in study.sets)]
    names = {'stage 1': 'stage 1, no pool', (0, 0): 'no pool', 'Tesseract': f'Tesseract {study.tesseract}'}
    head = [names.get(key) or f'{key[0]} examples' for key in keys]
    lines = list(with_mean(study, lambda one: [accuracy(study, one, key) for key in keys]))
    for line, one in zip(lines, study.sets):
        line.insert(1, len(study.reads[one.name][0, 0].rows))
        line += [number for number in changed(study, one, (study.chosen_pool, study.k))]
    lines[-1].insert(1, sum(line[1] for line in lines[:-1]))
    lines[-1] += [sum(line[place] for line in lines[:-1]) for place in (-2, -1)]
    return table(['set', 'images', *head, f'corrected by {study.chosen_pool}', 'broken'], lines)


def exact(study):
    keys = [(0, 0), *((pool, study.k) for pool in study.pools)]

    def row(one):
        found = [study.reads[one.name].get(key) for key in keys]
        return [reads.exact() if reads else None for reads in found]

    return table(['set', 'no pool', *(f'{pool} examples' for pool in study.pools)], with_mean(study, row))


def grid(study):
    lines = []
    for pool in study.pools:
        having = [one for one in study.sets if pool in one.pools]
        for one in having:
            keys = (0, 0), *((pool, k) for k in study.ks)
            lines.append([one.name, pool, *(accuracy(study, one, key) for key in keys)])
        if having:
            columns = zip(*(line[2:] for line in lines[-len(having) :]))
            label = 'mean' if len(having) == len(study.sets) else f'mean of these {len(having)}'
            lines.append([f'**{label}**', pool, *map(mean, columns)])
    lines = [[*line[:2], *map(figure, line[2:])] for line in lines]
    return table(['set', 'pool', 'k = 0', *(f'k = {k}' for k in study.ks)], lines)


def pools(study):
    own = study.chosen_pool, study.k
    keys = [(0, 0), own, 'mixed', 'wrong domain', 'random examples', '25 % wrong', '100 % wrong']
    lines = list(with_mean(study, lambda one: [accuracy(study, one, key) for key in keys]))
    for line, one in zip(lines, study.sets):
        if study.others[one.name]:
            line[4] += f' ({study.others[one.name].name})'
    size = max((r['mixed'].about['pool'] for r in study.reads.values() if 'mixed' in r), default=0)
    head = ['no pool', f'{own[0]} of its own', f'{size:,} of all sets', f'{own[0]} of another domain']
    return table(['set', *head, 'its own, drawn at random', 'its own, 25 % of labels wrong', 'all labels wrong'], lines)


def types(study):
    if not study.f32:
        return ['Not measured: no F32=file.']
    own = study.chosen_pool, study.k
    keys = [(0, 0), 'f32 zero-shot', own, 'f32']
    head = ['no pool, as shipped', 'no pool, f32', f'{own[0]} examples, as shipped', f'{own[0]} examples, f32']
    return table(['set', *head], with_mean(study, lambda one: [accuracy(study, one, key) for key in keys]))


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


def part(some, whole):
    return f'{some} of {whole} ({100 * some / whole:.1f} %)' if whole else NONE


def times(study):
    lines = []
    for one in study.sets:
        zero, few = study.times[one.name]
        lines.append([one.name, figure(zero, 2), figure(few, 2)])
    lines.append(['**mean**', *(figure(mean(column), 2) for column in zip(*study.times.values()))])
    yield from table(['set', 'no pool', f'{study.chosen_pool} examples, k = {study.k}'], lines)
    yield ''
    yield f'Other processes took {study.busy:.0%} of the CPUs meanwhile.'


def about(study, machine, commit):
    model = study.model
    limited = f' **Only {study.limit} images of each set: figures for testing the program.**' if study.limit else ''
    why = 'the best mean with a pool of 100 in the second table' if study.chosen_by_us else 'given as K'
    name = os.path.basename(model.path)
    yield f'`{name}`, {model.size / 1e6:.1f} MB, SHA-256 {model.digest[:16]}…; commit {commit}; {machine}.'
    yield f'k = {study.k} unless said otherwise: {why}.{limited}'


# ---- files ----


def rows(study):
    """Of the CSV file."""
    for one in study.sets:
        for reads in study.reads[one.name].values():
            figures = reads.exact(), reads.case_insensitive(), reads.accuracy()
            measured = dict(zip(COLUMNS[6:9], (f'{value:.2f}' for value in figures)))
            yield {'set': one.name, 'images': len(reads.rows), **reads.about, **measured}
        for value, (pool, k) in zip(study.times[one.name], ((0, 0), (study.chosen_pool, study.k))):
            yield {'set': one.name, 'what': 'time', 'weights': 'shipped', 'pool': pool, 'k': k, 'ms': f'{value:.3f}'}
        for share, hard in study.hard[one.name].items():
            counted = (('not shown', hard.others, hard.mended), ('right before', hard.fine, hard.fine - hard.broken))
            for what, number, right in counted:
                line = {'set': one.name, 'what': f'hard {share} %: {what}', 'weights': 'shipped', 'pool': hard.shown}
                right_now = f'{100 * right / number:.2f}' if number else ''
                yield {**line, 'k': study.k, 'images': number, 'alphanumeric': right_now}


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
        filled = '\n'.join((marks[0], '', *lines, '', marks[1]))
        text = re.sub(pattern, lambda match: filled, text, flags=re.DOTALL)
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
    figure_, axes = plt.subplots(figsize=(7.2, 4.2))
    ends = []
    for i, one in enumerate(study.sets):
        values = [accuracy(study, one, (size, study.k if size else 0)) for size in sizes]
        places = [place for place, value in enumerate(values) if value is not None]
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(places, [values[place] for place in places], 'o-', color=colour, ms=4, lw=1.4)
        ends.append((places[-1], values[places[-1]], one.name, colour))
    axes.set_ylim(0, 100)
    for (x, value, name, colour), y in zip(ends, spread([end[1] for end in ends], 4.4)):
        line = {'arrowstyle': '-', 'color': colour, 'lw': 0.6}
        where = (len(sizes) - 1 + 0.22, y)
        text = f'{name} {value:.0f}'
        axes.annotate(text, (x, value), where, color=colour, va='center', arrowprops=line, annotation_clip=False)
    axes.set_xticks(range(len(sizes)), ['no pool', *map(str, study.pools)])
    axes.set_xlim(-0.2, len(sizes) - 0.9)
    axes.set(xlabel=f'examples in the pool (own domain), k = {study.k}', ylabel='words right, per cent')
    axes.grid(axis='y', color='#dddddd', lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    figure_.subplots_adjust(left=0.08, right=0.77, top=0.97, bottom=0.12)
    figure_.savefig(path, metadata={'Date': None})


PARTS = {
    'side by side': side_by_side,
    'grid': grid,
    'pools': pools,
    'hard samples': hard_samples,
    'exact': exact,
    'types': types,
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
    print(f"written: {os.path.join(folder, 'accuracy.md')}", file=sys.stderr)
