# SPDX-License-Identifier: MIT
"""Reading words against the recognisers of PaddleOCR in ONNX Runtime, in turn, each with one thread and with two.

    peers.py LIBRARY.so MODEL SECONDS FOLDER

What they need is in ppocr.py. What is missing is named and left out.
"""

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from ppocr import RECOGNISERS, Recogniser

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'examples', 'python'))


def race(entries, pictures, seconds):
    """Mean over the pictures of each one's least time. They take turns by pictures; before each, threads that spin
    after their work get time to fall asleep, and the entry reads the picture once uncounted."""
    best = {entry: [float('inf')] * len(pictures) for entry in entries}
    end = time.time() + seconds * len(entries)
    while time.time() < end:
        for i in range(len(pictures)):
            for entry, (read, given) in entries.items():
                time.sleep(0.002)
                read(given[i])
                for _ in range(3):
                    begin = time.perf_counter()
                    read(given[i])
                    best[entry][i] = min(best[entry][i], time.perf_counter() - begin)
    return {entry: sum(times) / len(times) for entry, times in best.items()}


def main():
    library_path, model, seconds, folder = sys.argv[1:]
    os.environ['E2STR_LIBRARY'] = library_path
    from e2str import Reader

    files = sorted(path for path in Path(folder).iterdir() if path.suffix in ('.png', '.jpg'))
    pictures = [cv2.imread(str(path)) for path in files]
    rgb = [np.ascontiguousarray(picture[:, :, ::-1]) for picture in pictures]
    entries = {}
    for threads in (1, 2):
        entries['libe2str', threads] = Reader(model, threads=threads, spin_microseconds=300).read, rgb
        for name in RECOGNISERS:
            try:
                entries[name, threads] = Recogniser(name, threads).classes, pictures
            except ImportError as missing:
                if threads == 1:
                    print(missing, file=sys.stderr)
    print('what,by,type,model,shape,threads,us,rate,unit,of_peak')
    for (by, threads), took in race(entries, pictures, float(seconds)).items():
        print(f'word against peers,{by},,,{len(files)} crops,{threads},{took * 1e6:.3f},{1 / took:.4g},words/s,')


main()
