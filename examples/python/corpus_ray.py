#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads a corpus of word images with Ray Data: Parquet or a folder in, Parquet out (docs/corpus.md).

    pip install 'ray[data]' pyarrow              # and this package
    python corpus_ray.py CROPS OUT --workers 2
    python corpus_ray.py 'in/*.parquet' OUT --pool words.pool --address auto --workers 64

CROPS is a folder of images, or Parquet with a column `path` (a file) or `image` (its bytes), and, where pools differ,
`pool` (a file). OUT gets one Parquet file per shard of the input, each written aside and renamed: a shard is done when
its file is there, so the same command goes on where another one was stopped, and a shard that a dying worker leaves is
read again by another, as a whole. Rows keep the input's columns but for `image`, and get text, score, confidence,
truncated and error; `row` counts through the input. A picture that cannot be read is a row with an error and no text.
"""

import argparse
import glob
import json
import logging
import os
import sys
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.pbm', '.pgm', '.ppm')
MOST_POOLS = 64  # open at once in a worker; the one used longest ago goes
JOB = '_job.json'
ANSWER = pyarrow.schema(
    [
        ('text', pyarrow.string()),
        ('score', pyarrow.float32()),
        ('confidence', pyarrow.float32()),
        ('truncated', pyarrow.bool_()),
        ('error', pyarrow.string()),
    ]
)

# ---- the input, in shards ----


def list_folder(folder):
    """All images below a folder, in the order of their paths."""
    found = (path for path in Path(folder).rglob('*') if path.suffix.lower() in IMAGES)
    return sorted(os.fspath(path.absolute()) for path in found)


def shards_of(source, size):
    """[{'shard', 'row', 'file', 'begin', 'paths'}]: `size` rows each, from a Parquet file or given as paths."""
    shards, row = [], 0
    if os.path.isdir(source) and not glob.glob(os.path.join(source, '*.parquet')):
        paths = list_folder(source)
        for begin in range(0, len(paths), size):
            part = paths[begin : begin + size]
            shards.append({'shard': len(shards), 'row': begin, 'file': '', 'begin': begin, 'count': len(part)})
            shards[-1]['paths'] = part
        return shards, len(paths)
    files = sorted(glob.glob(os.path.join(source, '*.parquet') if os.path.isdir(source) else source))
    for file in files:
        rows = pyarrow.parquet.ParquetFile(file).metadata.num_rows
        for begin in range(0, rows, size):
            count = min(size, rows - begin)
            shards.append({'shard': len(shards), 'row': row + begin, 'file': os.path.abspath(file), 'begin': begin})
            shards[-1].update(count=count, paths=[])
        row += rows
    return shards, row


def read_rows(shard):
    """The shard's rows as a table; of a Parquet file only the row groups that have them."""
    if not shard['file']:
        return pyarrow.table({'path': pyarrow.array(list(shard['paths']), pyarrow.string())})
    with pyarrow.parquet.ParquetFile(shard['file']) as file:
        groups, first, at = [], None, 0
        begin, end = shard['begin'], shard['begin'] + shard['count']
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if at < end and at + rows > begin:
                groups.append(group)
                first = at if first is None else first
            at += rows
        return file.read_row_groups(groups).slice(begin - first, end - begin)


# ---- a worker ----


class Worker:
    """One model, and the pools that its rows ask for."""

    def __init__(self, out, model, pool, options):
        import e2str

        self.e2str = e2str
        self.reader = e2str.Reader(model)
        self.out, self.pool, self.options, self.pools = out, pool, options, {}

    def open_pool(self, path):
        if not path:
            return None
        self.pools[path] = self.pools.pop(path, None) or self.e2str.Pool.load(self.reader, path)  # the newest last
        if len(self.pools) > MOST_POOLS:
            self.pools.pop(next(iter(self.pools))).close()
        return self.pools[path]

    def read(self, sources, pool_path):
        """A reading, or the message of an error, for each source."""
        answers, good = [None] * len(sources), []
        for index, source in enumerate(sources):
            try:
                good.append((index, self.e2str.Picture(source)))
            except (self.e2str.Error, TypeError) as error:
                answers[index] = str(error)
        try:
            pool = self.open_pool(pool_path)
            readings = self.reader.read_batch([picture for _, picture in good], pool, **self.options)
        except self.e2str.Error:  # of one of them, or of the pool: which?
            readings = [self.read_one(picture, pool_path) for _, picture in good]
        for (index, _), reading in zip(good, readings):
            answers[index] = reading
        return answers

    def read_one(self, picture, pool_path):
        try:
            return self.reader.read(picture, self.open_pool(pool_path), **self.options)
        except self.e2str.Error as error:
            return str(error)

    def answer(self, table):
        """The rows with what was read."""
        column = 'image' if 'image' in table.column_names else 'path'
        sources = table.column(column).to_pylist()
        own = table.column('pool').to_pylist() if 'pool' in table.column_names else [None] * len(sources)
        pools = [path or self.pool for path in own]
        answers = [None] * len(sources)
        for pool in sorted(set(pools), key=str):  # those of one pool together
            places = [index for index, path in enumerate(pools) if path == pool]
            for index, found in zip(places, self.read([sources[index] for index in places], pool)):
                answers[index] = found
        rows = [
            {'error': one} if isinstance(one, str) else {name: getattr(one, name) for name in ANSWER.names[:-1]}
            for one in answers
        ]
        for name in ANSWER.names:
            values = pyarrow.array([row.get(name) for row in rows], ANSWER.field(name).type)
            table = table.append_column(name, values)
        return table.drop_columns(['image']) if column == 'image' else table

    def __call__(self, shard):
        begin = time.process_time()
        table = self.answer(read_rows(shard))
        numbers = pyarrow.array(range(shard['row'], shard['row'] + table.num_rows), pyarrow.int64())
        path = part_path(self.out, shard['shard'])
        aside = f'{path}.{os.getpid()}'
        pyarrow.parquet.write_table(table.add_column(0, 'row', numbers), aside)
        os.replace(aside, path)
        failed = table.num_rows - table.column('error').null_count
        cpu = time.process_time() - begin
        return {'shard': shard['shard'], 'rows': table.num_rows, 'failed': failed, 'cpu': cpu, 'pid': os.getpid()}


def part_path(out, shard):
    return os.path.join(out, f'part-{shard:08d}.parquet')


# ---- the job ----


def begin_job(out, job):
    """A folder of results is of one job: the same input, cut the same way."""
    os.makedirs(out, exist_ok=True)
    path = os.path.join(out, JOB)
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            former = json.load(file)
        if former != job:
            sys.exit(f'{out} has the results of another job: {former}')
        return
    with open(path + '.part', 'w', encoding='utf-8') as file:
        json.dump(job, file)
    os.replace(path + '.part', path)


def check(out, shards, total):
    """Every row of the input once."""
    numbers = []
    for shard in shards:
        numbers += pyarrow.parquet.read_table(part_path(out, shard['shard']), columns=['row']).column(0).to_pylist()
    if numbers != list(range(total)):
        sys.exit(f'{out}: {len(numbers)} rows, not the {total} of the input')


def run(shards, options):
    """Reads the shards that are not there yet, and tells how far it is."""
    import ray

    for name in ('ray', 'ray.data'):
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    cpus = None if options.address else options.workers
    ray.init(address=options.address, num_cpus=cpus, include_dashboard=False, log_to_driver=False)
    arguments = options.out, options.model, options.pool, {'k': options.examples}
    workers = ray.data.ActorPoolStrategy(size=options.workers)
    rows = ray.data.from_items(shards, override_num_blocks=len(shards)).map(
        Worker, fn_constructor_args=arguments, compute=workers, num_cpus=1
    )
    begin, read, failed, cpu, total = time.monotonic(), 0, 0, 0.0, sum(shard['count'] for shard in shards)
    for row in rows.iter_rows():
        read, failed, cpu = read + row['rows'], failed + row['failed'], cpu + row['cpu']
        seconds = time.monotonic() - begin
        print(
            f'shard {row["shard"]} by {row["pid"]}: {read} of {total} rows, {failed} failed, {read / seconds:.0f}/s, '
            f'{1000 * cpu / read:.2f} ms of CPU each',
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('source', help='folder of images, or Parquet: a folder, file or pattern')
    parser.add_argument('out', help='folder for the results; may have some of them already')
    parser.add_argument('--workers', type=int, default=2, help='each of one CPU')
    parser.add_argument('--shard', type=int, default=500, help='rows that are read and written together')
    parser.add_argument('--model', help='default: the shipped one')
    parser.add_argument('--pool', help='for rows that name none')
    parser.add_argument('--examples', type=int, help='put before each image; default: as e2str read')
    parser.add_argument('--address', help='of a Ray cluster, or auto; default: this machine alone')
    options = parser.parse_args()
    options.out = os.path.abspath(options.out)
    for name in ('model', 'pool'):
        if getattr(options, name):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    shards, total = shards_of(options.source, options.shard)
    if not shards:
        sys.exit(f'{options.source}: no images and no rows')
    job = {name: getattr(options, name) for name in ('shard', 'model', 'pool', 'examples')}
    begin_job(options.out, {**job, 'source': os.path.abspath(options.source), 'rows': total})
    left = [shard for shard in shards if not os.path.exists(part_path(options.out, shard['shard']))]
    print(f'{total} rows in {len(shards)} shards, {len(left)} to be read', flush=True)
    if left:
        run(left, options)
    check(options.out, shards, total)
    print(f'all {total} rows are in {options.out}')


if __name__ == '__main__':
    main()
