# SPDX-License-Identifier: MIT
"""Which commit is measured."""

import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def commit():
    """As git describes it; 'unknown' without git, or outside of a repository."""
    if not shutil.which('git'):
        return 'unknown'
    git = subprocess.run(['git', '-C', ROOT, 'describe', '--always', '--dirty'], capture_output=True, text=True)
    return git.stdout.strip() or 'unknown'
