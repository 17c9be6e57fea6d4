"""Small recordings in other people's layouts: videos whose frames say their number, rows, action files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.data.video import write_video


def row(**fields: Any) -> dict[str, Any]:
    """A row of VPT's that presses nothing; `mouse_…` and `keyboard_…` go into their objects."""
    made: dict[str, Any] = {
        "mouse": {"x": 640.0, "y": 360.0, "dx": 0.0, "dy": 0.0, "buttons": [], "newButtons": []},
        "keyboard": {"keys": [], "newKeys": [], "chars": ""},
        "isGuiOpen": False,
        "hotbar": 0,
    }
    for name, value in fields.items():
        part, _, inner = name.partition("_")
        if inner:
            made[part][inner] = value
        else:
            made[name] = value
    return made


def numbered(count: int, width: int = 64, height: int = 36) -> NDArray[np.uint8]:
    """Frames [count, H, W, 3]: a gradient in red, the frame's number in green."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = np.linspace(0, 250, width).astype(np.uint8)
    frames[..., 1] = np.arange(count)[:, None, None]
    return frames


def make_video(path: Path, frames: Iterable[NDArray[np.uint8]], *, fps: float = 20) -> Path:
    """A lossless mp4, so that what comes out can be compared to the bit."""
    write_video(path, frames, fps=fps, viewable=False)
    return path


def make_segment(folder: Path, name: str, rows: list[dict[str, Any]], *, frames: int | None = None) -> Path:
    """`name.mp4` and `name.jsonl` in VPT's layout; returns the video."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(r) + "\n" for r in rows)
    (folder / f"{name}.jsonl").write_text(lines)
    return make_video(folder / f"{name}.mp4", numbered(len(rows) if frames is None else frames))
