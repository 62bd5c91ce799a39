# SPDX-License-Identifier: MIT
"""python -m e2str teach FOLDER, python -m e2str report CROPS: the programs of this package."""

import sys

from .report import main as report
from .teach import main as teach

PROGRAMS = {'teach': teach, 'report': report}

if len(sys.argv) > 1 and sys.argv[1] in PROGRAMS:
    sys.exit(PROGRAMS[sys.argv[1]](sys.argv[2:]))
asked = sys.argv[1:] in (['-h'], ['--help'])
print(f'usage: python -m e2str {{{"|".join(PROGRAMS)}}} ...', file=sys.stdout if asked else sys.stderr)
sys.exit(0 if asked else 2)
