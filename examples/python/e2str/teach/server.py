# SPDX-License-Identifier: MIT
"""HTTP for the page: on the loopback interface, for whoever has the address with the token in it, and nobody else."""

from __future__ import annotations

import hmac
import json
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..errors import Error
from ..picture import Picture
from ..tools import png
from .state import LABELS, POOL, BadLabel, State
from .work import Teacher

HOST = '127.0.0.1'
MAX_BODY = 64 << 10  # bytes
MAX_CONNECTIONS = 64
SECONDS = 20  # that a request for news waits
_HEADERS = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cache-Control': 'no-store',
}
_TYPES = {'html': 'text/html', 'css': 'text/css', 'js': 'text/javascript'}
_ASSETS = {
    '': ('teach', 'teach.html'),
    'teach.css': ('teach', 'teach.css'),
    'teach.js': ('teach', 'teach.js'),
    'look.css': ('tools', 'look.css'),
    'list.js': ('tools', 'list.js'),
}
_PICTURES = {b'\x89PNG': 'image/png', b'\xff\xd8': 'image/jpeg', b'BM': 'image/bmp'}


class Refused(Exception):
    """A request that is not answered as it wishes."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves a state. `url` is the only address; its token is made anew each time."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, state: State, teacher: Teacher, port: int = 0) -> None:
        self.state, self.teacher = state, teacher
        self.token = secrets.token_urlsafe(24)
        self._free = BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((HOST, port), Handler)
        self.hosts = {f'{HOST}:{self.server_port}', f'localhost:{self.server_port}'}

    @property
    def url(self) -> str:
        """The page's address."""
        return f'http://{HOST}:{self.server_port}/{self.token}/'

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(timeout=1):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = 'HTTP/1.1'
    server_version, sys_version = 'e2str', ''
    timeout = 60

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the address is a secret."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server refuses by itself, as plain text."""
        self.close_connection = True
        self._send(HTTPStatus(code), 'text/plain; charset=utf-8', (message or HTTPStatus(code).phrase).encode())

    def _answer(self, how: Callable[[str, dict[str, list[str]]], None]) -> None:
        try:
            how(*self._admit())
        except Refused as refused:
            self.send_error(refused.status, str(refused))
        except BadLabel as bad:
            self._json({'error': str(bad)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        except (OSError, Error) as error:
            if isinstance(error, ConnectionError):
                raise
            self._json({'error': str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)

    # ---- who may ----

    def _admit(self) -> tuple[str, dict[str, list[str]]]:
        """(path behind the token, query). Refused: a foreign name for this machine, or no token."""
        host = self.headers.get_all('Host') or []
        if len(host) != 1 or host[0].lower() not in self.server.hosts:
            raise Refused(HTTPStatus.FORBIDDEN, 'not the address of this server')
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, max_num_fields=8)
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, 'no address') from None
        _, token, path = parts.path.split('/', 2) if parts.path.count('/') > 1 else ('', '', '')
        if not hmac.compare_digest(token.encode(errors='surrogateescape'), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, 'the address needs the token that e2str-teach printed')
        return path, query

    def _body(self) -> Any:
        """JSON of a request that this server's own page made."""
        if self.headers.get('Origin', '').lower() not in {f'http://{host}' for host in self.server.hosts}:
            raise Refused(HTTPStatus.FORBIDDEN, 'not from the page of this server')
        if self.headers.get('Sec-Fetch-Site', 'same-origin') != 'same-origin':
            raise Refused(HTTPStatus.FORBIDDEN, 'not from the page of this server')
        if self.headers.get_content_type() != 'application/json':
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 'JSON is wanted')
        length = self.headers.get('Content-Length', '')
        if 'Transfer-Encoding' in self.headers or not (length.isascii() and length.isdigit()):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, 'Content-Length is wanted')
        if int(length) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f'{MAX_BODY} bytes at most')
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(HTTPStatus.BAD_REQUEST, 'no JSON') from None

    # ---- what is there ----

    def _get(self, path: str, query: dict[str, list[str]]) -> None:
        if path in _ASSETS:
            folder, name = _ASSETS[path]
            data = resources.files('e2str').joinpath(folder, name).read_bytes()
            self._send(HTTPStatus.OK, f'{_TYPES[name.rpartition(".")[2]]}; charset=utf-8', data)
        elif path == 'news':
            self._news(_number(query.get('since', ['-1'])[0]))
        elif path.startswith('image/'):
            self._image(_number(path.removeprefix('image/')))
        elif path == LABELS:
            self._file(LABELS, 'text/tab-separated-values; charset=utf-8', self.server.state.export())
        elif path == POOL:
            with open(self.server.teacher.file(), 'rb') as file:
                self._file(POOL, 'application/octet-stream', file.read())
        else:
            raise Refused(HTTPStatus.NOT_FOUND, 'nothing here')

    def _news(self, since: int) -> None:
        state = self.server.state
        with state.changed:
            state.changed.wait_for(lambda: state.version > since, SECONDS)
        self._json(state.news(since))

    def _image(self, id: int) -> None:
        state = self.server.state
        if not 0 <= id < len(state.crops):
            raise Refused(HTTPStatus.NOT_FOUND, 'no such crop')
        try:
            data = state.folder.read(state.crops[id].name)
            kind = next((kind for start, kind in _PICTURES.items() if data.startswith(start)), None)
            if kind is None:  # what browsers do not show
                data, kind = png.whole(Picture(data)), 'image/png'
        except (OSError, Error) as error:
            raise Refused(HTTPStatus.NOT_FOUND, str(error)) from None
        self._send(HTTPStatus.OK, kind, data)

    def _post(self, path: str, _: dict[str, list[str]]) -> None:
        state, body = self.server.state, self._body()
        if not isinstance(body, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, 'an object is wanted')
        if path == 'label':
            id, text = body.get('id'), body.get('text')
            if not isinstance(id, int) or not isinstance(text, str) or not 0 <= id < len(state.crops):
                raise Refused(HTTPStatus.BAD_REQUEST, 'id and text are wanted, of a crop that is there')
            self._json({'crop': state.label(id, text).json()})
        elif path == 'undo':
            crop = state.undo()
            self._json({'crop': crop and crop.json()})
        elif path == 'visible':
            ids = body.get('ids')
            if not isinstance(ids, list) or not all(isinstance(id, int) for id in ids):
                raise Refused(HTTPStatus.BAD_REQUEST, 'ids are wanted')
            state.visible = frozenset(ids)
            self._json({})
        else:
            raise Refused(HTTPStatus.NOT_FOUND, 'nothing here')

    # ---- answers ----

    def _json(self, answer: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, 'application/json', json.dumps(answer, separators=(',', ':')).encode())

    def _file(self, name: str, kind: str, data: bytes) -> None:
        self._send(HTTPStatus.OK, kind, data, {'Content-Disposition': f'attachment; filename="{name}"'})

    def _send(self, status: HTTPStatus, kind: str, data: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **(more or {}), 'Content-Type': kind, 'Content-Length': str(len(data))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header('Connection', 'close')
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)


def _number(text: str) -> int:
    if len(text) > 12 or not text.removeprefix('-').isdecimal():
        raise Refused(HTTPStatus.BAD_REQUEST, 'a number is wanted')
    return int(text)
