"""Pressed keys out of vectors, and the other way round, for formats that hold a choice a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, INDEX, check_vector
from worldsim.errors import InvalidAction

HOTBAR: tuple[str, ...] = tuple(f"hotbar.{slot}" for slot in range(1, 10))


def pressed(vectors: Any) -> NDArray[np.bool_]:
    """Which entries of vectors `[..., 25]` are above 0.5 (those of the camera mean nothing)."""
    return check_vector(vectors) > 0.5


def columns(pressed: NDArray[np.bool_], names: Sequence[str]) -> NDArray[np.bool_]:
    """The entries called `names`: `[..., len(names)]`."""
    return pressed[..., [INDEX[name] for name in names]]


def last(pressed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """1 + the index of the last pressed key along the last axis, 0 where none is."""
    count = pressed.shape[-1]
    found = count - np.argmax(pressed[..., ::-1], axis=-1)
    return np.where(pressed.any(axis=-1), found, 0)


def first(pressed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """1 + the index of the first pressed key along the last axis, 0 where none is."""
    return np.where(pressed.any(axis=-1), np.argmax(pressed, axis=-1) + 1, 0)


def only(pressed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """1 + the index of the one pressed key, 0 where none or several are: they cancel out."""
    return np.where(pressed.sum(axis=-1) == 1, first(pressed), 0)


def press(vectors: NDArray[np.float32], names: Sequence[str], choice: NDArray[np.int64]) -> None:
    """Press key `names[choice - 1]` in each of the vectors `[..., 25]`; 0 presses none."""
    for number, name in enumerate(names, 1):
        vectors[..., INDEX[name]] = choice == number


def empty(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Vectors that press nothing: zeros `[*shape, 25]`."""
    return np.zeros((*shape, ACTION_SIZE), np.float32)


def integers(values: Any, what: str, count: int) -> NDArray[np.int64]:
    """An int64 copy of indices from 0 to `count - 1`.

    Raises:
        InvalidAction: anything else; the message names `what`.
    """
    try:
        array = np.array(values)
    except ValueError as error:
        raise InvalidAction(f"{what}: got a ragged list, expected integers from 0 to {count - 1}") from error
    if array.dtype.kind not in "iu" or ((array < 0) | (array >= count)).any():
        raise InvalidAction(
            f"{what}: got {array.dtype} {array.shape}, expected integers from 0 to {count - 1}"
        )
    return array.astype(np.int64)
