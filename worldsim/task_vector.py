"""A task in a vector env: `TaskVectorEnv(envs, "collect")`, judged by the same code as `TaskEnv`.

The vector env inside has to be made with `autoreset_mode="Disabled"`, since the task decides when an episode
ends; worlds whose episode has ended are reset here, in the same step, through `reset_mask`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from worldsim.errors import ConfigError
from worldsim.referee import Referee
from worldsim.signals import SIGNALS
from worldsim.tasks import Task
from worldsim.vector_info import gather


class TaskVectorEnv(VectorWrapper):
    """See the module's docstring. Infos are as `TaskEnv`'s, gathered.

    Args:
        env: N games or dreams with `autoreset_mode` DISABLED.
        task: a name of `worldsim.tasks.TASKS`, or a task.
        limit, max_uncertainty: see `worldsim.referee.Referee`.
        autoreset_mode: SAME_STEP, or DISABLED to reset by `reset_mask` oneself.

    Raises:
        UsageError: no such task, or worlds that do not tell what it needs.
        ConfigError: another autoreset mode, or a limit out of range.
    """

    def __init__(
        self,
        env: VectorEnv,
        task: str | Task,
        *,
        limit: int | None = None,
        max_uncertainty: float | None = None,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    ) -> None:
        super().__init__(env)
        inner = env.metadata.get("autoreset_mode")
        if inner != AutoresetMode.DISABLED:
            raise ConfigError(
                f"autoreset_mode: the env inside has {inner}, expected DISABLED; make it with "
                "autoreset_mode='Disabled'"
            )
        if autoreset_mode not in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
            raise ConfigError(f"autoreset_mode: got {autoreset_mode}, expected SAME_STEP or DISABLED")
        self.referee = Referee(task, count=env.num_envs, limit=limit, max_uncertainty=max_uncertainty)
        self.referee.check_told(getattr(env.unwrapped, "signals", SIGNALS))
        self._mode = autoreset_mode
        self.metadata = {**env.metadata, "autoreset_mode": autoreset_mode}
        self._wanted = {} if _generated(env) else dict(self.referee.task.options)

    def reset(
        self, *, seed: Any = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes, in the worlds of options["reset_mask"] or in all."""
        mask = (options or {}).get("reset_mask")
        which = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
        obs, infos = self._reset(seed, dict(options or {}), which)
        return obs, gather(infos)

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one tick in all worlds; with SAME_STEP an episode's last observation and info are "final_obs" and
        "final_info"."""
        obs, _, ended, cut, info = self.env.step(actions)
        infos = scatter(info, self.num_envs)
        ruling = self.referee.judge(np.arange(self.num_envs), infos, ended)
        terminated, truncated = ruling.terminated, np.asarray(cut, np.bool_) | ruling.truncated
        over = np.flatnonzero(terminated | truncated)
        if self._mode == AutoresetMode.SAME_STEP and len(over):
            finals = [_at(obs, int(i)) for i in over]
            obs, fresh = self._reset(None, {"reset_mask": terminated | truncated}, over)
            for i, final in zip(over, finals):
                infos[i] = {"final_obs": final, "final_info": infos[i], **fresh[i]}
        return obs, ruling.rewards, terminated, truncated, gather(infos)

    def _reset(
        self, seed: Any, options: dict[str, Any], which: NDArray[np.int64]
    ) -> tuple[Any, list[dict[str, Any]]]:
        obs, info = self.env.reset(seed=seed, options={**self._wanted, **options} or None)
        infos = scatter(info, self.num_envs)
        self.referee.begin(which, [infos[i] for i in which])
        return obs, infos


def scatter(info: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The infos of N worlds that were gathered into one: the inverse of `vector_info.gather`."""
    infos: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, column in info.items():
        if name.startswith("_"):
            continue
        if isinstance(column, Mapping):
            for one, part in zip(infos, scatter(column, count)):
                if part:
                    one[name] = part
            continue
        told = info.get(f"_{name}", np.ones(count, np.bool_))
        for i in np.flatnonzero(told):
            infos[i][name] = column[i]
    return infos


def _generated(env: VectorEnv) -> bool:
    """Whether the worlds are dreams, whose clock nobody sets."""
    inside = env.unwrapped
    scalar = getattr(inside, "envs", [inside])[0]
    return bool(getattr(getattr(scalar, "unwrapped", scalar), "generated", False))


def _at(obs: Any, world: int) -> Any:
    return {k: v[world].copy() for k, v in obs.items()} if isinstance(obs, dict) else obs[world].copy()
