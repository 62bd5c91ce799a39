"""Byte-level BPE as GPT-2 and OPT use it (docs/model.md, section 10), beside which lib's tokenizer is tested."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

CONTRACTION = re.compile("'(?:s|t|re|ve|m|ll|d)")
# Over a text's classes: L letters, N numbers, S White_Space ('_' for the blank itself), O all others.
PIECE = re.compile('_?L+|_?N+|_?O+|[_S]+(?![LNO])|[_S]+')
LATIN_SPACE = '\t\n\x0b\x0c\r\x85\xa0'

# Printable Latin-1 spells itself, the other 68 bytes are U+0100 and up, in order.
VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
HIDDEN = [byte for byte in range(256) if byte not in VISIBLE]
SPELLING = {**{byte: chr(byte) for byte in VISIBLE}, **{byte: chr(256 + i) for i, byte in enumerate(HIDDEN)}}
BYTE = {character: byte for byte, character in SPELLING.items()}


def character_class(character: str) -> str:
    category = unicodedata.category(character)
    if character == ' ':
        return '_'
    if character in LATIN_SPACE or (ord(character) > 0xFF and category[0] == 'Z'):
        return 'S'
    return category[0] if category[0] in 'LN' else 'O'


def split(text: str) -> Iterator[str]:
    """The pieces of GPT-2's pattern."""
    classes = ''.join(map(character_class, text))
    at = 0
    while at < len(text):
        end = (CONTRACTION.match(text, at) or PIECE.match(classes, at)).end()
        yield text[at:end]
        at = end


def spell(piece: str) -> tuple[str, ...]:
    return tuple(SPELLING[byte] for byte in piece.encode())


def join(symbols: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    """Each occurrence of the pair made one symbol, from the left."""
    joined, i = [], 0
    while i < len(symbols):
        both = tuple(symbols[i : i + 2]) == pair
        joined.append(''.join(pair) if both else symbols[i])
        i += 1 + both
    return tuple(joined)


class ByteBPE:
    def __init__(self, ids: dict[str, int], merges: Iterable[tuple[str, str]], specials: Iterable[str]):
        """ids: of every token; merges: by rank; specials: tokens that write no text."""
        self.ids, self.ranks = ids, {pair: rank for rank, pair in enumerate(merges)}
        self.tokens = {i: token for token, i in ids.items()}
        self.specials = {ids[token] for token in specials}

    def merge(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        while True:
            pairs = [pair for pair in itertools.pairwise(symbols) if pair in self.ranks]
            if not pairs:
                return symbols
            symbols = join(symbols, min(pairs, key=self.ranks.get))

    def encode(self, text: str) -> list:
        """A label's ids. The text holds no special token."""
        return [self.ids[symbol] for piece in split(text) for symbol in self.merge(spell(piece))]

    def decode(self, ids: Iterable[int]) -> str:
        spelled = ''.join(self.tokens[i] for i in ids if i not in self.specials)
        return bytes(BYTE[character] for character in spelled).decode(errors='replace')
