"""The infos of N worlds as one: what `gymnasium.vector.VectorEnv._add_info` builds, in one pass a key.

Each key has an array of N entries and, under `_key`, a mask of the worlds that gave it; dicts are
gathered the same way inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Info = Mapping[str, Any]


def gather(infos: Sequence[Info]) -> dict[str, Any]:
    """One info for N worlds from the info of each; an empty one says nothing."""
    keys = dict.fromkeys(key for info in infos for key in info)
    result: dict[str, Any] = {}
    for key in keys:
        owners = [i for i, info in enumerate(infos) if key in info]
        values = [infos[i][key] for i in owners]
        if key != "final_obs" and isinstance(values[0], dict):
            result[key] = gather([info.get(key, {}) for info in infos])
        else:
            result[key] = _column(values, owners, len(infos), whole=key == "final_obs")
        mask = np.zeros(len(infos), np.bool_)
        mask[owners] = True
        result[f"_{key}"] = mask
    return result


def _column(values: list[Any], owners: list[int], count: int, *, whole: bool) -> NDArray[Any]:
    """The values of some worlds in an array of all; `whole` ones, and what is no number, as objects."""
    first = values[0]
    if not whole and isinstance(first, np.ndarray):
        if len(owners) == count:
            return np.stack(values)
        column = np.zeros((count, *first.shape), first.dtype)
        column[owners] = values
        return column
    if not whole and (type(first) in (int, float, bool) or isinstance(first, np.number)):
        column = np.zeros(count, type(first))
        column[owners] = values
        return column
    column = np.full(count, None, object)
    for owner, value in zip(owners, values):
        column[owner] = value
    return column
