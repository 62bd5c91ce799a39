# SPDX-License-Identifier: MIT
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

# Pages that show how a pool reads a price tag.
SHOWN = ('README.md', 'docs/python.md')


class TestDocs(unittest.TestCase):
    def test_blocks(self):
        """the programs of the pages run as they stand"""
        for page in ('README.md', *sorted(glob.glob('docs/*.md'))):
            with open(page, encoding='utf-8') as file:
                blocks = re.findall(r'^```python\n(.*?)^```', file.read(), re.M | re.S)
            if page in SHOWN:
                self.assertTrue(blocks, page)
            with tempfile.TemporaryDirectory() as folder:
                os.symlink(os.path.abspath('examples'), os.path.join(folder, 'examples'))
                for block in blocks:
                    run = subprocess.run([sys.executable, '-'], cwd=folder, input=block, text=True, capture_output=True)
                    self.assertEqual(run.returncode, 0, run.stderr)
                    if page in SHOWN:
                        self.assertRegex(run.stdout, '₩17,250')
