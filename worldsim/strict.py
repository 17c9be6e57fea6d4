"""Foreign bytes, checked before anything is built from them: JSON and safetensors headers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from worldsim.errors import CheckpointError

HEADER_LIMIT = 10 * 10**6
TENSOR_LIMIT = 100_000

_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def parse_json(data: bytes, where: Path) -> dict[str, Any]:
    """Strict JSON object: no repeated keys, no NaN, no endless nesting."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: no valid JSON: {str(error)[:80]}; fetch it again") from error
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{where}: got a JSON {type(value).__name__}, expected an object; fetch it again"
        )
    return value


def check_header(data: bytes, where: Path) -> None:
    """Check a safetensors file's header against its bytes before anything is allocated for it."""

    def refuse(why: str) -> CheckpointError:
        return CheckpointError(f"{where}: no valid safetensors: {why}; fetch it again")

    # A header of 640 or 1152 bytes begins as a pickle does: look for its brace, too.
    foreign = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")
    if data[:2] in foreign and data[8:9] != b"{":
        raise CheckpointError(f"{where}: got a pickle or zip file, expected safetensors; it was not opened")
    size = int.from_bytes(data[:8], "little")
    if len(data) < 10 or size > min(HEADER_LIMIT, len(data) - 8):
        raise refuse(f"got {len(data)} bytes with a header of {size}")
    header = parse_json(data[8 : 8 + size], where)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise refuse("__metadata__ has to map text to text")
    if not 0 < len(header) <= TENSOR_LIMIT:
        raise refuse(f"got {len(header)} tensors, expected 1 to {TENSOR_LIMIT}")
    spans = []
    for name, entry in header.items():
        span = _span(entry)
        if span is None:
            raise refuse(f"{name!r}: its type, shape and bytes don't agree")
        spans.append(span)
    spans.sort()
    starts = [0] + [end for _, end in spans]
    if [begin for begin, _ in spans] != starts[:-1] or starts[-1] != len(data) - 8 - size:
        raise refuse("its tensors overlap or leave bytes unused")


def _span(entry: Any) -> tuple[int, int] | None:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return None
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(shape) > 8 or len(offsets) != 2:
        return None
    if not all(type(n) is int and n > 0 for n in shape) or not all(
        type(n) is int and n >= 0 for n in offsets
    ):
        return None
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in _SIZES:
        return None
    if math.prod(shape) * _SIZES[entry["dtype"]] != offsets[1] - offsets[0]:
        return None
    return offsets[0], offsets[1]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key is given twice")
    return values


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not allowed")
