"""A tiny pair of worlds with the API of the game and the dream, for tests of playing."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from worldsim.actions import action_space, to_vector
from worldsim.errors import NumericalError, UsageError
from worldsim.play.options import DREAM, GAME, PlayOptions
from worldsim.play.world import World


class FakeEnv(gymnasium.Env):
    """Frames tell the whole state: seed, tick, and the sum of all actions so far.

    A jump after `mortal` ticks ends the episode; `failing` makes the third step raise.
    """

    def __init__(self, world_id: str, size=(32, 16), *, mortal=None, failing=False):
        self.world_id = world_id
        self.generated = world_id.startswith(DREAM)
        self.size, self.mortal, self.failing = size, mortal, failing
        self.action_space = action_space()
        self.observation_space = spaces.Box(0, 255, (size[1], size[0], 3), np.uint8)
        self.options: dict[str, Any] | None = None
        self.closed = False
        self.stepped = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if options and not self.generated:
            raise UsageError("the game takes no footage")
        self.options = options
        self._state = np.array([(seed or 0) % 65536, 0, 0, 0], np.int64)
        self._picture = options["frames"][-1] if options else None
        return self._frame(), self._info()

    def step(self, action):
        vector = to_vector(action)
        self.stepped += 1
        if self.failing and self._state[1] == 2:
            raise NumericalError("frame: not finite; go back with R")
        slots = [i for i in range(9) if action[f"hotbar.{i + 1}"]]
        slot = slots[0] if slots else self._state[3]
        moved = int(vector.sum() * 8) + int(vector @ np.arange(25))
        self._state = np.array([self._state[0], self._state[1] + 1, self._state[2] + moved, slot])
        dead = self.mortal is not None and self._state[1] >= self.mortal
        return self._frame(), 0.5, dead, False, self._info()

    def clone_state(self):
        return self._state.copy(), self._picture

    def restore_state(self, state):
        self._state, self._picture = state[0].copy(), state[1]

    def buffers(self):
        depth = np.full((self.size[1], self.size[0]), self._state[1], np.float32)
        if not self.generated:
            return {"depth": depth}
        invented = np.zeros_like(depth)
        invented[:, self.size[0] // 2 :] = 1.0  # the right half
        return {"depth": depth, "invented": invented}

    def close(self):
        self.closed = True

    def _frame(self):
        width, height = self.size
        frame = np.zeros((height, width, 3), np.uint8) if self._picture is None else self._picture.copy()
        frame[0, :4, 0] = self._state % 256
        frame[1, :4, 0] = self._state // 256 % 256
        frame[2:, :, 1] = self._state[1] * 3 % 256
        return frame

    def _info(self):
        pose = np.array([self._state[2], 64.0, 0, 0, 5], np.float32)
        info: dict[str, Any] = {
            "state": {
                "pose": pose,
                "slot": int(self._state[3]),
                "caption": "a flat test",
                "events": {"fell": 0},
            }
        }
        if self.generated:
            info["uncertainty"], info["invented"] = 12.5, 0.5
        return info


class Opener:
    """Stands for `worlds.open_world`; keeps what it has opened."""

    def __init__(self, **arguments):
        self.arguments = arguments
        self.envs: dict[str, FakeEnv] = {}
        self.broken: dict[str, Exception] = {}

    def __call__(self, env_id: str, options: PlayOptions, size=None) -> World:
        if env_id in self.broken:
            raise self.broken[env_id]
        self.envs[env_id] = FakeEnv(env_id, size or (32, 16), **self.arguments)
        title = {DREAM: "dream", GAME: "game"}.get(env_id, env_id)
        return World(self.envs[env_id], title=title, generated=env_id == DREAM)
