"""Where a world lies: by the name of one that ships, or in a folder."""

from __future__ import annotations

import difflib
from pathlib import Path

from worldsim.atomic import settled
from worldsim.errors import CheckpointError, UsageError

CONFIG_FILE = "config.json"
WORLDS = Path(__file__).parent / "worlds"

_FOREIGN = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".zip", ".tar", ".npz", ".onnx", ".gguf"}


def shipped_worlds() -> list[str]:
    """Names of the worlds that come with the package."""
    return sorted(p.parent.name for p in WORLDS.glob(f"*/{CONFIG_FILE}") if p.parent.name.isidentifier())


def find_world(name_or_folder: str | Path) -> Path:
    """The checkpoint folder that is meant: a shipped world's name, a checkpoint or a training run.

    Raises:
        UsageError: there is no such world; shipped and near names are listed.
        CheckpointError: the path is there but is no checkpoint.
    """
    text = str(name_or_folder)
    names = shipped_worlds()
    if text in names:
        return WORLDS / text
    try:
        path = settled(Path(text))
        for candidate in (path, settled(path / "world")):
            if (candidate / CONFIG_FILE).exists():
                return candidate
        exists = bool(text) and path.exists()
    except (OSError, ValueError):
        exists = False
    if exists:
        raise no_checkpoint(path)
    near = difflib.get_close_matches(text, names, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"shipped worlds: {', '.join(names) or 'none'}"
    raise UsageError(f"world {text[:200]!r}: no such world or folder; {hint}")


def no_checkpoint(path: Path) -> CheckpointError:
    """The error that says what lies at `path` instead of a checkpoint."""
    if not path.exists():
        return CheckpointError(f"{path}: no such folder; train a world or give a shipped name")
    if path.is_file() or path.suffix in _FOREIGN:
        return CheckpointError(
            f"{path}: got a {path.suffix or 'plain'} file, expected a folder with {CONFIG_FILE} and safetensors; "
            "pickles are never opened: save the weights with worldsim.checkpoint.save_checkpoint"
        )
    foreign = sorted(p.name for p in path.iterdir() if p.suffix in _FOREIGN) if path.is_dir() else []
    if foreign:
        return CheckpointError(
            f"{path}: holds {', '.join(foreign[:3])} and no {CONFIG_FILE}; pickles are never opened: "
            "save the weights with worldsim.checkpoint.save_checkpoint"
        )
    return CheckpointError(
        f"{path}: has no {CONFIG_FILE}; give a checkpoint's folder, or train until it saves one"
    )
