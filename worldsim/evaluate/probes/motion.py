"""The motion probe: how the eye moved between frames, and which keys that tells of.

It aligns pictures directly (`align`) and reads keys off the steps by the game's own arithmetic, so nothing
is learned but the hotbar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from worldsim.evaluate.probes.acting import KEYS
from worldsim.evaluate.probes.align import align
from worldsim.evaluate.probes.layers import patches

SLOTS = 9
_HOTBAR = (16, 112)  # rows from the bottom and columns around the middle that hold it, at 96 rows
_GREY = np.array((0.299, 0.587, 0.114), np.float32)
_DRAG = 0.546  # of the last step that a body on the ground keeps
_PUSH, _SPRINT = 0.045, 0.112  # blocks: half of what a key adds to a step; between walking and sprinting
_JUMP = 0.27  # blocks up in a tick
_HAND = (0.80, 0.90)  # the hand at rest lies below and right of these shares of a frame
_SWING = 6.0  # grey levels that a swinging arm changes there

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Moves:
    """What the motion probe sees in N + 1 frames."""

    step: Floats
    """`[N, 3]` blocks to the right, up and ahead."""
    turn: Floats
    """`[N, 2]` degrees of yaw (right) and pitch (down)."""
    keys: NDArray[np.bool_]
    """`[N, 7]` whether each of `acting.KEYS` is acting."""
    slot: NDArray[np.int64]
    """`[N + 1]` chosen hotbar slot, 0 to 8."""
    doubt: Floats
    """`[N]` how ill the motion fits the pictures, 0 or more; above 1 they hardly show the same place."""


class HotbarNet(nn.Module):
    """Frames `[N, 3, 96, w]` in [-1, 1] to logits of the chosen slot `[N, SLOTS]`."""

    def __init__(self) -> None:
        super().__init__()
        cells = (_HOTBAR[0] // 4) * (_HOTBAR[1] // 4)
        self.body = nn.Sequential(patches(16), nn.Flatten(), nn.Linear(16 * cells, SLOTS))

    def forward(self, frames: Tensor) -> Tensor:
        height, columns = _HOTBAR
        missing = max(0, columns - frames.shape[-1])
        frames = functional.pad(frames[..., -height:, :], (missing // 2, missing - missing // 2))
        left = (frames.shape[-1] - columns) // 2
        logits: Tensor = self.body(frames[..., left : left + columns])
        return logits


def see_motion(
    frames: NDArray[np.uint8],
    depth: NDArray[np.floating],
    pitch: Floats,
    expected: Floats,
    hud: NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats]:
    """Turn `[N, 2]`, step `[N, 3]` and doubt `[N]` between frames `[N + 1, H, W, 3]`; see `align`."""
    shown, parts = torch.from_numpy(~hud).float(), []
    for first in range(0, len(frames) - 1, 64):
        grey = torch.from_numpy(frames[first : first + 65].astype(np.float32) @ _GREY)
        rows = slice(first, first + len(grey) - 1)
        near, down, turn = (
            torch.from_numpy(np.asarray(x[rows], np.float32)) for x in (depth, pitch, expected)
        )
        parts.append(align(grey, near, down, turn, shown))
    motion, doubt = (torch.cat(column).numpy() for column in zip(*parts))
    return motion[:, :2], motion[:, 2:], doubt


def read_keys(turn: Floats, step: Floats, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Keys `[N, 7]` that act between frames `[N + 1, H, W, 3]`, in the order of `KEYS`.

    On the ground a step is `_DRAG` times the last one and what the keys add. The first tick, whose last
    step nobody saw, is taken to go on from rest.
    """
    push = step - _DRAG * _carried(turn, step)
    right, ahead = push[:, 0], push[:, 2]
    seen = {
        "forward": ahead > _PUSH, "back": ahead < -_PUSH, "left": right < -_PUSH, "right": right > _PUSH,
        "jump": step[:, 1] > _JUMP, "sprint": _smooth(ahead) > _SPRINT, "attack": _swings(frames),
    }  # fmt: skip
    return np.stack([seen[name] for name in KEYS], 1)


def _carried(turn: Floats, step: Floats) -> Floats:
    """`[N, 3]` the step before each, as seen after the turn."""
    before = np.concatenate([np.zeros_like(step[:1]), step[:-1]])
    yaw = np.radians(turn[:, 0])
    right, ahead = before[:, 0], before[:, 2]
    return np.stack(
        [right * np.cos(yaw) - ahead * np.sin(yaw), before[:, 1], right * np.sin(yaw) + ahead * np.cos(yaw)],
        1,
    )


def _smooth(x: Floats) -> Floats:
    """The middle one of each value and its neighbours."""
    wide = np.pad(x, 1, mode="edge")
    return np.asarray(np.median(np.stack([wide[:-2], wide[1:-1], wide[2:]]), 0), np.float32)


def _swings(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    height, width = frames.shape[1:3]
    hand = frames[:, round(height * _HAND[0]) :, round(width * _HAND[1]) :].astype(np.float32) @ _GREY
    return np.asarray(np.abs(np.diff(hand, axis=0)).mean((1, 2)) > _SWING)
