# SPDX-License-Identifier: MIT
"""The driver of `make bench`: runs every program, prints the table of docs/performance.md, writes performance.csv and
roofline.svg in build/bench/.

Environment: BUILD; QUICK=1 (a minute, without the f32 model of the paper's size); UPDATE=1 (also writes
docs/performance.csv, docs/roofline.svg and the table in docs/performance.md, if the machine was quiet); CROPS=folder
of word images; PEERS_PYTHON=a Python that has what bench/peers.py needs.
"""

import csv
import os
import statistics
import subprocess
import sys
import time

from commit import commit
from cpu_time import busy_seconds

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get('BUILD') or 'build')
QUICK = bool(os.environ.get('QUICK'))
UPDATE = bool(os.environ.get('UPDATE'))
PEERS_PYTHON = os.environ.get('PEERS_PYTHON') or sys.executable
REFERENCE = os.path.join(ROOT, 'tests', 'golden', 'reference.py')
CROPS = os.environ.get('CROPS') or os.path.join(ROOT, 'examples', 'images')
SMALL = os.path.join(ROOT, 'weights', 'e2str-small.gguf')
SHAPES = os.path.join(ROOT, 'bench', 'shapes.txt')
TYPES = ('f32', 'bf16', 'q8')
PAPER_TYPES = TYPES[1:] if QUICK else TYPES  # of the models of the paper's size
COLUMNS = ('what', 'by', 'type', 'model', 'shape', 'threads', 'us', 'rate', 'unit', 'of_peak')

rows = []
skipped = []
QUIET = 0.1  # with more than this, two threads do not get two CPUs: no verdict on them, and UPDATE is refused
others = None  # share of the CPUs that other processes took while we measured


# ---- running ----


def run(name, *arguments, command=None, label='', **environment):
    """Adds the program's rows; `label` goes behind who made them. One thread for every library unless told
    otherwise."""
    one = {'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1', 'OMP_THREAD_LIMIT': '1'}
    settings = {**os.environ, **one, **environment}
    begin = time.time()
    print(f'{name} ...', end=' ', file=sys.stderr, flush=True)
    command = command or [os.path.join(BUILD, 'bench', name)]
    done = subprocess.run([*command, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=settings)
    if done.returncode:
        sys.exit(f'{name} failed')
    for row in csv.DictReader(done.stdout.splitlines()):
        rows.append({**row, 'by': row['by'] + label})
    print(f'{time.time() - begin:.0f} s', file=sys.stderr)


def paper_models():
    """TYPE=FILE of each, made once."""
    models = []
    for kind in PAPER_TYPES:
        path = os.path.join(BUILD, 'bench', f'paper-{kind}.gguf')
        if not os.path.exists(path):
            print(f'making {path}', file=sys.stderr)
            subprocess.run([os.path.join(BUILD, 'bench', 'make_model'), kind, path + '.part'], check=True)
            os.rename(path + '.part', path)
        models.append(f'{kind}={path}')
    return models


def has(modules, python=sys.executable):
    return subprocess.run([python, '-c', f'import {modules}'], stderr=subprocess.DEVNULL).returncode == 0


def watched(work):
    """Runs work and notes how much of the machine others took meanwhile."""
    global others
    begin, (all_before, ours_before) = time.time(), busy_seconds()
    work()
    all_after, ours_after = busy_seconds()
    available = (time.time() - begin) * os.cpu_count()
    others = max(0.0, (all_after - all_before) - (ours_after - ours_before)) / available


def measure():
    scale, levels = (0.1, 'best') if QUICK else (1, 'all')
    run('machine', 0.5 * scale)
    run('gemm', SHAPES, 0.12 * scale, levels)
    run('gemm', SHAPES, 0.12 * scale, 'openblas', label=' (SkylakeX)', OPENBLAS_CORETYPE='SkylakeX')
    run('kernels', SHAPES, 0.1 * scale, levels)
    models = paper_models()
    run('end_to_end', 1 * scale if QUICK else 1.5, CROPS, *models)
    for model in models:
        run('memory', model, CROPS)
    run('batch', 2 * scale, SMALL, CROPS)
    run('words', 2 * scale, SMALL, CROPS)
    run('precision', 1 * scale, SMALL, CROPS)
    run('nearest', 1 * scale, 100000)
    run('open', SMALL, CROPS, *models)
    library = os.path.join(BUILD, 'libe2str.so')
    if not has('onnxruntime, cv2, numpy', PEERS_PYTHON):
        skipped.append('PP-OCRv6 in ONNX Runtime: this Python has not what bench/peers.py names (PEERS_PYTHON)')
    else:
        program = [PEERS_PYTHON, os.path.join(ROOT, 'bench', 'peers.py')]
        run('peers', library, SMALL, 3 * scale, CROPS, command=program)
    if not has('torch, numpy'):
        skipped.append('PyTorch: this Python has no torch (Debian: python3-torch)')
    else:
        threads = {'OMP_NUM_THREADS': '2', 'OMP_THREAD_LIMIT': '2'}
        program = [sys.executable, os.path.join(ROOT, 'bench', 'pytorch.py')]
        run('pytorch', REFERENCE, library, 3 * scale, *models, command=program, **threads)
    for peer, package in (
        ('oneDNN', 'libdnnl-dev'),
        ('OpenBLAS', 'libopenblas-dev'),
        ('Tesseract', 'libtesseract-dev'),
    ):
        if not any(row['by'] == peer for row in rows):
            skipped.append(f'{peer}: not installed (Debian: {package})')


# ---- the table ----


def find(what, **wanted):
    return [row for row in rows if row['what'] == what and all(row[key] == value for key, value in wanted.items())]


def microseconds(what, **wanted):
    """Of the one row; None when it was not measured."""
    found = find(what, **wanted)
    return float(found[0]['us']) if found else None


def judged(what, limit, value, reached, two_threads=False):
    unknown = two_threads and others > QUIET and reached is not None
    return {'what': what, 'limit': limit, 'value': value, 'reached': '?' if unknown else reached}


def missing(what, limit):
    return judged(what, limit, 'not measured', None)


def gemm_lines():
    peers = {'oneDNN', 'OpenBLAS', 'OpenBLAS (SkylakeX)'}
    for kind in TYPES:
        ratios, peaks = {}, {}
        for row in find('gemm', type=kind, model='paper', unit='GFLOP/s'):
            if row['by'] in peers or not row['shape'].startswith(('257x', '64x')):
                continue
            peaks[row['shape']] = max(peaks.get(row['shape'], 0), float(row['of_peak']))
            for other in find('gemm', type=kind, shape=row['shape'], by='oneDNN'):
                ratio = float(other['us']) / float(row['us'])
                ratios[row['shape']] = max(ratios.get(row['shape'], 0), ratio)
        what = f'GEMM {kind}, M 257 and 64, one thread: speed against oneDNN'
        if ratios:
            worst = min(ratios, key=ratios.get)
            text = f'{ratios[worst]:.2f} to {max(ratios.values()):.2f}, median {statistics.median(ratios.values()):.2f}'
            yield judged(what, '>= 0.95', f'{text}; least at {worst}', ratios[worst] >= 0.95)
        else:
            yield missing(what, '>= 0.95')
        worst = min(peaks, key=peaks.get)
        text = f'{peaks[worst]:.2f} to {max(peaks.values()):.2f}, median {statistics.median(peaks.values()):.2f}'
        limit, reached = ('>= 0.90', peaks[worst] >= 0.9) if kind != 'q8' else ('-', None)
        yield judged(f'the same, of the measured peak of {kind}', limit, f'{text}; least at {worst}', reached)


def encode_lines():
    limits = {'f32': None, 'bf16': 1.3, 'q8': 1.5}
    for kind in PAPER_TYPES:
        limit = limits[kind]
        row = find('encode', type=kind, threads='2')[0]
        ratio, took = 1 / float(row['of_peak']), float(row['us']) / 1e3
        text = f'{ratio:.2f} x ({took:.1f} ms)'
        what = f'encode one image, paper size, {kind}, against FLOPs / peak'
        yield judged(what, f'<= {limit} x' if limit else '-', text, ratio <= limit if limit else None, True)
    ours = microseconds('encode against PyTorch', by='libe2str', type='bf16')
    torch = microseconds('encode against PyTorch', by='PyTorch', type='bf16')
    what = 'the same in bf16, speed against PyTorch bf16'
    if torch:
        text = f'{torch / ours:.2f} x (PyTorch {torch / 1e3:.1f} ms)'
        yield judged(what, '>= 1.4 x', text, torch / ours >= 1.4, True)
    else:
        yield missing(what, '>= 1.4 x')


def decode_lines():
    for kind in PAPER_TYPES:
        row = find('step', type=kind, threads='2')[0]
        ratio = 1 / float(row['of_peak'])
        text = f'{ratio:.2f} x ({float(row["us"]) / 1e3:.2f} ms, {float(row["rate"]):.0f} GB/s)'
        what = f'one decode step, paper size, {kind}, against weight bytes / bandwidth'
        yield judged(what, '<= 1.3 x', text, ratio <= 1.3, True)
    for kind in PAPER_TYPES:
        encode, step, prefill, read = (
            microseconds(what, type=kind, threads='2') for what in ('encode', 'step', 'prefill', 'read k=2')
        )
        ratio = read / (encode + 8 * step + prefill)
        what = f'a read with 2 examples and 8 new tokens, paper size, {kind}, against its parts'
        yield judged(what, '<= 1.2 x', f'{ratio:.2f} x ({read / 1e3:.1f} ms)', ratio <= 1.2, True)


def word_lines():
    ours, two = (microseconds('word', by='libe2str', threads=threads) for threads in '12')
    tesseract = microseconds('word', by='Tesseract')
    what = "a read, small model, one thread, no pool, against Tesseract's time per word"
    if tesseract:
        text = f'{ours / tesseract:.2f} x ({ours / 1e3:.2f} ms, Tesseract {tesseract / 1e3:.2f} ms)'
        yield judged(what, '<= 0.5 x', text, ours / tesseract <= 0.5)
    else:
        yield missing(what, '<= 0.5 x')
    what = 'the same with two threads that spin, against one'
    yield judged(what, '>= 1.6 x', f'{ours / two:.2f} x ({two / 1e3:.2f} ms)', ours / two >= 1.6, True)
    for peer, limit in ('PP-OCRv6 tiny', 0.7), ('PP-OCRv6 small', None):
        for threads in '12':
            what = f"a read, {threads} thread{'s' * (threads != '1')}, against {peer}'s time per word in ONNX Runtime"
            limit = limit if threads == '1' else None
            ours, other = (microseconds('word against peers', by=by, threads=threads) for by in ('libe2str', peer))
            if not other:
                yield missing(what, f'<= {limit} x' if limit else '-')
                continue
            text = f'{ours / other:.2f} x ({ours / 1e3:.2f} ms, {peer} {other / 1e3:.2f} ms)'
            reached = ours / other <= limit if limit else None
            yield judged(what, f'<= {limit} x' if limit else '-', text, reached, threads == '2')


def batch_lines():
    single, batch = (microseconds('64 crops', by=by, threads='1') for by in ('single', 'batch'))
    two = microseconds('64 crops', by='batch', threads='2')
    text = f'{batch / two:.2f} x ({64e6 / two:.0f} words/s)'
    yield judged(
        '64 crops in a batch, small model: 2 threads against one', '>= 1.95 x', text, batch / two >= 1.95, True
    )
    text = f'{single / batch:.2f} x ({64e6 / batch:.0f} words/s)'
    yield judged('the same, one thread: batch against one at a time', '>= 1.25 x', text, single / batch >= 1.25)


def opening_lines():
    row = find('first answer')[0]
    text = f'{float(row["us"]) / 1e3:.1f} ms ({float(row["rate"]):.0f} MB)'
    what = 'small model, from the start of a process to its end with the first answer'
    yield judged(what, '<= 15 ms', text, float(row['us']) <= 15e3)
    for kind in PAPER_TYPES:
        one, two = (find('open', type=kind, threads=threads)[0] for threads in ('1', '2'))
        text = f'{float(two["us"]) / 1e6:.2f} s, with one {float(one["us"]) / 1e6:.2f} s ({float(two["rate"]):.0f} MB)'
        what = f'opening the paper size, {kind}, packed by two threads'
        yield judged(what, '<= 0.3 s', text, float(two['us']) <= 0.3e6, True)


def other_lines():
    for threads in ('1', '2'):
        row = find('nearest', threads=threads)[0]
        ratio = 1 / float(row['of_peak'])
        what = f'nearest 2 of 100,000 keys of 768, exact, against key bytes / bandwidth of {threads} thread' + 's' * (
            threads != '1'
        )
        yield judged(what, '<= 1.3 x', f'{ratio:.2f} x ({float(row["us"]) / 1e3:.1f} ms)', ratio <= 1.3, threads == '2')
    same = all(row['rate'] == '1' for row in find('same bits'))
    what = f'bits of the result at 1, 2 and 3 threads, {", ".join(PAPER_TYPES)}'
    yield judged(what, 'the same', 'the same' if same else 'DIFFERENT', same)
    file, most = (float(find('memory', by=by, type='q8')[0]['rate']) for by in ('file', 'read'))
    text = f'file + {most - file:.0f} MB ({most:.0f} MB)'
    yield judged('peak memory, paper size, int8', '<= file + 150 MB', text, most <= file + 150)


def table():
    return [
        *gemm_lines(),
        *encode_lines(),
        *decode_lines(),
        *word_lines(),
        *batch_lines(),
        *opening_lines(),
        *other_lines(),
    ]


def markdown(lines):
    verdict = {True: 'yes', False: '**no**', None: '', '?': '?'}
    yield '| what | at least | measured | reached |'
    yield '| --- | --- | --- | --- |'
    for line in lines:
        yield f'| {line["what"]} | {line["limit"]} | {line["value"]} | {verdict[line["reached"]]} |'


def level():
    """The highest that was measured."""
    return find('precision')[-1]['by']


def machine():
    """One line: what the numbers were measured on."""
    with open('/proc/cpuinfo') as file:
        about = dict(tuple(map(str.strip, line.split(':', 1))) for line in file if ':' in line)
    cpu = about.get('model name', 'CPU unknown')
    if 'cpu family' in about:
        cpu += f' (family {about["cpu family"]}, model {about["model"]}, level {level()})'
    peaks = {(row['type'], row['threads']): row for row in find('peak')}

    def figure(kind):
        one, two = peaks[kind, '1'], peaks[kind, '2']
        return f'{kind} {float(one["rate"]):.0f} and {float(two["rate"]):.0f} {one["unit"]}'

    figures = ', '.join(map(figure, ('f32', 'bf16', 'int8', 'read')))
    quiet = f'other processes took {others:.0%} of the CPUs'
    return f'{cpu}, {os.cpu_count()} cores; peaks with 1 and 2 threads: {figures}; commit {commit()}; {quiet}.'


# ---- writing ----


def write_csv(path):
    with open(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)


def update_page(path, about, lines):
    """Replaces what stands between the two marks."""
    begin, end = '<!-- begin table -->\n', '<!-- end table -->\n'
    with open(path) as file:
        text = file.read()
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    with open(path, 'w') as file:
        file.write(head + begin + about + '\n\n' + '\n'.join(markdown(lines)) + '\n' + end + tail)


def plot(source, target):
    done = subprocess.run([sys.executable, os.path.join(ROOT, 'bench', 'plot.py'), source, target])
    if done.returncode:
        print('no picture: bench/plot.py needs matplotlib (Debian: python3-matplotlib)', file=sys.stderr)


def main():
    watched(measure)
    lines = table()
    about = machine()  # before anything is written: the commit is to be a clean one
    print(about + '\n')
    print('\n'.join(markdown(lines)))
    if others > QUIET:
        print('not a quiet machine: no verdict (?) on what took two threads')
    for reason in skipped:
        print(f'skipped: {reason}')
    folder = os.path.join(BUILD, 'bench')
    write_csv(os.path.join(folder, 'performance.csv'))
    plot(os.path.join(folder, 'performance.csv'), os.path.join(folder, 'roofline.svg'))
    if UPDATE and others > QUIET:
        sys.exit('docs/ is left as it is')
    if UPDATE:
        docs = os.path.join(ROOT, 'docs')
        write_csv(os.path.join(docs, 'performance.csv'))
        plot(os.path.join(docs, 'performance.csv'), os.path.join(docs, 'roofline.svg'))
        update_page(os.path.join(docs, 'performance.md'), about, lines)


main()
