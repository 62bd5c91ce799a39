#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of this repository that a machine can check, one case each ("ok - ", "not ok - "): make lint

    lint.py --fix      does what a machine can do about it, all files: formats, and writes licence lines: make format

The environment has the tools of requirements.txt on its PATH, MAKE, and in LIB_OBJ the library's objects, built.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SPDX = 'SPDX-License-Identifier: MIT'
C = ('.c', '.h', '.cpp', '.hpp', '.def')
WIDTH, MARKDOWN_WIDTH = 120, 150
WITH_TABS = ('Makefile', '.mk', 'debian/rules', '.go', '.tsv', 'tokenizer.txt')

# Hidden functions that no other file of the library calls: where tests and programs get hold of a part.
SEAMS = {
    'e2_bpe_piece_end': 'test_tokenizer: the pieces by themselves',
    'e2_cpu_level_of': 'test_dispatch: CPUs that are not this one',
    'e2_image_resize': 'test_image: bytes before they are normalised',
    'e2_kernels_at': 'tests and bench: the kernels of each level',
    'e2_pool_checksum': 'tests of hostile pool files: a checksum that fits',
    'e2_pool_from_gguf': 'tests of hostile pool files: from memory',
    'e2_pool_nearest': 'bench: the exact search by threads, also of examples without visual tokens',
}


def run(*command, **options):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


# ---- the files ----


@cache
def files():
    """What git tracks or would; without git, what is there and is not built."""
    listed = shutil.which('git') and run('git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard')
    if listed and listed.returncode == 0:
        return sorted(path for path in set(listed.stdout.split('\0')) if os.path.isfile(os.path.join(ROOT, path)))
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in ('.git', 'build', '__pycache__', '.ruff_cache')]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(found)


@cache
def text(path):
    """None: not a text. Pictures that are written as text, and inputs of fuzz targets, end where they please."""
    if path.endswith(('.pbm', '.pgm', '.ppm')) or path.startswith('tests/fuzz/corpus/'):
        return None
    with open(os.path.join(ROOT, path), 'rb') as file:
        data = file.read()
    try:
        return None if b'\0' in data else data.decode()
    except UnicodeDecodeError:
        return None


def shebang(path):
    return (text(path) or '').partition('\n')[0] if (text(path) or '').startswith('#!') else ''


def is_c(path):
    return path.endswith(C)


def is_python(path):
    return path.endswith('.py') or 'python' in shebang(path)


def is_shell(path):
    return path.endswith('.sh') or shebang(path).endswith('sh')


def is_make(path):
    return path.endswith('.mk') or os.path.basename(path) == 'Makefile'


def is_web(path):
    return path.endswith(('.js', '.css', '.html'))


def is_foreign(path):
    return path.endswith(('.rs', '.go', '.java'))


def is_source(path):
    return any(kind(path) for kind in (is_c, is_python, is_shell, is_make, is_web, is_foreign))


def is_written(path):
    """By hand, or for the eye."""
    return text(path) is not None and not path.endswith(('.svg', '.gguf'))


def chosen(*kinds):
    return [path for path in files() if any(kind(path) for kind in kinds)]


def texts(choose=lambda path: path.endswith('.md') or is_source(path)):
    """(path, text) of source and pages."""
    return [(path, text(path)) for path in files() if choose(path)]


def lines(*choose):
    """(path, number, line) of the same."""
    for path, content in texts(*choose):
        for number, line in enumerate(content.split('\n'), 1):
            yield path, number, line


# ---- tools ----


def tool(*command):
    done = run(*command)
    return done.stdout.splitlines() or ['failed'] if done.returncode else []


def clang_format(*how):
    return tool('clang-format', *how, *(path for path in chosen(is_c) if not path.endswith('.def')))


def formatted_c():
    return sorted({line.partition(':')[0] for line in clang_format('--dry-run', '-Werror') if ': error: ' in line})


def formatted_python():
    return tool('ruff', 'format', '--check', '--output-format', 'concise', *chosen(is_python))


def python_without_faults():
    return tool('ruff', 'check', '--quiet', '--output-format', 'concise', *chosen(is_python))


def shell_without_faults():
    return tool('shellcheck', '--format', 'gcc', *chosen(is_shell))


def spelling():
    paths = [path for path, _ in texts()]
    return tool('codespell', '--ignore-words', os.path.join(HERE, 'spelling.txt'), *paths)


# ---- text ----


@cache
def generated(path):
    """The numbers of lines that a program wrote: of a page that says who made it, or between begin and end."""
    content = text(path).split('\n')
    if re.search(r'^Made by `', '\n'.join(content[:5]), re.M):
        return set(range(1, len(content) + 1))
    inside, numbers = False, set()
    for number, line in enumerate(content, 1):
        inside = (inside or line.startswith('<!-- begin')) and not line.startswith('<!-- end')
        if inside:
            numbers.add(number)
    return numbers


def width():
    for path, number, line in lines():
        limit = MARKDOWN_WIDTH if path.endswith('.md') else WIDTH
        if len(line) > limit and not (path.endswith('.md') and number in generated(path)):
            yield f'{path}:{number}: {len(line)} columns, {limit} at most'


def blanks():
    patch = False  # an empty line of a patch is a blank
    for path, number, line in lines(is_written):
        if path.endswith('.md') and line.startswith('```'):
            patch = line == '```diff'
        if re.search(r'\s$', line) and not path.endswith('.tsv') and not (patch and line == ' '):
            yield f'{path}:{number}: blank at the end of the line'
        if '\t' in line and not path.endswith(WITH_TABS):
            yield f'{path}:{number}: tab'


def last_line():
    for path, content in texts(is_written):
        if content and (not content.endswith('\n') or content.endswith('\n\n')):
            yield f'{path}: the last line ends in one newline'


def licence():
    return [f'{path}: no "{SPDX}" in its first lines' for path in unlicensed()]


def unlicensed():
    return [path for path in chosen(is_source) if text(path) and SPDX not in '\n'.join(text(path).split('\n')[:5])]


def words():
    rules = [line.split('\t') for line in text('tests/lint/words.tsv').splitlines()]
    for path, number, line in lines():
        for pattern, why in rules:
            if path != 'tests/lint/words.tsv' and re.search(pattern, line, re.I):
                yield f'{path}:{number}: {line.strip()[:100]} ({why})'


# ---- references ----


def prose(content):
    """Without code, line for line."""
    content = re.sub(r'^```.*?^```', lambda code: '\n' * code[0].count('\n'), content, flags=re.M | re.S)
    return re.sub(r'`[^`\n]*`', '``', content)


@cache
def anchors(path):
    """As GitHub makes them of headings."""
    found = set()
    seen = Counter()
    for heading in re.findall(r'^#+ +(.*?) *$', re.sub(r'^```.*?^```', '', text(path), flags=re.M | re.S), re.M):
        slug = re.sub(r'[^\w\- ]', '', re.sub(r'\]\([^)]*\)', '', heading).lower()).replace(' ', '-')
        found.add(f'{slug}-{seen[slug]}' if seen[slug] else slug)
        seen[slug] += 1
    return found


def is_there(path):
    return path == '.' or path in files() or any(other.startswith(path + '/') for other in files())


def links():
    for path, number, line in ((p, n, ln) for p, c in pages() for n, ln in enumerate(prose(c).split('\n'), 1)):
        for target in re.findall(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"', line):
            target = ''.join(target)
            if re.match(r'https?:|mailto:', target):
                continue
            file, _, anchor = target.partition('#')
            file = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            if not is_there(file):
                yield f'{path}:{number}: {target}: no such file here'
            elif anchor and anchor not in anchors(file):
                yield f'{path}:{number}: {target}: no such heading'


def blocks_of_code():
    """Fenced and with a tag that says what they are, so that tests/docs.py runs those that it can."""
    for path, content in pages():
        fenced, text_before, blank = False, '', True
        for number, line in enumerate(content.split('\n'), 1):
            if line.startswith('```'):
                if not fenced and line == '```':
                    yield f'{path}:{number}: no tag: sh, console, c, text, ...'
                fenced = not fenced
            elif line.startswith('    ') and blank and not fenced and not re.match(r' |[-*] |\d+\. ', text_before):
                yield f'{path}:{number}: code by indentation: ``` and a tag'
            text_before, blank = line or text_before, not line


def pages():
    return texts(lambda path: path.endswith('.md'))


def citations():
    """Pages and sections that comments and pages name."""
    sections = set(re.findall(r'^#+ (\d+[a-z]?)\. ', text('docs/model.md'), re.M))
    for path, number, line in lines():
        for page in re.findall(r'\b(?:docs|weights|tests|examples)/[\w/-]+\.md\b', line):
            if not is_there(page):
                yield f'{path}:{number}: there is no {page}'
        for list_of in re.findall(r'model\.md,? sections? (\d+[a-z]?(?:(?:, | and | to )\d+[a-z]?)*)', line):
            for section in re.findall(r'\d+[a-z]?', list_of):
                if section not in sections:
                    yield f'{path}:{number}: docs/model.md has no section {section}'


def table_of_files():
    """docs/architecture.md: in which file is what."""
    table = '\n'.join(line for line in text('docs/architecture.md').split('\n') if line.startswith('| `'))
    names = set(re.findall(r'([\w/]+)(?:\.[ch])?`', table))
    names |= {os.path.basename(name) for name in names}
    for unit in sorted({path.rpartition('.')[0] for path in files() if re.fullmatch(r'lib/\w+\.[ch]', path)}):
        if os.path.basename(unit) not in names and not os.path.basename(unit).startswith('unicode_'):
            yield f'{unit} is not in the table'
    for name in re.findall(r'`([\w/]+\.(?:[ch]|py|sh|def))`', table):
        if not any(path == name or path.endswith('/' + name) for path in files()):
            yield f'{name} is in the table and nowhere else'


# ---- build ----


def help_lists():
    content = re.sub(r'\\\n', ' ', ''.join(text(path) for path in chosen(is_make)))
    internal = set(' '.join(re.findall(r'^INTERNAL \+?:?= *(.*)', content, re.M)).split())
    phony = set(' '.join(re.findall(r'^\.PHONY: *(.*)', content, re.M)).replace('$(INTERNAL)', '').split())
    shown = run(os.environ.get('MAKE', 'make'), '--no-print-directory', '-s', 'help').stdout
    listed = set(re.findall(r'^make ([\w-]+)(?:  |$)', shown, re.M))
    yield from (f'make help has no line for {target}' for target in sorted(phony - listed - internal))
    yield from (f'make help has a line for {target}, which is none' for target in sorted(listed - phony))


def every_function_is_used():
    objects = os.environ['LIB_OBJ'].split()
    defined, used = {}, set()
    for line in run('nm', '-A', *objects, check=True).stdout.splitlines():
        place, symbol = line.partition(':')[0], line.split()[-2:]
        if symbol[0] in 'TDRBVW':
            defined[symbol[1]] = place
        elif symbol[0] == 'U':
            used.add(symbol[1])
    if len(defined) < 100:
        yield f'{len(defined)} functions in the library: is it built?'
    for name in sorted(defined.keys() - used):
        if not name.startswith('e2str_') and name not in SEAMS:
            yield f'{name} in {defined[name]}: no other file of the library uses it: static, or gone'
    yield from (
        f'{name} is no exception (any more)' for name in sorted(SEAMS.keys() & used | SEAMS.keys() - defined.keys())
    )


CHECKS = {
    'C and C++ are as clang-format writes them (make format)': formatted_c,
    'Python is as ruff writes it (make format)': formatted_python,
    'ruff finds nothing in Python': python_without_faults,
    'shellcheck finds nothing in shell scripts': shell_without_faults,
    'codespell finds nothing in pages and comments': spelling,
    f'{WIDTH} columns, {MARKDOWN_WIDTH} in Markdown': width,
    'no blanks at the end of a line, no tabs': blanks,
    'the last line is whole': last_line,
    'every source file names its licence (make format)': licence,
    'words that a stranger can follow': words,
    'links lead to files and headings of this repository': links,
    'pages and sections that are cited are there': citations,
    'code in pages is fenced, and its tag says what it is': blocks_of_code,
    'docs/architecture.md has every file of lib/': table_of_files,
    'make help has a line for every target': help_lists,
    'every function that files of the library share is used': every_function_is_used,
}


def fix():
    for path in unlicensed():
        block = is_c(path) or path.endswith(('.js', '.css'))
        comment = f'/* {SPDX} */\n' if block else f'// {SPDX}\n' if is_foreign(path) else f'# {SPDX}\n'
        first, rest = (shebang(path) + '\n', text(path).partition('\n')[2]) if shebang(path) else ('', text(path))
        with open(os.path.join(ROOT, path), 'w') as file:
            file.write(first + comment + rest)
    problems = clang_format('-i') + tool(
        'ruff', 'check', '--quiet', '--fix', '--output-format', 'concise', *chosen(is_python)
    )
    return problems + tool('ruff', 'format', '--quiet', *chosen(is_python))


def main():
    if sys.argv[1:] == ['--fix']:
        sys.exit('\n'.join(fix()) or 0)
    failed = False
    for name, check in CHECKS.items():
        problems = list(check())
        failed = failed or bool(problems)
        print(*problems, f'not ok - {name}' if problems else f'ok - {name}', sep='\n')
    sys.exit(failed)


if __name__ == '__main__':
    main()
