# SPDX-License-Identifier: MIT
"""Puts the library, its header, the command and the weights into the wheel: a hook of hatchling, see pyproject.toml."""

import glob
import os
import re
import subprocess
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, 'build', 'python')
VENDORED = 'libpng16-16*', 'libjpeg*-turb*[0-9o]'  # what auditwheel puts beside the library, by Debian's names


def version() -> str:
    """Of the header, which is where it is written."""
    with open(os.path.join(ROOT, 'include', 'e2str.h'), encoding='utf-8') as file:
        return '.'.join(re.findall(r'^#define E2STR_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$', file.read(), re.M))


class Hook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable installation takes library and weights from where they lie: make."""
        if version == 'editable':
            return
        settings = [f'BUILD={os.path.relpath(BUILD, ROOT)}', 'CFLAGS=-O2', 'LDFLAGS=-Wl,-s']
        jobs = f'-j{os.cpu_count() or 1}'
        targets = 'shared', f'{os.path.relpath(BUILD, ROOT)}/e2str'
        subprocess.run([os.environ.get('MAKE', 'make'), '-s', jobs, *targets, *settings], cwd=ROOT, check=True)
        build_data['tag'] = 'py3-none-' + re.sub(r'\W', '_', sysconfig.get_platform())
        licences = [path for pattern in VENDORED for path in glob.glob(f'/usr/share/doc/{pattern}/copyright')]
        build_data['force_include'] = {
            **{path: f'e2str/licences/{os.path.basename(os.path.dirname(path))}' for path in licences},
            os.path.join(BUILD, 'libe2str.so'): 'e2str/libe2str.so',
            os.path.join(BUILD, 'e2str'): 'e2str/bin/e2str',
            os.path.join(ROOT, 'include', 'e2str.h'): 'e2str/e2str.h',
            os.path.join(ROOT, 'weights', 'e2str-small.gguf'): 'e2str/e2str-small.gguf',
        }
