"""Footage that a dream begins from: read from `reset(options=...)`, checked once and completely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.actions import ACTION_SIZE, check_vector, to_vector
from worldsim.errors import UsageError, brief
from worldsim.sim.seeds import Seeds

OPTIONS = ("frames", "actions", "depth", "pose", "pitch", "time_of_day", "caption")
_MAX_FRAMES = 1024


@dataclass(frozen=True)
class Footage:
    """T frames and what is known about them: arguments of `Simulator.begin`, by its names."""

    frames: Tensor
    actions: Tensor | None = None
    depth: Tensor | None = None
    pose: Tensor | None = None
    pitch: float = 0.0
    daytime: float = math.nan


def seed_footage(seeds: Seeds, index: int) -> Footage:
    """One moment of a world's seeds."""

    def part(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array[index])

    return Footage(
        part(seeds.frames), part(seeds.actions), part(seeds.depth), part(seeds.pose),
        daytime=float(seeds.daytime[index]),
    )  # fmt: skip


def read_footage(options: Any, size: tuple[int, int]) -> Footage | None:
    """Check reset options; None if they hold no frames.

    Args:
        size: (height, width) of the world.

    Raises:
        UsageError: names the option, what was got and what was expected.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise UsageError(f"options: got {type(options).__name__}, expected a dict with {', '.join(OPTIONS)}")
    unknown = sorted(str(key) for key in options if key not in OPTIONS)
    if unknown:
        raise UsageError(f"options: unknown {', '.join(unknown)}; known options are {', '.join(OPTIONS)}")
    if options.get("frames") is None:
        lost = [key for key in OPTIONS if key != "caption" and options.get(key) is not None]
        if lost:
            raise UsageError(
                f"options: got {', '.join(lost)} without frames; add 'frames' uint8 [T, H, W, 3]"
            )
        return None
    frames = _frames(options["frames"], size)
    count = len(frames)
    return Footage(
        frames=frames,
        actions=_actions(options.get("actions"), count - 1),
        depth=_floats("depth", options.get("depth"), (count, *size)),
        pose=_floats("pose", options.get("pose"), (count, 5)),
        pitch=_number("pitch", options.get("pitch", 0.0), -90, 90, "degrees from -90 to 90"),
        daytime=_daytime(options.get("time_of_day")),
    )


def _frames(value: Any, size: tuple[int, int]) -> Tensor:
    try:
        frames = np.asarray(value)
    except ValueError:
        frames = np.empty(0)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != (*size, 3) or not len(frames):
        raise UsageError(
            f"options['frames']: got {frames.dtype} {frames.shape}, expected uint8 [T, {size[0]}, {size[1]}, 3]"
        )
    if len(frames) > _MAX_FRAMES:
        raise UsageError(f"options['frames']: got {len(frames)} frames, expected at most {_MAX_FRAMES}")
    return torch.from_numpy(frames.copy())


def _actions(value: Any, count: int) -> Tensor | None:
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and all(isinstance(v, Mapping) for v in value):
        vectors = [to_vector(v) for v in value]
        array = np.stack(vectors) if vectors else np.zeros((0, ACTION_SIZE), np.float32)
    else:
        array = check_vector(value)
    if array.shape != (count, ACTION_SIZE):
        raise UsageError(f"options['actions']: got shape {array.shape}, expected [{count}, {ACTION_SIZE}]")
    return torch.from_numpy(array)


def _floats(name: str, value: Any, shape: tuple[int, ...]) -> Tensor | None:
    if value is None:
        return None
    try:
        array = np.array(value, np.float32)
    except (TypeError, ValueError):
        array = np.full((), np.nan, np.float32)
    if array.shape != shape or not np.isfinite(array).all():
        raise UsageError(f"options[{name!r}]: got shape {array.shape}, expected finite floats {list(shape)}")
    return torch.from_numpy(array)


def _daytime(value: Any) -> float:
    return math.nan if value is None else _number("time_of_day", value, 0, 1, "a number from 0 to 1")


def _number(name: str, value: Any, low: float, high: float, expected: str) -> float:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise UsageError(f"options[{name!r}]: got {brief(value)}, expected {expected}")
    return float(value)
