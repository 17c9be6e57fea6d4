"""`worldsim/MineRL-v0`: MineRL 1.0 and its BASALT tasks as a Gymnasium environment, over a pipe."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worldsim.actions import CAMERA_LIMIT, KEYS, Action, action_space, to_dict, to_vector
from worldsim.errors import ConfigError, ResetNeeded, UsageError
from worldsim.seeding import check_seed

from .minerl_pipe import MineRLPipe

TASKS: dict[str, tuple[tuple[int, int, int], int | None]] = {
    "MineRLBasaltFindCave-v0": ((360, 640, 3), 3600),
    "MineRLBasaltMakeWaterfall-v0": ((360, 640, 3), 6000),
    "MineRLBasaltCreateVillageAnimalPen-v0": ((360, 640, 3), 6000),
    "MineRLBasaltBuildVillageHouse-v0": ((360, 640, 3), 14400),
    "MineRLObtainDiamondShovel-v0": ((360, 640, 3), 18000),
    "MineRLHumanSurvival-v0": ((360, 640, 3), None),
}
"""MineRL 1.0's tasks that have its whole action space: shape of `pov`, most steps of an episode."""
_MAKE_SECONDS, _RESET_SECONDS, _STEP_SECONDS = 120.0, 600.0, 120.0


class MineRLEnv(gymnasium.Env[NDArray[np.uint8], Action]):
    """Minecraft 1.16.5 by MineRL 1.0, which runs in a venv of its own (docs/install.md).

    Observations are `pov`, uint8 [360, 640, 3]; what else a task observes is in `info["observation"]`.
    MineRL's one `done` becomes truncated at the task's last step and after an error of its own, else
    terminated (death, the task's end, or ESC, which ends a BASALT episode).

    Never run against Java Minecraft by us: tested with recorded facts and a stand-in of the same interface.

    Args:
        task: one of MineRL's ids, such as "MineRLBasaltFindCave-v0".
        python: that venv's interpreter; default: $WORLDSIM_MINERL_PYTHON.

    Raises:
        ConfigError: an unknown task.
        MissingDependency: from `reset`, if there is no such venv or no MineRL in it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        task: str = "MineRLBasaltFindCave-v0",
        *,
        python: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        if task not in TASKS:
            raise ConfigError(f"task: got {task!r}, expected one of {', '.join(TASKS)}")
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode: got {render_mode!r}, expected None or 'rgb_array'")
        self.task, self.render_mode = task, render_mode
        self.world_id = f"worldsim/MineRL-v0 {task}"
        shape, self._max_steps = TASKS[task]
        self.action_space = action_space()
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        self._python = python
        self._pipe: MineRLPipe | None = None
        self._steps, self._ended = 0, True
        self._frame: NDArray[np.uint8] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode; the first one starts Minecraft, which takes minutes.

        Args:
            seed: of the world, 0 <= seed < 2**32, as far as the task uses one.
            options: there are none.

        Raises:
            UsageError: a seed out of range, or options.
            MissingDependency, EngineError: MineRL is not installed, or fails.
        """
        if options:
            raise UsageError(f"options: unknown {', '.join(map(str, options))}; MineRL takes none")
        if seed is not None and check_seed(seed) >= 2**32:
            raise UsageError(f"seed: got {seed}, expected at most 2**32 - 1 for MineRL")
        super().reset(seed=seed)
        self._ended = True
        if self._pipe is None:
            self._pipe = self._open()
        answer, frame = self._ask(_RESET_SECONDS, op="reset", seed=seed)
        self._steps, self._ended = 0, False
        return frame, {"observation": answer.get("observation", {}), "seed": seed}

    def step(self, action: Action) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Play one tick; see `reset` and the class.

        Raises:
            InvalidAction: an action outside the action space; nothing was sent then.
            ResetNeeded: before `reset`, or after the end of an episode.
            EngineError: MineRL failed; `reset` starts it anew.
        """
        if self._ended:
            raise ResetNeeded("step: no episode is running; call reset() first")
        checked = to_dict(to_vector(action))
        checked["camera"] = [float(degrees) for degrees in checked["camera"]]
        answer, frame = self._ask(_STEP_SECONDS, op="step", action=checked)
        self._steps += 1
        done, info = bool(answer["done"]), answer.get("info") or {}
        limit = self._max_steps is not None and self._steps >= self._max_steps
        cut = bool(done and (limit or info.get("TimeLimit.truncated") or "error" in info))
        self._ended = done
        info = {**info, "observation": answer.get("observation", {})}
        if "error" in info:
            info["reason"] = str(info["error"])
        return frame, float(answer["reward"]), done and not cut, cut, info

    def render(self) -> NDArray[np.uint8] | None:
        """The current frame, uint8 [H, W, 3], in mode "rgb_array"."""
        return None if self._frame is None or self.render_mode is None else self._frame.copy()

    def close(self) -> None:
        """End Minecraft; closing twice is fine."""
        pipe, self._pipe = self._pipe, None
        self._ended = True
        if pipe is not None:
            pipe.close()

    def _open(self) -> MineRLPipe:
        """Start MineRL and check that its spaces are those that we know."""
        pipe = MineRLPipe(self._python)
        try:
            said, _ = pipe.ask(_MAKE_SECONDS, op="make", task=self.task)
            expected = {
                "keys": list(KEYS), "camera": [-CAMERA_LIMIT, CAMERA_LIMIT, [2]],
                "pov": list(self.observation_space.shape or ()),
            }  # fmt: skip
            for name, value in expected.items():
                if said.get(name) != value:
                    raise ConfigError(
                        f"MineRL: {name}: got {said.get(name)}, expected {value}; install MineRL 1.0"
                    )
        except BaseException:
            pipe.close()
            raise
        return pipe

    def _ask(self, seconds: float, **request: Any) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        assert self._pipe is not None
        try:
            answer, frame = self._pipe.ask(seconds, **request)
        except BaseException:  # half an answer can't be gone on from
            self.close()
            raise
        assert frame is not None
        self._frame = frame
        return answer, frame.copy()
