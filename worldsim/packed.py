"""States as bytes: arrays in safetensors with one JSON text beside them; nothing in them is ever executed.

    data = pack("worldsim.voxel", {"player": array}, {"seed": 7})
    kind, arrays, facts = unpack(data, "worldsim.voxel")

Whole numbers of any size are fine in the facts; floats belong into arrays, where they are exact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import CheckpointError, UnsupportedVersion, UsageError
from worldsim.strict import check_header, parse_json

FORMAT = 1
SIZE_LIMIT = 2**32
_ENTRY = "worldsim"


def pack(kind: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> bytes:
    """The bytes of named arrays (empty ones are left out) and facts that JSON can hold."""
    from safetensors.numpy import save

    # One entry: safetensors keeps no order among several, and equal states shall be equal bytes.
    text = json.dumps({"kind": kind, "format": FORMAT, "facts": facts}, allow_nan=False)
    return save({name: np.ascontiguousarray(a) for name, a in arrays.items() if a.size}, {_ENTRY: text})


def unpack(data: Any, *kinds: str) -> tuple[str, dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `pack` wrote, if it is of one of the kinds: the kind, the arrays and the facts.

    Raises:
        UsageError: damaged bytes, or those of something else.
        UnsupportedVersion: a newer format.
    """
    from safetensors.numpy import load

    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(f"state: got {type(data).__name__}, expected the bytes of to_bytes()")
    data = bytes(data)
    try:
        if len(data) > SIZE_LIMIT:
            raise CheckpointError(f"{len(data)} bytes, expected at most {SIZE_LIMIT}")
        check_header(data, Path("state"))
        header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")], Path("state"))
        text = parse_json(header["__metadata__"][_ENTRY].encode(), Path("state"))
        found, form, facts = text["kind"], text["format"], text["facts"]
        if not isinstance(facts, dict):
            raise ValueError("no facts")
    except (CheckpointError, KeyError, ValueError, TypeError) as error:
        why = str(error).removeprefix("state: ").removesuffix("; fetch it again")
        raise UsageError(f"state: damaged or foreign bytes ({why}); expected those of to_bytes()") from error
    if form != FORMAT:
        raise UnsupportedVersion(f"state: got format {form}, this release reads {FORMAT}; update worldsim")
    if found not in kinds:
        raise UsageError(f"state: got a {found!r}, expected a {' or '.join(map(repr, kinds))}")
    return found, load(data), facts


def need_array(
    arrays: Mapping[str, NDArray[Any]], name: str, dtype: Any, shape: tuple[int | None, ...]
) -> NDArray[Any]:
    """One array, checked: its type and its shape, where None is any length.

    Raises:
        UsageError: it is missing or of another type or shape.
    """
    array = arrays.get(name)
    fits = (
        array is not None
        and array.dtype == dtype
        and array.ndim == len(shape)
        and all(want is None or want == got for want, got in zip(shape, array.shape))
    )
    if array is None or not fits:
        got = "none" if array is None else f"{array.dtype} {array.shape}"
        raise UsageError(f"state: {name}: got {got}, expected {np.dtype(dtype)} {shape}")
    copy: NDArray[Any] = array.copy()
    return copy


def need_integer(facts: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """One whole number from `low` to `high`.

    Raises:
        UsageError: it is missing or out of range.
    """
    value = facts.get(name)
    if type(value) is not int or not low <= value <= high:
        raise UsageError(f"state: {name}: got {str(value)[:40]!r}, expected an integer from {low} to {high}")
    return value


def check_generator(state: Any) -> dict[str, Any]:
    """The state of a numpy PCG64 generator, as its `bit_generator.state` gives it.

    Raises:
        UsageError: something else.
    """
    inner = state.get("state") if isinstance(state, Mapping) else None
    if not isinstance(inner, Mapping) or state.get("bit_generator") != "PCG64":
        raise UsageError("state: rng: expected the state of a PCG64 generator")
    return {
        "bit_generator": "PCG64",
        "state": {name: need_integer(inner, name, 0, 2**128 - 1) for name in ("state", "inc")},
        "has_uint32": need_integer(state, "has_uint32", 0, 1),
        "uinteger": need_integer(state, "uinteger", 0, 2**32 - 1),
    }
