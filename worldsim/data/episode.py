"""Episodes and clips: what is recorded, and what training reads.

Letters, here and everywhere: `B` batch, `T` time, `H W C` image, `A` action vector. Frames are
uint8 RGB. One tick is 1/20 s. `action[t]` leads from `obs[t]` to `obs[t+1]`, so an episode of `n`
actions has `n + 1` frames; a clip pairs each frame with the action that *led to* it, and
`led_to` is the one place where that shift is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import DatasetError
from worldsim.signals import PLACE, from_columns
from worldsim.signals import SIGNALS as SIGNALS

FPS = 20
SKY_DEPTH = 512.0


@dataclass(frozen=True)
class Episode:
    """One recorded episode of `n` actions.

    frames: uint8 [n+1, H, W, 3]. actions: float32 [n, A], A = 25 for MineRL's action space.
    rewards: float32 [n]. columns: arrays with first axis n+1, among them `pose` float32 [n+1, 5]
    (x, y, z of the eye in blocks, yaw and pitch in degrees) where the world has one.
    depth: float16 [n+1, H, W] in blocks along the view axis, or None. captions: n+1 lines, or None.
    meta: JSON values: env, seed, world, fps, policy, width, height.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float32]
    terminated: bool = False
    truncated: bool = False
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    depth: NDArray[np.float16] | None = None
    captions: list[str] | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.frames)
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3 or self.frames.dtype != np.uint8:
            raise DatasetError(
                f"frames: got {self.frames.dtype} {self.frames.shape}, expected uint8 [n+1, H, W, 3]"
            )
        if self.actions.ndim != 2 or len(self.actions) != count - 1:
            raise DatasetError(f"actions: got shape {self.actions.shape}, expected [{count - 1}, A]")
        if self.rewards.shape != (count - 1,):
            raise DatasetError(f"rewards: got shape {self.rewards.shape}, expected [{count - 1}]")
        for name, column in self.columns.items():
            if column.ndim == 0 or len(column) != count:
                raise DatasetError(f"columns[{name!r}]: got shape {column.shape}, expected [{count}, ...]")
        if self.depth is not None and self.depth.shape != self.frames.shape[:3]:
            raise DatasetError(f"depth: got shape {self.depth.shape}, expected {self.frames.shape[:3]}")
        if self.captions is not None and len(self.captions) != count:
            raise DatasetError(f"captions: got {len(self.captions)}, expected {count}")

    def __len__(self) -> int:
        """The number of actions."""
        return len(self.actions)

    def clip(self, start: int, length: int) -> Clip:
        """Cut frames `start .. start + length - 1` with the actions that led to them."""
        if start < 0 or length < 1 or start + length > len(self.frames):
            raise DatasetError(
                f"clip: got [{start}, {start + length}), expected within [0, {len(self.frames)})"
            )
        window = slice(start, start + length)
        pose = self.columns.get("pose")
        signals = from_columns(self.columns)
        return Clip(
            frames=self.frames[window],
            actions=led_to(self.actions)[window],
            depth=None if self.depth is None else self.depth[window],
            pose=None if pose is None else pose[window],
            signals=None if signals is None else signals[window],
            caption="" if self.captions is None else self.captions[start + length - 1],
        )


@dataclass(frozen=True)
class Clip:
    """A window of an episode, for training.

    frames: uint8 [T, H, W, 3]. actions: float32 [T, A], `actions[t]` led to `frames[t]` (zeros at
    an episode's start). depth: float16 [T, H, W] or None. pose: float32 [T, 5] or None.
    signals: float32 [T, S], see `worldsim.signals`, or None. caption: that of the last frame.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    depth: NDArray[np.float16] | None = None
    pose: NDArray[np.float32] | None = None
    signals: NDArray[np.float32] | None = None
    caption: str = ""


@dataclass(frozen=True)
class ClipBatch:
    """`B` clips of one length: the arrays of `Clip` with a leading axis `B`.

    frames: uint8 [B, T, H, W, 3]. actions: float32 [B, T, A]. depth: float16 [B, T, H, W] or None; nan in
    clips that have none where others do.
    pose: float32 [B, T, 5] or None. signals: float32 [B, T, S] or None. captions: `B` lines.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    depth: NDArray[np.float16] | None
    pose: NDArray[np.float32] | None
    signals: NDArray[np.float32] | None
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)


def filled_depth(clips: ClipBatch) -> NDArray[np.float16]:
    """The clips' depth [B, T, H, W], as far away as the sky where it was not recorded."""
    if clips.depth is None:
        return np.full(clips.frames.shape[:4], SKY_DEPTH, np.float16)
    return np.where(np.isnan(clips.depth), np.float16(SKY_DEPTH), clips.depth)


def daytimes(clips: ClipBatch, t: int = -1) -> NDArray[np.float32]:
    """Time of day [B] of the clips' frame `t`, nan where it was not recorded."""
    if clips.signals is None:
        return np.full(len(clips), np.nan, np.float32)
    return clips.signals[:, t, PLACE["time_of_day"]]


def led_to(actions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shift actions [n, A] to [n+1, A]: entry `t` led to frame `t`; frame 0 has zeros."""
    return np.concatenate([np.zeros_like(actions, shape=(1, actions.shape[1])), actions])


def collate(clips: Sequence[Clip]) -> ClipBatch:
    """Stack clips of one length and size; an optional array is kept if every clip has it.

    Raises:
        DatasetError: no clips, or clips of different shapes.
    """
    if not clips:
        raise DatasetError("collate: got no clips, expected one or more")
    shapes = {(clip.frames.shape, clip.actions.shape) for clip in clips}
    if len(shapes) > 1:
        raise DatasetError(f"collate: got clips of different shapes: {sorted(map(str, shapes))}")
    return ClipBatch(
        frames=np.stack([clip.frames for clip in clips]),
        actions=np.stack([clip.actions for clip in clips]),
        depth=_stack([clip.depth for clip in clips]),
        pose=_stack([clip.pose for clip in clips]),
        signals=_stack([clip.signals for clip in clips]),
        captions=tuple(clip.caption for clip in clips),
    )


def _stack(arrays: list[Any]) -> Any:
    return None if any(array is None for array in arrays) else np.stack(arrays)
