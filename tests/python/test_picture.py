# SPDX-License-Identifier: MIT
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import e2str
import numpy as np
from PIL import Image
from support import IMAGES, Case, noise

JPEG, PNG = f'{IMAGES}/coffee.jpg', f'{IMAGES}/open.png'


def pixels(path):
    return np.asarray(Image.open(path).convert('RGB')).copy()


class TestPicture(Case):
    def test_sources(self):
        """a path, bytes, an array and a PIL image of a file read the same"""
        for path in (JPEG, PNG):
            same = [Path(path), Path(path).read_bytes(), pixels(path), Image.open(path), e2str.Picture(path)]
            for source in (*same, os.path.abspath(path)):
                self.reads_as(path, source)

    def test_odd_path(self):
        """paths need not be UTF-8"""
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(os.fsencode(folder), b'caf\xe9.png')
            with open(name, 'wb') as file:
                file.write(Path(PNG).read_bytes())
            self.reads_as(PNG, os.fsdecode(name))
            with self.assertRaisesRegex(e2str.FileError, 'caf'):
                self.reader.read(os.fsdecode(name) + 'x')

    def test_strides(self):
        """arrays with any strides read as their copies"""
        wide = np.zeros((34, 160, 3), np.uint8)
        wide[::2, ::2] = noise(80, 17)
        for channels in (3, 0, 1, 4):
            whole = noise(channels=channels)
            for view in (whole[2:15, 3:30], whole[::-1], whole[:, ::-1], whole.swapaxes(0, 1), whole[:1], whole[:, :1]):
                self.reads_as(view, view.copy())
            self.reads_as(whole, np.asfortranarray(whole))
        self.reads_as(wide[::2, ::2], noise(80, 17))
        self.reads_as(np.broadcast_to(noise(1, 17), (17, 40, 3)), np.repeat(noise(1, 17), 40, 1))
        frozen = noise()
        frozen.flags.writeable = False
        self.reads_as(frozen, noise())

    def test_colours(self):
        """grey, RGBA and BGR arrays read as the RGB that they are"""
        rgb = pixels(JPEG)
        grey = rgb[:, :, 1]
        self.reads_as(grey, np.repeat(grey[:, :, None], 3, 2))
        self.reads_as(e2str.Picture(rgb[:, :, ::-1], bgr=True), rgb)
        self.reads_as(e2str.Picture(rgb[:, :, ::-1].copy(), bgr=True), rgb)
        clear = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
        self.reads_as(clear, rgb)
        self.reads_as(e2str.Picture(clear[:, :, [2, 1, 0, 3]], bgr=True), rgb)

    def test_pil(self):
        """PIL images of every mode"""
        picture = Image.open(JPEG)
        for mode in ('1', 'L', 'RGB', 'RGBA', 'CMYK', 'YCbCr', 'HSV', 'P', 'LA', 'La', 'PA', 'RGBX'):
            with self.subTest(mode=mode):
                if mode in ('La', 'PA'):
                    other = picture.convert('LA').convert(mode)
                    self.reads_as(other, other.convert('LA').convert('RGBA'))
                else:
                    other = picture.convert(mode)
                    self.reads_as(other, other.convert('RGBA' if mode == 'LA' else 'RGB'))
        deep = np.asarray(picture.convert('L')).astype(np.uint16) << 8 | 0x7F
        self.reads_as(Image.fromarray(deep), picture.convert('L'))
        see_through = Image.open(PNG).convert('P')
        see_through.info['transparency'] = 0
        self.reads_as(see_through, see_through.convert('RGBA'))
        for mode in ('I', 'F'):
            with self.assertRaisesRegex(TypeError, f"mode '{mode}'"):
                self.reader.read(picture.convert(mode))

    def test_options(self):
        """a picture can be turned, and limited, for itself"""
        rgb = pixels(JPEG)
        upright = self.reader.read(rgb)
        for turns in range(4):
            turned = self.reader.read(e2str.Picture(np.rot90(rgb, turns), rotate=90 * turns))
            self.assertEqual(turned.area.rotate, 90 * turns)
            self.assertEqual(replace(turned, area=upright.area), upright)
        limited = e2str.Picture(JPEG, max_side=1000, ignore_orientation=True, max_pixels=None)
        self.assertEqual((limited.height, limited.width), rgb.shape[:2])
        for limit in (dict(max_side=10), dict(max_pixels=100)):
            with self.assertRaises(e2str.LimitError):
                e2str.Picture(JPEG, **limit)
        with self.assertRaisesRegex(e2str.ArgumentError, 'rotate'):
            self.reader.read(e2str.Picture(rgb, rotate=45))

    def test_loose(self):
        """a loose crop is trimmed, and turned by itself; the area says what was read"""
        rgb = pixels(PNG)
        loose = np.full((rgb.shape[0] + 200, rgb.shape[1] + 300, 3), rgb[0, 0], np.uint8)
        loose[120:-80, 100:-200] = rgb
        area = self.reader.read(e2str.Picture(loose, trim='always')).area
        self.assertTrue(area.width < rgb.shape[1] + 60 and area.height < rgb.shape[0] + 60)
        whole = self.reader.read(e2str.Picture(loose, trim='never')).area
        self.assertEqual(whole, e2str.Area(0, 0, loose.shape[1], loose.shape[0], 0))
        turned = self.reader.read(e2str.Picture(np.rot90(rgb, 2), rotate='auto'))
        self.assertEqual((turned.text, turned.area.rotate), ('OPEN', 180))
        self.assertRaisesRegex(e2str.ArgumentError, "'auto'", e2str.Picture, rgb, rotate='left')
        self.assertRaisesRegex(e2str.ArgumentError, "'never'", e2str.Picture, rgb, trim='maybe')

    def test_cut(self):
        """quadrangles are pulled straight; a rectangle has the picture's own pixels"""
        rgb = pixels(PNG)
        corners = [(20, 10), (190, 10), (190, 70), (20, 70)]
        for array, bgr in ((rgb, False), (rgb[:, :, 0].copy(), False), (rgb[::-1], False)):
            picture = e2str.Picture(array, bgr=bgr, trim='never')
            self.assertTrue(np.array_equal(picture.array(), array))
            cut = picture.cut(np.array(corners, np.float32))
            self.assertEqual((cut.width, cut.height), (170, 60))
            self.assertTrue(np.array_equal(cut.array(), array[10:70, 20:190]))
            self.reads_as(cut, e2str.Picture(array[10:70, 20:190].copy(), trim='never'))
        turned = e2str.Picture(np.rot90(rgb).copy()).cut([(0, 231), (0, 0), (81, 0), (81, 231)])
        self.assertEqual(self.reader.read(turned).text, 'OPEN')
        half = e2str.Picture(rgb).cut(corners, 85, 30)
        self.assertEqual(half.array().shape, (30, 85, 3))
        self.assertRaisesRegex(ValueError, '6 numbers', e2str.Picture(rgb).cut, corners[:3])
        self.assertRaisesRegex(e2str.ArgumentError, 'counter-clockwise', e2str.Picture(rgb).cut, corners[::-1])
        self.assertRaises(e2str.ArgumentError, e2str.Picture(rgb).cut, corners, -1)

    def test_wrong(self):
        """what is no picture is refused by what is wrong with it"""
        self.assertRaisesRegex(TypeError, 'not NoneType', self.reader.read, None)
        self.assertRaisesRegex(TypeError, 'not float64', self.reader.read, np.zeros((8, 8)))
        self.assertRaisesRegex(ValueError, r'not \[8, 8, 2\]', self.reader.read, np.zeros((8, 8, 2), np.uint8))
        self.assertRaisesRegex(ValueError, r'not \[8\]', self.reader.read, np.zeros(8, np.uint8))
        self.assertRaises(e2str.ArgumentError, self.reader.read, np.zeros((0, 8), np.uint8))
        self.assertRaises(e2str.ArgumentError, self.reader.read, np.zeros((8, 0, 3), np.uint8))
        self.assertRaises((e2str.ArgumentError, e2str.LimitError), self.reader.read, np.zeros((1, 20000), np.uint8))
        self.assertRaises(ValueError, self.reader.read, 'a\0b')
        self.assertRaisesRegex(TypeError, 'max_side', e2str.Picture, noise(), max_side=10)
        self.assertRaisesRegex(TypeError, 'turn', e2str.Picture, PNG, turn=10)
        self.assertRaisesRegex(TypeError, 'bgr', e2str.Picture, PNG, bgr=True)
        self.assertRaisesRegex(e2str.ArgumentError, 'rotate', e2str.Picture, PNG, rotate=-1)

    def test_broken(self):
        """a broken file is an exception with the library's message"""
        data = Path(JPEG).read_bytes()
        with self.assertRaises(e2str.ImageError) as caught:
            self.reader.read(data[: len(data) // 3])
        self.assertEqual(caught.exception.status, 'image')
        self.assertIn('runcated', str(caught.exception))
        with self.assertRaisesRegex(e2str.ImageError, 'labels.tsv'):
            self.reader.read(f'{IMAGES}/labels.tsv')
        with self.assertRaisesRegex(e2str.FileError, 'none.png') as missing:
            self.reader.read('none.png')
        self.assertIsInstance(missing.exception, OSError)
