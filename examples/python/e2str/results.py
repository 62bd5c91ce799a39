# SPDX-License-Identifier: MIT
"""What calls answer: small immutable objects."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from . import _abi
from ._abi import lib

if TYPE_CHECKING:
    import numpy
    import numpy.typing


@dataclass(frozen=True)
class Alternative:
    text: str
    """The token's; '' is the end."""
    probability: float


@dataclass(frozen=True)
class Influence:
    """A character of an example that moved one that was read."""

    example: int
    """Id."""
    offset: int | None
    """Of the character in the example's label as UTF-8, bytes; the label's size: its end; None: of a character that the
    label leaves out."""
    amount: float
    """Logit; below 0: against."""


@dataclass(frozen=True)
class Box:
    """Where a character lies: pixels of the picture as it is stored."""

    left: float
    top: float
    right: float
    bottom: float
    evidence: float
    """How much more the patch there looks like this character than like none, at most: a difference of logits, -32 to
    32."""


@dataclass(frozen=True)
class Area:
    """Which part of a picture was read: a rectangle in its pixels as stored, and how it was turned."""

    x: int
    y: int
    width: int
    height: int
    rotate: int
    """Clockwise, after the rectangle was cut out: 0, 90, 180 or 270."""


@dataclass(frozen=True)
class Character:
    text: str
    """One code point."""
    probability: float
    """0 to 1."""
    alternatives: tuple[Alternative, ...]
    """The tokens that were most likely here, best first: with the option `alternatives`."""
    memory: float
    """Logit that the memory added to the token written; 0 without a memory."""
    influences: tuple[Influence, ...]
    """What did most of it, the strongest first: with the option `influences`."""
    box: Box | None
    """With the option `places`."""
    attention: tuple[tuple[float, ...], ...] | None
    """How much the decoder looked at each patch of the area when it wrote this: rows of columns, upright; they sum to
    at most 1. With the option `attention`."""


@dataclass(frozen=True)
class Example:
    """An example that stood in the prompt."""

    id: int
    similarity: float
    """Cosine to the query."""


@dataclass(frozen=True)
class Reading:
    """What was read. str() of it is the text."""

    text: str
    score: float
    """exp of the mean log-probability of the tokens, the end included: 0 to 1, the model's own estimate."""
    confidence: float
    """Probability that letters and digits are right, but for case, where the model is calibrated; else the score."""
    textless: float
    """Probability that the picture has no text; 0 where the model cannot tell."""
    rejected: bool
    """The confidence is less than the option `reject_below`."""
    second_look: int
    """With the option of that name: 0 not looked at again, 1 looked at again, 2 the text changed by that."""
    unmatched: bool
    """No text that the search met fits the constraint: this is the reading without it."""
    truncated: bool
    """The text was cut at max_tokens."""
    end_probability: float
    """That the text ends where it does; 0 if truncated."""
    characters: tuple[Character, ...]
    examples: tuple[Example, ...]
    """In the order in which they stood in the prompt."""
    area: Area
    """Which part of the picture was read."""
    tokens: tuple[int, ...]
    """As the decoder wrote them, special ones left out."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class ModelInfo:
    """What a model file holds: see e2str_model_info in e2str.h."""

    name: str
    parameters: int
    file_bytes: int
    image_width: int
    image_height: int
    visual_tokens: int
    visual_width: int
    vision_layers: int
    resampler_layers: int
    decoder_layers: int
    decoder_width: int
    vocabulary: int
    positions: int
    tokenizer: str
    segment_stride: int
    min_similarity: float
    memory: bool
    trim: bool
    precision: str
    calibrated: bool
    places: bool
    min_width: int
    max_width: int


@dataclass(frozen=True)
class PoolInfo:
    """What a pool holds, and the archive in which it lies: see e2str_pool_info in e2str.h."""

    examples: int
    added: int
    """Of these in memory: all, or, of a pool in an archive, those not saved yet."""
    storage: str
    """Of visual tokens: 'f16' or 'f32'."""
    archive: bool
    """The pool lies in an archive; otherwise the rest is False and 0."""
    mapped: bool
    segments: int
    """Runs of examples in it."""
    file_bytes: int
    unused_bytes: int
    """About as many would be saved by writing it anew."""
    without_tokens: int
    """Examples in it that have no visual tokens."""


@dataclass(frozen=True)
class Report:
    """What a pool has learnt."""

    examples: int
    """Learnt from."""
    doubtful: int
    """Left out: the label contradicts the picture."""
    characters: int
    """Of their labels, ends included."""
    tokens: int
    """Different ones."""
    new_characters: int
    """That the model has no token for."""
    silent: int
    """Characters that the labels leave out."""
    letter_case: int
    """Of all letters: 0 as read, 1 capitals, 2 small letters."""
    strength: float
    """In use; 0: off, since it does not help its own examples."""
    checked: int
    """Examples read held out; 0: too few to check."""
    right_without: int
    """Of these, read right without the memory."""
    right_with: int
    """And with it."""


@dataclass(frozen=True)
class Correction:
    """What came of a judgement."""

    outcome: str
    """'none', 'added', 'repeated', 'replaced' or 'refused'."""
    right: bool
    """What was read is what the correction says."""
    id: int
    """Of the example that has this picture and text; 0: there is none."""
    other: int
    """Of the example that was contradicted; 0: none was."""
    dropped: int
    """Examples that went for the cap."""
    learnt: bool
    """The pool has learnt again."""
    learning: str
    """'ok', or the status of why that failed."""
    drift: bool
    """Drift was noticed with this one."""


@dataclass(frozen=True)
class StreamReport:
    """What a stream did so far; what is of now says so."""

    reads: int
    judged: int
    right: int
    """Of the judged ones."""
    added: int
    repeated: int
    contradicted: int
    dropped: int
    learnt: int
    examples: int
    """Now, in the pool."""
    bytes: int
    """Now, of them."""
    changes: int
    """Now: examples that came and went since the pool learnt."""
    tickets: int
    """Now open."""
    recent: float
    """Share that was right of the last `window` judged reads, 0 to 1."""
    before: float
    """Of those before them."""
    drifts: int
    """Times that drift was noticed."""
    drift_at: int
    """The last time: `judged`."""
    drift_from: float
    drift_to: float


@dataclass(frozen=True, eq=False)
class Encoding:
    """What the model sees of n pictures."""

    keys: numpy.typing.NDArray[numpy.float32]
    """[n][visual_width], of unit length: what "nearest" compares, by dot product."""
    tokens: list[numpy.typing.NDArray[numpy.float32]]
    """n arrays [rows][visual_width]; none if only keys were asked for."""


def _list(count: int, name: str, *arguments: Any) -> list[Any]:
    """`count` structures e2str_NAME, from e2str_result_NAME(arguments, index, structure)."""
    made = [_abi.struct(name) for _ in range(count)]
    for index, one in enumerate(made):
        _abi.call(f'result_{name}', *arguments, index, ctypes.byref(one))
    return made


def _pairs(count: int, name: str, first: Any, *arguments: Any) -> list[tuple[Any, float]]:
    """`count` pairs of e2str_result_NAME(arguments, index, first, float)."""
    pairs, number = [], ctypes.c_float()
    for index in range(count):
        _abi.call(f'result_{name}', *arguments, index, ctypes.byref(first), ctypes.byref(number))
        pairs.append((first.value, number.value))
    return pairs


def reading(result: Any, places: bool, attention: bool) -> Reading:
    """All that a result of the library holds. places, attention: it was asked for them."""
    ids = ctypes.POINTER(ctypes.c_uint32)()
    count = lib.e2str_result_tokens(result, ctypes.byref(ids))
    data = lib.e2str_result_text(result)
    examples = _pairs(lib.e2str_result_examples(result), 'example', ctypes.c_uint64(), result)
    characters = _list(lib.e2str_result_characters(result), 'character', result)
    boxes = [_abi.answer(Box, box) for box in _list(len(characters) if places else 0, 'box', result)]
    area = _abi.struct('area')
    _abi.call('result_area', result, ctypes.byref(area))
    return Reading(
        text=data.decode(),
        score=lib.e2str_result_score(result),
        confidence=lib.e2str_result_confidence(result),
        textless=lib.e2str_result_textless(result),
        rejected=bool(lib.e2str_result_rejected(result)),
        second_look=lib.e2str_result_second_look(result),
        unmatched=bool(lib.e2str_result_unmatched(result)),
        truncated=bool(lib.e2str_result_truncated(result)),
        end_probability=lib.e2str_result_end_probability(result),
        characters=tuple(
            _character(result, data, index, *one, attention) for index, one in enumerate(zip_longest(characters, boxes))
        ),
        examples=tuple(Example(*pair) for pair in examples),
        area=_abi.answer(Area, area),
        tokens=tuple(ids[:count]),
    )


def _attention(result: Any, index: int) -> tuple[tuple[float, ...], ...]:
    weights, rows, columns = ctypes.POINTER(ctypes.c_float)(), ctypes.c_uint32(), ctypes.c_uint32()
    _abi.call('result_attention', result, index, ctypes.byref(weights), ctypes.byref(rows), ctypes.byref(columns))
    width = columns.value
    return tuple(tuple(weights[row * width : (row + 1) * width]) for row in range(rows.value))


def _character(result: Any, data: bytes, index: int, one: Any, box: Box | None, attention: bool) -> Character:
    others = _pairs(lib.e2str_result_alternatives(result, index), 'alternative', ctypes.c_char_p(), result, index)
    influences = _list(lib.e2str_result_influences(result, index), 'influence', result, index)
    return Character(
        text=data[one.offset : one.offset + one.length].decode(),
        probability=one.probability,
        alternatives=tuple(Alternative(text.decode(errors='replace'), probability) for text, probability in others),
        memory=lib.e2str_result_memory(result, index),
        box=box,
        attention=_attention(result, index) if attention else None,
        influences=tuple(
            Influence(i.example, None if i.offset == _NOWHERE else i.offset, i.amount) for i in influences
        ),
    )


_NOWHERE = ctypes.c_size_t(-1).value
