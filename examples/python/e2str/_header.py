# SPDX-License-Identifier: MIT
"""Reads e2str.h: constants, enumerations, structures and functions, as ctypes has them.

The header is the only place where the interface is written down: a member or function that it gains is here with it.
It keeps to a plain style (one typedef per structure, one E2STR_API per function), which is all that this understands;
anything else is an error.
"""

from __future__ import annotations

import ctypes
import os
import re
from typing import Any

_NUMBERS: dict[str, Any] = {
    'void': None,
    'char': ctypes.c_char,
    'int': ctypes.c_int,
    'float': ctypes.c_float,
    'double': ctypes.c_double,
    'size_t': ctypes.c_size_t,
    'ptrdiff_t': ctypes.c_ssize_t,
    'uint8_t': ctypes.c_uint8,
    'uint32_t': ctypes.c_uint32,
    'uint64_t': ctypes.c_uint64,
    'int32_t': ctypes.c_int32,
    'int64_t': ctypes.c_int64,
}
_DECLARATION = re.compile(r'(?:const )?(\w+) ?((?:\*(?:const )?)*) ?(\w*)(?:\[(\w+)\])?$')
_TYPEDEF = re.compile(
    r'typedef (?P<kind>enum|struct) \w+ \{(?P<body>.*?)\} (?P<name>\w+) ?;'
    r'|typedef struct \w+ (?P<opaque>\w+) ?;'
    r'|typedef (?P<result>[^;{}]*?)\(\*(?P<callback>\w+)\)\((?P<parameters>[^)]*)\) ?;'
)
_FUNCTION = re.compile(r'E2STR_API ([^;()]*?)(\w+)\(([^)]*)\) ?;')


class Header:
    """What a header declares, by the names that it has there.

    constants   numbers of `#define` and of enumerations
    enums       {name of the enumeration: {name without what all have in front, in small letters: value}}
    structs     {name: a ctypes.Structure}
    callbacks   {name: a ctypes function type}
    functions   {name: (result, parameters)}
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        with open(path, encoding='utf-8') as file:
            text = re.sub(r'/\*.*?\*/', ' ', file.read(), flags=re.S).replace('\\\n', ' ')
        self.constants: dict[str, float] = {'UINT32_MAX': 0xFFFFFFFF}
        self.enums: dict[str, dict[str, int]] = {}
        self.structs: dict[str, type[ctypes.Structure]] = {}
        self.callbacks: dict[str, Any] = {}
        self._opaque: set[str] = set()
        for name, value in re.findall(r'^ *# *define +(E2STR_\w+) +\(?([\w.-]+)\)? *$', text, re.M):
            if (number := self._number(value)) is not None:
                self.constants[name] = number
        text = ' '.join(re.sub(r'^ *#.*$', '', text, flags=re.M).split())
        for found in _TYPEDEF.finditer(text):
            if found['kind'] == 'enum':
                self._enum(found['name'], found['body'])
            elif found['kind']:
                fields = [field for member in found['body'].split(';') for field in self._fields(member.strip())]
                self.structs[found['name']] = type(found['name'], (ctypes.Structure,), {'_fields_': fields})
            elif found['opaque']:
                self._opaque.add(found['opaque'])
            else:
                # As pointers: what a callback gets need not end in a NUL.
                parameters = [
                    ctypes.c_void_p if kind is ctypes.c_char_p else kind
                    for kind in self._parameters(found['parameters'])
                ]
                self.callbacks[found['callback']] = ctypes.CFUNCTYPE(self._type(found['result']), *parameters)
        self.functions = {
            name: (self._type(result), self._parameters(parameters))
            for result, name, parameters in _FUNCTION.findall(_TYPEDEF.sub('', text))
        }

    def choices(self, member: str) -> dict[str, int]:
        """What a member of this name may be: of the enumeration e2str_MEMBER, else the numbers E2STR_MEMBER_NAME."""
        prefix = f'E2STR_{member.upper()}_'
        numbers = {
            name[len(prefix) :].lower(): value for name, value in self.constants.items() if name.startswith(prefix)
        }
        return self.enums.get(f'e2str_{member}') or {name: int(value) for name, value in numbers.items()}

    def _number(self, text: str) -> float | None:
        if text in self.constants:
            return self.constants[text]
        try:
            return float(text.rstrip('f')) if '.' in text else int(text, 0)
        except ValueError:
            return None

    def _enum(self, name: str, body: str) -> None:
        pairs = [entry.split('=') for entry in body.rstrip(', ').split(',')]
        values = {key.strip(): int(value, 0) for key, value in pairs}
        self.constants.update(values)
        common = os.path.commonprefix(list(values)).rpartition('_')[0] + '_'
        self.enums[name] = {key[len(common) :].lower(): value for key, value in values.items()}

    def _fields(self, member: str) -> list[tuple[str, Any]]:
        """(name, type) of `float left, top` or `char name[64]`."""
        if not member:
            return []
        first, *others = member.split(',')
        kind = self._type(first)
        return [(name.split()[-1].lstrip('*').partition('[')[0], kind) for name in (first, *others)]

    def _parameters(self, text: str) -> list[Any]:
        return [] if text.strip() == 'void' else [self._type(parameter.strip()) for parameter in text.split(',')]

    def _type(self, declaration: str) -> Any:
        found = _DECLARATION.match(declaration.strip())
        if not found:
            raise ValueError(f'e2str.h: what is "{declaration}"?')
        base, stars, _, length = found.groups()
        kind, depth = self._base(base, stars.count('*'))
        for _ in range(depth):
            kind = ctypes.POINTER(kind)
        return kind * int(self._number(length) or 0) if length else kind

    def _base(self, name: str, stars: int) -> tuple[Any, int]:
        """A type, and how many stars are left: of text, bytes and what is opaque the first is in the type."""
        if stars and name == 'char':
            return ctypes.c_char_p, stars - 1
        if stars and (name in ('void', 'uint8_t') or name in self._opaque):
            return ctypes.c_void_p, stars - 1
        if name in self.enums:
            return ctypes.c_int, stars
        for known in (_NUMBERS, self.structs, self.callbacks):
            if name in known:
                return known[name], stars
        raise ValueError(f'e2str.h: what is "{name}"?')
