#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutation score: would the tests notice a small fault in lib/ or kernels/? (make mutants)

    mutate.py --sample N [--seed S] [--minutes M] [--keep] [--again] [--sanitized] [PATH...]

Works on a copy of the tree in $BUILD/mutants. There every test runs once with gcov, which tells the lines that it
covers. Of all mutants (operators, conditions, numbers, statements, returned values: faults()) the first N in an order
that the seed shuffles are made, one by one: the objects that the changed file goes into are compiled, and the tests
that cover the line are linked and run, the fastest first, until one fails or uses far more time than it should. What
the compiler makes the same code of is no mutant. Outcomes go to $BUILD/mutants/log.jsonl; what is there is not tried
again, but for survivors with --again, and with --sanitized under AddressSanitizer and UndefinedBehaviorSanitizer. PATH:
only these files. tests/mutants/named.tsv has some more, which are always tried; equivalent.tsv names mutants that
change no behaviour, with the reason.

Each survivor is shown, and one case: "ok" if at least 95 % were noticed.
"""

import argparse
import collections
import filecmp
import gzip
import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

from clang import cindex
from clang.cindex import CursorKind as Kind
from clang.cindex import TypeKind

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get('BUILD', 'build'))
HOME = os.path.join(BUILD, 'mutants')
TREE = os.path.join(HOME, 'tree')
LOG = os.path.join(HOME, 'log.jsonl')
AIM = 0.95
CONFIGURATIONS = {
    'plain': '-O2',
    'covered': '-O0 --coverage',
    'sanitized': '-O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all',
}
SCRIPTS = ('test_cli', 'test_memory_cli', 'test_constraint_cli', 'test_pool_lock')
GGUF, IMAGES = ('tests/bad', 'tests/released'), ('tests/images', 'examples/images')
CORPORA = {'gguf': GGUF, 'read': GGUF, 'pool': GGUF, 'image': IMAGES, 'jpeg': IMAGES, 'png': IMAGES}
ENVIRONMENT = {**os.environ, 'OPENBLAS_NUM_THREADS': '1', 'ASAN_OPTIONS': 'detect_leaks=1'}
for name in ('BUILD', 'MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'CFLAGS', 'LDFLAGS', 'CXXFLAGS'):
    ENVIRONMENT.pop(name, None)


def run(command, **options):
    return subprocess.run(command, cwd=TREE, env=ENVIRONMENT, text=True, capture_output=True, **options)


# ---- the copy and its builds ----


def copy_tree():
    """What git knows of the working tree, written only where it differs, so that make compiles no more than it must."""
    listed = subprocess.run(['git', 'ls-files', '-z', '-co', '--exclude-standard'], capture_output=True, check=True)
    for path in filter(os.path.isfile, listed.stdout.decode().split('\0')):
        there = os.path.join(TREE, path)
        if not os.path.exists(there) or not filecmp.cmp(path, there, shallow=False):
            os.makedirs(os.path.dirname(there), exist_ok=True)
            shutil.copy(path, there)


class Build:
    """One build of the copy: its commands, by what they make."""

    def __init__(self, name):
        self.folder = os.path.join('build', name)
        arguments = ['make', f'BUILD={self.folder}', f'CFLAGS={CONFIGURATIONS[name]}', f'{self.folder}/e2str']
        arguments += ['test-programs'] + (['KERNEL_CFLAGS=-O1'] if name == 'covered' else [])
        done = run(arguments)
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        self.compile, self.link = {}, {}
        for line in run([*arguments, '-n', '-B', 'V=1']).stdout.replace('\\\n', ' ').splitlines():
            made = re.search(r' -o (\S+)', line)
            if made and re.search(r' -c \S+ -o ', line):
                self.compile[made[1]] = line
            elif made:
                self.link.setdefault(made[1], []).append(line)
            elif re.search(r'libe2str\.[oa]\b', line) and line.startswith(('objcopy', 'rm -f')):
                self.link[f'{self.folder}/libe2str.o'].append(line)
        self.users = collections.defaultdict(set)  # of a source file: objects
        for made in self.compile:
            with open(os.path.join(TREE, made[:-2] + '.d')) as file:
                for path in file.read().split(':')[1].replace('\\\n', ' ').split():
                    self.users[path].add(made)

    def shell(self, commands):
        return all(run(['sh', '-c', command]).returncode == 0 for command in commands)

    def make(self, test):
        """Links what a test runs."""
        if test.startswith('tests/'):
            return self.shell(self.link[f'{self.folder}/libe2str.o'] + self.link[f'{self.folder}/e2str'])
        return self.shell(self.link[f'{self.folder}/tests/{test}'])

    def command(self, test):
        if test.startswith('tests/'):
            return ['bash', test]
        if test.startswith('fuzz/'):
            name = test.partition('_')[2]
            corpora = [f'tests/fuzz/corpus/{name}', *CORPORA.get(name, ())]
            there = [path for path in corpora if os.path.exists(os.path.join(TREE, path))]
            return [f'{self.folder}/tests/{test}', '-n', '20', *there]
        return [f'{self.folder}/tests/{test}']

    def passes(self, test, cpu=None, wall=None):
        """Whether it passes, with at most so many seconds of CPU time in a process, and so many by the clock."""

        def limit():
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if cpu:
                resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + 1, int(cpu) + 1))

        process = subprocess.Popen(
            self.command(test),
            cwd=TREE,
            env={**ENVIRONMENT, 'BUILD': self.folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=limit,
        )
        try:
            return process.wait(wall) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return False


# ---- which test covers which line ----


def all_tests():
    programs = [os.path.basename(path)[:-2] for path in sources('tests', 'test_')]
    fuzzers = ['fuzz/' + os.path.basename(path)[:-2] for path in sources('tests/fuzz', 'fuzz_')]
    return programs + fuzzers + [f'tests/{name}.sh' for name in SCRIPTS]


def sources(folder, start=''):
    names = sorted(os.listdir(os.path.join(TREE, folder)))
    return [f'{folder}/{name}' for name in names if name.startswith(start) and name.endswith('.c')]


def digest(*patterns):
    """Of the copy's files below folders, or single ones."""
    found = hashlib.sha256()
    for path in patterns:
        whole = os.path.join(TREE, path)
        inside = [whole]
        if os.path.isdir(whole):
            inside = sorted(os.path.join(top, name) for top, _, names in os.walk(whole) for name in names)
        for name in filter(os.path.isfile, inside):
            with open(name, 'rb') as file:
                found.update(file.read())
    return found.hexdigest()


def lines_of(folder):
    """What the .gcda files below say was run: {file: lines}."""
    found = collections.defaultdict(set)
    data = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names if name.endswith('.gcda')]
    for path in data:
        if '/tests/' in path or '/examples/' in path:
            continue
        done = subprocess.run(['gcov', '--json-format', '--stdout', path], cwd=TREE, capture_output=True)
        out = gzip.decompress(done.stdout) if done.stdout[:2] == b'\x1f\x8b' else done.stdout
        for document in out.decode().splitlines():
            for file in json.loads(document)['files']:
                found[file['file']].update(line['line_number'] for line in file['lines'] if line['count'])
    return {file: sorted(lines) for file, lines in found.items() if file.startswith(('lib/', 'kernels/'))}


def coverage(plain):
    """{test: its seconds of CPU and the lines that it covers}; kept, by the digest of what it is made of."""
    kept = os.path.join(HOME, 'coverage.json')
    known = {}
    if os.path.exists(kept):
        with open(kept) as file:
            known = json.load(file)
    library, build = digest('lib', 'kernels'), None
    for test in all_tests():
        source = test if test.startswith('tests/') else f'tests/{test}.c'
        made_of = library + digest(source)
        if known.get(test, {}).get('digest') == made_of:
            continue
        build = build or Build('covered')
        folder = os.path.join(TREE, build.folder)
        for top, _, names in os.walk(folder):
            for name in names:
                if name.endswith('.gcda'):
                    os.remove(os.path.join(top, name))
        build.passes(test, wall=1800)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        good = plain.make(test) and plain.passes(test, wall=1800)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        known[test] = {'digest': made_of, 'seconds': seconds, 'good': good, 'lines': lines_of(folder)}
        print(f'# {test}: {seconds:.1f} s{"" if good else ", fails without a mutant"}', flush=True)
        with open(kept, 'w') as file:
            json.dump(known, file)
    return {test: about for test, about in known.items() if about['good']}


# ---- mutants ----

SWAPS = {
    '<': ('<=', '>='),
    '<=': ('<', '>'),
    '>': ('>=', '<='),
    '>=': ('>', '<'),
    '==': ('!=',),
    '!=': ('==',),
    '+': ('-',),
    '-': ('+',),
    '*': ('/',),
    '/': ('*',),
    '%': ('/',),
    '<<': ('>>',),
    '>>': ('<<',),
    '&': ('|',),
    '|': ('&',),
    '^': ('|',),
    '&&': ('||',),
    '||': ('&&',),
    '+=': ('-=',),
    '-=': ('+=',),
    '*=': ('/=',),
    '/=': ('*=',),
    '|=': ('&=',),
    '&=': ('|=',),
    '^=': ('|=',),
    '<<=': ('>>=',),
    '>>=': ('<<=',),
}
Mutant = collections.namedtuple('Mutant', 'key file line start end text')
STATEMENTS = (Kind.CALL_EXPR, Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR, Kind.UNARY_OPERATOR)
JUMPS = (Kind.BREAK_STMT, Kind.CONTINUE_STMT)
BODIES = (Kind.COMPOUND_STMT, Kind.IF_STMT, Kind.FOR_STMT, Kind.WHILE_STMT, Kind.DO_STMT, Kind.CASE_STMT)


def span(cursor):
    return cursor.extent.start.offset, cursor.extent.end.offset


def returned(function, value):
    """What a function returns instead."""
    kind = function.result_type.get_canonical().kind
    if kind == TypeKind.BOOL:
        return f'!({value})'
    nothing = 'NULL' if kind == TypeKind.POINTER else '0'
    if value in ('0', 'NULL', 'E2STR_OK', 'false', nothing):
        return None if kind == TypeKind.POINTER else '1'
    return nothing


def faults(cursor, parent, function, text):
    """(start, end, replacement) of what can be wrong at one place of the source."""
    children = list(cursor.get_children())
    start, end = span(cursor)
    if cursor.kind in (Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR) and len(children) == 2:
        left, right = span(children[0])[1], span(children[1])[0]
        operator = re.sub(r'/\*.*?\*/', '', text[left:right]).strip(' \n()')
        at = text.find(operator, left) if operator else -1
        for other in SWAPS.get(operator, ()) if left <= at < right else ():
            yield at, at + len(operator), other
    if cursor.kind in (Kind.IF_STMT, Kind.WHILE_STMT, Kind.CONDITIONAL_OPERATOR) and children:
        first, last = span(children[0])
        yield first, last, f'!({text[first:last]})'
    if cursor.kind == Kind.UNARY_OPERATOR and text[start:end].startswith('!'):
        yield start, start + 1, '!!'
    if cursor.kind == Kind.INTEGER_LITERAL and re.fullmatch(r'\w+', text[start:end]):
        value = re.fullmatch(r'(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)', text[start:end])
        if value:
            octal = re.fullmatch(r'0\d+', value[1])
            yield start, end, f'{int(value[1], 8 if octal else 0) + 1}{value[2]}'
    if cursor.kind == Kind.FLOATING_LITERAL and re.fullmatch(r'[\w.+-]+', text[start:end]):
        yield start, end, f'({text[start:end]} * 2 + 1)'
    alone = parent is not None and parent.kind in BODIES and text[end : end + 1] == ';'
    if alone and (cursor.kind in JUMPS or cursor.kind in STATEMENTS):
        first = parent.kind == Kind.COMPOUND_STMT or span(next(parent.get_children())) != (start, end)
        if first:
            yield start, end, ''
    if cursor.kind == Kind.RETURN_STMT and children and function is not None:
        first, last = span(children[0])
        other = returned(function, text[first:last])
        if other is not None:
            yield first, last, other


def walk(cursor, parent, function, visit):
    for child in cursor.get_children():
        place = child.location.file.name if child.location.file else ''
        if place.startswith(('lib/', 'kernels/')) or (parent is not None and place == ''):
            inside = child if child.kind == Kind.FUNCTION_DECL and child.is_definition() else function
            if inside is not None:
                visit(child, cursor if inside is function else None, inside, place)
            walk(child, cursor, inside, visit)


def all_mutants(build):
    """Each possible fault once, whatever number of files include its line."""
    os.chdir(TREE)
    index, texts, found, seen = cindex.Index.create(), {}, [], set()
    counts = collections.Counter()

    def visit(cursor, parent, function, place):
        if not place:
            return
        if place not in texts:
            with open(place, 'rb') as file:
                texts[place] = file.read().decode('latin-1')  # offsets are bytes
        text = texts[place]
        for start, end, other in faults(cursor, parent, function, text):
            if end <= start or (place, start, end, other) in seen:
                continue
            seen.add((place, start, end, other))
            was = ' '.join(text[start:end].split())
            line = text.count('\n', 0, start) + 1
            whole = ' '.join(text.split('\n')[line - 1].split())
            now = ' '.join(other.split())
            key = f'{place} {function.spelling}: {was[:60]} -> {now[:60] or "nothing"} in {whole[:80]}'
            counts[key] += 1
            if counts[key] > 1:
                key += f' #{counts[key]}'
            found.append(Mutant(key, place, line, start, end, other))

    for made in sorted(build.compile):
        command = shlex.split(build.compile[made])
        source = command[command.index('-c') + 1]
        if source.startswith(('lib/', 'kernels/')):
            flags = [
                flag for flag in command[1 : command.index('-c')] if flag[:2] in ('-D', '-I', '-m') and flag != '-MP'
            ]
            flags = [flag for flag in flags if not flag.startswith('-MMD')]
            walk(index.parse(source, ['-std=c11', '-D_GNU_SOURCE', *flags]).cursor, None, None, visit)
    os.chdir(os.path.dirname(BUILD))
    return found


def named_mutants():
    """Those of named.tsv, which tests once passed over. Each text is there once."""
    found = []
    with open(os.path.join(HERE, 'named.tsv')) as file:
        rows = [line.rstrip('\n').split('\t') for line in file][1:]
    for place, was, now in rows:
        with open(os.path.join(TREE, place), 'rb') as file:
            text = file.read().decode('latin-1')
        if text.count(was) != 1:
            sys.exit(f'named.tsv: {place} has "{was}" {text.count(was)} times')
        start = text.index(was)
        line = text.count('\n', 0, start) + 1
        found.append(Mutant(f'{place}: {was} -> {now or "nothing"}', place, line, start, start + len(was), now))
    return found


def table(path):
    with open(path) as file:
        return dict(line.rstrip('\n').split('\t') for line in file if '\t' in line)


# ---- trying them ----


def attempt(build, mutant, tests, factor):
    """The outcome, and the test that noticed."""
    objects = sorted(build.users[mutant.file])
    path = os.path.join(TREE, mutant.file)
    with open(path, 'rb') as file:
        original = file.read()
    kept = {made: os.path.join(TREE, made + '.kept') for made in objects}
    for made, copy in kept.items():
        shutil.copy2(os.path.join(TREE, made), copy)
    times = os.stat(path)
    try:
        with open(path, 'wb') as file:
            file.write(original[: mutant.start] + mutant.text.encode() + original[mutant.end :])
        if not build.shell(build.compile[made] for made in objects):
            return 'not compiled', None
        if all(filecmp.cmp(os.path.join(TREE, made), copy, shallow=False) for made, copy in kept.items()):
            return 'same code', None
        for test, seconds in tests:
            if not build.make(test):
                return 'not compiled', None
            if not build.passes(test, (3 * seconds + 2) * factor, (20 * seconds + 60) * factor):
                return 'noticed', test
        return 'survived', None
    finally:
        with open(path, 'wb') as file:
            file.write(original)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        for made, copy in kept.items():
            os.replace(copy, os.path.join(TREE, made))


def read_log():
    if not os.path.exists(LOG):
        return {}
    with open(LOG) as file:
        return {entry['key']: entry for entry in map(json.loads, file)}


def covering(covered, mutant, users, slowest, log):
    """(test, seconds): the fastest first, where those count as faster that noticed others in the same file. Of kernels,
    which are inlined, gcov does not know every line: then those that run anything of the same objects."""
    tests = {test for test, about in covered.items() if mutant.line in about['lines'].get(mutant.file, ())}
    if not tests and mutant.file.startswith('kernels/'):
        files = [made.partition('/kernels/')[2][:-2] for made in users]
        tests = {test for test, about in covered.items() if any(about['lines'].get(f'kernels/{f}.c') for f in files)}
    noticed = collections.Counter(entry['by'] for key, entry in log.items() if key.startswith(mutant.file + ' '))
    found = sorted(((covered[test]['seconds'] + 0.3) / (1 + noticed[test]), test) for test in tests)
    return [(test, covered[test]['seconds']) for _, test in found if covered[test]['seconds'] <= slowest]


def report(chosen, log, equivalent):
    counts = collections.Counter()
    for mutant in chosen:
        outcome = log[mutant.key]['outcome'] if mutant.key in log else 'not tried'
        if outcome in ('survived', 'not covered') and mutant.key in equivalent:
            outcome = 'equivalent'
        counts[outcome] += 1
        if outcome in ('survived', 'not covered'):
            print(f'# {outcome}: line {mutant.line} of {mutant.key}')
    real = counts['noticed'] + counts['survived'] + counts['not covered']
    print('# ' + ', '.join(f'{number} {outcome}' for outcome, number in counts.most_common()))
    good = real and counts['noticed'] / real >= AIM and not counts['not tried']
    share = 100 * counts['noticed'] / max(real, 1)
    print(f'{"ok" if good else "not ok"} - of {real} mutants {counts["noticed"]} noticed: {share:.1f} %')
    return bool(good)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--sample', type=int, default=int(os.environ.get('SAMPLE', '200')))
    parser.add_argument('--seed', default=os.environ.get('SEED', '1'))
    parser.add_argument('--minutes', type=float, default=1e9)
    parser.add_argument('--slowest', type=float, default=1e9, help='seconds of CPU: tests that take more are left out')
    parser.add_argument('--keep', action='store_true', help='the copy of the tree as it is')
    parser.add_argument('--again', action='store_true')
    parser.add_argument('--sanitized', action='store_true')
    parser.add_argument('paths', nargs='*')
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('stopped'))  # with what `finally` asks for
    until = time.time() + 60 * options.minutes
    if not options.keep:
        copy_tree()
    plain = Build('plain')
    covered = coverage(plain)
    build = Build('sanitized') if options.sanitized else plain
    mutants = [m for m in all_mutants(plain) if not options.paths or m.file in options.paths]
    mutants.sort(key=lambda m: hashlib.sha256((options.seed + m.key).encode()).digest())
    named = [m for m in named_mutants() if not options.paths or m.file in options.paths]
    chosen, log = named + mutants[: options.sample], read_log()
    equivalent = table(os.path.join(HERE, 'equivalent.tsv'))
    print(f'# {len(mutants)} mutants, of which {len(chosen)} are tried', flush=True)
    for mutant in chosen:
        done = mutant.key in log
        if options.again or options.sanitized:
            done = done and log[mutant.key]['outcome'] not in ('survived', 'not covered')
            done = done or mutant.key in equivalent
        if done:
            continue
        if time.time() > until:
            break
        begun, tests = time.time(), covering(covered, mutant, plain.users[mutant.file], options.slowest, log)
        outcome, by = attempt(build, mutant, tests, 4 if options.sanitized else 1) if tests else ('not covered', None)
        entry = {'key': mutant.key, 'outcome': outcome, 'by': by, 'seconds': round(time.time() - begun, 1)}
        log[mutant.key] = entry
        with open(LOG, 'a') as file:
            file.write(json.dumps(entry) + '\n')
    return report(chosen, log, equivalent)


if __name__ == '__main__':
    sys.exit(0 if main() else 1)
