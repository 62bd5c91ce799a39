#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The code of the pages runs as it stands ("ok - PAGE:LINE: ...", "not ok - ..."): make docs-test

A block says by its tag what it is:

    console   "$ COMMAND" and what it prints, compared; "..." stands for any lines. After "$ make" all is its output
    sh        commands that succeed
    c         a whole program, compiled by pkg-config and run; or a part of one, "..." for the rest, which is not run
    python    run by tests/python/test_docs.py, in the environment of the package
    text, diff, floors, toml, json, cmake, ...   nothing to run

A comment before a block, <!-- not run: WHY -->, leaves it out. Commands find the installed library and command (staged
in BUILD), the examples, and some pictures and labels by the names that pages like to use (PICTURES).
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
PAGES = ('README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'weights/README.md', 'docs/*.md')
SECONDS = 120

# What a page calls it, and which example it is.
PICTURES = {
    'word.png': 'images/open.png',
    'crop.jpg': 'images/exit.jpg',
    'next.png': 'images/street.png',
    'seen.png': 'images/music.png',
    'serial.png': 'images/2026.png',
    'sum.png': 'images/2026.png',
    'town.png': 'images/platform.png',
    'page.png': 'page/page.png',
    'boxes.tsv': 'page/boxes.tsv',
    'unseen/a.png': 'images/open.png',
    'unseen/b.png': 'images/music.png',
    'unseen/c.png': 'images/street.png',
}
ELSEWHERE = ('make test',)  # steps of their own


class Block(NamedTuple):
    page: str
    line: int
    tag: str
    code: str
    reason: str  # why it is not run, or ''


def blocks(page):
    """Of a page, in order."""
    with open(os.path.join(ROOT, page), encoding='utf-8') as file:
        lines = file.read().split('\n')
    begin, reason = None, ''
    for number, line in enumerate(lines, 1):
        if line.startswith('```') and begin is None:
            begin, before = number, [text for text in lines[: number - 1] if text][-1:]
            found = re.fullmatch(r'<!-- not run: (.*) -->', before[0]) if before else None
            reason = found[1] if found else ''
        elif line == '```':
            yield Block(page, begin, lines[begin - 1][3:], '\n'.join(lines[begin : number - 1]), reason)
            begin = None
    if begin:
        raise SystemExit(f'{page}:{begin}: a block without an end')


# ---- where it runs ----


def staged():
    """The installed tree, made by make install."""
    prefix = os.path.join(BUILD, 'docs', 'prefix')
    shutil.rmtree(prefix, ignore_errors=True)
    command = [os.environ.get('MAKE', 'make'), '-s', 'install', 'PREFIX=' + prefix, 'LDCONFIG=:']
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + 'not ok - make install')
    return prefix


def surroundings(prefix):
    lib = os.path.join(prefix, 'lib')
    values = dict(os.environ, LC_ALL='C.UTF-8', PKG_CONFIG_PATH=os.path.join(lib, 'pkgconfig'), LD_LIBRARY_PATH=lib)
    values['PATH'] = os.path.join(prefix, 'bin') + ':' + values['PATH']
    for name in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'BUILD', 'E2STR_MODEL'):
        values.pop(name, None)
    return values


def furnish(folder):
    """What a reader of the page has at hand."""
    for name in ('examples', 'include', 'weights', 'docs', 'Makefile'):
        os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
    os.symlink(BUILD, os.path.join(folder, 'build'))
    for name, example in PICTURES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(os.path.join(ROOT, 'examples', example), path)
    shutil.copytree(os.path.join(ROOT, 'examples/demo/pool'), folder, dirs_exist_ok=True)
    shutil.copy(os.path.join(ROOT, 'weights/e2str-small.gguf'), os.path.join(folder, 'model.gguf'))
    with open(os.path.join(folder, 'towns.txt'), 'w', encoding='utf-8') as file:
        file.write('Freiburg\nPlatform\nZug\n')
    with open(os.path.join(folder, 'names.txt'), 'w', encoding='utf-8') as file:
        file.write('word.png\nnext.png\n')


# ---- running ----


def shell(command, folder, values):
    """(status, output of both kinds)."""
    try:
        done = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', command],
            cwd=folder,
            env=values,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return 124, f'still running after {SECONDS} s\n'
    return done.returncode, done.stdout


def plain(lines):
    """Columns are tabs there and blanks here; empty lines and what make compiles do not count."""
    lines = [re.sub(r'\s+', ' ', line).strip() for line in lines]
    return [line for line in lines if line and not re.match(r'(CC|CXX|AR|LINK|GEN) \S+$', line)]


def pattern_of(line):
    """Of an expected line. Scores differ between CPUs in their last digits, and a text that the model doubts may."""
    read = re.fullmatch(r'(\S+) (.*) (0\.\d{3}|1\.000)', line)
    if line == '...':
        return '(?:.*\n)*'
    if not read:
        return re.escape(line) + '\n'
    if float(read[3]) < 0.9:
        return re.escape(read[1]) + r' .* 0\.\d{3}' + '\n'
    return re.escape(f'{read[1]} {read[2]} ') + r'(0\.9\d\d|1\.000)' + '\n'


def agrees(expected, printed):
    """Line for line; an expected line "..." is any number of them."""
    pattern = ''.join(pattern_of(line) for line in plain(expected))
    return re.fullmatch(pattern, ''.join(line + '\n' for line in plain(printed.split('\n')))) is not None


def commands(code):
    """(command, expected lines) of a console block."""
    found = []
    for line in code.split('\n'):
        is_output = found and found[-1][0].startswith('make') and not line.startswith('$ make')
        if line.startswith('$ ') and not is_output:
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
        else:
            raise SystemExit(f'a console block begins with "$ ", not with {line!r}')
    return found


def run_console(block, folder, values):
    for command, expected in commands(block.code):
        if command in ELSEWHERE:
            continue
        status, printed = shell(command, ROOT if command.startswith('make') else folder, values)
        if not agrees(expected, printed):
            return f'$ {command}\nstatus {status}, printed\n{printed}'
    return ''


def run_sh(block, folder, values):
    status, printed = shell(block.code, folder, values)
    return f'status {status}\n{printed}' if status else ''


def run_c(block, folder, values):
    with open(os.path.join(folder, 'program.c'), 'w', encoding='utf-8') as file:
        file.write(block.code + '\n')
    compiler = '"${CC:-cc}" -std=c11 -Wall -Werror program.c -o program $(pkg-config --cflags --libs e2str)'
    status, printed = shell(compiler + ' && ./program', folder, values)
    return f'status {status}\n{printed}' if status else ''


RUN = {'console': run_console, 'sh': run_sh, 'c': run_c}


def is_part(block):
    return block.tag == 'c' and 'int main(' not in block.code


def main():
    pages = sys.argv[1:] or sorted(page for name in PAGES for page in glob.glob(name, root_dir=ROOT))
    values = surroundings(staged())
    failed = 0
    for page in pages:
        with tempfile.TemporaryDirectory() as folder:
            furnish(folder)
            for block in blocks(page):
                if block.tag not in RUN or is_part(block):
                    continue
                name = f'{page}:{block.line}: {block.code.strip().splitlines()[0][:60]}'
                if block.reason:
                    print(f'ok - {name} # SKIP {block.reason}')
                    continue
                problem = RUN[block.tag](block, folder, values)
                failed += bool(problem)
                print(f'{problem}not ok - {name}' if problem else f'ok - {name}', flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
