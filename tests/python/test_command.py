# SPDX-License-Identifier: MIT
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import e2str
from support import IMAGES, TINY, Case, labels

PATHS, TEXTS = zip(*labels(IMAGES))
QUERY, PRICE = labels('examples/demo/queries')[0]


class TestCommand(Case):
    def command(self, *arguments, status=0, **environment):
        """Its output of both kinds."""
        run = subprocess.run(
            [sys.executable, '-m', 'e2str', *arguments],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual((run.returncode, 'Traceback' in run.stderr), (status, False), run.stderr)
        return run.stdout, run.stderr

    def test_reads(self):
        """python -m e2str is the command, with the model of the package"""
        out, _ = self.command('read', *PATHS)
        self.assertEqual(
            [line.split('\t')[:2] for line in out.splitlines()], [list(pair) for pair in zip(PATHS, TEXTS)]
        )
        self.assertRegex(self.command('--version')[0], f'^e2str {e2str.__version__} ')
        with tempfile.TemporaryDirectory() as folder:
            pool = os.path.join(folder, 'a b.pool')
            self.command('pool', 'add', pool, '--labels', 'examples/demo/pool/labels.tsv')
            self.assertEqual(self.command('read', '-p', pool, QUERY)[0].split('\t')[1], PRICE)
            self.assertEqual(self.reader.read(QUERY, e2str.Pool.load(self.reader, pool)).text, PRICE)

    def test_status(self):
        """the command's exit status, messages and signals come through"""
        self.assertIn('none.png: ', self.command('read', 'none.png', status=1)[1])
        self.assertIn('--beem', self.command('read', '--beem', '2', status=2)[1])
        self.assertIn('usage: e2str read', self.command(status=2)[1])
        self.assertIn('usage: e2str read', self.command('help')[0])
        reading, writing = os.pipe()
        os.close(reading)
        with open(writing, 'wb') as nobody:
            run = subprocess.run([sys.executable, '-m', 'e2str', 'help'], stdout=nobody, stderr=subprocess.PIPE)
        self.assertEqual((run.returncode, run.stderr), (-signal.SIGPIPE, b''))

    def test_model(self):
        """E2STR_MODEL names another model; where it is empty, that of the package is meant"""
        self.assertIn('none.gguf', self.command('read', PATHS[0], status=1, E2STR_MODEL='none.gguf')[1])
        self.assertNotIn(TEXTS[0], self.command('read', PATHS[0], E2STR_MODEL=TINY)[0])
        self.assertIn(TEXTS[0], self.command('read', PATHS[0], E2STR_MODEL='')[0])
        script = 'import e2str; print(e2str.Reader().read("%s"))' % PATHS[0]
        run = subprocess.run([sys.executable, '-c', script], env={**os.environ, 'E2STR_MODEL': ''}, capture_output=True)
        self.assertEqual(run.stdout.decode().strip(), TEXTS[0], run.stderr)

    def test_programs(self):
        """teach and report are commands of it, wherever their own scripts are"""
        for program in ('teach', 'report'):
            for arguments in ((program, '--help'), ('help', program), ('--help', program)):
                self.assertIn(f'usage: e2str-{program} ', self.command(*arguments, PATH='/nowhere')[0])
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, 'a.html')
            self.command('report', PATHS[0], '-o', page, PATH='/nowhere')
            self.assertIn(TEXTS[0], page.read_text('utf-8'))
            self.assertIn('no pictures', self.command('teach', folder, status=1)[1])
