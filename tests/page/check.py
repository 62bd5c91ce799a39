# SPDX-License-Identifier: MIT
"""Checks files against their schemas: check.py json|alto|hocr SCHEMA FILE...

json: each line against a JSON Schema; alto: XML against an XSD; hocr: against what the package hocr-spec knows,
whatever SCHEMA says. Prints what is wrong; the status says whether something is.
"""

import json
import sys

import jsonschema
from lxml import etree


def wrong_json(schema, path):
    with open(schema, encoding='utf-8') as file:
        validator = jsonschema.Draft202012Validator(json.load(file))
    with open(path, encoding='utf-8') as file:
        lines = [json.loads(line) for line in file]
    if not lines:
        yield 'no line'
    for number, line in enumerate(lines, 1):
        for error in validator.iter_errors(line):
            yield f'line {number}: {error.message[:300]}'


def wrong_alto(schema, path):
    validator = etree.XMLSchema(etree.parse(schema))
    validator.validate(etree.parse(path))
    return [str(error) for error in validator.error_log]


def wrong_hocr(_, path):
    from hocr_spec import HocrValidator

    report = HocrValidator('standard').validate(path)
    return [] if report.is_valid() else [report.format('text')]


if __name__ == '__main__':
    kind, schema, *paths = sys.argv[1:]
    check = {'json': wrong_json, 'alto': wrong_alto, 'hocr': wrong_hocr}[kind]
    wrong = [f'# {path}: {line}' for path in paths for line in check(schema, path)]
    print(*wrong, sep='\n')
    sys.exit(bool(wrong))
