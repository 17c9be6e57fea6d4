"""A tiny game and player with the engine's interface, for tests of the data side."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.data.episode import Episode


class TinyEngine:
    """A flat world of hashed colour columns: cheap, seeded, moved by the action."""

    def __init__(self, *, width: int = 16, height: int = 16) -> None:
        self.width, self.height = width, height
        self.reset(0)

    def reset(self, seed: int) -> None:
        self.seed, self.tick = seed, 0
        self.pose = np.array([0, 64, 0, 0, 0], np.float32)

    def step(self, action: NDArray[np.float32]) -> None:
        self.tick += 1
        self.pose[0] += action[INDEX["forward"]]
        self.pose[3:] += action[CAMERA][::-1]

    def render(self) -> NDArray[np.uint8]:
        frame = np.zeros((self.height, self.width, 3), np.uint8)
        frame[..., 0] = self.seed % 251
        frame[..., 1] = self.tick % 256
        frame[..., 2] = int(self.pose[0]) % 256
        return frame

    def render_buffers(self) -> tuple[Any, Any, Any]:
        depth = np.full((self.height, self.width), 1 + self.tick, np.float32)
        return self.render(), depth, np.zeros((self.height, self.width), np.uint8)

    def state(self) -> dict[str, Any]:
        return {
            "pose": self.pose.copy(),
            "on_ground": True,
            "in_water": False,
            "contact": False,
            "break_progress": 0.25,
            "health": 20.0,
            "time_of_day": 0.5,
            "slot": self.tick % 9,
            "items": np.zeros(9, np.uint8),
            "caption": f"a tiny world {self.seed % 251}",
            "events": {"broken": self.tick % 2},
        }


class MortalEngine(TinyEngine):
    """Dies after ten ticks."""

    def state(self) -> dict[str, Any]:
        return {**super().state(), "health": float(10 - self.tick)}


class BrokenEngine(TinyEngine):
    """Fails after a hundred ticks."""

    def step(self, action: NDArray[np.float32]) -> None:
        super().step(action)
        if self.tick > 100:
            raise RuntimeError("the tiny world ended")


class SlowEngine(TinyEngine):
    """Takes its time."""

    def step(self, action: NDArray[np.float32]) -> None:
        super().step(action)
        time.sleep(0.001)


class TinyPolicy:
    """Walks and turns at random."""

    def __init__(self, seed: int) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def act(self, state: dict[str, Any]) -> NDArray[np.float32]:
        action = np.zeros(ACTION_SIZE, np.float32)
        action[INDEX["forward"]] = self._rng.integers(2)
        action[CAMERA] = self._rng.integers(-5, 6, 2)
        return action


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return not os.path.exists("/proc")


def make_episode(
    length: int = 30, *, seed: int = 0, width: int = 32, height: int = 20, depth: bool = True
) -> Any:
    """An episode of noise and its columns."""
    rng = np.random.default_rng(seed)
    frames = length + 1
    state = TinyEngine().state()
    columns = {
        name: np.stack([np.asarray(value)] * frames)
        for name, value in state.items()
        if name not in ("caption", "events")
    }
    columns["pose"] = rng.normal(size=(frames, 5)).astype(np.float32)
    columns["slot"] = np.arange(frames) % 9
    actions = rng.integers(0, 2, (length, ACTION_SIZE)).astype(np.float32)
    actions[:, CAMERA] = rng.normal(size=(length, 2))
    return Episode(
        frames=rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8),
        actions=actions,
        rewards=rng.normal(size=length).astype(np.float32),
        terminated=bool(seed % 2),
        truncated=not seed % 2,
        columns=columns,
        depth=rng.uniform(0, 512, (frames, height, width)).astype(np.float16) if depth else None,
        captions=[f"a plain at noon {i}" for i in range(frames)],
        meta={"env": "tiny", "seed": seed, "policy": "noise", "action_space": "minerl", "fps": 20.0},
    )


def check_equal(a: Episode, b: Episode) -> None:
    """Assert that two episodes are the same in every part."""
    for name in ("frames", "actions", "rewards", "depth"):
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None)
        if x is not None:
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
    assert a.columns.keys() == b.columns.keys()
    for name in a.columns:
        assert a.columns[name].dtype == b.columns[name].dtype
        np.testing.assert_array_equal(a.columns[name], b.columns[name])
    assert (a.captions, a.terminated, a.truncated, a.meta) == (b.captions, b.terminated, b.truncated, b.meta)
