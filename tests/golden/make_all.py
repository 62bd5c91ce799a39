# SPDX-License-Identifier: MIT
"""Makes every generated test file again, in $BUILD/golden, and compares it with the committed one: make golden

Files have to be the same bytes. Golden values (*.golden.gguf) that are not, because another PyTorch sums in another
order, may differ by TOLERANCE of their tensor's largest magnitude; ids, cases, images and planes are the same even
then. UPDATE=1 replaces the committed files. Prints "ok - name" or "not ok - name" lines for tests/run.sh.
"""

import glob
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import gguf
import make_cut
import make_golden
import make_resize
import make_tokenizer
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(os.path.abspath(os.environ.get('BUILD', os.path.join(ROOT, 'build'))), 'golden')
UPDATE = os.environ.get('UPDATE') == '1'
TOLERANCE = 1e-6
EXACT = ('planes.', 'image.')


# ---- making; each function fills folders below OUT ----


def folder_for(place):
    """The folder in OUT for the files of this folder of the repository."""
    folder = os.path.join(OUT, os.path.relpath(place, ROOT))
    os.makedirs(folder, exist_ok=True)
    return folder


def golden_models(model):
    torch.set_num_threads(1)
    make_golden.make(model, folder_for(HERE))


def written_beside(script):
    """A script that writes its files beside itself: run as a copy."""
    copy = shutil.copy(script, folder_for(os.path.dirname(script)))
    subprocess.run([sys.executable, '-W', 'ignore', copy], check=True)
    os.remove(copy)


def printed(script):
    """NAME.py prints NAME.h."""
    name = os.path.basename(script)[: -len('.py')] + '.h'
    with open(os.path.join(folder_for(os.path.dirname(script)), name), 'wb') as file:
        subprocess.run([sys.executable, script], stdout=file, check=True)


def jobs():
    """(function, argument) pairs, the longest first."""
    beside = [os.path.join(ROOT, 'tests', folder, 'make.py') for folder in ('images', 'bad')]
    beside.append(os.path.join(ROOT, 'examples', 'page', 'draw.py'))
    return (
        [(golden_models, model) for model in make_golden.MODELS]
        + [(module.make, folder_for(HERE)) for module in (make_tokenizer, make_resize, make_cut)]
        + [(written_beside, script) for script in beside]
        + [(printed, script) for script in glob.glob(os.path.join(ROOT, 'lib', 'unicode_*.py'))]
    )


# ---- comparing ----


def contents(path):
    with open(path, 'rb') as file:
        return file.read()


def difference(made, committed):
    """What is wrong with golden values whose bytes differ from the committed ones; empty: within the tolerance."""
    ours, theirs = gguf.GGUFReader(made), gguf.GGUFReader(committed)
    if [(t.name, t.tensor_type, t.shape.tolist()) for t in ours.tensors] != [
        (t.name, t.tensor_type, t.shape.tolist()) for t in theirs.tensors
    ]:
        return 'other tensors or shapes'
    for a, b in zip(ours.tensors, theirs.tensors):
        exact = a.tensor_type != gguf.GGMLQuantizationType.F32 or a.name.startswith(EXACT)
        if exact and not np.array_equal(a.data, b.data):
            return f'{a.name} differs'
        if not exact and np.abs(a.data - b.data).max() > TOLERANCE * np.abs(b.data).max():
            return f'{a.name} differs by {np.abs(a.data - b.data).max():.2g} of {np.abs(b.data).max():.2g}'
    return ''


def verdict(made, committed):
    """What is wrong with a file, or ''."""
    if not os.path.exists(committed):
        return 'is not committed'
    if contents(made) == contents(committed):
        return ''
    return difference(made, committed) if made.endswith('.golden.gguf') else 'is not the same bytes'


def compare(name, made, committed, leftover=()):
    wrong = {path: verdict(path, target) for path, target in zip(made, committed)}
    wrong = [f'{os.path.basename(path)} {why}' for path, why in wrong.items() if why]
    wrong += [f'{os.path.basename(path)} is not made by anything' for path in leftover]
    if wrong and UPDATE:
        for path, target in zip(made, committed):
            shutil.copyfile(path, target)
        for path in leftover:
            os.remove(path)
        print(f'ok - {name}: replaced')
    else:
        print('\n'.join([f'{"not " if wrong else ""}ok - {name}', *(f'# {line}' for line in wrong)]), flush=True)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    with ProcessPoolExecutor() as pool:
        for done in [pool.submit(function, argument) for function, argument in jobs()]:
            done.result()
    for folder, _, files in os.walk(OUT):
        place = os.path.join(ROOT, os.path.relpath(folder, OUT))
        made, committed = ([os.path.join(where, name) for name in sorted(files)] for where in (folder, place))
        kinds = {os.path.splitext(name)[1] for name in files}
        others = {os.path.join(place, name) for name in os.listdir(place) if os.path.splitext(name)[1] in kinds}
        leftover = others - set(committed) if place.startswith(os.path.join(ROOT, 'tests')) else []
        if place == HERE:
            for path, target in zip(made, committed):
                compare(os.path.basename(path), [path], [target])
            compare('no other files in tests/golden', [], [], leftover)
        elif files:
            compare(', '.join(files) if len(files) == 1 else os.path.relpath(place, ROOT), made, committed, leftover)


if __name__ == '__main__':
    main()
