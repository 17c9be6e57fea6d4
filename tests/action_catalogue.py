"""Wrong and unusual actions for each action set: one catalogue for envs and vector envs alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from worldsim.actions import KEYS, noop


def _without(key: str) -> dict[str, Any]:
    return {k: v for k, v in noop().items() if k != key}


def _camera(*values: float, dtype: Any = np.float32) -> dict[str, Any]:
    return {**noop(), "camera": np.array(values, dtype)}


def batch(count: int = 3, **changed: Any) -> dict[str, Any]:
    """`count` actions that do nothing, as a dict of columns."""
    columns: dict[str, Any] = {key: np.zeros(count, np.int64) for key in KEYS}
    return {**columns, "camera": np.zeros((count, 2), np.float32), **changed}


def _at(array: Any, place: Any, value: Any) -> Any:
    array[place] = value
    return array


_NUMBERS: dict[str, Any] = {
    "negative": -1, "too large": 34, "huge": 2**63, "larger than any integer": 2**100, "bool": True,
    "numpy bool": np.bool_(True), "float": 1.0, "fraction": 1.5, "text": "1", "none": None, "nan": float("nan"),
    "list of one": [1], "array of one": np.array([1]), "empty": np.array([], int), "object": object(),
    "complex": 1j, "dict": noop(), "float array": np.array(1.0), "bytes": b"1", "object array": np.array(1, object),
    "set": {1}, "class": int,
}  # fmt: skip

BAD_SINGLES: dict[str, dict[str, Any]] = {
    "dict": {
        "nan": _camera(np.nan, 0), "inf": _camera(0, -np.inf), "1e38": _camera(1e38, 0),
        "beyond 180": _camera(0, 180.1),
        "missing key": _without("jump"), "missing camera": _without("camera"), "extra key": {**noop(), "fly": 1},
        "key of 2": {**noop(), "use": 2}, "key of -1": {**noop(), "use": -1}, "key of 1.0": {**noop(), "use": 1.0},
        "key of text": {**noop(), "use": "1"}, "key of none": {**noop(), "use": None},
        "key of nan": {**noop(), "use": np.nan}, "key of 2**64": {**noop(), "use": 2**64},
        "key of an array": {**noop(), "use": np.zeros((30, 30))},
        "key of shape (1,)": {**noop(), "use": np.zeros(1, int)},
        "camera of one": _camera(0.0), "camera of three": _camera(0, 0, 0),
        "camera (1, 2)": {**noop(), "camera": np.zeros((1, 2))},
        "camera ragged": {**noop(), "camera": [[1], [1, 2]]}, "camera of text": {**noop(), "camera": ["a", "b"]},
        "camera of objects": {**noop(), "camera": np.array([0, 0], object)},
        "camera complex": {**noop(), "camera": np.zeros(2, complex)},
        "camera bool": {**noop(), "camera": np.zeros(2, bool)},
        "camera scalar": {**noop(), "camera": 3.0}, "camera none": {**noop(), "camera": None},
        "none": None, "vector": np.zeros(25, np.float32), "integer": 0, "text": "forward", "empty": {},
        "batch": batch(),
    },
    "discrete": _NUMBERS,
    "multi_discrete": {
        **{name: value for name, value in _NUMBERS.items() if name != "too large"},
        "scalar": 1, "(1, 7)": np.zeros((1, 7), int), "(6,)": np.zeros(6, int), "(8,)": np.zeros(8, int),
        "(7, 1)": np.zeros((7, 1), int), "one too large": _at(np.zeros(7, int), 3, 5),
        "one negative": _at(np.zeros(7, int), 0, -1), "floats": np.zeros(7), "bools": np.zeros(7, bool),
        "strings": np.array(["0"] * 7), "ragged": [0, [1], 0, 0, 0, 0, 0], "complex row": np.zeros(7, complex),
    },
}  # fmt: skip

_SHAPES: dict[str, Any] = {
    "none": None, "scalar": 1, "text": "111", "too few": np.zeros(2, int), "too many": np.zeros(4, int),
    "empty": np.zeros(0, int), "floats": np.zeros(3), "bools": np.zeros(3, bool), "objects": np.zeros(3, object),
    "complex": np.zeros(3, complex), "strings": np.array(["0", "1", "2"]), "ragged": [[1], [1, 2], 0],
    "column": np.zeros((3, 1, 1), int), "nan": np.full(3, np.nan), "dict": batch(),
}  # fmt: skip

BAD_BATCHES: dict[str, dict[str, Any]] = {
    "dict": {
        "none": None, "a list of dicts": [noop()] * 3, "of one": noop(), "too few": batch(2), "too many": batch(4),
        "vectors": np.zeros((3, 25), np.float32), "missing key": {k: v for k, v in batch().items() if k != "jump"},
        "extra key": batch(fly=np.zeros(3, int)), "one key of 2": batch(use=np.array([0, 0, 2])),
        "one key of -1": batch(use=np.array([-1, 0, 0])), "key of floats": batch(use=np.zeros(3)),
        "key (3, 1)": batch(use=np.zeros((3, 1), int)), "key ragged": batch(use=[[0], [0, 1], 0]),
        "key of objects": batch(use=np.zeros(3, object)), "key scalar": batch(use=0),
        "one nan": batch(camera=_at(np.zeros((3, 2), np.float32), (1, 0), np.nan)),
        "one inf": batch(camera=_at(np.zeros((3, 2), np.float32), (2, 1), np.inf)),
        "one beyond 180": batch(camera=_at(np.zeros((3, 2), np.float32), (0, 0), 1e38)),
        "camera (2,)": batch(camera=np.zeros(2)), "camera (3, 3)": batch(camera=np.zeros((3, 3))),
        "camera objects": batch(camera=np.zeros((3, 2), object)), "camera text": batch(camera="left"),
    },
    "discrete": {
        **_SHAPES, "one too large": np.array([0, 34, 0]), "one negative": np.array([0, 0, -1]),
        "(1, 3)": np.zeros((1, 3), int), "(3, 1)": np.zeros((3, 1), int),
        "uint64 max": np.array([0, 0, 2**64 - 1], np.uint64),
    },
    "multi_discrete": {
        **_SHAPES, "(7,)": np.zeros(7, int), "(2, 7)": np.zeros((2, 7), int), "(4, 7)": np.zeros((4, 7), int),
        "(3, 6)": np.zeros((3, 6), int), "(3, 7, 1)": np.zeros((3, 7, 1), int), "(1, 7)": np.zeros((1, 7), int),
        "one too large": _at(np.zeros((3, 7), int), (1, 6), 10), "one negative": _at(np.zeros((3, 7), int), (2, 0), -1),
    },
}  # fmt: skip
"""For three worlds."""

GOOD_SINGLES: dict[str, dict[str, Any]] = {
    "discrete": {
        "integer": 3, "int8": np.int8(3), "uint64": np.uint64(3), "0-d array": np.array(3), "last": 33,
    },
    "multi_discrete": {
        "integer": [0] * 7, "int8": np.zeros(7, np.int8), "strided": np.zeros(14, int)[::2],
        "swapped": np.ones(7, ">i4"), "read-only": np.broadcast_to(np.array(1), 7),
    },
    "dict": {
        "integer": noop(), "int8": {**noop(), "jump": np.int8(1)}, "0-d array": {**noop(), "jump": np.array(True)},
        "-0.0": _camera(-0.0, 0.0), "denormal": _camera(1e-45, 0), "last": _camera(180, -180),
        "float64": _camera(1, 2, dtype=np.float64), "float16": _camera(1, 2, dtype=np.float16),
        "strided": {**noop(), "camera": np.zeros(4, np.float32)[::2]}, "swapped": _camera(1, 2, dtype=">f4"),
        "any order": dict(reversed(noop().items())), "both ways": {**noop(), "left": 1, "right": 1},
        "read-only": {**noop(), "camera": np.broadcast_to(np.float32(1), 2)},
    },
}  # fmt: skip
