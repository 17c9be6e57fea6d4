"""A wrapper that writes every episode of any Gymnasium environment to a store.

    env = Recorder(gymnasium.make("worldsim/Voxel-v0"), "runs/mine")

The frame is the observation where that is an image (or has one under `frame`), otherwise what
`render()` returns. MineRL's actions are stored as their 25-vector, others flattened.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from worldsim.actions import KEYS, to_vector
from worldsim.data.episode import FPS
from worldsim.data.held_signals import HeldSignals
from worldsim.data.storage import EpisodeStore
from worldsim.data.writer import EpisodeWriter
from worldsim.errors import UsageError, WorldSimError


class Recorder(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pass an environment through unchanged and record what happens.

    An episode is committed when it ends, and at `close` or `reset` as truncated if it has an
    action; a crash loses the open episode only.

    Args:
        env: any environment with image observations or `render_mode="rgb_array"`.
        out: the dataset's folder; an existing dataset is continued.
        policy: who plays, for the record.
        depth: record the observation's `depth`, or `env.unwrapped.buffers()["depth"]`, where there is one.
        raise_errors: on a full disk and the like, raise; if false, warn once, keep `error`, and
            play on without recording until the next reset.

    Raises:
        UsageError: the environment has no frames, or `out` is something else than a dataset.
        ResourceLimitError: the disk is full or can't be written.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        out: str | os.PathLike[str],
        *,
        policy: str = "unknown",
        depth: bool = True,
        raise_errors: bool = True,
    ) -> None:
        super().__init__(env)
        self.policy, self.error = policy, None
        self._depth, self._raise_errors = depth, raise_errors
        self._seed: int | None = None
        self._writer: EpisodeWriter | None = None
        self._steps = 0
        self._minerl = is_minerl(env.action_space)
        self._fps = float(env.metadata.get("render_fps") or FPS)
        self.store = EpisodeStore(out, write=True)

    error: WorldSimError | None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and open the next episode."""
        self._end(terminated=False, truncated=True)
        obs, info = self.env.reset(seed=seed, options=options)
        self._seed, self._steps = info.get("seed", seed), 0
        self._try(self._begin, obs, info)
        return obs, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment and record it; an end commits the episode."""
        vector = self._vector(action)
        obs, reward, terminated, truncated, info = self.env.step(action)
        if self._writer is not None:
            self._try(self._append, vector, float(reward), obs, info)
        if terminated or truncated:
            self._end(terminated=bool(terminated), truncated=bool(truncated))
        return obs, reward, terminated, truncated, info

    def close(self) -> None:
        """Commit an open episode as truncated, and close the store and the environment."""
        try:
            self._end(terminated=False, truncated=True)
        finally:
            self.store.close()
            super().close()

    def _begin(self, obs: Any, info: dict[str, Any]) -> None:
        self._writer = self.store.begin(fps=self._fps)
        self._writer.start(self._frame(obs), **self._extras(obs, info))

    def _append(self, vector: NDArray[np.float32], reward: float, obs: Any, info: dict[str, Any]) -> None:
        assert self._writer is not None
        self._steps += 1
        self._writer.step(vector, reward, self._frame(obs), **self._extras(obs, info))

    def _end(self, *, terminated: bool, truncated: bool) -> None:
        with HeldSignals():
            writer, self._writer = self._writer, None
            if writer is None:
                return
            if self._steps == 0:
                writer.abort()
                return
            self._try(lambda: writer.commit(terminated=terminated, truncated=truncated, meta=self._meta()))

    def _try(self, action: Any, *arguments: Any) -> None:
        try:
            with HeldSignals():  # a tick is written whole, or its episode would be lost
                action(*arguments)
        except WorldSimError as error:
            self._writer, self.error = None, error
            if self._raise_errors:
                raise
            warnings.warn(f"not recording: {error}", stacklevel=3)

    def _meta(self) -> dict[str, Any]:
        spec = self.env.spec
        world = getattr(self.env.unwrapped, "world_id", None) or (
            spec.id if spec else type(self.env.unwrapped).__name__
        )
        return {
            "env": str(world),
            "seed": self._seed,
            "policy": self.policy,
            "action_space": "minerl" if self._minerl else str(self.env.action_space)[:1000],
        }

    def _vector(self, action: Any) -> NDArray[np.float32]:
        if self._minerl:
            return to_vector(action)
        flat = gymnasium.spaces.utils.flatten(self.env.action_space, action)
        return np.asarray(flat, np.float32).reshape(-1)

    def _frame(self, obs: Any) -> NDArray[np.uint8]:
        image = obs.get("frame") if isinstance(obs, Mapping) else obs
        if not is_frame(image):
            image = self.env.render()
        if not is_frame(image):
            raise UsageError(
                "record: the environment shows no frames; make it with render_mode='rgb_array', or with "
                "uint8 [H, W, 3] observations"
            )
        return np.asarray(image)

    def _extras(self, obs: Any, info: dict[str, Any]) -> dict[str, Any]:
        columns = dict(_flat("", info.get("state") or {}))
        columns |= {name: info[name] for name in ("uncertainty", "invented") if name in info}
        if not is_frame(obs) and isinstance(obs, np.ndarray) and obs.dtype.kind in "biuf":
            columns["obs"] = obs
        caption = columns.pop("caption", None)
        depth = self._look_deep(obs) if self._depth else None
        return {"columns": columns, "depth": depth, "caption": None if caption is None else str(caption)}

    def _look_deep(self, obs: Any) -> Any:
        if isinstance(obs, Mapping) and "depth" in obs:
            return obs["depth"]  # drawn already
        buffers = getattr(self.env.unwrapped, "buffers", None)
        return None if buffers is None else buffers().get("depth")


def is_minerl(space: Any) -> bool:
    """Whether an action space has MineRL's keys."""
    return isinstance(space, gymnasium.spaces.Dict) and set(space.spaces) == {*KEYS, "camera"}


def is_frame(image: Any) -> bool:
    """Whether an array is an image, uint8 [H, W, 3]."""
    return (
        isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    )


def _flat(prefix: str, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Flatten nested state: {"events": {"broken": 1}} has the column `events.broken`."""
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(f"{prefix}{name}.", value)
        else:
            rows.append((prefix + name, value))
    return rows
