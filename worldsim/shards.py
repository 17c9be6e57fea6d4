"""Tensors in safetensors files below 16 MiB each, read back only after every byte is accounted for.

A tensor too large for one file is cut along its first axis into parts `NAME::1-of-3`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worldsim.atomic import read_file, write_file
from worldsim.errors import CheckpointError, IntegrityError, NumericalError
from worldsim.strict import check_header

SHARD_LIMIT = 16 * 2**20
SHARD_COUNT_LIMIT = 4096

_FILL = 15 * 2**20  # the rest of a shard is left to its header
_DTYPES = frozenset(
    {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32}
    | {torch.int16, torch.int8, torch.uint8, torch.bool}
)
_PART = re.compile(r"(.+)::(\d+)-of-(\d+)")

Manifest = dict[str, dict[str, Any]]
"""For each shard's file name its `sha256` (hex) and `size` (bytes)."""


def write_shards(folder: Path, stem: str, tensors: dict[str, Tensor]) -> Manifest:
    """Write `STEM-00001-of-0000N.safetensors` into `folder` and return their manifest.

    Raises:
        NumericalError: a tensor holds NaN or infinity.
        CheckpointError: a tensor is empty or of a type that is not stored.
    """
    from safetensors.torch import save

    groups = list(_groups(tensors))
    manifest: Manifest = {}
    for i, group in enumerate(groups):
        name = f"{stem}-{i + 1:05d}-of-{len(groups):05d}.safetensors"
        data = save(group)
        write_file(folder / name, data)
        manifest[name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return manifest


def check_manifest(manifest: Any, stem: str, where: Path) -> Manifest:
    """Return `manifest` if it names the whole series of shards and nothing else."""
    if not isinstance(manifest, dict) or not 0 < len(manifest) <= SHARD_COUNT_LIMIT:
        raise IntegrityError(f"{where}: shards: expected 1 to {SHARD_COUNT_LIMIT} files; fetch it again")
    names = [f"{stem}-{i + 1:05d}-of-{len(manifest):05d}.safetensors" for i in range(len(manifest))]
    if sorted(manifest) != names:
        raise IntegrityError(
            f"{where}: shards: got {sorted(manifest)[:3]}, expected {names[:3]}; fetch it again"
        )
    for name, entry in manifest.items():
        if (
            not isinstance(entry, dict)
            or entry.keys() != {"sha256", "size"}
            or not re.fullmatch(r"[0-9a-f]{64}", str(entry["sha256"]))
            or type(entry["size"]) is not int
        ):
            raise IntegrityError(f"{where}: shards.{name}: expected its sha256 and size; fetch it again")
        if not 0 <= entry["size"] < SHARD_LIMIT:
            raise CheckpointError(
                f"{where}: shards.{name}: got {entry['size']} bytes, expected below {SHARD_LIMIT}"
            )
    return manifest


def read_shards(folder: Path, stem: str, manifest: Manifest) -> dict[str, Tensor]:
    """Read all tensors of `folder` and check them against `manifest`, as returned by `check_manifest`.

    Raises:
        IntegrityError: a shard is missing, left over from another save, or not the promised bytes.
        CheckpointError: a shard is no well-formed safetensors file.
        NumericalError: a tensor holds NaN or infinity.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    series = re.compile(rf"{stem}-.*\.safetensors")
    try:
        extra = sorted(set(filter(series.fullmatch, os.listdir(folder))) - manifest.keys())
    except OSError as error:
        raise IntegrityError(f"{folder}: can't be read: {error.strerror}; fetch or train it again") from error
    if extra:
        raise IntegrityError(
            f"{folder}: got files that its list does not name: {', '.join(extra[:10])}; remove them"
        )
    pieces: dict[str, Tensor] = {}
    for name, entry in sorted(manifest.items()):
        data = read_file(folder / name, SHARD_LIMIT)
        if len(data) != entry["size"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise IntegrityError(
                f"{folder / name}: got {len(data)} bytes that differ from the {entry['size']} promised; "
                "fetch or train it again"
            )
        check_header(data, folder / name)
        try:
            group = load(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{folder / name}: no valid safetensors: {error}; fetch it again"
            ) from error
        if repeated := group.keys() & pieces.keys():
            raise CheckpointError(f"{folder / name}: {min(repeated)!r} is in two shards; fetch it again")
        pieces.update(group)
    tensors = _join(pieces, folder)
    for name, tensor in tensors.items():
        check_finite(name, tensor, str(folder))
    return tensors


def check_finite(name: str, tensor: Tensor, where: str) -> None:
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        count = int((~torch.isfinite(tensor)).sum())
        raise NumericalError(
            f"{where}: {name!r} has {count} values that are not finite; train from an earlier checkpoint"
        )


def _groups(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    group: dict[str, Tensor] = {}
    filled = 0
    for name in sorted(tensors):
        for part, tensor in _cut(name, tensors[name]):
            size = tensor.numel() * tensor.element_size()
            if group and (filled + size > _FILL or len(group) >= 4096):
                yield group
                group, filled = {}, 0
            group[part] = tensor
            filled += size
    if not group:
        raise CheckpointError("tensors: got none to save, expected at least one")
    yield group


def _cut(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if tensor.dtype not in _DTYPES or tensor.numel() == 0 or tensor.is_complex() or not name or "::" in name:
        raise CheckpointError(
            f"tensor {name!r}: got {tensor.dtype} {tuple(tensor.shape)}, expected a plain tensor with values"
        )
    check_finite(name, tensor, "checkpoint")
    tensor = tensor.detach().cpu()
    size = tensor.numel() * tensor.element_size()
    if size <= _FILL:
        yield name, tensor.clone(memory_format=torch.contiguous_format)
        return
    rows = _FILL // (size // tensor.shape[0])
    if rows == 0:
        raise CheckpointError(
            f"tensor {name!r}: got {tuple(tensor.shape)}, expected rows below {_FILL} bytes"
        )
    parts = [tensor[i : i + rows] for i in range(0, tensor.shape[0], rows)]
    for i, part in enumerate(parts):
        yield f"{name}::{i + 1}-of-{len(parts)}", part.clone(memory_format=torch.contiguous_format)


def _join(pieces: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    whole: dict[str, Tensor] = {}
    cut: dict[tuple[str, int], dict[int, Tensor]] = {}
    for name, tensor in pieces.items():
        match = _PART.fullmatch(name)
        if match:
            cut.setdefault((match[1], int(match[3])), {})[int(match[2])] = tensor
        else:
            whole[name] = tensor
    for (name, count), parts in cut.items():
        kinds = {(part.dtype, part.shape[1:]) for part in parts.values()}
        complete = len(parts) == count and min(parts) == 1 and max(parts) == count
        if name in whole or not complete or len(kinds) > 1:
            raise CheckpointError(f"{folder}: the parts of {name!r} don't fit together; fetch it again")
        whole[name] = torch.cat([parts[i + 1] for i in range(count)])
    return whole
