# SPDX-License-Identifier: MIT
"""The pages of e2str-teach and e2str-report in a headless browser: make teach-test

browser.py         with the packages of browser.txt, Debian's chromium (or $CHROMIUM), and the package e2str
"""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
os.chdir(ROOT)
CHROMIUM = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser')
RULES = 'MAP rebound.example 127.0.0.1'


def labels(folder):
    lines = Path(folder, 'labels.tsv').read_text('utf-8').splitlines()
    return {name: text for name, text in (line.split('\t') for line in lines)}


POOL, QUERIES = (labels(f'examples/demo/{name}') for name in ('pool', 'queries'))


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.playwright = sync_playwright().start()
        cls.addClassCleanup(cls.playwright.stop)
        arguments = ['--no-sandbox', f'--host-resolver-rules={RULES}']
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.complaints, self.requests = [], []

    def open(self, url, scheme='light', **options):
        """A page; what it complains of, opens or asks for is noted."""
        context = self.browser.new_context(viewport={'width': 1180, 'height': 720}, color_scheme=scheme, **options)
        self.addCleanup(context.close)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on('console', lambda message: self.complaints.append(message.text))
        page.on('pageerror', lambda error: self.complaints.append(str(error)))
        page.on('dialog', lambda dialog: (self.complaints.append(f'dialog {dialog.message}'), dialog.dismiss()))
        page.on('request', lambda request: self.requests.append(request.url))
        self.answer = page.goto(url, wait_until='domcontentloaded')
        return page

    def until(self, page, script, seconds=60):
        """Waits until a script is true: by asking, since the page forbids that code is made of text."""
        end = time.monotonic() + seconds
        while not page.evaluate(script):
            self.assertLess(time.monotonic(), end, script)
            time.sleep(0.02)

    def accessible(self, page):
        """No rule of axe-core is broken."""
        found = Axe().run(page).response['violations']
        self.assertEqual([(one['id'], [node['html'][:120] for node in one['nodes']][:3]) for one in found], [])


class TestTeach(Case):
    def fill(self, names=None):
        for folder, known in (('pool', POOL), ('queries', QUERIES)):
            for name in known:
                shutil.copy(f'examples/demo/{folder}/{name}', self.folder)

    def serve(self, *options):
        """(process, address)"""
        command = [sys.executable, '-m', 'e2str', 'teach', self.folder, *options]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(run.stdout.close)
        self.addCleanup(lambda: (run.kill(), run.wait()))
        run.stdout.readline()
        return run, run.stdout.readline().strip()

    def settled(self, page, seconds=60):
        self.until(page, 'news.lesson !== undefined && crops.size > 0 && !news.stale && !news.learning', seconds)

    def reading(self, page, name):
        return page.evaluate('(name) => [...crops.values()].find((crop) => crop.name === name)', name)

    def teach(self, page, names, typed=POOL):
        """Goes to crops by a click, types their labels."""
        for name in names:
            page.evaluate('(name) => choose([...crops.values()].find((crop) => crop.name === name).id)', name)
            page.locator('#field').fill(typed[name])
            page.keyboard.press('Enter')
            # not by what the status says, since news of what was learnt may take its place at once
            known = f'(one) => one.name === {json.dumps(name)} && one.label !== null && !one.sending'
            self.until(page, f'[...crops.values()].some({known})')

    def test_teaching(self):
        """ten labels change other readings before one's eyes; undo and reload lose nothing"""
        self.fill()
        run, url = self.serve()
        page = self.open(url)
        self.settled(page)
        before = {name: self.reading(page, name)['text'] for name in QUERIES}
        self.assertNotIn(QUERIES[next(iter(QUERIES))], before.values())
        first = page.locator('.current img').get_attribute('alt')
        least = page.evaluate('[...crops.values()].sort((a, b) => a.c - b.c)[0].name')
        self.assertEqual(first, least)
        names = list(POOL)[:10]
        self.teach(page, names)
        self.settled(page)
        after = {name: self.reading(page, name) for name in QUERIES}
        changed = [name for name in QUERIES if after[name]['text'] != before[name]]
        self.assertGreaterEqual(len(changed), 4)
        self.assertEqual(after[changed[0]]['was'] is None, False)
        page.evaluate('(name) => list.reveal([...crops.values()].find((crop) => crop.name === name).id)', changed[0])
        row = page.locator(f'.row:has(img[alt="{changed[0]}"])')
        self.assertIn('was ', row.locator('.was').text_content())
        self.assertEqual(page.locator('#curve svg').count(), 1)
        self.assertRegex(page.locator('#accuracy').text_content(), r'^\d+ % of \d+ labels')
        page.reload(wait_until='domcontentloaded')
        self.settled(page)
        self.assertEqual(
            {name: self.reading(page, name)['label'] for name in names}, {name: POOL[name] for name in names}
        )
        page.get_by_role('button', name='Undo').click()
        self.until(page, "document.getElementById('status').textContent.startsWith('Undone')")
        self.settled(page)
        self.assertIsNone(self.reading(page, names[-1])['label'])
        self.assertEqual(labels_of(self.folder), {name: POOL[name] for name in names[:-1]})
        run.send_signal(signal.SIGKILL)
        run.wait()
        self.until(page, "document.getElementById('status').className === 'error'")
        again = self.open(self.serve()[1])
        self.settled(again)
        self.assertEqual(again.evaluate('[...crops.values()].filter((crop) => crop.label !== null).length'), 9)
        self.assertTrue(again.locator('#undo').is_enabled())
        with again.expect_download() as download:
            again.get_by_role('link', name='teach.pool').click()
        self.assertEqual(download.value.path().read_bytes()[:4], b'GGUF')
        self.assertEqual([one for one in self.complaints if 'ERR_' not in one], [])  # while the server was dead
        self.assertEqual(
            {re.match(r'(?:http://127\.0\.0\.1:\d+/[\w-]{32}|data:)', one) is None for one in self.requests}, {False}
        )

    def test_keyboard(self):
        """everything by keyboard, focus in sight; typing right behind Enter loses no letter"""
        self.fill()
        page = self.open(self.serve()[1])
        self.settled(page)
        self.assertEqual(page.evaluate('document.activeElement.id'), 'field')
        outline = page.evaluate('getComputedStyle(document.activeElement).outlineStyle')
        self.assertEqual(outline, 'solid')
        order = page.evaluate('order.map((id) => crops.get(id).name)')
        everything = POOL | QUERIES
        for name in order[:8]:
            page.keyboard.type(everything[name], delay=0)
            page.keyboard.press('Enter')
        self.until(page, 'news.labels === 8')
        self.assertEqual(labels_of(self.folder), {name: everything[name] for name in order[:8]})
        self.settled(page)
        here = 'crops.get(current).name'
        self.assertEqual(page.evaluate(here), order[8])
        page.keyboard.press('ArrowDown')
        self.assertEqual(page.evaluate(here), order[9])
        page.keyboard.type('rubbish')
        page.keyboard.press('Escape')
        self.assertEqual(page.input_value('#field'), self.reading(page, order[9])['text'])
        page.keyboard.press('ArrowUp')
        page.keyboard.press('PageDown')
        self.assertEqual(page.evaluate(here), order[18])
        page.keyboard.press('PageUp')
        page.keyboard.type('x')
        page.keyboard.press('Control+z')  # the typing
        self.assertEqual(page.evaluate('news.labels'), 8)
        page.keyboard.press('Escape')
        page.keyboard.press('Control+z')
        self.until(page, 'news.labels === 7')
        self.assertEqual((page.evaluate(here), page.evaluate('document.activeElement.id')), (order[7], 'field'))
        self.settled(page)
        page.evaluate("crops.set(current, {...crops.get(current), text: 'changed'}); offerAnew()")
        self.assertEqual(page.input_value('#field'), 'changed')
        page.keyboard.press('Enter')  # nobody can have read that yet
        self.assertIn('look again', page.locator('#status').text_content())
        self.assertEqual(page.evaluate(f'{here} + news.labels'), f'{order[7]}7')
        page.keyboard.press('Alt+s')
        rest = page.evaluate(
            'order.map((id) => crops.get(id)).filter((crop) => crop.label === null).map((crop) => crop.c)'
        )
        self.assertEqual(rest, sorted(rest))
        self.assertEqual(page.evaluate('order.indexOf(current)'), 0)
        page.keyboard.press('Control+/')
        self.assertTrue(page.locator('dialog').is_visible())
        self.accessible(page)
        page.keyboard.press('Escape')
        self.assertFalse(page.locator('dialog').is_visible())
        self.assertEqual(page.evaluate('document.activeElement.id'), 'field')
        reached = []
        for _ in range(8):
            page.keyboard.press('Tab')
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('href')"))
        self.assertLessEqual({'undo', 'help', 'teach.tsv', 'teach.pool'}, set(reached) | {'undo'} - {None})
        self.assertEqual(self.complaints, [])

    def test_lost(self):
        """what cannot be saved is said, and comes back into the field"""
        self.fill()
        run, url = self.serve()
        page = self.open(url)
        self.settled(page)
        name = page.evaluate('crops.get(current).name')
        run.send_signal(signal.SIGSTOP)
        page.keyboard.type('A-1')
        page.keyboard.press('Enter')
        self.assertEqual(page.locator(f'.row:has(img[alt="{name}"]) .state').text_content(), 'saving')
        run.send_signal(signal.SIGKILL)
        run.wait()
        self.until(page, f"crops.get(current).name === '{name}' && at('field').value === 'A-1'")
        self.assertTrue(page.evaluate("at('field').closest('.row').matches('.current')"))
        self.assertEqual((labels_of(self.folder), page.evaluate('crops.get(current).label')), ({}, None))

    def test_looks(self):
        """light and dark: contrast, names and roles as axe-core wants them; narrow screens"""
        self.fill()
        _, url = self.serve()
        for scheme in ('light', 'dark'):
            page = self.open(url, scheme)
            self.settled(page)
            if scheme == 'light':
                self.teach(page, list(POOL)[:12], {**POOL, list(POOL)[11]: 'Wednesday'})
                self.settled(page)
            page.wait_for_timeout(2000)  # what changed has faded in
            self.assertTrue(page.locator('#flagged-section').is_visible())
            self.accessible(page)
            page.set_viewport_size({'width': 420, 'height': 720})
            self.assertLessEqual(page.evaluate('document.documentElement.scrollWidth'), 420)
        self.assertEqual(self.complaints, [])

    def test_hostile(self):
        """names and labels with markup are text"""
        names = ['<img src=x onerror=alert(1)>.jpg', '"><script>alert(2)<\u2215script>.jpg', "' onload='alert(3).jpg"]
        for name in names:
            shutil.copy(f'examples/demo/pool/{next(iter(POOL))}', self.folder / name)
        label = '<img src=x onerror=alert(4)>"\'&amp;'
        page = self.open(self.serve()[1])
        self.settled(page)
        self.teach(page, names, dict.fromkeys(names, label))
        self.settled(page)
        page.reload(wait_until='domcontentloaded')
        self.settled(page)
        self.assertEqual(
            sorted(page.locator('.row img').evaluate_all('(all) => all.map((one) => one.alt)')), sorted(names)
        )
        self.assertEqual(page.locator('[onerror], [onload], .row script').count(), 0)
        self.assertIn(label, page.locator('.label').all_text_contents())
        self.assertEqual(self.complaints, [])

    def test_refused(self):
        """without the token, by another name of this machine, from another page: nothing"""
        self.fill()
        _, url = self.serve()
        port, token = re.match(r'http://127\.0\.0\.1:(\d+)/(.*)/', url).groups()
        for other in (
            url.replace(token, 'x' * 32),
            f'http://127.0.0.1:{port}/',
            f'http://rebound.example:{port}/{token}/',
            f'http://127.0.0.1:{port}/{token}/../../etc/passwd',
        ):
            page = self.open(other)
            self.assertIn(self.answer.status, (403, 404), other)
            self.assertEqual(page.locator('img').count(), 0)
        elsewhere = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet)
        self.addCleanup(elsewhere.server_close)
        self.addCleanup(elsewhere.shutdown)
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        page = self.open(f'http://127.0.0.1:{elsewhere.server_port}/')
        sent = page.evaluate(
            """async ([url, body]) => { const found = [];
            for (const type of ['text/plain', 'application/json'])
                for (const mode of ['no-cors', 'cors'])
                    try {
                        const answer = await fetch(url + 'label', {method: 'POST', mode, body,
                            headers: {'Content-Type': type}});
                        found.push([answer.type, answer.status]);
                    } catch (error) { found.push(['refused', 0]); }
            return found; }""",
            [url, '{"id":0,"text":"x"}'],
        )
        self.assertLessEqual({tuple(one) for one in sent}, {('opaque', 0), ('refused', 0)})
        self.assertFalse((self.folder / 'teach.tsv').exists())
        page.evaluate("(url) => document.body.append(Object.assign(document.createElement('iframe'), {src: url}))", url)
        for _ in range(600):
            if page.frames[-1].url:
                break
            page.wait_for_timeout(100)
        self.assertEqual(page.frames[-1].url[:14], 'chrome-error:/')

    def test_many(self):
        """2,000 crops: few rows in the page, which answers while they are read"""
        names = [(folder, name) for folder, known in (('pool', POOL), ('queries', QUERIES)) for name in known]
        for i in range(2000):
            folder, name = names[i % len(names)]
            os.link(ROOT / 'examples/demo' / folder / name, self.folder / f'{i:04d}.jpg') if same_disk(
                self.folder
            ) else (shutil.copy(f'examples/demo/{folder}/{name}', self.folder / f'{i:04d}.jpg'))
        begin = time.monotonic()
        page = self.open(self.serve()[1])
        self.until(page, 'crops.size === 2000 && [...crops.values()].some((crop) => crop.text !== null)')
        first = time.monotonic() - begin
        page.evaluate("""() => { window.gaps = []; let last = performance.now();
            const tick = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(tick); };
            requestAnimationFrame(tick); }""")
        waits = []
        for i in range(10):
            sent = time.monotonic()
            page.keyboard.type(f'€{i}')
            page.keyboard.press('Enter')
            self.until(page, f'news.labels === {i + 1}')
            waits.append(time.monotonic() - sent)
            page.mouse.wheel(0, 700)
        self.settled(page, 300)
        whole = time.monotonic() - begin
        self.assertLess(page.locator('.row').count(), 40)
        gaps = sorted(page.evaluate('gaps'))
        waits.sort()
        print(f'# 2,000 crops: the first read after {first:.1f} s, all (again) after {whole:.1f} s')
        print(f'# a label on the disk and the page: median {waits[5] * 1000:.0f} ms, longest {waits[-1] * 1000:.0f}')
        print(f'# frames: longest {gaps[-1]:.0f} ms, 99 % within {gaps[int(len(gaps) * 0.99)]:.0f}')
        self.assertLess(gaps[int(len(gaps) * 0.99)], 500)
        self.assertLess(waits[5], 3)
        self.assertEqual(self.complaints, [])


class TestReport(Case):
    def report(self, *arguments):
        subprocess.run(
            [sys.executable, '-m', 'e2str', 'report', *arguments, '-o', self.folder / 'a.html'],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return f'file://{self.folder}/a.html'

    def test_reading(self):
        """filters, sorting, confusions and details work, with the keyboard, and nothing is asked of the network"""
        rows = [f'{ROOT}/examples/demo/queries/{name}\t{text}' for name, text in QUERIES.items()]
        rows += [f'{ROOT}/examples/images/{name}\t{text}' for name, text in labels('examples/images').items()]
        (self.folder / 'labels').write_text('\n'.join(rows), 'utf-8')
        url = self.report('--labels', self.folder / 'labels')
        for scheme in ('light', 'dark'):
            page = self.open(url, scheme)
            self.assertEqual(page.locator('#count').text_content(), '16 of 16')
            sure = page.evaluate('list.keys.map((key) => rows[key][SURE])')
            self.assertEqual(sure, sorted(sure))
            self.accessible(page)
            page.locator('#filter').select_option('right')
            self.assertEqual(page.locator('#count').text_content(), '10 of 16')
            page.locator('#filter').select_option('all')
            page.locator('#sort').select_option('name')
            page.locator('#find').fill('COFFEE')
            self.until(page, "document.getElementById('count').textContent === '1 of 16'")
            self.assertIn('read as Coffee', page.locator('#details').text_content())
            page.locator('#find').fill('')
            self.until(page, "document.getElementById('count').textContent === '16 of 16'")
            page.locator('#pairs button').first.click()
            self.assertNotEqual(page.locator('#count').text_content(), '16 of 16')
            page.locator('#pairs button').first.click()
            page.locator('#crops').focus()
            page.keyboard.press('ArrowDown')
            self.assertEqual(page.evaluate('list.places.get(chosen.row)'), 1)
            page.keyboard.press('End')
            self.assertEqual(page.evaluate('list.places.get(chosen.row)'), 15)
            self.assertGreater(page.locator('figure .strip span').count(), 10)
            page.set_viewport_size({'width': 420, 'height': 720})
            self.assertLessEqual(page.evaluate('document.documentElement.scrollWidth'), 420)
        self.assertEqual(self.complaints, [])
        self.assertEqual({one.split(':')[0] for one in self.requests}, {'file'})

    def test_hostile(self):
        """names and labels with markup are text"""
        bad = '</script><script>alert(1)</script><img src=x onerror=alert(2)>'
        name = '<img src=x onerror=alert(3)>.jpg'
        shutil.copy('examples/images/coffee.jpg', self.folder / name)
        (self.folder / 'labels').write_text(f'{name}\t{bad}\n')
        page = self.open(self.report('--labels', self.folder / 'labels', '--title', bad))
        self.assertEqual((page.title(), page.locator('.row .label').text_content()), (bad, bad))
        self.assertEqual(page.locator('[onerror]').count(), 0)
        self.assertEqual(self.complaints, [])

    def test_many(self):
        """10,000 crops open and scroll without a long wait"""
        path = self.folder / 'many.html'
        subprocess.run([sys.executable, '-c', MANY, path], check=True)
        begin = time.monotonic()
        page = self.open(f'file://{path}')
        opened = time.monotonic() - begin
        self.assertEqual(page.locator('#count').text_content(), '10000 of 10000')
        page.evaluate("""() => { window.gaps = []; let last = performance.now();
            const tick = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(tick); };
            requestAnimationFrame(tick); }""")
        page.mouse.move(300, 500)
        for _ in range(30):
            page.mouse.wheel(0, 5000)
            page.wait_for_timeout(20)
        gaps = sorted(page.evaluate('gaps'))
        begin = time.monotonic()
        page.locator('#sort').select_option('reading')
        sorted_in = time.monotonic() - begin
        print(
            f'# 10,000 crops, {path.stat().st_size / 1e6:.1f} MB: open after {opened:.1f} s, longest frame while '
            f'scrolling {gaps[-1]:.0f} ms, sorted anew in {sorted_in * 1000:.0f} ms'
        )
        self.assertLess(page.locator('.row').count(), 40)
        self.assertLess(opened, 20)
        self.assertLess(gaps[int(len(gaps) * 0.9)], 500)
        self.assertEqual(self.complaints, [])


# Sixteen crops, read with a pool, six hundred times over.
MANY = """
import glob, sys
import e2str
from e2str.report.page import render
from e2str.report.rows import Rows
reader = e2str.Reader()
pool = e2str.Pool(reader)
for line in open('examples/demo/pool/labels.tsv', encoding='utf-8'):
    name, label = line.rstrip('\\n').split('\\t')
    pool.add('examples/demo/pool/' + name, label)
pool.learn()
rows = Rows(reader, pool)
rows.add([(path, 'label') for path in glob.glob('examples/demo/queries/*.jpg') + glob.glob('examples/images/*.[jp]*g')])
rows.rows = [[f'{i}/{row[0]}', *row[1:]] for i in range(625) for row in rows.rows]
with open(sys.argv[1], 'wb') as file:
    file.write(render(rows, 'many'))
"""


class Quiet(http.server.BaseHTTPRequestHandler):
    """A page of somebody else."""

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.end_headers()
        self.wfile.write(b'<!doctype html><title>elsewhere</title>')

    def log_message(self, *_):
        pass


def labels_of(folder):
    """What is on the disk."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / 'teach.tsv').read_text('utf-8').splitlines()
        return dict(line.split('\t') for line in lines)
    return {}


def same_disk(folder):
    return os.stat(folder).st_dev == os.stat(ROOT).st_dev


if __name__ == '__main__':
    from run import Lines

    if not CHROMIUM:
        sys.exit('no chromium: apt-get install chromium')
    result = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]).run(Lines())
    sys.exit(not result.wasSuccessful())
