"""Checkpoints: a folder of safetensors shards and a `config.json` that vouches for them.

Nothing here runs code from a file: weights are safetensors, everything else is JSON. Every byte
is checked against its sha256 before it is used, and a folder is replaced whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from worldsim import __version__
from worldsim.atomic import carry_over, new_folder, read_file, settled, write_file
from worldsim.errors import CheckpointError, ConfigError, IntegrityError, UnsupportedVersion, UsageError
from worldsim.locate import CONFIG_FILE, no_checkpoint
from worldsim.locate import find_world as find_world
from worldsim.locate import shipped_worlds as shipped_worlds
from worldsim.shards import check_manifest, read_shards, write_shards
from worldsim.strict import parse_json
from worldsim.training_state import load_training_state as load_training_state
from worldsim.training_state import save_training_state as save_training_state

FORMAT = "worldsim-checkpoint"
VERSION = 1
STEM = "weights"
EXEMPLARS_FILE = "exemplars.npz"
"""Views that a world's invention begins from, see `sim.exemplars`."""
CONFIG_LIMIT = 2**20
_ATTEMPTS = 100


@dataclass(frozen=True)
class Checkpoint:
    """What a folder holds: named tensors on the CPU, the model's configuration and free facts about it."""

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    info: dict[str, Any]
    hash: str

    @property
    def step(self) -> int:
        return _count(self.info.get("step"))

    @property
    def frames(self) -> int:
        """Frames seen in training."""
        return _count(self.info.get("frames"))


def save_checkpoint(
    folder: str | Path,
    tensors: Mapping[str, Tensor],
    config: dict[str, Any],
    *,
    info: dict[str, Any],
    dtype: torch.dtype | None = None,
) -> str:
    """Write a checkpoint, replacing the one in `folder`, and return its hash.

    Other files in the folder, such as a card, are kept. At every moment a reader finds the old
    checkpoint or the new one.

    Args:
        tensors: as from `module.state_dict()`, all finite.
        config: the model's configuration, from `worldsim.config.to_json`.
        info: JSON values of any kind; `step` and `frames` (seen in training) by custom.
        dtype: float16 or bfloat16 to store floating-point tensors smaller; None keeps them.

    Raises:
        NumericalError: a tensor isn't finite, or wouldn't be in `dtype`.
        UsageError: the folder holds something that is not a checkpoint.
        ResourceLimitError: the disk is full or can't be written.
    """
    target = Path(folder)
    _check_replaceable(target)
    stored = {name: _cast(tensor, dtype) for name, tensor in tensors.items()}
    with new_folder(target) as fresh:
        values: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "code": __version__,
            "step": info.get("step", 0),
            "frames": info.get("frames", 0),
            "config": config,
            "info": info,
            "shards": write_shards(fresh, STEM, stored),
        }
        write_file(fresh / CONFIG_FILE, _encode(values))
        if target.is_dir():
            carry_over(target, fresh, skip=f"{STEM}-*.safetensors")
    return _hash(values, target)


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read and verify a checkpoint.

    Raises:
        CheckpointError: there is none, or it is damaged or of a foreign kind.
        IntegrityError: bytes differ from those that `config.json` promises.
        NumericalError: a tensor holds NaN or infinity; the message names it.
        UnsupportedVersion: it was written by a newer release.
    """
    path = Path(folder)
    for attempt in range(_ATTEMPTS):
        before = _stamp(path)
        try:
            source, values = _read_config(path)
            tensors = read_shards(source, STEM, values["shards"])
        except (CheckpointError, IntegrityError):
            if attempt < _ATTEMPTS - 1 and _stamp(path) != before:
                continue  # a trainer replaced the folder while we read it
            raise
        break
    return Checkpoint(tensors, values["config"], values["info"], _hash(values, source))


def world_hash(folder: str | Path) -> str:
    """The identity of a checkpoint: sha256 (hex) over its model configuration and its shards' hashes.

    What else decides what it generates, the exemplars of a world, is part of it.
    """
    source, values = _read_config(Path(folder))
    return _hash(values, source)


def load_into(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors` into a module of exactly the same names and shapes; it is unchanged on error.

    Raises:
        CheckpointError: names up to ten tensors that are missing, left over or of another shape or kind.
    """
    own = module.state_dict()
    faults = [f"{name} missing" for name in own if name not in tensors]
    faults += [f"{name} unknown" for name in tensors if name not in own]
    for name in (n for n in own if n in tensors):
        got, expected = tensors[name], own[name]
        if got.shape != expected.shape:
            faults.append(f"{name} {list(got.shape)} instead of {list(expected.shape)}")
        elif got.is_floating_point() != expected.is_floating_point():
            faults.append(f"{name} {got.dtype} instead of {expected.dtype}")
    if faults:
        more = f" and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise CheckpointError(
            f"weights do not fit this {type(module).__name__}: {'; '.join(faults[:10])}{more}; "
            "use the configuration they were saved with"
        )
    module.load_state_dict(dict(tensors))


def _read_config(folder: Path) -> tuple[Path, dict[str, Any]]:
    try:
        source = settled(folder)
        if not (source / CONFIG_FILE).exists():
            raise no_checkpoint(source)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{str(folder)[:200]!r}: can't be read: {error}; give a checkpoint's folder"
        ) from error
    where = source / CONFIG_FILE
    values = parse_json(read_file(where, CONFIG_LIMIT), where)
    if values.get("format") != FORMAT:
        raise CheckpointError(f"{where}: not a {FORMAT}; give a folder that worldsim wrote")
    version = values.get("version")
    if type(version) is not int or version < 1:
        raise CheckpointError(f"{where}: version: got {version!r}, expected an integer from 1")
    if version > VERSION:
        raise UnsupportedVersion(
            f"{where}: version: got {version}, this release reads up to {VERSION}; upgrade worldsim"
        )
    for key in ("config", "info"):
        if not isinstance(values.get(key), dict):
            raise CheckpointError(f"{where}: {key}: expected an object; fetch it again")
    check_manifest(values.get("shards"), STEM, where)
    return source, values


def _stamp(folder: Path) -> tuple[Path, int, int, bytes] | None:
    """Tells one version of a folder from the next, and the same version before and after it was moved aside."""
    try:
        where = settled(folder) / CONFIG_FILE
        facts = os.stat(where)
        return where, facts.st_ino, facts.st_mtime_ns, where.read_bytes()[:CONFIG_LIMIT]
    except (OSError, ValueError):
        return None


def _check_replaceable(target: Path) -> None:
    if target.is_file():
        raise UsageError(f"{target}: is a file; choose a folder for the checkpoint")
    if not target.is_dir() or not any(target.iterdir()):
        return
    try:
        where = target / CONFIG_FILE
        ours = parse_json(read_file(where, CONFIG_LIMIT), where).get("format") == FORMAT
    except (CheckpointError, IntegrityError):
        ours = False
    if not ours:
        raise UsageError(f"{target}: holds other things than a checkpoint; choose a new or empty folder")


def _cast(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype not in (None, torch.float16, torch.bfloat16):
        raise ConfigError(f"dtype: got {dtype}, expected None, torch.float16 or torch.bfloat16")
    return tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def _encode(values: dict[str, Any]) -> bytes:
    try:
        data = (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"config or info: {error}; give JSON values only") from error
    if len(data) > CONFIG_LIMIT:
        raise ConfigError(f"config and info: got {len(data)} bytes of JSON, expected at most {CONFIG_LIMIT}")
    return data


def _hash(values: dict[str, Any], folder: Path) -> str:
    facts = [VERSION, values["config"], {name: entry["sha256"] for name, entry in values["shards"].items()}]
    exemplars = folder / EXEMPLARS_FILE
    if exemplars.is_file():
        facts.append(hashlib.sha256(exemplars.read_bytes()).hexdigest())
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
