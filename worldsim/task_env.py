"""A task in any env of worldsim, game or dream: reward, termination and truncation apart.

env = TaskEnv(gymnasium.make("worldsim/Dream-v0"), "collect", max_uncertainty=40)
env = TaskEnv(gymnasium.make("worldsim/Voxel-v0"), reward=lambda frame, info: float(frame.mean()) / 255)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ConfigError, ResetNeeded, UsageError
from worldsim.referee import Record, Referee
from worldsim.signals import SIGNALS
from worldsim.tasks import Floats, Task

Reward = Callable[[NDArray[np.uint8], dict[str, Any]], float]
"""What a tick is worth, from the frame uint8 [H, W, 3] and the info that it led to."""
End = Callable[[NDArray[np.uint8], dict[str, Any]], bool]
_FREE = 2**31


@dataclass(frozen=True)
class Free:
    """No task: reward 0, ends with the player."""

    name: ClassVar[str] = "free"
    text: ClassVar[str] = "Do as you like."
    needs: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[dict[str, Any]] = {}
    limit: int = _FREE

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """Nothing to remember."""
        return np.zeros((len(pose), 0))

    def judge(
        self, memory: Floats, signals: Floats, pose: Floats
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Nothing to gain."""
        return memory, np.zeros(len(pose)), np.zeros(len(pose), np.bool_)

    def tell(self, memory: Floats, pose: Floats) -> dict[str, Any]:
        """Nothing to know."""
        return {}


@dataclass(frozen=True)
class TaskState:
    """An env's own state, and how far its task is."""

    env: Any
    task: tuple[Record | None, ...]
    ended: bool


class TaskEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """See the module's docstring. `info["task"]` has the task's name and what the player may know of it.

    Args:
        env: `worldsim/Voxel-v0`, `worldsim/Dream-v0`, or wrappers around them.
        task: a name of `worldsim.tasks.TASKS` or a task of one's own; None for none.
        reward: in place of the task's; what it returns has to be finite.
        terminated: ends an episode, beside the task's own end.
        limit: ticks after which an episode is truncated; None for the task's own.
        max_uncertainty: truncates a dream whose frame it expects to be further off than this, in grey levels,
            with the "reason" in `info`.

    Raises:
        UsageError: no such task, or a world that does not tell what it needs.
        ConfigError: a limit out of range, or something else than functions.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        task: str | Task | None = None,
        *,
        reward: Reward | None = None,
        terminated: End | None = None,
        limit: int | None = None,
        max_uncertainty: float | None = None,
    ) -> None:
        super().__init__(env)
        for name, function in (("reward", reward), ("terminated", terminated)):
            if function is not None and not callable(function):
                raise ConfigError(
                    f"{name}: got {type(function).__name__}, expected a function of frame and info"
                )
        chosen = Free() if task is None else task
        self.referee = Referee(chosen, limit=limit, max_uncertainty=max_uncertainty)
        self.task = self.referee.task
        self.referee.check_told(getattr(env.unwrapped, "signals", SIGNALS))
        self._reward, self._end, self._ended = reward, terminated, True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; the task's reset options go to the game unless others are given."""
        wanted = {} if getattr(self.env.unwrapped, "generated", False) else self.task.options
        merged = {**wanted, **(options or {})}
        obs, info = self.env.reset(seed=seed, options=merged or None)
        self.referee.begin([0], [info])
        self._ended = False
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play one tick.

        Raises:
            ResetNeeded: before the first `reset` or after the end of an episode.
            InvalidAction: an action outside the action space; nothing has changed then.
            UsageError: the reward function returned no finite number.
        """
        if self._ended:
            raise ResetNeeded("step: the episode has ended or none has begun; call reset() first")
        obs, _, terminated, truncated, info = self.env.step(action)
        ruling = self.referee.judge([0], [info], np.array([terminated]))
        frame = obs["frame"] if isinstance(obs, dict) else obs
        reward, ended = float(ruling.rewards[0]), bool(ruling.terminated[0])
        if self._reward is not None:
            reward = _finite(self._reward(frame, info))
        if self._end is not None:
            ended = bool(self._end(frame, info)) or ended
        truncated = bool(truncated or ruling.truncated[0])
        self._ended = ended or truncated
        return obs, reward, ended, truncated, info

    def clone_state(self) -> TaskState:
        """The env's state and the task's; see `DreamEnv.clone_state`."""
        return TaskState(self._inner().clone_state(), self.referee.clone(), self._ended)

    def restore_state(self, state: TaskState) -> None:
        """Go back to a cloned state, exactly.

        Raises:
            UsageError: not what `clone_state` returned.
        """
        if not isinstance(state, TaskState):
            raise UsageError(
                f"restore_state: got {type(state).__name__}, expected what TaskEnv.clone_state() returned"
            )
        self._inner().restore_state(state.env)
        self.referee.restore(state.task)
        self._ended = state.ended

    def _inner(self) -> Any:
        inner = self.env
        while isinstance(inner, gymnasium.Wrapper) and not isinstance(inner, TaskEnv):
            inner = inner.env
        return inner


def _finite(reward: Any) -> float:
    try:
        number = float(reward)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise UsageError(f"reward: the function returned {reward!r:.40}, expected a finite number")
    return number
