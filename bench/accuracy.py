"""The driver of `make accuracy`: word accuracy with and without a pool, on every set of labelled crops in a folder.

    accuracy.py DATA [--model FILE] [--f32 FILE] [--stage1 FILE] [--k K] [--jobs N] [--limit N] [--docs FOLDER]
    accuracy.py --gallery SET [--picture FILE] [--model FILE] [--k K] [--limit N]

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
import subprocess
import sys
import time

import accuracy_gallery
import accuracy_report
from cpu_time import busy_seconds
from accuracy_runs import CACHE, POOLS, ROOT, SEED, Run, Set
from accuracy_runs import cached, find_sets, mixed_rows, open_model, tesseract_reads, wrong_labels

SMALL = os.path.join(ROOT, 'weights', 'e2str-small.gguf')
KS = (1, 2, 4, 8)
CHOSEN_POOL = 100  # where k is chosen, and what other pools are compared with
MIXED = 1000
HARD = (10, 20)  # per cent of the wrong reads that become the pool
TIMED = 200  # images of a set
QUIET = 0.1  # with more than this of the CPUs taken by others, times are not kept
# Which set the pool of the wrong domain is from, by how the names begin.
OTHER = {'scene': 'receipts', 'receipts': 'handwriting', 'handwriting': 'scene-iiit5k', 'cheque': 'scene-iiit5k'}


def other_set(one, sets):
    """The set of another domain that lends its pool; None if there is none."""
    domain = one.name.split('-')[0]
    strangers = [other for other in sets if other.name.split('-')[0] != domain]
    wanted = [other for other in strangers if other.name.startswith(OTHER.get(domain, '?'))]
    return (wanted or strangers or [None])[0]


class Study:
    """reads[set name][key]: Reads; the key is (pool, k) for the set's own pool, else a name."""

    def __init__(self, options):
        self.jobs, self.limit, self.k = options.jobs, options.limit, options.k
        self.sets = find_sets(options.data)
        self.model = open_model(options.model, 'shipped')
        self.f32 = options.f32 and open_model(options.f32, 'f32')
        self.stage1 = options.stage1 and open_model(options.stage1, 'stage 1')
        self.tesseract = tesseract_release()
        self.ks, self.pools, self.chosen_pool, self.shares = KS, POOLS, CHOSEN_POOL, HARD
        self.chosen_by_us = self.k is None
        self.reads = {one.name: {} for one in self.sets}
        self.others = {one.name: other_set(one, self.sets) for one in self.sets}
        self.hard = {one.name: {} for one in self.sets}  # [set name][share]: Hard
        self.times, self.busy = {}, 0

    def measure(self):
        self.run(self.grid(), self.reads)
        if self.chosen_by_us:
            self.k = max(KS, key=self.mean_at)
            print(f'k = {self.k}', file=sys.stderr)
        self.run(self.comparisons(), self.reads)
        self.run(self.hard_samples(), self.hard)
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

    def job(self, key, one, *arguments, **named):
        run = Run(key if isinstance(key, str) else 'own', one, *arguments, **named)
        return one.name, key, lambda: run.reads(self.limit)

    def grid(self):
        for one in self.sets:
            if self.tesseract:
                yield one.name, 'Tesseract', lambda one=one: tesseract_reads(one, self.limit, self.tesseract)
            yield self.job((0, 0), one, self.model)
            for pool in one.pools:
                for k in KS:
                    yield self.job((pool, k), one, self.model, pool, k)
            if self.stage1:
                yield self.job('stage 1', one, self.stage1)

    def mean_at(self, k):
        return sum(self.reads[one.name][CHOSEN_POOL, k].accuracy() for one in self.sets) / len(self.sets)

    def comparisons(self):
        mixed = mixed_rows(self.sets, MIXED)
        for one in self.sets:
            own, other = one.rows[:CHOSEN_POOL], self.others[one.name]
            if self.k not in KS:
                for pool in one.pools:
                    yield self.job((pool, self.k), one, self.model, pool, self.k)
            yield self.job('mixed', one, self.model, mixed, self.k)
            if other:
                yield self.job('wrong domain', one, self.model, tuple(other.rows[:CHOSEN_POOL]), self.k)
            drawn = ('--random-examples', str(SEED))
            yield self.job('random examples', one, self.model, CHOSEN_POOL, self.k, options=drawn)
            yield self.job('25 % wrong', one, self.model, wrong_labels(own, 0.25), self.k)
            yield self.job('100 % wrong', one, self.model, wrong_labels(own, 1), self.k)
            if self.f32:
                yield self.job('f32 zero-shot', one, self.f32)
                yield self.job('f32', one, self.f32, CHOSEN_POOL, self.k)

    def hard_samples(self):
        for one in self.sets:
            for share in HARD:
                run = Run(f'hard {share} %', one, self.model, 0, self.k, ('--hard', str(share)))
                yield one.name, share, lambda run=run: run.hard(self.limit)

    def measure_times(self):
        """Milliseconds of a read, without its file, with one thread; nothing else of ours runs."""
        limit = min(self.limit or TIMED, TIMED)
        key = [cpu_name(), self.k, *(Run('time', one, self.model).key(limit) for one in self.sets)]
        found = cached('times', key, lambda: self.time_all(limit), lambda found: found['busy'] <= QUIET)
        self.times, self.busy = found['times'], found['busy']

    def time_all(self, limit):
        begin, (all_before, ours_before) = time.time(), busy_seconds()
        times = {one.name: [] for one in self.sets}
        for one in self.sets:
            for pool, k in ((0, 0), (CHOSEN_POOL, self.k)):
                found = Run('time', one, self.model, pool, k).evaluate(one.test(limit))
                times[one.name].append(found['summary']['ms_read'])
        all_after, ours_after = busy_seconds()
        others = max(0.0, (all_after - all_before) - (ours_after - ours_before))
        return {'times': times, 'busy': others / ((time.time() - begin) * os.cpu_count())}


# ---- the machine ----


def cpu_name():
    with open('/proc/cpuinfo') as file:
        return next((line.split(':')[1].strip() for line in file if line.startswith('model name')), 'CPU unknown')


def tesseract_release():
    """None, with a message, when it is not there."""
    if not shutil.which('tesseract'):
        print('skipped: Tesseract is not installed (Debian: tesseract-ocr)', file=sys.stderr)
        return None
    done = subprocess.run(['tesseract', '--version'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.split()[1]


def commit():
    git = subprocess.run(['git', '-C', ROOT, 'describe', '--always', '--dirty'], capture_output=True, text=True)
    return git.stdout.strip() or 'unknown'


# ---- the command line ----


def parse_arguments():
    parser = argparse.ArgumentParser(usage=__doc__.split('\n\n')[1].strip(), description=__doc__.split('\n')[0])
    parser.add_argument('data', nargs='?', help='folder of sets')
    parser.add_argument('--model', default=SMALL)
    parser.add_argument('--f32', help='the same weights in f32')
    parser.add_argument('--stage1', help='the model before it learnt from examples')
    parser.add_argument('--k', type=int, help='examples before a query; default: the best with a pool of 100')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs side by side')
    parser.add_argument('--limit', type=int, help='read so many images of each set')
    parser.add_argument('--docs', help='folder of accuracy.md')
    parser.add_argument('--gallery', metavar='SET', help='draw reads of this set that a pool changed')
    parser.add_argument('--picture', default=os.path.join(CACHE, 'gallery.png'))
    options = parser.parse_args()
    if not options.data and not options.gallery:
        parser.error('give DATA or --gallery SET')
    for path in (options.model, options.f32, options.stage1):
        if path and not os.path.exists(path):
            parser.error(f'{path} is not there')
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
        options.k = study.k
        accuracy_report.write(study, docs_folder(options), f'{cpu_name()}, {os.cpu_count()} cores', commit())
    if options.gallery:
        accuracy_gallery.draw(Set(options.gallery), options.model, options.k or 2, options.limit, options.picture)


if __name__ == '__main__':
    main()
