# SPDX-License-Identifier: MIT
import os
import re
import subprocess
import tempfile
import unittest
from dataclasses import fields

import e2str
from e2str import _abi, picture, reader, stream

HEADER = 'include/e2str.h'
OUTPUT = ('log', 'log_user', 'size')


def members(name):
    """Those that options or answers of Python have."""
    names = [field[0] for field in _abi.HEADER.structs[f'e2str_{name}']._fields_]
    sizes = [f'n_{n}' for n in names] + [f'{n}_size' for n in names] + [f'{n}_user' for n in names]
    return [name for name in names if name not in OUTPUT and name not in sizes]


class TestHeader(unittest.TestCase):
    def test_package_has_the_header(self):
        """the package's header is that of include/"""
        with open(HEADER) as ours, open(_abi.PACKAGE / 'e2str.h') as theirs:
            self.assertEqual(ours.read(), theirs.read())

    def test_all_structures(self):
        """every structure and function of the header is known"""
        with open(HEADER) as file:
            text = file.read()
        enums, structs = (re.findall(rf'^typedef {kind} (\w+) {{', text, re.M) for kind in ('enum', 'struct'))
        self.assertEqual((sorted(_abi.HEADER.enums), sorted(_abi.HEADER.structs)), (sorted(enums), sorted(structs)))
        self.assertEqual(set(_abi.HEADER.functions), set(re.findall(r'^E2STR_API[^(]*?(\w+)\(', text, re.M)))
        self.assertGreater(len(_abi.HEADER.functions), 60)

    def test_numbers(self):
        """enumerations and constants"""
        self.assertEqual(_abi.HEADER.enums['e2str_storage'], {'f16': 1, 'f32': 2})
        self.assertEqual(_abi.HEADER.constants['E2STR_SIMILARITY_OF_MODEL'], -2.0)
        self.assertEqual(_abi.HEADER.choices('rotate'), {'auto': 2**32 - 1})
        self.assertEqual(_abi.HEADER.constants['E2STR_ERROR_NOT_FOUND'], 11)
        self.assertEqual(_abi.HEADER.choices('precision')['int8'], 3)

    def test_layout(self):
        """structures are laid out as the C compiler lays them out"""
        ours, program = [], ['#include <e2str.h>', '#include <stdio.h>', 'int main(void) {']
        for name, kind in sorted(_abi.HEADER.structs.items()):
            ours.append(f'{name} {_abi.ctypes.sizeof(kind)}')
            program.append(f'printf("%s %zu\\n", "{name}", sizeof({name}));')
            for field, _ in kind._fields_:
                place = getattr(kind, field)
                ours.append(f'{name}.{field} {place.offset} {place.size}')
                where = f'offsetof({name}, {field}), sizeof((({name} *)0)->{field})'
                program.append(f'printf("%s %zu %zu\\n", "{name}.{field}", {where});')
        with tempfile.TemporaryDirectory() as folder:
            source, binary = os.path.join(folder, 'a.c'), os.path.join(folder, 'a')
            with open(source, 'w') as file:
                file.write('\n'.join([*program, 'return 0; }\n']))
            subprocess.run([*os.environ.get('CC', 'cc').split(), '-Iinclude', source, '-o', binary], check=True)
            theirs = subprocess.run([binary], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        self.assertEqual(ours, theirs)

    def test_options(self):
        """every option of the header can be given, and every answer is shown"""
        options = {
            'model_options': reader.ModelOptions,
            'read_options': reader.ReadOptions,
            'pool_options': reader.PoolOptions,
            'learn_options': reader.LearnOptions,
            'image_limits': picture.FileLimits,
            'constraint_options': reader.ConstraintOptions,
            'stream_options': stream.StreamOptions,
        }
        for name, kind in options.items():
            by_python = ['accept', 'threads']
            self.assertEqual(list(kind.__annotations__), [one for one in members(name) if one not in by_python])
        answers = dict(model_info=e2str.ModelInfo, memory_report=e2str.Report, box=e2str.Box, area=e2str.Area)
        answers.update(correction=e2str.Correction, stream_report=e2str.StreamReport, pool_info=e2str.PoolInfo)
        for name, kind in answers.items():
            self.assertEqual([field.name for field in fields(kind)], members(name))
        by_python = ['pixels', 'width', 'height', 'stride', 'format', 'owned']
        view = [name for name in members('image') if name not in by_python]
        self.assertEqual(list(picture.PictureOptions.__annotations__), view)

    def test_statuses(self):
        """every status has its exception"""
        values = [value for value in _abi.HEADER.enums['e2str_status'].values() if value]
        names = {_abi.lib.e2str_status_name(value).decode() for value in values}
        self.assertEqual({kind.status for kind in e2str.Error.__subclasses__()}, names)
        self.assertTrue(all(kind.__name__ in e2str.__all__ for kind in e2str.Error.__subclasses__()))
