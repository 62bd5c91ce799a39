# SPDX-License-Identifier: MIT
"""Which labels of a pool look wrong: what `e2str pool audit` tells, by the same rules."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import _abi

if TYPE_CHECKING:
    from ..reader import Pool

WORTH_A_LOOK = 0.5
"""Of doubt: neither the model nor the others' memory gives the label's characters half, in the mean."""
SAME_PICTURE = 0.999
"""Cosine of the keys of one picture, stored or compressed another way."""


@dataclass(frozen=True)
class Finding:
    """What is odd about an example."""

    reason: str
    """'contradicts': the same picture as `other`, another label; 'doubtful'; 'repeats': same picture, same label, and
    the other was there before."""
    other: int | None
    """Id of the other example."""
    score: float
    """Doubt, or similarity to the other."""


def same_pictures(pool: Pool, id: int) -> list[tuple[int, float]]:
    """(id, cosine) of the other examples that show the same picture, most similar first."""
    owner, count = pool._held(), len(pool)
    key = (ctypes.c_float * pool._reader.info.visual_width)()
    ids, cosines, found = (ctypes.c_uint64 * count)(), (ctypes.c_float * count)(), ctypes.c_size_t()
    _abi.call('pool_key', owner.pointer, id, key)
    _abi.call('pool_nearest', owner.pointer, key, count, SAME_PICTURE, ids, cosines, ctypes.byref(found))
    return [pair for pair in zip(ids[: found.value], cosines[: found.value]) if pair[0] != id]


def judge(pool: Pool, id: int, others: list[tuple[int, float]], doubtful: float = WORTH_A_LOOK) -> Finding | None:
    """One example, from the pool's last learning, against those of the same picture. doubtful: more doubt than this is
    worth a look."""
    for other, cosine in others:
        if pool[other] != pool[id]:
            return Finding('contradicts', other, cosine)
    try:
        doubt = pool.doubt(id)
    except KeyError:
        doubt = 0.0
    if doubt > doubtful:
        return Finding('doubtful', None, doubt)
    return next((Finding('repeats', other, cosine) for other, cosine in others if other < id), None)
