# SPDX-License-Identifier: MIT
"""A corpus on an engine: nothing is lost, and nothing is there twice, when driver and worker are killed meanwhile.

Run by `make corpus-test`. Environment: CROPS=folder of images (the sample images), COUNT links to them are read (240),
SHARD rows at a time (20); BUILD."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pyarrow
import pyarrow.parquet

BUILD = os.path.abspath(os.environ.get('BUILD', 'build'))
CROPS = os.environ.get('CROPS', 'examples/images')
COUNT = int(os.environ.get('COUNT', 240))
SHARD = int(os.environ.get('SHARD', 20))
E2STR = os.path.join(BUILD, 'e2str')
RAY = 'examples/python/corpus_ray.py'
os.environ.setdefault('E2STR_MODEL', os.path.abspath('weights/e2str-small.gguf'))
os.environ['E2STR_LIBRARY'] = os.path.join(BUILD, 'libe2str.so')
os.environ['PYTHONPATH'] = os.path.abspath('examples/python')
os.environ['RAY_DISABLE_IMPORT_WARNING'] = '1'
os.environ['PYTHONWARNINGS'] = 'ignore'
sys.path[:0] = ['examples/python']
failures = 0


def check(name, good, why=''):
    global failures
    failures += not good
    print(f'{"ok" if good else "not ok"} - {name}{"" if good else f" ({why})"}', flush=True)


def make_crops(folder):
    """COUNT links, two of which are no pictures."""
    found = sorted(path for path in glob.glob(os.path.join(CROPS, '**'), recursive=True) if path[-3:] in ('png', 'jpg'))
    for number in range(COUNT):
        source = os.path.abspath(found[number % len(found)])
        place = os.path.join(folder, f'{number // 1000:03d}')
        os.makedirs(place, exist_ok=True)
        os.symlink(source, os.path.join(place, f'{number:06d}{source[-4:]}'))
    for number in (7, COUNT // 2):
        with open(os.path.join(folder, '000', f'{number:06d}-bad.png'), 'w') as file:
            file.write('no picture')


def rows_of(out):
    tables = [pyarrow.parquet.read_table(path) for path in sorted(glob.glob(os.path.join(out, 'part-*.parquet')))]
    return pyarrow.concat_tables(tables).to_pylist() if tables else []


class Job:
    """corpus_ray.py, line by line."""

    def __init__(self, source, out, *options):
        command = [sys.executable, RAY, source, out, '--shard', str(SHARD), '--workers', '2', *options]
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', start_new_session=True
        )
        self.lines = []

    def shards(self, count=None):
        """The pids of the workers of the next shards that are done; None: of all."""
        pids = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip('\n'))
            if line.startswith('shard '):
                pids.append(int(line.split(' by ')[1].split(':')[0]))
                if len(pids) == count:
                    break
        return pids

    def end(self):
        status, errors = self.process.wait(), self.process.stderr.read()
        return status, errors[-2000:]


def killed(source, out, reference):
    total = COUNT + 2
    shards = -(-total // SHARD)
    job = Job(source, out)
    job.shards(max(1, shards // 4))
    os.killpg(job.process.pid, signal.SIGKILL)  # the driver, and what it started
    job.end()
    done = len(glob.glob(os.path.join(out, 'part-*')))
    check('a driver that is killed leaves some of the shards', 0 < done < shards, f'{done} of {shards}')

    job = Job(source, out)
    pids = job.shards(max(1, (shards - done) // 3))
    os.kill(pids[-1], signal.SIGKILL)
    pids += job.shards()
    status, errors = job.end()
    left = int(job.lines[0].split(', ')[1].split()[0]) if job.lines else -1
    check('the same command goes on, with a worker killed in the middle', status == 0, errors)
    check('with what was left', left == shards - done or left == shards - done - 1, f'{left} of {shards}')
    check('by a worker in its place', len(set(pids)) == 3, set(pids))
    rows = rows_of(out)
    check('no row is lost and none is there twice', [row['row'] for row in rows] == list(range(total)), len(rows))
    check('in the order of the paths', [row['path'] for row in rows] == sorted(row['path'] for row in rows))
    bad = [row['path'] for row in rows if row['error']]
    check('bad pictures are rows with an error', len(bad) == 2 and all('-bad' in path for path in bad), bad)
    texts = {os.path.basename(os.path.realpath(row['path'])): row['text'] for row in rows if not row['error']}
    check('the others say what e2str read does', reference.items() <= texts.items() and len(reference) > 0)
    check('nothing half done is left', not [name for name in os.listdir(out) if name.count('.') > 1], os.listdir(out))
    print('#', [line for line in job.lines if line.startswith('shard ')][-1])
    print(f'# the second command took {time.monotonic() - job.begin:.0f} s for {shards - done} of {shards} shards')


def without_ray(folder):
    """A worker by itself: Parquet in, pictures as bytes, a pool per row."""
    import corpus_ray

    images = [os.path.abspath(f'examples/images/{name}') for name in ('open.png', 'exit.jpg', '2026.png')]
    pool = os.path.join(folder, 'a.pool')
    labels = 'examples/demo/pool/labels.tsv'
    subprocess.run([E2STR, 'pool', 'add', pool, '--labels', labels], stdout=subprocess.DEVNULL, check=True)
    tag, known = 'examples/demo/queries/17-250.jpg', '₩17,250'
    content = []
    for path in [*images, tag, tag]:
        with open(path, 'rb') as file:
            content.append(file.read())
    table = pyarrow.table(
        {
            'name': ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
            'image': [*content, b'rubbish', None],
            'pool': [None, None, None, pool, None, None, 'none.pool'],
        }
    )
    source, out = os.path.join(folder, 'in.parquet'), os.path.join(folder, 'out')
    os.mkdir(out)
    pyarrow.parquet.write_table(table, source, row_group_size=2)
    shards, total = corpus_ray.shards_of(source, 3)
    check('Parquet is cut across its row groups', (total, [s['count'] for s in shards]) == (7, [3, 3, 1]), shards)
    worker = corpus_ray.Worker(out, None, None, {'k': None})
    for shard in shards:
        worker(shard)
    corpus_ray.check(out, shards, total)
    rows = rows_of(out)
    texts = [row['text'] for row in rows]
    check('pictures may be bytes', texts[:3] == ['OPEN', 'EXIT', '2026'], texts)
    check('each row may have its pool', texts[3] == known and texts[4] not in (known, None), texts)
    errors = [bool(row['error']) for row in rows]
    check('what is none, or has no pool, is an error', errors == [False] * 5 + [True] * 2, errors)
    check('columns are kept, but for the bytes', [row['name'] for row in rows] == list('abcdefg'))
    check('and not the bytes', 'image' not in rows[0])


def with_parallel(source, folder, reference):
    if not shutil.which('parallel'):
        print('ok - GNU parallel # SKIP it is not installed')
        return
    out = os.path.join(folder, 'parallel')
    environment = {**os.environ, 'E2STR': E2STR, 'SHARD': str(SHARD)}
    command = ['sh', 'examples/corpus_parallel.sh', source, out, '2']
    begin = time.monotonic()
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and not glob.glob(os.path.join(out, 'read', '*.jsonl')):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)  # parallel and what it runs
    process.wait()
    done = len(glob.glob(os.path.join(out, 'read', '*.jsonl')))
    again = subprocess.run(command, env=environment, stderr=subprocess.PIPE)
    check('GNU parallel goes on where it was killed', again.returncode == 0 and done > 0, again.stderr[-500:])
    rows = []
    for path in sorted(glob.glob(os.path.join(out, 'read', '*.jsonl'))):
        with open(path, encoding='utf-8') as file:
            rows += [json.loads(line) for line in file]
    names = [row['image'] for row in rows]
    check('no row is lost and none is there twice', len(names) == COUNT + 2 == len(set(names)), len(names))
    check('in the order of the names', names == sorted(names))
    texts = {os.path.basename(os.path.realpath(row['image'])): row.get('text') for row in rows}
    check('and they say the same', reference.items() <= texts.items())
    print(f'# both commands took {time.monotonic() - begin:.0f} s')


def with_spark(folder):
    try:
        import pyspark
    except ImportError:
        print('ok - Spark # SKIP pyspark is not installed')
        return
    if not shutil.which('java'):
        print('ok - Spark # SKIP there is no Java')
        return
    images = [os.path.abspath(f'examples/images/{name}') for name in ('open.png', 'exit.jpg')]
    source, out = os.path.join(folder, 'spark.parquet'), os.path.join(folder, 'spark')
    pyarrow.parquet.write_table(pyarrow.table({'path': [*images, 'none.png', None]}), source)
    environment = {**os.environ, 'PYSPARK_PYTHON': sys.executable, 'PYSPARK_DRIVER_PYTHON': sys.executable}
    environment['PYSPARK_SUBMIT_ARGS'] = '--master local[2] --driver-memory 512m pyspark-shell'
    begin = time.monotonic()
    command = [sys.executable, 'examples/python/corpus_spark.py', source, out]
    done = subprocess.run(command, env=environment, capture_output=True, encoding='utf-8')
    check(f'Spark {pyspark.__version__} reads', done.returncode == 0, done.stderr[-1500:])
    if done.returncode:
        return
    rows = pyarrow.parquet.read_table(out).to_pylist()
    texts = sorted((row['path'] or '', row['text'] or '') for row in rows)
    check(
        'what there is',
        [text for _, text in texts] == ['', 'EXIT', '', 'OPEN']
        or sorted(text for _, text in texts) == ['', '', 'EXIT', 'OPEN'],
        texts,
    )
    check('and bad pictures are rows with an error', sum(bool(row['error']) for row in rows) == 2, rows)
    print(f'# it took {time.monotonic() - begin:.0f} s')


def main():
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, 'crops')
        make_crops(source)
        names = sorted(os.listdir(os.path.join(source, '000')))[:6]
        paths = [os.path.join(source, '000', name) for name in names]
        lines = subprocess.run([E2STR, 'read', '--json', *paths], stdout=subprocess.PIPE, check=True).stdout
        found = map(json.loads, lines.splitlines())
        reference = {os.path.basename(os.path.realpath(one['image'])): one['text'] for one in found}
        parts = os.environ.get('PARTS', 'worker ray parallel spark').split()
        if 'worker' in parts:
            without_ray(folder)
        if 'parallel' in parts:
            with_parallel(source, folder, reference)
        if 'ray' in parts:
            killed(source, os.path.join(folder, 'ray'), reference)
        if 'spark' in parts:
            with_spark(folder)
    return failures > 0


if __name__ == '__main__':
    sys.exit(main())
