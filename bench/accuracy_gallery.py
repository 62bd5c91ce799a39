# SPDX-License-Identifier: MIT
"""The picture of `accuracy.py --gallery SET`: reads that a pool's memory corrected and reads that it broke, with the
examples that moved them most."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter

from accuracy_runs import CACHE, E2STR, ONE_THREAD
from metric import alphanumeric

POOL = 100
ROWS = (7, 4)  # most corrected and broken reads that are shown
WIDTH, CROP, ROW, TITLE = 1180, (150, 44), 84, 40
BLACK, GREY, GREEN, RED = '#222222', '#777777', '#1b7f4d', '#c2185b'


def call(*arguments):
    done = subprocess.run([E2STR, *arguments], capture_output=True, encoding='utf-8', env=ONE_THREAD)
    if done.returncode:
        sys.exit(f'e2str {" ".join(arguments[:2])}: {done.stderr}')
    return done.stdout.split('\n')[:-1]


def read_all(model, rows, *arguments):
    """What `e2str read --json` says about each."""
    found = []
    for begin in range(0, len(rows), 500):
        found += call('read', '--json', '-m', model, *arguments, '--', *(path for path, _ in rows[begin : begin + 500]))
    return [json.loads(line) for line in found]


def moved_by(read):
    """(id, logits) of the examples that the memory asked, summed over the characters of the text, largest first."""
    sums = Counter()
    for character in read['characters']:
        for influence in character['influences']:
            sums[influence['id']] += influence['amount']
    return sums.most_common()


def read_twice(one, model, limit):
    """(pool, test, reads without the pool, reads with it)"""
    size = min(POOL, len(one.rows) // 2)
    pool, test = one.rows[:size], one.rows[size:][:limit]
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        labels, file = os.path.join(folder, 'labels.tsv'), os.path.join(folder, 'pool')
        with open(labels, 'w', encoding='utf-8') as out:
            out.writelines(f'{path}\t{text}\n' for path, text in pool)
        call('pool', 'add', '-m', model, file, '--labels', labels)
        return pool, test, read_all(model, test), read_all(model, test, '-p', file, '--influences', '16')


def draw(one, model, limit, path):
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        sys.exit('a gallery needs Pillow (Debian: python3-pil)')
    pool, test, without, with_pool = read_twice(one, model, limit)
    changes = {(False, True): [], (True, False): []}
    for (image, label), before, after in zip(test, without, with_pool):
        change = tuple(alphanumeric(read['text']) == alphanumeric(label) for read in (before, after))
        changes.get(change, []).append((image, label, before['text'], after))
    corrected, broken = changes.values()
    shown = [part[:most] for part, most in zip((corrected, broken), ROWS)]
    height = 2 * TITLE + sum(ROW * len(part) or TITLE for part in shown) + 16
    page = Image.new('RGB', (WIDTH, height), 'white')
    pen = ImageDraw.Draw(page)
    fonts = [load_font(ImageFont, size) for size in (18, 14)]

    def paste(image, x, y):
        with Image.open(image) as crop:
            crop = crop.convert('RGB')
            scale = min(CROP[0] / crop.width, CROP[1] / crop.height)
            crop = crop.resize((max(1, round(crop.width * scale)), max(1, round(crop.height * scale))), Image.LANCZOS)
        page.paste(crop, (x, y))

    def write(x, y, text, colour=BLACK, font=1, room=WIDTH):
        while len(text) > 1 and pen.textlength(text, fonts[font]) > room:
            text = text.removesuffix('…')[:-1] + '…'
        pen.text((x, y), text, colour, fonts[font])

    y = 8
    for name, part, some in (('Corrected by the pool', corrected, shown[0]), ('Broken by the pool', broken, shown[1])):
        not_all = f', {len(some)} shown' if len(some) < len(part) else ''
        write(12, y + 8, f'{name}: {len(part)} of {len(test)} reads{not_all}', font=0)
        y += TITLE
        if not some:
            write(24, y, 'none', GREY)
            y += TITLE
        for image, label, before, after in some:
            paste(image, 24, y + 12)
            for line, (what, text) in enumerate((('label', label), ('no pool', before), ('pool', after['text']))):
                colour = GREEN if alphanumeric(text) == alphanumeric(label) else RED
                write(190, y + 4 + 22 * line, what, GREY)
                write(256, y + 4 + 22 * line, text, colour if line else BLACK, room=200)
            for i, (example, amount) in enumerate(moved_by(after)[:4]):
                x = 470 + i * 175
                crop, text = pool[example - 1]
                paste(crop, x, y + 4)
                write(x, y + 52, f'{text}  {amount:+.1f}', GREY, room=165)
            y += ROW
            pen.line([(12, y - 4), (WIDTH - 12, y - 4)], '#dddddd')
    page.save(path)
    print(f'written: {path} ({len(corrected)} corrected, {len(broken)} broken of {len(test)})', file=sys.stderr)


def load_font(library, size):
    for name in ('DejaVuSans.ttf', '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'):
        try:
            return library.truetype(name, size)
        except OSError:
            continue
    return library.load_default()
