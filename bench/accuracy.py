# SPDX-License-Identifier: MIT
"""The driver of `make accuracy`: word accuracy with and without a pool, on every set of labelled crops in a folder.

    accuracy.py DATA [--model FILE] [--jobs N] [--limit N] [--docs FOLDER]
    accuracy.py --gallery SET [--picture FILE] [--model FILE] [--limit N]

DATA is a folder of sets, each with labels.tsv (`image TAB text`) and images/. Fills the tables of accuracy.md, writes
accuracy.csv and accuracy.svg beside it: in docs/, with --limit in build/accuracy/limited/. What every run of `e2str
eval` gave is kept in build/accuracy/, so an interrupted measurement goes on where it stopped; after a change of the
library that should not change reads, delete it to see that it did not. --gallery draws reads of one set that a pool
changed; the images are in the picture, so give it a set of your own. Environment: BUILD.
"""

import argparse
import concurrent.futures
import os
import shutil
import sys
import time

import accuracy_gallery
import accuracy_report
from accuracy_runs import (
    CACHE,
    LARGE,
    POOLS,
    ROOT,
    Peers,
    Run,
    Set,
    cached,
    find_sets,
    open_model,
    wrong_labels,
)
from commit import commit
from cpu_time import busy_seconds

SMALL = os.path.join(ROOT, 'weights', 'e2str-small.gguf')
# How a pool acts, and the options of `e2str eval` for it; MEMORY is the default.
MEMORY = 'memory'
WAYS = {
    'prompt k = 1': ('--no-learn', '-k', '1'),
    'prompt k = 2': ('--no-learn', '-k', '2'),
    MEMORY: (),
    'memory and prompt k = 1': ('-k', '1'),
    'memory and prompt k = 2': ('-k', '2'),
    'memory and prompt k = 4': ('-k', '4'),
}
PROMPT = 'prompt k = 2'  # what a pool does that has not learnt
OWN = 100  # examples of a pool that is compared with others
SOME = 300  # images of a set for what is not the default
WRONG = 0.25  # of the labels
HARD = (10, 20)  # per cent of the wrong reads that become the pool
ROUNDS = 3  # of timing
QUIET = 0.1  # with more than this of the CPUs taken by others, times are not kept


def smaller(limit, other):
    """None: no limit."""
    return min((one for one in (limit, other) if one is not None), default=None)


class Study:
    """reads[set name][key]: Reads; the key is (pool, way) for the set's own pool, (0, '') for none, else a name; of
    another set's pool, (that set's name,)."""

    def __init__(self, options):
        self.jobs, self.limit = options.jobs, options.limit
        self.sets = find_sets(options.data)
        self.model = open_model(options.model)
        self.peers = Peers()
        self.ways, self.memory, self.prompt, self.own, self.large = tuple(WAYS), MEMORY, PROMPT, OWN, LARGE
        self.pools, self.wrong, self.shares, self.some = POOLS, WRONG, HARD, SOME
        self.reads = {one.name: {} for one in self.sets}
        self.hard = {one.name: {} for one in self.sets}  # [set name][share]: Hard
        self.timed = max(self.sets, key=lambda one: len(one.rows))
        self.times, self.busy, self.quiet = [], 0, QUIET

    def measure(self):
        self.run(self.own_pools(), self.reads)
        self.run(self.other_pools(), self.reads)
        self.run(self.hard_samples(), self.hard)
        self.run(self.others(), self.reads)
        self.measure_times()

    def run(self, jobs, results):
        """Several at a time; what they found goes into results[set name][key] in the order of the jobs."""
        jobs, found, begin = list(jobs), {}, time.time()
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as executor:
            futures = {executor.submit(work): (name, key) for name, key, work in jobs}
            try:
                for n, future in enumerate(concurrent.futures.as_completed(futures), 1):
                    name, key = futures[future]
                    reads = found[name, key] = future.result()
                    figure = f'{reads.accuracy():.1f}' if reads else '-'
                    print(f'{time.time() - begin:5.0f} s  {n} of {len(jobs)}  {name} {key}: {figure}', file=sys.stderr)
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise
        for name, key, _ in jobs:
            if found[name, key]:
                results[name][key] = found[name, key]

    def job(self, key, what, one, pool, options=(), limit=SOME):
        run, limit = Run(what, one, self.model, pool, options), smaller(limit, self.limit)
        return one.name, key, lambda: run.reads(limit)

    def own_pools(self):
        """No pool and the default on all images, other ways on some."""
        for one in self.sets:
            yield self.job((0, ''), 'no pool', one, 0, limit=None)
            for pool in one.pools + [LARGE] * one.large:
                yield self.job((pool, MEMORY), MEMORY, one, pool, limit=None)
        for one in self.sets:
            for pool in one.pools + [LARGE] * one.large:
                for way, options in WAYS.items():
                    if way == PROMPT or way != MEMORY and pool != LARGE:
                        yield self.job((pool, way), way, one, pool, options)

    def other_pools(self):
        for one in self.sets:
            for other in self.sets:
                if other is not one:
                    yield self.job((other.name,), f'pool of {other.name}', one, tuple(other.rows[:OWN]))
            wrong, name = wrong_labels(one.rows[:OWN], WRONG), f'{WRONG:.0%} of labels wrong'
            yield self.job('wrong', name, one, wrong)
            yield self.job('wrong, kept', f'{name}, kept', one, wrong, ('--keep-doubtful',))

    def hard_samples(self):
        for one in self.sets:
            for share in HARD:
                run = Run(f'hard {share} %', one, self.model, 0, ('--hard', str(share)))
                yield one.name, share, lambda run=run: run.hard(self.limit)

    def others(self):
        for name in self.peers.releases:
            for one in self.sets:
                yield one.name, name, lambda name=name, one=one: self.peers.reads(name, one, smaller(SOME, self.limit))

    def measure_times(self):
        """Milliseconds of one set with one thread, without its files; nothing else of ours runs."""
        limit = smaller(SOME, self.limit)
        key = [cpu_name(), POOLS, PROMPT, ROUNDS, Run('time', self.timed, self.model).key(limit)]
        found = cached('times', key, lambda: self.time_all(limit), lambda found: found['busy'] <= QUIET)
        self.times, self.busy = found['times'], found['busy']

    def time_all(self, limit):
        """(pool, way, ms to learn, ms of a read): the least of some rounds"""
        begin, (all_before, ours_before) = time.time(), busy_seconds()
        pools = [(0, ''), *((pool, way) for pool in self.timed.pools for way in (PROMPT, MEMORY))]
        rounds = []
        for _ in range(ROUNDS):
            runs = [Run('time', self.timed, self.model, pool, WAYS.get(way, ())) for pool, way in pools]
            found = [run.evaluate(self.timed.test(limit))['summary'] for run in runs]
            rounds.append([(one['ms_learn'], one['ms_read']) for one in found])
        least = [[min(values) for values in zip(*times)] for times in zip(*rounds)]
        all_after, ours_after = busy_seconds()
        others = max(0.0, (all_after - all_before) - (ours_after - ours_before))
        times = [(*pool, *times) for pool, times in zip(pools, least)]
        return {'times': times, 'busy': others / ((time.time() - begin) * os.cpu_count())}


# ---- the machine ----


def cpu_name():
    with open('/proc/cpuinfo') as file:
        return next((line.split(':')[1].strip() for line in file if line.startswith('model name')), 'CPU unknown')


# ---- the command line ----


def parse_arguments():
    parser = argparse.ArgumentParser(usage=__doc__.split('\n\n')[1].strip(), description=__doc__.split('\n')[0])
    parser.add_argument('data', nargs='?', help='folder of sets')
    parser.add_argument('--model', default=SMALL)
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs side by side')
    parser.add_argument('--limit', type=int, help='read so many images of each set')
    parser.add_argument('--docs', help='folder of accuracy.md')
    parser.add_argument('--gallery', metavar='SET', help='draw reads of this set that a pool changed')
    parser.add_argument('--picture', default=os.path.join(CACHE, 'gallery.png'))
    options = parser.parse_args()
    if not options.data and not options.gallery:
        parser.error('give DATA or --gallery SET')
    if not os.path.exists(options.model):
        parser.error(f'{options.model} is not there')
    return options


def docs_folder(options):
    """Where the page is; a run that measured only a little gets a copy."""
    docs = os.path.join(ROOT, 'docs')
    if not options.docs and not options.limit:
        return docs
    folder = options.docs or os.path.join(CACHE, 'limited')
    os.makedirs(folder, exist_ok=True)
    page = os.path.join(folder, 'accuracy.md')
    if not os.path.exists(page) or not options.docs:
        shutil.copy(os.path.join(docs, 'accuracy.md'), page)
    return folder


def main():
    options = parse_arguments()
    os.makedirs(CACHE, exist_ok=True)
    if options.data:
        study = Study(options)
        study.measure()
        accuracy_report.write(study, docs_folder(options), f'{cpu_name()}, {os.cpu_count()} cores', commit())
    if options.gallery:
        accuracy_gallery.draw(Set(options.gallery), options.model, options.limit, options.picture)


if __name__ == '__main__':
    main()
