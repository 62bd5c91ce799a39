#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes src/sys.rs from e2str.h, which keeps to a plain style: bindings.py [HEADER] > src/sys.rs"""

import re
import sys
from pathlib import Path

HEADER = Path(__file__).parents[2] / 'include' / 'e2str.h'
TYPES = {
    'void': 'c_void',
    'char': 'c_char',
    'int': 'c_int',
    'float': 'f32',
    'size_t': 'usize',
    'ptrdiff_t': 'isize',
    'uint8_t': 'u8',
    'uint32_t': 'u32',
    'uint64_t': 'u64',
}


def kind(declaration):
    """(type, name) of a parameter or member: `const e2str_model *model`, `char name[64]`."""
    found = re.fullmatch(r'(const )?(\w+) ?((?:\*(?:const )?)*)(\w*)(?:\[(\w+)\])?', declaration.strip())
    constant, base, stars, name, length = found.groups()
    result = TYPES.get(base, base)
    for star in re.findall(r'\*(?:const )?', stars):
        result = f'*{"const" if constant else "mut"} {result}'
        constant = 'const' in star
    if length:
        result = f'[{result}; {length if length.isdigit() else length + " as usize"}]'
    return result, {'type': 'kind', 'box': 'place'}.get(name, name)


def parameters(text):
    return '' if text.strip() == 'void' else ', '.join('{1}: {0}'.format(*kind(part)) for part in text.split(','))


def result(text):
    return '' if text.strip() == 'void' else f' -> {kind(text)[0]}'


def constants(text):
    for name, value in re.findall(r'^#define (E2STR_\w+) +\(?(.+?)\)?$', text, re.M):
        if re.fullmatch(r'\d+', value):
            yield f'pub const {name}: u32 = {value};'
        elif value == 'UINT32_MAX':
            yield f'pub const {name}: u32 = u32::MAX;'
        elif re.fullmatch(r'-?\d+\.\d+f', value):
            yield f'pub const {name}: f32 = {value[:-1]};'
        elif found := re.fullmatch(r'\(uint64_t\)1 << (\d+)', value):
            yield f'pub const {name}: u64 = 1 << {found[1]};'


def types(text):
    pattern = (
        r'typedef (?:(enum|struct) \w+ \{(.*?)\} (\w+) ?;|struct \w+ (\w+) ?;'
        r'|([^;{}]*?)\(\*(\w+)\)\(([^)]*)\) ?;)'
    )
    for what, body, name, opaque, returns, callback, takes in re.findall(pattern, text):
        if what == 'enum':
            yield f'pub type {name} = u32;'
            for key, value in re.findall(r'(\w+) = (\d+)', body):
                yield f'pub const {key}: {name} = {value};'
        elif what:
            yield f'#[repr(C)]\n#[derive(Clone, Copy)]\npub struct {name} {{'
            for member in filter(None, map(str.strip, body.split(';'))):
                first, *others = member.split(',')
                declared = kind(first)
                for each in (declared[1], *map(str.strip, others)):
                    yield f'    pub {each}: {declared[0]},'
            yield '}'
        elif opaque:
            yield f'#[repr(C)]\npub struct {opaque} {{\n    _private: [u8; 0],\n}}'
        else:
            takes = ', '.join(kind(part)[0] for part in takes.split(','))
            yield f'pub type {callback} = Option<unsafe extern "C" fn({takes}){result(returns)}>;'


def main():
    text = Path(sys.argv[1] if len(sys.argv) > 1 else HEADER).read_text()
    text = re.sub(r'/\*.*?\*/', ' ', text, flags=re.S).replace('\\\n', ' ')
    text = re.sub(r'[ \t]+', ' ', re.sub(r'[ \t]+$', '', text, flags=re.M))
    print('// SPDX-License-Identifier: MIT\n//! e2str.h, as bindings.py wrote it. What everything means is there.')
    print('#![allow(non_camel_case_types)]\nuse std::os::raw::{c_char, c_int, c_void};\n')
    print(*constants(text), '', sep='\n')
    text = ' '.join(re.sub(r'^ ?#.*$', '', text, flags=re.M).split())
    print(*types(text), '', sep='\n')
    print('extern "C" {')
    for returns, name, takes in re.findall(r'E2STR_API ([^;()]*?)(\w+)\(([^)]*)\) ?;', text):
        print(f'    pub fn {name}({parameters(takes)}){result(returns)};')
    print('}')


main()
