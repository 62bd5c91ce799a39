# SPDX-License-Identifier: MIT
"""The learning curve as FILE.tsv and FILE.png."""

import math

COLUMNS = ('samples', 'scale', 'read', 'patch', 'first', 'third', 'ninth', 'held_out', 'rate')


def draw_curve(rows, file):
    with open(file + '.tsv', 'w') as out:
        print(*COLUMNS, sep='\t', file=out)
        for row in rows:
            print(*(f'{row[c]:.5g}' if isinstance(row[c], float) else row[c] for c in COLUMNS), sep='\t', file=out)
    if len(rows) < 2:
        return
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.4))
    x = [row['samples'] for row in rows]
    for name, label in (
        ('patch', 'patch loss'),
        ('first', 'reading loss, first of a sequence'),
        ('third', 'after two examples'),
        ('ninth', 'after eight'),
    ):
        if any(not math.isnan(row[name]) for row in rows):
            axes.plot(x, [row[name] for row in rows], label=label)
    axes.set(xlabel='images', ylabel='nats per token or patch', ylim=(0, None))
    right = axes.twinx()
    right.plot(x, [100 * row['held_out'] for row in rows], 'k--', label='held-out words exact')
    right.set(ylabel='%', ylim=(0, 100))
    lines = axes.get_lines() + right.get_lines()
    axes.legend(
        lines,
        [line.get_label() for line in lines],
        loc='lower left',
        bbox_to_anchor=(0, 1),
        ncol=2,
        frameon=False,
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(file + '.png', dpi=110)
    plt.close(figure)
