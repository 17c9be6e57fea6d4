"""`worldsim/Voxel-v0`: the block game as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worldsim.actions import Action, action_space, to_vector
from worldsim.errors import ConfigError, ResetNeeded, UsageError
from worldsim.seeding import check_seed
from worldsim.window import Window

from . import voxel_player
from .voxel_engine import VoxelEngine

FAR = 512.0
"""The depth, in blocks, of sky and of what is beyond view."""
RESET_OPTIONS = ("time_of_day",)


@dataclass(frozen=True)
class VoxelState:
    """Everything a `VoxelEnv` is at one tick; made by `clone_state`, picklable."""

    engine: Any
    ended: bool
    rng: Mapping[str, Any]


class VoxelEnv(gymnasium.Env[Any, Action]):
    """A seeded block world seen in first person; 20 ticks a second, MineRL 1.0's actions.

    Observations are frames, uint8 [H, W, 3] RGB. With `depth` or `block_ids` they are dicts of
    "frame", "depth" (float32 [H, W], blocks along the camera's forward axis, 512 = sky) and
    "block_ids" (uint8 [H, W], 0 = sky). `info["state"]` is the engine's state; the reward is always 0
    and an episode terminates when health reaches 0.

    Args:
        width, height: frame size in pixels, multiples of 16 from 64x48 to 640x384.
        render_mode: None, "rgb_array", or "human" for a window at 20 frames/s.
        depth, block_ids: add these buffers of the same view to the observations.

    Raises:
        ConfigError: a size or render mode that the game does not have.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 20}  # noqa: RUF012
    world_id = "worldsim/Voxel-v0"

    def __init__(
        self,
        *,
        width: int = 160,
        height: int = 96,
        render_mode: str | None = None,
        depth: bool = False,
        block_ids: bool = False,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(f"render_mode: got {render_mode!r}, expected None, 'human' or 'rgb_array'")
        _need_integers(width=width, height=height)
        self.engine = VoxelEngine(width=width, height=height)
        self.width, self.height, self.render_mode = width, height, render_mode
        self._wanted = {"depth": depth, "block_ids": block_ids}
        self.action_space = action_space()
        self.observation_space = self._observation_space()
        self._started = self._ended = False
        self._frame: NDArray[np.uint8] | None = None
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new world.

        Args:
            seed: the world, 0 <= seed < 2**64; None draws the next one from `np_random`.
            options: {"time_of_day": 0..1} (0.25 sunrise, 0.5 noon) or None.

        Returns:
            The first observation and info, with "state" and the world's "seed".

        Raises:
            UsageError: a seed out of range, an unknown option or a bad value; nothing has changed then.
        """
        world = None if seed is None else check_seed(seed)
        chosen = _options(options)
        super().reset(seed=world)
        if world is None:
            world = int(self.np_random.integers(2**63))
        self.engine.reset(world)
        if "time_of_day" in chosen:
            self._set_time(chosen["time_of_day"])
        self._started, self._ended = True, False
        return self._look(), {"state": self.engine.state(), "seed": world}

    def step(self, action: Action) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play one tick.

        Args:
            action: a MineRL action dict, see `worldsim.actions.noop`.

        Returns:
            observation, reward 0.0, terminated (health is 0), truncated False, info with "state".

        Raises:
            InvalidAction: an action outside the action space; the world has not changed then.
            ResetNeeded: before the first `reset` or after the end of an episode.
        """
        if not self._started or self._ended:
            when = "the episode has ended" if self._ended else "no episode has begun"
            raise ResetNeeded(f"step: {when}; call reset() first")
        self.engine.step(to_vector(action))
        state = self.engine.state()
        self._ended = bool(state["health"] <= 0)
        return self._look(), 0.0, self._ended, False, {"state": state}

    def render(self) -> NDArray[np.uint8] | None:
        """The current frame, uint8 [H, W, 3], in mode "rgb_array"; "human" shows frames by itself."""
        self._need_reset("render")
        if self.render_mode is None:
            gymnasium.logger.warn("render() without a render_mode; make the env with render_mode='rgb_array'")
            return None
        if self.render_mode == "human":
            return None
        return self._current_frame().copy()

    def close(self) -> None:
        """Close the window, if there is one; closing twice is fine."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def buffers(self) -> dict[str, NDArray[Any]]:
        """True "depth" (float32 [H, W], blocks) and "block_ids" (uint8 [H, W]) of the current view."""
        self._need_reset("buffers")
        _, depth, block_ids = self.engine.render_buffers()
        return {"depth": depth, "block_ids": block_ids}

    def clone_state(self) -> VoxelState:
        """Everything that decides what happens next: world, player, episode and random numbers."""
        self._need_reset("clone_state")
        return VoxelState(self.engine.clone(), self._ended, self.np_random.bit_generator.state)

    def restore_state(self, state: VoxelState) -> None:
        """Go back to a cloned state, exactly; also one from another env or process.

        Raises:
            UsageError: not something that `clone_state` returned.
        """
        if not isinstance(state, VoxelState):
            raise UsageError(
                f"restore_state: got {type(state).__name__}, expected what clone_state() returned"
            )
        self.engine.restore(state.engine)
        self.np_random.bit_generator.state = state.rng
        self._started, self._ended, self._frame = True, state.ended, None

    def _set_time(self, time_of_day: float) -> None:
        snapshot = self.engine.clone()
        snapshot.player[voxel_player.TIME] = time_of_day
        self.engine.restore(snapshot)

    def _observation_space(self) -> spaces.Space[Any]:
        size = (self.height, self.width)
        frame = spaces.Box(0, 255, (*size, 3), np.uint8)
        buffers: dict[str, spaces.Space[Any]] = {
            "depth": spaces.Box(0.0, FAR, size, np.float32),
            "block_ids": spaces.Box(0, 255, size, np.uint8),
        }
        chosen = {name: buffers[name] for name, wanted in self._wanted.items() if wanted}
        return spaces.Dict({"frame": frame, **chosen}) if chosen else frame

    def _look(self) -> Any:
        if any(self._wanted.values()):
            frame, depth, block_ids = self.engine.render_buffers()
            buffers = {"depth": depth, "block_ids": block_ids}
            seen: Any = {"frame": frame, **{name: buffers[name] for name in buffers if self._wanted[name]}}
        else:
            seen = frame = self.engine.render()
        # A copy: what the caller does to its observation must not show in render().
        self._frame = frame.copy() if self.render_mode is not None else None
        if self.render_mode == "human":
            self._show(self._current_frame())
        return seen

    def _current_frame(self) -> NDArray[np.uint8]:
        if self._frame is None:
            self._frame = self.engine.render()
        return self._frame

    def _show(self, frame: NDArray[np.uint8]) -> None:
        if self._window is None:
            fps = self.metadata["render_fps"]
            self._window = Window(self.width, self.height, title=self.world_id, fps=fps)
        self._window.show(frame)

    def _need_reset(self, what: str) -> None:
        if not self._started:
            raise ResetNeeded(f"{what}: no episode has begun; call reset() first")


def _need_integers(**sizes: Any) -> None:
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ConfigError(f"{name}: got {value!r}, expected an integer, a multiple of 16")


def _options(options: Any) -> Mapping[str, float]:
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise UsageError(
            f"options: got {type(options).__name__}, expected a dict with {', '.join(RESET_OPTIONS)}"
        )
    unknown = sorted(str(key) for key in options if key not in RESET_OPTIONS)
    if unknown:
        known = ", ".join(RESET_OPTIONS)
        raise UsageError(f"options: unknown {', '.join(unknown)}; known options are {known}")
    for key, value in options.items():
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise UsageError(f"options[{key!r}]: got {value!r}, expected a number from 0 to 1")
    return {key: float(value) for key, value in options.items()}
