# SPDX-License-Identifier: MIT
"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from typing import Any

from .rows import Rows, summary


def _asset(folder: str, name: str) -> str:
    return resources.files('e2str').joinpath(folder, name).read_text('utf-8')


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def safe_json(value: Any) -> str:
    """JSON that can stand in a <script>, whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(',', ':'))
    for one in '<>&\u2028\u2029':
        text = text.replace(one, f'\\u{ord(one):04x}')
    return text.encode(errors='replace').decode()


def render(rows: Rows, title: str) -> bytes:
    """The whole page, UTF-8. Scripts and styles are allowed by their checksums, pictures from the file itself, and
    nothing else."""
    data = {
        'title': title,
        'summary': summary(rows.rows),
        'pool': len(rows.pool) if rows.pool is not None else 0,
        'places': rows.reader.info.places,
        'calibrated': rows.reader.info.calibrated,
        'examples': rows.labels(),
        'rows': rows.rows,
    }
    style = _asset('tools', 'look.css') + _asset('report', 'report.css')
    script = _asset('tools', 'list.js') + _asset('report', 'report.js')
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
    parts = {
        'POLICY': policy,
        'TITLE': html.escape(title.encode(errors='replace').decode()),
        'STYLE': style,
        'DATA': safe_json(data),
        'SCRIPT': script,
    }
    first, *rest = _asset('report', 'report.html').split('{{')
    for piece in rest:
        name, _, after = piece.partition('}}')
        first += parts[name] + after
    return first.encode()
