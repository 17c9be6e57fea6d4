"""What a run needs to go on exactly where it stopped: optimizer, averages, generators, counters.

A nested structure of dicts, lists, tuples, tensors and JSON values is stored as JSON, with the
tensors beside it in safetensors shards; no pickle.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worldsim.atomic import new_folder, read_file, settled, write_file
from worldsim.errors import CheckpointError, ConfigError, UnsupportedVersion, UsageError
from worldsim.shards import check_manifest, read_shards, write_shards
from worldsim.strict import parse_json

FORMAT = "worldsim-training-state"
VERSION = 1
STATE_FILE = "state.json"
STEM = "state"
STATE_LIMIT = 16 * 2**20


def save_training_state(folder: str | Path, state: dict[str, Any]) -> None:
    """Write `state`; the state that was in `folder` stays there until the new one is complete.

    Raises:
        ConfigError: a value is neither a tensor nor JSON; the message names its place.
        NumericalError: a tensor is not finite.
        ResourceLimitError: the disk is full or can't be written.
    """
    target = Path(folder)
    if target.is_file() or (
        target.is_dir() and any(target.iterdir()) and not (target / STATE_FILE).is_file()
    ):
        raise UsageError(f"{target}: holds other things than a training state; choose a new or empty folder")
    tensors: dict[str, Tensor] = {}
    values = {"format": FORMAT, "version": VERSION, "state": _flatten(state, "state", tensors)}
    with new_folder(target) as fresh:
        values["shards"] = write_shards(fresh, STEM, tensors) if tensors else {}
        data = json.dumps(values, allow_nan=False).encode()
        if len(data) > STATE_LIMIT:
            raise ConfigError(
                f"state: got {len(data)} bytes of JSON, expected at most {STATE_LIMIT}; use tensors"
            )
        write_file(fresh / STATE_FILE, data)


def load_training_state(folder: str | Path) -> dict[str, Any]:
    """Read a state as it was given to `save_training_state`, tensors on the CPU.

    Raises:
        CheckpointError: there is none, or it is damaged.
        IntegrityError: bytes differ from what was written.
        UnsupportedVersion: it was written by a newer release.
    """
    source = settled(Path(folder))
    where = source / STATE_FILE
    if not where.exists():
        raise CheckpointError(f"{folder}: has no {STATE_FILE}; there is nothing to resume, start a new run")
    values = parse_json(read_file(where, STATE_LIMIT), where)
    if values.get("format") != FORMAT or type(values.get("version")) is not int:
        raise CheckpointError(f"{where}: not a {FORMAT}; give a run's folder")
    if values["version"] > VERSION:
        raise UnsupportedVersion(
            f"{where}: version: got {values['version']}, this release reads up to {VERSION}; upgrade worldsim"
        )
    tensors: dict[str, Tensor] = {}
    if values.get("shards"):
        tensors = read_shards(source, STEM, check_manifest(values["shards"], STEM, where))
    try:
        state = _restore(values["state"], tensors)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: damaged at {error}; start a new run") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{where}: state: got {type(state).__name__}, expected an object")
    return state


# JSON knows neither tuples, nor keys that are not text, nor tensors: these are one-entry objects.
def _flatten(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        if value.numel() == 0:
            return {"$empty": [str(value.dtype).removeprefix("torch."), list(value.shape)]}
        name = f"{len(tensors):06d} {place}".replace("::", ":")
        tensors[name] = value
        return {"$tensor": name}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _flatten(v, f"{place}/{key}", tensors) for key, v in value.items()}
        return {
            "$items": [[_scalar(k, place), _flatten(v, f"{place}/{k}", tensors)] for k, v in value.items()]
        }
    if isinstance(value, (list, tuple)):
        items = [_flatten(v, f"{place}/{i}", tensors) for i, v in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    return _scalar(value, place)


def _scalar(value: Any, place: str) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and value - value == 0.0:
        return value
    raise ConfigError(
        f"{place}: got {type(value).__name__} {value!r:.40}, expected a tensor or a finite JSON value"
    )


def _restore(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_restore(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        if tag == "$tensor":
            return tensors[inner]
        if tag == "$tuple":
            return tuple(_restore(v, tensors) for v in inner)
        if tag == "$items":
            return {key: _restore(v, tensors) for key, v in inner}
        if tag == "$empty":
            return _empty(*inner)
    return {key: _restore(v, tensors) for key, v in value.items()}


def _empty(dtype: str, shape: list[int]) -> Tensor:
    kinds = {
        str(k).removeprefix("torch."): k for k in (torch.float32, torch.float64, torch.int64, torch.uint8)
    }
    return torch.zeros(shape, dtype=kinds[dtype])
