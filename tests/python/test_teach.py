# SPDX-License-Identifier: MIT
import http.client
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
from pathlib import Path
from unittest import mock

import e2str
from e2str.teach.server import MAX_BODY, Server
from e2str.teach.state import BadLabel, State, check_label
from e2str.teach.work import Teacher
from e2str.tools.crops import Folder, parse_labels
from support import IMAGES, TINY, Case, labels

POOL, QUERIES = (labels(f'examples/demo/{name}') for name in ('pool', 'queries'))
TEXTS = {os.path.basename(path): text for path, text in POOL + QUERIES}


class Page:
    """A served folder, and what its page would send."""

    def __init__(self, folder, reader, pool=None):
        self.folder = Folder(folder)
        self.folder.lock()
        self.state = State(self.folder)
        self.teacher = Teacher(self.state, reader, e2str.Pool(reader) if pool is None else pool)
        self.server = Server(self.state, self.teacher)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        self.teacher.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.teacher.stop()
        self.folder.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, method, path, body=None, headers=None, bare=False):
        """(status, headers, content). headers: instead of the page's own. bare: the path has its token."""
        connection = http.client.HTTPConnection('127.0.0.1', self.server.server_port, timeout=120)
        host = f'127.0.0.1:{self.server.server_port}'
        sent = {'Host': host, 'Origin': f'http://{host}', 'Content-Type': 'application/json', **(headers or {})}
        connection.putrequest(method, path if bare else f'/{self.server.token}/{path}', skip_host=True)
        for name, value in sent.items():
            for one in value if isinstance(value, list) else [value] if value is not None else []:
                connection.putheader(name, one)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        if data is not None and 'Content-Length' not in sent:
            connection.putheader('Content-Length', str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def get(self, path):
        status, _, data = self.ask('GET', path)
        assert status == 200, (status, data)
        return data

    def post(self, path, body):
        status, _, data = self.ask('POST', path, body)
        return status, json.loads(data)

    def label(self, name, text):
        crop = next(crop for crop in self.state.crops if crop.name == name)
        return self.post('label', {'id': crop.id, 'text': text})

    def settle(self):
        """Waits until all is learnt and read; then what the page would show, by name."""
        with self.state.changed:
            assert self.state.changed.wait_for(lambda: not self.teacher._to_do() and not self.state.doing, 120)
        return {crop['name']: crop for crop in json.loads(self.get('news?since=-1'))['crops']}

    def file(self, name):
        return Path(self.folder.path, name).read_text()


class TestTeach(Case):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def fill(self, pairs=POOL + QUERIES):
        for path, _ in pairs:
            shutil.copy(path, self.folder)

    def page(self):
        return Page(self.folder, self.reader)

    def test_learning(self):
        """teach: labels change what is read on the others at once; undo takes it back, bit for bit"""
        self.fill()
        with self.page() as page:
            before = page.settle()
            self.assertEqual(len(before), len(TEXTS))
            self.assertEqual(sum(before[os.path.basename(path)]['text'] == text for path, text in QUERIES), 0)
            for path, text in POOL:
                self.assertEqual(page.label(os.path.basename(path), text)[0], 200)
            after = page.settle()
            for path, text in QUERIES:
                crop = after[os.path.basename(path)]
                self.assertEqual((crop['text'], len(crop['p'])), (text, len(text)))
                self.assertNotEqual(crop['was'], text)
                self.assertGreaterEqual(crop['changed'], 1)
            news = json.loads(page.get('news?since=-1'))
            count, checked, without, having = news['curve'][-1]
            self.assertEqual((count, checked), (20, 20))
            self.assertGreater(having, without)
            self.assertEqual([point[0] for point in news['curve']], sorted({point[0] for point in news['curve']}))
            self.assertGreater(news['expected'][0] / news['expected'][1], 0.5)
            saved = parse_labels(page.get('teach.tsv')).texts
            self.assertEqual(saved, {os.path.basename(path): text for path, text in POOL})
            file = Path(self.folder, 'downloaded.pool')
            file.write_bytes(page.get('teach.pool'))
            with e2str.Pool.load(self.reader, file) as pool:
                self.assertEqual(sorted(pool.values()), sorted(saved.values()))
                self.assertEqual(self.reader.read(QUERIES[0][0], pool).text, QUERIES[0][1])
            for _ in POOL:
                self.assertEqual(page.post('undo', {})[0], 200)
            self.assertEqual(page.post('undo', {}), (200, {'crop': None}))
            again = page.settle()
            for name, crop in before.items():
                self.assertEqual(
                    [again[name][key] for key in ('text', 'c', 'p')], [crop[key] for key in ('text', 'c', 'p')]
                )
            self.assertEqual((page.file('teach.tsv'), len(page.teacher.pool)), ('', 0))

    def test_order(self):
        """teach: what is in sight is read first, then what is least certain"""
        self.fill()
        with self.page() as page:
            page.settle()
            looks, read = [], self.reader.read_batch
            ids = [crop.id for crop in page.state.crops][-3:]
            self.assertEqual(page.post('visible', {'ids': ids})[0], 200)
            with (
                mock.patch('e2str.teach.work._AT_ONCE', 3),
                mock.patch.object(
                    page.teacher.reader, 'read_batch', lambda *given: looks.append(len(given[0])) or read(*given)
                ),
            ):
                order, note = [], page.teacher._note
                page.teacher._note = lambda at, found: order.extend(c for c, _ in found) or note(at, found)
                certain = {crop.id: crop.confidence for crop in page.state.crops}
                page.label(page.state.crops[0].name, 'A')
                page.settle()
            self.assertEqual({crop.id for crop in order[:3]}, set(ids))
            rest = [certain[crop.id] for crop in order[3:]]
            self.assertEqual((rest, len(rest)), (sorted(rest), len(TEXTS) - 4))

    def test_restart(self):
        """teach: a server that is killed loses nothing"""
        self.fill(POOL)
        command = [sys.executable, '-m', 'e2str', 'teach', self.folder]

        def begin():
            run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.addCleanup(run.stdout.close)
            self.assertRegex(run.stdout.readline(), '^20 crops')
            port, token = re.match(r'http://127\.0\.0\.1:(\d+)/([\w-]{32})/$', run.stdout.readline()).groups()
            return run, int(port), token

        def send(port, path, body):
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
            headers = {'Origin': f'http://127.0.0.1:{port}', 'Content-Type': 'application/json'}
            connection.request('POST' if body else 'GET', path, body and json.dumps(body), headers)
            try:
                return json.loads(connection.getresponse().read())
            finally:
                connection.close()

        run, port, token = begin()
        refused = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((refused.returncode, 'already' in refused.stderr), (1, True))
        given = {}
        for id in range(9):
            given[id] = send(port, f'/{token}/label', {'id': id, 'text': f'€{id}.00'})['crop']['label']
            if id == 5:
                send(port, f'/{token}/undo', {'': 0})
                del given[5]
        run.send_signal(signal.SIGKILL)
        run.wait()
        run, port, token = begin()
        news = send(port, f'/{token}/news?since=-1', None)
        self.assertEqual({c['id']: c['label'] for c in news['crops'] if c['label'] is not None}, given)
        self.assertEqual(news['undo'], 8)
        self.assertEqual(send(port, f'/{token}/undo', {'': 0})['crop']['id'], 8)
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(60), 0)
        del given[8]
        with e2str.Pool.load(self.reader, os.path.join(self.folder, 'teach.pool')) as pool:
            self.assertEqual(sorted(pool.values()), sorted(given.values()))

    def test_files(self):
        """teach: edited labels count, labels of pictures that are gone stay, damaged files cost no label"""
        self.fill(POOL[:3])
        names = sorted(os.path.basename(path) for path, _ in POOL[:3])
        Path(self.folder, 'teach.tsv').write_text(f'{names[0]}\tA\ngone.png\tB\nno tab\n', 'utf-8')
        Path(self.folder, 'teach.json').write_text('{"history": [["')
        with self.page() as page:
            found = page.settle()
            self.assertEqual([found[name]['label'] for name in names], ['A', None, None])
            news = json.loads(page.get('news?since=-1'))
            self.assertEqual((news['undo'], news['notes']), (0, ['teach.tsv:3: no tab and text behind it: left out']))
            page.label(names[1], '€1')
            self.assertEqual(
                page.file('teach.tsv').splitlines(), sorted([f'{names[0]}\tA', 'gone.png\tB', f'{names[1]}\t€1'])
            )
            with mock.patch('os.replace', side_effect=OSError(28, 'No space left on device')):
                status, answer = page.label(names[2], 'C')
            self.assertEqual((status, 'No space' in answer['error']), (500, True))
            self.assertIsNone(page.settle()[names[2]]['label'])
            self.assertEqual(page.post('undo', {})[1]['crop']['name'], names[1])

    def test_labels(self):
        """teach: a label is one line; blanks about it go, an empty one takes it away"""
        for text in ('a\tb', 'a\nb', 'a\0', '\x1b[2J', 'a\u2028b', '\ud800', 'x' * 4097):
            self.assertRaises(BadLabel, check_label, text)
        self.assertEqual(check_label(' a b '), 'a b')
        self.fill(POOL[:2])
        with self.page() as page:
            page.settle()
            name = page.state.crops[0].name
            for text in ('a\tb', '\ud800', 'x' * 5000):
                self.assertEqual(page.label(name, text)[0], 422)
            self.assertEqual(page.label(name, '  €1 ')[1]['crop']['label'], '€1')
            page.settle()
            self.assertEqual(len(page.teacher.pool), 1)
            self.assertIsNone(page.label(name, '')[1]['crop']['label'])
            page.settle()
            self.assertEqual((len(page.teacher.pool), page.file('teach.tsv')), (0, ''))
            self.assertEqual(page.label(name, 'the <image> of €1')[0], 200)  # whatever the pool says of it
            self.assertEqual(page.settle()[name]['label'], 'the <image> of €1')

    def test_audit(self):
        """teach: a wrong label, and the same picture with another one, are marked"""
        self.fill()
        names = [os.path.basename(path) for path, _ in POOL]
        shutil.copy(POOL[0][0], os.path.join(self.folder, 'copy.jpg'))
        with self.page() as page:
            for name in names[:19]:
                page.label(name, TEXTS[name])
            page.label(names[19], 'Wednesday')
            found = page.settle()
            self.assertEqual([name for name in found if found[name]['flag']], [names[19]])
            self.assertIn('neither', found[names[19]]['flag'])
            page.label(names[19], TEXTS[names[19]])
            page.label('copy.jpg', '€9')
            found = page.settle()
            self.assertEqual(sorted(name for name in found if found[name]['flag']), sorted([names[0], 'copy.jpg']))
            self.assertIn(repr(TEXTS[names[0]]), found['copy.jpg']['flag'])
            page.label('copy.jpg', '')
            self.assertEqual([crop for crop in page.settle().values() if crop['flag']], [])

    def test_who_may(self):
        """teach: no token, a foreign host or origin, or a request that is too large: refused"""
        self.fill(POOL[:2])
        with self.page() as page:
            page.settle()
            self.assertEqual(page.server.socket.getsockname()[0], '127.0.0.1')
            port, token, body = page.server.server_port, page.server.token, {'id': 0, 'text': 'x'}
            self.assertEqual(page.ask('GET', '', headers={'Host': f'localhost:{port}'})[0], 200)
            wrong = token[:-1] + ('a' if token[-1] != 'a' else 'b')
            for path in ('/', '//', f'/{token}', f'/{wrong}/', f'/{token}x/', '/%C3%A9/', '*', '/favicon.ico'):
                self.assertEqual(page.ask('GET', path, bare=True)[0], 403, path)
            for host in (
                'evil.example',
                f'evil.example:{port}',
                '127.0.0.1',
                f'127.0.0.2:{port}',
                None,
                [f'localhost:{port}'] * 2,
            ):
                self.assertEqual(page.ask('GET', '', headers={'Host': host})[0], 403, host)
            for headers in (
                {'Origin': None},
                {'Origin': 'null'},
                {'Origin': 'http://evil.example'},
                {'Origin': f'https://127.0.0.1:{port}'},
                {'Sec-Fetch-Site': 'cross-site'},
            ):
                self.assertEqual(page.ask('POST', 'label', body, headers)[0], 403, headers)
            for headers, status in (
                ({'Content-Type': 'text/plain'}, 415),
                ({'Content-Type': 'application/x-www-form-urlencoded'}, 415),
                ({'Content-Length': str(MAX_BODY + 1)}, 413),
                ({'Content-Length': '-1'}, 411),
                ({'Content-Length': '1e3'}, 411),
                ({'Content-Length': None}, 411),
                ({'Transfer-Encoding': 'chunked'}, 411),
            ):
                self.assertEqual(page.ask('POST', 'label', body, headers)[0], status, headers)
            for data in (
                b'{',
                b'[' * 50000,
                b'\xff',
                b'[]',
                b'{"id":"0","text":"x"}',
                b'{"id":-1,"text":"x"}',
                b'{"id":2,"text":"x"}',
                b'{"id":0}',
                b'{"id":0,"text":5}',
            ):
                self.assertEqual(page.ask('POST', 'label', data)[0], 400, data[:30])
            self.assertEqual(page.ask('POST', 'visible', {'ids': 5})[0], 400)
            self.assertEqual(page.ask('POST', 'nothing', {})[0], 404)
            self.assertEqual(page.ask('PUT', 'label', body)[0], 501)
            self.assertEqual(page.ask('GET', 'x' * 70000)[0], 414)
            self.assertEqual(page.ask('GET', 'news?' + '&'.join(f'a{i}=1' for i in range(20)))[0], 400)
            self.assertEqual(page.ask('GET', 'news?since=1e9')[0], 400)
            self.assertFalse(os.path.exists(os.path.join(self.folder, 'teach.tsv')))
            for name in ('look.css', 'list.js', 'teach.css', 'teach.js'):
                self.assertIn('SPDX', page.get(name).decode())
            _, headers, data = page.ask('GET', '')
            self.assertIn("default-src 'none'; script-src 'self'", headers['Content-Security-Policy'])
            self.assertEqual(
                (headers['X-Content-Type-Options'], headers['Referrer-Policy']), ('nosniff', 'no-referrer')
            )
            self.assertNotIn(token, data.decode())
            self.assertEqual(re.findall(r'(?:src|href)="([^"]*(?:://|//)[^"]*)"', data.decode()), [])

    def test_traversal(self):
        """teach: nothing outside the folder, by path or by symbolic link"""
        self.fill(POOL[:2])
        outside = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, outside)
        secret = shutil.copy(POOL[2][0], os.path.join(outside, 'secret.jpg'))
        os.symlink(secret, os.path.join(self.folder, 'link.jpg'))
        os.symlink(outside, os.path.join(self.folder, 'linked'))
        os.mkdir(os.path.join(self.folder, 'below'))
        shutil.copy(POOL[3][0], os.path.join(self.folder, 'below'))
        os.mkfifo(os.path.join(self.folder, 'pipe.png'))
        with self.page() as page:
            page.settle()
            names = [crop.name for crop in page.state.crops]
            self.assertEqual(
                names, sorted([*(os.path.basename(p) for p, _ in POOL[:2]), f'below/{os.path.basename(POOL[3][0])}'])
            )
            for path in (
                '../../etc/passwd',
                'image/../../../etc/passwd',
                'image/%2e%2e%2f',
                '..%2f..%2fetc/passwd',
                'teach.json',
                'server.py',
                'image/-1',
                'image/3',
                'image/',
                'image/1/..',
                './',
                '//etc/passwd',
            ):
                self.assertIn(page.ask('GET', path)[0], (400, 404), path)
            self.assertTrue(page.get(f'image/{len(names) - 1}').startswith(b'\xff\xd8'))
            os.remove(os.path.join(self.folder, names[0]))  # replaced while the server runs
            os.symlink(secret, os.path.join(self.folder, names[0]))
            self.assertEqual(page.ask('GET', 'image/0')[0], 404)
            self.assertEqual(page.label(names[0], 'x')[0], 200)
            self.assertIn('not in the pool', page.settle()[names[0]]['fault'])
            shutil.rmtree(os.path.join(self.folder, 'below'))
            os.symlink(outside, os.path.join(self.folder, 'below'))
            folder = page.folder
            for name in (
                'linked/secret.jpg',
                'below/secret.jpg',
                '../x',
                '/etc/passwd',
                'a//b',
                '.',
                '',
                'pipe.png',
                'below',
            ):
                self.assertRaises(OSError, folder.read, name)
        os.remove(os.path.join(self.folder, 'teach.tsv'))
        os.symlink(os.path.join(outside, 'victim'), os.path.join(self.folder, 'teach.tsv'))
        with self.assertRaisesRegex(OSError, 'teach.tsv is a symbolic link'):
            State(Folder(self.folder))

    def test_odd_names(self):
        """teach: names with markup, quotes, bytes that are no UTF-8; those that no labels file holds are left out"""
        picture = Path(POOL[0][0]).read_bytes()
        names = [
            '<img src=x onerror=alert(1)>.jpg',
            '"\'&amp;.jpg',
            os.fsdecode(b'caf\xe9.jpg'),
            '€ \u202e.jpg',
            '{{STYLE}}.jpg',
        ]
        for name in (*names, 'a\tb.jpg', 'a\nb.jpg'):
            Path(self.folder, name).write_bytes(picture)
        Path(self.folder, '.hidden.jpg').write_bytes(picture)
        with self.page() as page:
            page.settle()
            self.assertEqual({crop.name for crop in page.state.crops}, set(names))
            self.assertEqual(len(json.loads(page.get('news?since=-1'))['notes']), 2)
            for name in names:
                self.assertEqual(page.label(name, f'<b>{len(name)}')[0], 200)
            page.settle()
        self.assertEqual(
            parse_labels(Path(self.folder, 'teach.tsv').read_bytes()).texts, {n: f'<b>{len(n)}' for n in names}
        )
        folder = Folder(self.folder)
        self.addCleanup(folder.close)
        self.assertEqual({crop.name for crop in State(folder).crops if crop.label}, set(names))

    def test_pictures(self):
        """teach: broken pictures are told of, and what browsers do not show is shown as PNG"""
        self.fill(POOL[:1])
        rows = bytes(range(0, 240, 10)) * 10
        Path(self.folder, 'grey.pgm').write_bytes(b'P5 24 10 255\n' + rows)
        Path(self.folder, 'broken.png').write_bytes(Path(f'{IMAGES}/open.png').read_bytes()[:200])
        Path(self.folder, 'empty.jpg').write_bytes(b'')
        with self.page() as page:
            found = page.settle()
            self.assertEqual({name for name in found if found[name]['fault']}, {'broken.png', 'empty.jpg'})
            id = next(crop.id for crop in page.state.crops if crop.name == 'grey.pgm')
            _, headers, data = page.ask('GET', f'image/{id}')
            self.assertEqual((headers['Content-Type'], data[:4]), ('image/png', b'\x89PNG'))
            self.reads_as(data, os.path.join(self.folder, 'grey.pgm'))

    def test_other_model(self):
        """teach: a model that cannot learn reads with the nearest examples"""
        self.fill(POOL[:3])
        with e2str.Reader(TINY) as reader, Page(self.folder, reader) as page:
            page.settle()
            name = page.state.crops[0].name
            self.assertEqual(page.label(name, 'abc')[0], 200)
            found = page.settle()
            self.assertEqual((len(page.teacher.pool), page.state.lesson, page.teacher.failure), (1, 1, None))
            self.assertEqual((found[name]['flag'], found[name]['fault'], page.state.curve), ('', '', []))

    def test_command(self):
        """teach: a folder without pictures, one that is not there, a label file to begin with"""
        command = [sys.executable, '-m', 'e2str', 'teach']
        for folder, why in ((self.folder, 'no pictures'), ('none', 'none: No such file')):
            run = subprocess.run([*command, folder], capture_output=True, text=True)
            self.assertEqual(
                (run.returncode, why in run.stderr, 'Traceback' in run.stderr), (1, True, False), run.stderr
            )
        self.assertEqual(subprocess.run([sys.executable, '-m', 'e2str'], capture_output=True).returncode, 2)
        self.fill(POOL[:4])
        own = os.path.join(self.folder, 'teach.pool')
        run = subprocess.run([*command, self.folder, '--pool', own], capture_output=True, text=True)
        self.assertEqual((run.returncode, 'no need to give it' in run.stderr), (1, True))
        given = Path(self.folder, 'given')
        given.write_text(''.join(f'{os.path.basename(path)}\t{text}\n' for path, text in POOL) + 'fault\n', 'utf-8')
        run = subprocess.Popen(
            [*command, self.folder, '--labels', given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.assertEqual(run.stdout.readline(), f'4 labels taken from {given}\n')
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        self.assertIn('given:21: no tab', run.communicate(timeout=60)[1])
        self.assertEqual(len(parse_labels(Path(self.folder, 'teach.tsv').read_bytes()).texts), 4)

    def test_given_pool(self):
        """teach: examples to begin with count, and go into the pool's file with the labels"""
        self.fill(QUERIES[:2])
        with self.demo_pool() as pool:
            pool.learn()
            pool.save(os.path.join(self.folder, 'given.pool'))
        before = Path(self.folder, 'given.pool').read_bytes()
        with Page(
            self.folder, self.reader, e2str.Pool.load(self.reader, os.path.join(self.folder, 'given.pool'))
        ) as page:
            found = page.settle()
            self.assertEqual(
                [found[os.path.basename(path)]['text'] for path, _ in QUERIES[:2]], [t for _, t in QUERIES[:2]]
            )
            page.label(os.path.basename(QUERIES[0][0]), QUERIES[0][1])
            page.settle()
        self.assertEqual(len(e2str.Pool.load(self.reader, os.path.join(self.folder, 'teach.pool'))), 21)
        self.assertEqual(Path(self.folder, 'given.pool').read_bytes(), before)

    def test_open(self):
        """teach: the browser is told the address by a file of this user's, not by its arguments"""
        self.fill(POOL[:1])
        script, out = Path(self.folder, 'browser.py'), Path(self.folder, 'out')
        script.write_text(
            'import os, sys\n'
            "path = sys.argv[1].removeprefix('file://')\n"
            "print(oct(os.stat(path).st_mode), sys.argv, open(path).read(), file=open(sys.argv[0] + '.new', 'w'))\n"
            f'os.rename(sys.argv[0] + ".new", {str(out)!r})\n'
        )
        command = [sys.executable, '-m', 'e2str', 'teach', self.folder, '--open']
        environment = {**os.environ, 'BROWSER': f'{sys.executable} {script} %s'}
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        run.stdout.readline()
        url = run.stdout.readline().strip()
        for _ in range(600):
            if out.exists():
                break
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        mode, *said = out.read_text().split(' ', 1)
        self.assertEqual((mode, said[0].count(url), url in said[0].partition(']')[0]), ('0o100600', 1, False))
