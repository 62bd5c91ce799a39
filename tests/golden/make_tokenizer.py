"""Golden ids of the byte-level BPE tokenizer, by bpe.py: tokenizer.gguf and tokenizer.txt.

build/venv/bin/python tests/golden/make_tokenizer.py [FOLDER]      default: this one; checked: make golden

The vocabulary (600 tokens, numbered as OPT does: <s> <pad> </s> <unk> bytes merges <|endofchunk|> <image>) is trained
here, on invented words in several scripts. tokenizer.gguf has metadata only, no tensors.

tokenizer.txt: lines that start with '#' are comments; every other line is one string: its UTF-8 bytes in hexadecimal, a
tab, its token ids in decimal with single blanks between.

Letters and digits are what this Python's unicodedata says. It must be the version of unicode_ranges.h in the library,
14.0.0 (Python 3.11), because a later one has more letters.
"""
import collections
import itertools
import os
import random
import sys
import unicodedata

import gguf
from bpe import SPELLING, ByteBPE, join, spell, split

UNICODE = '14.0.0'
TOKENS = 600
STRINGS = 600
SPECIALS = ['<s>', '<pad>', '</s>', '<unk>']
LAST_SPECIALS = ['<|endofchunk|>', '<image>']

SCRIPTS = ['abcdefghijklmnopqrstuvwxyz', 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
           'éèêüößñçåøàâîôû', 'αβγδεζηθικλμνξοπρστυφχψως', '日本語中文字漢北京東大学']
DIGITS = '0123456789٠١٢٣٩०१५๓²½Ⅷ①'
BLANKS = [' ', ' ', ' ', '  ', '   ', '\t', '\n', '\r\n', '\x0b', '\x0c', '\u0085', '\u00a0', '\u1680', '\u2003', '\u2028',
          '\u202f', '\u3000', ' \u3000', '\n ', ' \u00a0 ']
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'r", "'l", " 's", "''s", "'", "’s"]
SIGNS = list('!"#$%&()*+,-./:;<=>?@[]^_`{|}~\\') + ['...', '€', '£', '™', '—', '\u0301', '\u0308', '\u20dd', '\u200d', '\ufe0f',
                                                  '😀', '👩\u200d💻', '🇫🇷', '\U0010fffd', '\ufffd', '\ue000']
CONTROLS = ['\x01', '\x1c', '\x1d', '\x1e', '\x1f', '\x7f', '\u0080', '\u009f', '\u00ad', '\u200b', '\u180e', '\ufeff']
OTHER_LETTERS = list('ªºµʰаяשعगक中ℵﬁ') + ['\U0001d400', '\U00020000', '\u16f1', '\u0e01', '\uac00']


def word(rng):
    """Syllables repeat, so that there is something to merge."""
    letters = rng.choice(SCRIPTS)
    syllables = [letters[i:i + 2] for i in range(0, len(letters) - 1, 2)] + list(letters[:6])
    return ''.join(rng.choice(syllables) for _ in range(rng.randint(1, 4)))


def piece(rng):
    kind = rng.random()
    if kind < 0.4:
        return word(rng)
    if kind < 0.5:
        return ''.join(rng.choice(DIGITS) for _ in range(rng.randint(1, 4)))
    if kind < 0.65:
        return ''.join(rng.choice(BLANKS) for _ in range(rng.randint(1, 3)))
    if kind < 0.75:
        return rng.choice(CONTRACTIONS)
    if kind < 0.85:
        return ''.join(rng.choice(SIGNS) for _ in range(rng.randint(1, 3)))
    if kind < 0.9:
        return rng.choice(CONTROLS)
    if kind < 0.95:
        return rng.choice(OTHER_LETTERS)
    while True:
        code = rng.randint(1, 0x10ffff)
        if not 0xd800 <= code < 0xe000:
            return chr(code)


def random_string(rng):
    return ''.join(piece(rng) for _ in range(rng.randint(1, 8)))


def train(rng):
    """(vocabulary, merges): the most frequent pair of neighbours is merged until the vocabulary is full."""
    text = ' '.join(word(rng) for _ in range(4000)) + ' 😀 😁 😂' * 60 + "  don't we've it's" * 40 + ' 2023 1987' * 20
    pieces = collections.Counter(split(text))
    words = {p: spell(p) for p in pieces}
    tokens = SPECIALS + [SPELLING[byte] for byte in range(256)]
    merges = []
    while len(tokens) + len(LAST_SPECIALS) < TOKENS:
        pairs = collections.Counter()
        for p, count in pieces.items():
            for pair in itertools.pairwise(words[p]):
                pairs[pair] += count
        pair = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(pair)
        tokens.append(''.join(pair))
        words = {p: join(symbols, pair) for p, symbols in words.items()}
    return tokens + LAST_SPECIALS, merges


def write_gguf(path, tokens, merges):
    writer = gguf.GGUFWriter(path, 'e2str')
    writer.add_string('tokenizer.ggml.model', 'gpt2')
    writer.add_array('tokenizer.ggml.tokens', tokens)
    writer.add_array('tokenizer.ggml.merges', [' '.join(pair) for pair in merges])
    writer.add_uint32('tokenizer.ggml.bos_token_id', tokens.index('</s>'))
    writer.add_uint32('tokenizer.ggml.eos_token_id', tokens.index('<|endofchunk|>'))
    writer.add_uint32('tokenizer.ggml.padding_token_id', tokens.index('<pad>'))
    writer.add_uint32('e2str.tokenizer.image_token_id', tokens.index('<image>'))
    writer.add_array('e2str.tokenizer.special_token_ids', [tokens.index(t) for t in SPECIALS + LAST_SPECIALS])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def make(folder):
    if unicodedata.unidata_version != UNICODE:
        raise SystemExit(f'make_tokenizer.py: Unicode {unicodedata.unidata_version}, need {UNICODE}')
    rng = random.Random(2311)
    tokens, merges = train(rng)
    bpe = ByteBPE({token: i for i, token in enumerate(tokens)}, merges, SPECIALS + LAST_SPECIALS)
    write_gguf(os.path.join(folder, 'tokenizer.gguf'), tokens, merges)
    with open(os.path.join(folder, 'tokenizer.txt'), 'w') as file:
        print('# make_tokenizer.py: UTF-8 in hexadecimal, tab, token ids', file=file)
        for _ in range(STRINGS):
            text = random_string(rng)
            print(text.encode().hex(), ' '.join(map(str, bpe.encode(text))), sep='\t', file=file)


if __name__ == '__main__':
    make(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
