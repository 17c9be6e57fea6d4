"""What backends keep between runs, in the user's cache folder: exported graphs and which backend was the fastest."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from worldsim.config import to_json
from worldsim.data.disk import replace_file
from worldsim.model.world_model import WorldModel

FORMAT = 5
"""Raise it when graphs or their order of tensors change."""


def cache_folder() -> Path:
    """`worldsim/backends` in the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "worldsim" / "backends"


def weight_key(model: WorldModel) -> str:
    """Names weights, architecture and all else that a graph depends on."""
    told = hashlib.sha256(json.dumps(to_json(model.config), sort_keys=True).encode())
    told.update(f"{FORMAT} {torch.__version__}".encode())
    for name, tensor in sorted(model.denoiser.state_dict().items()):
        told.update(name.encode())
        told.update(tensor.detach().cpu().contiguous().numpy())
    return told.hexdigest()[:24]


def read_choice(key: str, names: list[str]) -> str | None:
    """The backend that was found fastest here, if that was with the same packages."""
    try:
        values = json.loads((cache_folder() / f"{key}.json").read_text(encoding="utf-8"))
        known = values["with"] == _circumstances(names) and values["chosen"] in ["eager", *names]
        return str(values["chosen"]) if known else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_choice(key: str, chosen: str, times: dict[str, float], names: list[str]) -> None:
    """Keep which backend is the fastest; where nothing can be written it is measured each time."""
    values = {"chosen": chosen, "ms": times, "with": _circumstances(names)}
    try:
        path = cache_folder() / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(values, indent=1).encode())
    except OSError:
        pass


def _circumstances(names: list[str]) -> dict[str, str]:
    packages = {"onnx": "onnxruntime", "int8": "onnxruntime", "openvino": "openvino"}
    return {"machine": f"{platform.node()} {platform.machine()}", **{n: _version(packages[n]) for n in names}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
