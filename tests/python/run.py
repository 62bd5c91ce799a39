# SPDX-License-Identifier: MIT
"""Runs the tests of this folder on the package that is installed, one line each, for tests/run.sh.

    run.py ROOT        the repository, whose images, models and header the tests use

Each line names the Python version. The environment: E2STR_CPU as ever, CC.
"""

import os
import platform
import sys
import unittest


class Lines(unittest.TestResult):
    def _say(self, verdict, test, note=''):
        name = (test.shortDescription() or str(test)).rstrip('.')
        print(f'{verdict} - Python {platform.python_version()}: {name}{note}', flush=True)

    def addSuccess(self, test):
        self._say('ok', test)

    def addSkip(self, test, reason):
        self._say('ok', test, f' # SKIP {reason}')

    def addFailure(self, test, error):
        print(self._exc_info_to_string(error, test))
        self._say('not ok', test)
        super().addFailure(test, error)

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error:
            print(f'# {subtest}')
            self.addFailure(test, error)


if __name__ == '__main__':
    here = os.path.dirname(os.path.abspath(__file__))
    os.environ['PYTHONPATH'] = ''
    os.chdir(sys.argv[1])
    result = unittest.defaultTestLoader.discover(here, top_level_dir=here).run(Lines())
    sys.exit(not result.wasSuccessful())
