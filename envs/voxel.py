"""`worldsim/Voxel-v0`: the block game as a Gymnasium environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from worldsim.action_sets import action_set
from worldsim.errors import ConfigError, EnvClosed, ResetNeeded, UsageError
from worldsim.seeding import check_seed
from worldsim.vector_state import VectorState
from worldsim.window import Window

from .voxel_episode import View, begin, new_engine, read_options
from .voxel_state import VoxelState

if TYPE_CHECKING:
    from .voxel_vector import VoxelVectorEnv


class VoxelEnv(gymnasium.Env[Any, Any]):
    """A seeded block world seen in first person; 20 ticks a second, MineRL 1.0's actions.

    Observations are frames, uint8 [H, W, 3] RGB. With `depth` or `block_ids` they are dicts of
    "frame", "depth" (float32 [H, W], blocks along the camera's forward axis, 512 = sky) and
    "block_ids" (uint8 [H, W], 0 = sky). `info["state"]` is the engine's state; the reward is always 0
    and an episode terminates when health reaches 0.

    Args:
        width, height: frame size in pixels, multiples of 16 from 64x48 to 640x384.
        render_mode: None, "rgb_array", or "human" for a window at 20 frames/s.
        depth, block_ids: add these buffers of the same view to the observations.
        action_space: "dict" (MineRL's), "discrete" or "multi_discrete", see `worldsim.action_sets`.

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
        action_space: str = "dict",
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(f"render_mode: got {render_mode!r}, expected None, 'human' or 'rgb_array'")
        self.actions = action_set(action_space)
        self.action_space, self.action_names = self.actions.space, self.actions.action_names
        self.engine = new_engine(width, height)
        self.width, self.height, self.render_mode = self.engine.width, self.engine.height, render_mode
        self.view = View(self.width, self.height, depth=depth, block_ids=block_ids)
        self.observation_space: spaces.Space[Any] = self.view.space
        self._started = self._ended = self._closed = False
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
            EnvClosed: after `close`.
        """
        self._need_open("reset")
        world = None if seed is None else check_seed(seed)
        chosen = read_options(options)
        super().reset(seed=world)
        if world is None:
            world = int(self.np_random.integers(2**63))
        begin(self.engine, world, chosen)
        self._started, self._ended = True, False
        return self._look(), {"state": self.engine.state(), "seed": world}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play one tick.

        Args:
            action: an element of `action_space`: a MineRL action dict, see `worldsim.actions.noop`, or
                what `worldsim.action_sets` says.

        Returns:
            observation, reward 0.0, terminated (health is 0), truncated False, info with "state".

        Raises:
            InvalidAction: an action outside the action space; the world has not changed then.
            ResetNeeded: before the first `reset` or after the end of an episode.
            EnvClosed: after `close`.
        """
        self._need_open("step")
        if not self._started or self._ended:
            when = "the episode has ended" if self._ended else "no episode has begun"
            raise ResetNeeded(f"step: {when}; call reset() first")
        self.engine.step(self.actions.to_vector(action))
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
        """End it, and close the window, if there is one; closing twice is fine."""
        self._closed = True
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

    def restore_state(self, state: VoxelState | bytes) -> None:
        """Go back to a cloned state, exactly; also one from another env or process, or its bytes.

        Raises:
            UsageError: not something that `clone_state` returned, or damaged bytes; nothing has changed then.
        """
        self._need_open("restore_state")
        if isinstance(state, (bytes, bytearray, memoryview)):
            state = VoxelState.from_bytes(bytes(state))
        if not isinstance(state, VoxelState):
            raise UsageError(
                f"restore_state: got {type(state).__name__}, expected what clone_state() returned"
            )
        self.engine.restore(state.engine)
        self.np_random.bit_generator.state = state.rng
        self._started, self._ended, self._frame = True, state.ended, None

    def fork(self, n: int, *, autoreset_mode: str | AutoresetMode = AutoresetMode.DISABLED) -> VoxelVectorEnv:
        """A vector env of n games that are all where this one is.

        Raises:
            UsageError: n out of range.
            ResetNeeded: before the first `reset`.
        """
        from .voxel_vector import branch

        state = VectorState((self.clone_state(),), (0,), (self._ended,))
        return branch(
            [self.engine], self.view, state, n, action_space=self.actions.name,
            autoreset_mode=autoreset_mode, render_mode="rgb_array" if self.render_mode else None,
        )  # fmt: skip

    def _look(self) -> Any:
        seen = self.view.observe(self.engine)
        frame = seen["frame"] if self.view.buffers else seen
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

    def _need_open(self, what: str) -> None:
        if self._closed:
            raise EnvClosed(f"{what}: the env is closed; make a new one")
