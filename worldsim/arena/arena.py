"""The arena: N worlds with a task as one Gymnasium vector env that agents learn in.

    envs = make_arena(ArenaConfig("worldsim/Voxel-v0", "beacon"), num_envs=8)

Observations are {"frame": uint8 [N, H, W, 3], "told": float32 [N, 5]}, actions are numbers into the repertoire.
Episodes that end are followed by new ones in the same step (SAME_STEP), or, with `renews=False`, stand still
and pay nothing until they are reset by `reset_mask`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from worldsim.action_sets import action_set
from worldsim.actions import as_array
from worldsim.arena.config import ArenaConfig
from worldsim.arena.shrink import shrink
from worldsim.errors import InvalidAction, brief
from worldsim.registry import register_envs
from worldsim.task_vector import TaskVectorEnv, scatter
from worldsim.vector_info import gather

TOLD = ("time", "goal_right", "goal_ahead", "logs", "height")
"""What "told" holds: the share of the time that is over, blocks to the goal over 12, logs over 8, height over 4."""
_PLACES: dict[str, tuple[Any, float]] = {"goal": (slice(1, 3), 12.0), "logs": (3, 8.0), "height": (4, 4.0)}
_BOUND = 64.0
_LASTING = ("dead", "in_water", "on_ground", "time_of_day")
"""Signals that can wait until the next frame is drawn."""

Obs = dict[str, NDArray[Any]]


class Arena(VectorEnv[Any, Any, NDArray[Any]]):
    """See the module's docstring; `make_arena` makes one.

    Args:
        env: N worlds with their task, in mode DISABLED.
        config: what it was made from.
        renews: whether an episode that ends is followed by a new one.
    """

    def __init__(self, env: TaskVectorEnv, config: ArenaConfig, *, renews: bool = True) -> None:
        self.env, self.config, self.num_envs = env, config, env.num_envs
        worlds: Any = env.env.unwrapped
        self.worlds = worlds
        self.renews = renews
        self.autoreset_mode = AutoresetMode.SAME_STEP if renews else AutoresetMode.DISABLED
        self.metadata = {**env.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = env.render_mode
        self.action_names = config.action_names
        names = action_set("discrete").action_names
        self._numbers = np.array([names.index(name) for name in self.action_names])
        self._noop = names.index("noop")
        self.single_action_space = spaces.Discrete(len(self.action_names))
        self.single_observation_space = spaces.Dict(
            frame=spaces.Box(0, 255, (config.height, config.width, 3), np.uint8),
            told=spaces.Box(-_BOUND, _BOUND, (len(TOLD),), np.float32),
        )
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._ticks = np.zeros(self.num_envs, np.int64)
        self._over = np.zeros(self.num_envs, np.bool_)
        self._told = np.zeros((self.num_envs, len(TOLD)), np.float32)
        self._looks = not set(env.referee.task.needs) <= {*_LASTING, *worlds.blind_events}
        self.ticks_played = 0
        """Ticks of all worlds so far, for speed."""

    def reset(
        self, *, seed: Any = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Begin episodes in the worlds of options["reset_mask"], or in all; see `BatchedEnv.reset`."""
        obs, info = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        self._ticks[... if mask is None else mask] = 0
        self._over[... if mask is None else mask] = False
        return self._observe(obs, info), info

    def step(
        self, actions: Any
    ) -> tuple[Obs, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play `frame_skip` ticks of the same action in all worlds, or fewer where an episode ends.

        Raises:
            InvalidAction: one wrong action; no world has changed then.
        """
        numbers = self._numbers[self._check(actions)]
        rewards, over = np.zeros(self.num_envs), self._over.copy()
        ended, cut = np.zeros((2, self.num_envs), np.bool_)
        finals: dict[int, tuple[Obs, dict[str, Any]]] = {}
        for raw, paid, terminated, truncated, info in self._ticks_of(numbers, over):
            going = ~over
            rewards[going] += paid[going]
            self._ticks[going] += 1
            ended[going], cut[going] = terminated[going], truncated[going]
            new = going & (terminated | truncated)
            if new.any():
                over |= new
                raw = self.worlds.look()
                finals |= self._keep(raw, info, np.flatnonzero(new))
        if finals and self.renews:
            obs, info = self._renew(over, finals, scatter(info, self.num_envs))
            return obs, rewards, ended, cut, info
        self._over = over
        return self._observe(raw, info), rewards, ended, cut, info

    def _ticks_of(self, numbers: NDArray[np.int64], over: NDArray[np.bool_]) -> Iterator[Any]:
        """Play one action's ticks; worlds that are `over` meanwhile stand still until the others are done."""
        try:
            for tick in range(self.config.frame_skip):
                if (dead := self.worlds.ended).any():  # those can't even stand still
                    self.env.reset(options={"reset_mask": dead})
                # Nobody sees the other frames, unless events are read off them.
                self.worlds.draws = self._looks or tick == self.config.frame_skip - 1
                self.ticks_played += int((~over).sum())
                yield self.env.step(np.where(over, self._noop, numbers))
                if over.all():
                    break
        finally:
            self.worlds.draws = True

    def fork(self, n: int) -> Arena:
        """An arena with each world n times, those of world i at i * n to i * n + n - 1, and its task where it is.

        It does not renew what ends.

        Raises:
            UsageError: n out of range.
            ResetNeeded: before the first `reset`.
        """
        inner = self.worlds.fork(n)
        branches = TaskVectorEnv(
            inner,
            self.env.referee.task,
            limit=self.env.referee.limit,
            max_uncertainty=self.config.max_uncertainty,
            autoreset_mode=AutoresetMode.DISABLED,
        )
        branches.referee.restore([record for record in self.env.referee.clone() for _ in range(n)])
        arena = Arena(branches, self.config, renews=False)
        arena._over = np.repeat(self._over, n)
        arena._ticks, arena._told = np.repeat(self._ticks, n), np.repeat(self._told, n, 0)
        return arena

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The frames of all N worlds as they are drawn, before they are made smaller."""
        frames: Any = self.env.render()
        return frames  # type: ignore[no-any-return]

    def close_extras(self, **kwargs: Any) -> None:
        """Close the worlds."""
        self.env.close()

    def _check(self, actions: Any) -> NDArray[np.int64]:
        expected = f"integers of shape ({self.num_envs},) from 0 to {len(self._numbers) - 1}"
        array = as_array(actions, "actions", expected)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "iu":
            raise InvalidAction(f"actions: got {brief(actions)}, expected {expected}")
        if ((array < 0) | (array >= len(self._numbers))).any():
            raise InvalidAction(f"actions: got {array.min()} to {array.max()}, expected {expected}")
        return array.astype(np.int64)

    def _keep(
        self, raw: Any, info: dict[str, Any], which: NDArray[np.int64]
    ) -> dict[int, tuple[Obs, dict[str, Any]]]:
        """The last observation and info of episodes that have just ended."""
        obs, infos = self._observe(raw, info), scatter(info, self.num_envs)
        return {int(i): ({k: v[i].copy() for k, v in obs.items()}, infos[i]) for i in which}

    def _renew(
        self,
        over: NDArray[np.bool_],
        finals: dict[int, tuple[Obs, dict[str, Any]]],
        infos: list[dict[str, Any]],
    ) -> tuple[Obs, dict[str, Any]]:
        raw, fresh = self.env.reset(options={"reset_mask": over})
        self._ticks[over] = 0
        begun = scatter(fresh, self.num_envs)
        for i, (obs, info) in finals.items():
            infos[i] = {"final_obs": obs, "final_info": info, **begun[i]}
        info = gather(infos)
        return self._observe(raw, info), info

    def _observe(self, raw: Any, info: Mapping[str, Any]) -> Obs:
        """Observations; `info` may speak of some worlds only, as after a masked reset."""
        self._told[:, 0] = self._ticks / self.env.referee.limit
        task: Mapping[str, Any] = info.get("task", {})
        which = info.get("_task", np.zeros(self.num_envs, np.bool_))
        for name, (columns, scale) in _PLACES.items():
            if name in task:
                self._told[which, columns] = np.asarray(task[name], np.float32)[which] / scale
        frames = shrink(raw, self.config.width, self.config.height)
        return {"frame": frames, "told": self._told.clip(-_BOUND, _BOUND)}


def make_arena(config: ArenaConfig, num_envs: int, *, render: bool = False, renews: bool = True) -> Arena:
    """N worlds as `config` says; with `render`, `render()` gives their frames; for `renews` see `Arena`.

    Raises:
        UsageError: an env that does not know the task, or arguments that it does not have.
        ConfigError: a number out of range.
    """
    register_envs()
    envs = gymnasium.make_vec(
        config.env,
        num_envs=num_envs,
        action_space="discrete",
        autoreset_mode="Disabled",
        render_mode="rgb_array" if render else None,
        **config.env_arguments(),
    )
    try:
        judged = TaskVectorEnv(
            envs,
            config.make_task(),
            limit=config.limit,
            max_uncertainty=config.max_uncertainty,
            autoreset_mode=AutoresetMode.DISABLED,
        )
    except Exception:
        envs.close()
        raise
    return Arena(judged, config, renews=renews)
