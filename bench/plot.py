# SPDX-License-Identifier: MIT
"""plot.py performance.csv roofline.svg: matrix products with one thread under the machine's measured roofs."""

import csv
import sys

import matplotlib

matplotlib.use('svg')
matplotlib.rcParams.update(
    {'svg.fonttype': 'none', 'svg.hashsalt': 'e2str', 'font.family': 'sans-serif', 'font.size': 9}
)
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = {'f32': '#1f77b4', 'bf16': '#d95f02', 'q8': '#1b7f4d'}
BYTES = {'f32': 4, 'bf16': 2, 'q8': 1}
NAMES = {'f32': 'f32', 'bf16': 'bf16', 'q8': 'int8'}
PEERS = {'oneDNN': ('x', 'oneDNN'), 'OpenBLAS': ('v', 'OpenBLAS'), 'OpenBLAS (SkylakeX)': ('^', 'OpenBLAS as SkylakeX')}


def point(row):
    """(FLOP per byte of operands and result, GFLOP/s) of a product."""
    m, n, k = map(int, row['shape'].split('x'))
    size, flops = BYTES[row['type']], 2 * m * n * k
    return flops / (size * (n * k + m * k) + 4 * m * n), flops / float(row['us']) / 1e3


def best_rows(rows):
    """Of our levels the fastest at each shape and type."""
    best = {}
    for row in rows:
        if row['by'] in PEERS:
            continue
        key = row['model'], row['shape'], row['type']
        if key not in best or float(row['us']) < float(best[key]['us']):
            best[key] = row
    return best.values()


def main():
    source, target = sys.argv[1:]
    with open(source) as file:
        rows = list(csv.DictReader(file))
    peaks = {row['type']: float(row['rate']) for row in rows if row['what'] == 'peak' and row['threads'] == '1'}
    products = [row for row in rows if row['what'] == 'gemm']
    figure, axes = plt.subplots(figsize=(7.2, 4.6))
    low, high = 0.3, 800
    for kind, colour in COLOURS.items():
        peak = peaks['int8' if kind == 'q8' else kind]
        ridge = peak / peaks['read']
        axes.plot([ridge, high], [peak, peak], color=colour, lw=1.2)
        axes.text(
            high * 0.95, peak * 1.05, f'{NAMES[kind]} peak {peak:.0f} GFLOP/s', color=colour, ha='right', va='bottom'
        )
    axes.plot(
        [low, max(peaks.values()) / peaks['read']], [low * peaks['read'], max(peaks.values())], color='#555555', lw=1.2
    )
    axes.text(2.2, 2.2 * peaks['read'] * 0.62, f'memory {peaks["read"]:.0f} GB/s', color='#555555', rotation=34)
    for row in best_rows(products):
        filled = row['model'] == 'paper'
        colour = COLOURS[row['type']]
        axes.plot(*point(row), 'o', ms=5, color=colour, mfc=colour if filled else 'white', mew=1, zorder=3)
    for row in products:
        if row['by'] in PEERS:
            axes.plot(*point(row), PEERS[row['by']][0], ms=4, color=COLOURS[row['type']], alpha=0.5, mew=1, zorder=2)
    handles = [
        plt.Line2D([], [], marker='o', ls='', color='#333333', label="libe2str, paper's model"),
        plt.Line2D(
            [], [], marker='o', ls='', color='#333333', mfc='white', label='libe2str, small model (weights in cache)'
        ),
    ]
    handles += [
        plt.Line2D([], [], marker=marker, ls='', color='#333333', alpha=0.5, label=label)
        for by, (marker, label) in PEERS.items()
        if any(row['by'] == by for row in products)
    ]
    axes.legend(handles=handles, loc='lower right', frameon=False)
    axes.set(xscale='log', yscale='log', xlim=(low, high), ylim=(8, 2000))
    axes.set(xlabel='FLOP per byte of operands and result', ylabel='GFLOP/s, one thread')
    axes.grid(which='major', color='#dddddd', lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, metadata={'Date': None})


main()
