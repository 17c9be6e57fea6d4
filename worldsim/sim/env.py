"""`worldsim/Dream-v0`: a learned world as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from worldsim.action_sets import action_set
from worldsim.errors import ConfigError, EnvClosed, ResetNeeded
from worldsim.seeding import check_seed
from worldsim.sim.dream import DEFAULT_WORLD as DEFAULT_WORLD
from worldsim.sim.dream import Dream, open_dream, world_buffers, world_frame, world_info
from worldsim.sim.snapshot import DreamState as DreamState
from worldsim.sim.snapshot import check_fits, on_device
from worldsim.sim.state import WorldState
from worldsim.vector_state import VectorState
from worldsim.window import Window

if TYPE_CHECKING:
    from worldsim.sim.vector import DreamVectorEnv


class DreamEnv(gymnasium.Env[NDArray[np.uint8], Any]):
    """A world that a diffusion model generates frame by frame; MineRL 1.0's actions, 20 ticks a second.

    Observations are frames, uint8 [H, W, 3] RGB. `info` carries "uncertainty" (expected error of the
    frame in grey levels), "state" with the dreamt "pose" and what the model believes of the rest (health, events and
    so on, see `worldsim.signals.to_state`), and "generated": True. The reward is 0 and
    nothing terminates; an episode is truncated if the model's numbers go wrong, with the "reason" in `info`.

    Args:
        world: a shipped world's name, a folder with one, or a `Dream` that is open already.
        steps: sampler steps a frame, 1 to 64; more are sharper and slower.
        prompt: caption of the world to dream, see the game's captions; "" for none.
        device: torch device.
        precision: "auto", "float32" or "bfloat16".
        backend: what runs the network: "eager", "compiled", "onnx", "int8", "openvino", "cudagraph" or "auto", see
            docs/speed.md; the same bytes come again with the same one only.
        imagine: begin from the world's exemplars where nothing is known, if it has any, see `worldsim.sim.imagination`.
        action_space: "dict" (MineRL's), "discrete" or "multi_discrete", see `worldsim.action_sets`.
        render_mode: None, "rgb_array", or "human" for a window at 20 frames/s.

    Raises:
        UsageError, CheckpointError: no such world, or damaged weights.
        ConfigError: an argument out of range.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 20}  # noqa: RUF012
    generated = True
    observation_space: spaces.Space[Any]

    def __init__(
        self,
        *,
        world: str | Path | Dream = DEFAULT_WORLD,
        steps: int | None = None,
        prompt: str = "",
        device: str = "cpu",
        precision: Any = "auto",
        backend: Any = "eager",
        imagine: bool = True,
        action_space: str = "dict",
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(f"render_mode: got {render_mode!r}, expected None, 'human' or 'rgb_array'")
        self.actions = action_set(action_space)
        self.action_space, self.action_names = self.actions.space, self.actions.action_names
        self.dream = open_dream(
            world, steps=steps, prompt=prompt, device=device, precision=precision, backend=backend,
            imagine=imagine,
        )  # fmt: skip
        self.simulator, self.seeds, self.world_hash, self.world_id = (
            self.dream.simulator, self.dream.seeds, self.dream.hash, self.dream.world_id,
        )  # fmt: skip
        self.render_mode, self.prompt = render_mode, prompt
        self.height, self.width = self.dream.size
        self.observation_space = self.dream.observation_space
        self._state: WorldState | None = None
        self._episode = 0
        self._closed = False
        self._window: Window | None = None

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of `worldsim.signals` that this world tells; with heads it tells all."""
        return self.dream.signals

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin a new dream.

        Args:
            seed: 0 <= seed < 2**64, decides the seed frames and the noise; None draws on from `np_random`.
            options: what to dream on from, in place of the shipped seed frames: "frames" uint8
                [T, H, W, 3] of the world's size, and optionally "actions" ([T - 1] MineRL dicts or float
                [T - 1, 25]), "depth" [T, H, W] in blocks, "pose" [T, 5], "pitch" in degrees; and "caption".

        Raises:
            UsageError: a seed out of range, an unknown option or one of a wrong shape; nothing has changed then.
            EnvClosed: after `close`.
        """
        self._need_open("reset")
        key = None if seed is None else check_seed(seed)
        beginning = self.dream.read_options(options)
        super().reset(seed=key)
        self._episode = 0 if seed is not None else self._episode + 1
        if key is None:
            key = int(self.np_random.integers(2**63))
        self._state = self.dream.begin(beginning, key=key, episode=self._episode)
        self._show()
        return world_frame(self._state), {**world_info(self._state), "seed": key}

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Dream one tick.

        Args:
            action: an element of `action_space`: a MineRL action dict, see `worldsim.actions.noop`, or
                what `worldsim.action_sets` says.

        Raises:
            InvalidAction: an action outside the action space; the world has not changed then.
            ResetNeeded: before the first `reset` or after the end of an episode.
            EnvClosed: after `close`.
        """
        self._need_open("step")
        world = self._world("step")
        if world.failed:
            raise ResetNeeded("step: the episode has ended; call reset() first")
        vector = self.actions.to_vector(action)
        self._state = after = self.dream.step([world], vector[None], exact=True)[0]
        self._show()
        return world_frame(after), 0.0, False, bool(after.failed), world_info(after)

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """The current frame, uint8 [H, W, 3], in mode "rgb_array"; "human" shows frames by itself."""
        self._world("render")
        if self.render_mode is None:
            gymnasium.logger.warn("render() without a render_mode; make the env with render_mode='rgb_array'")
        return world_frame(self._world("render")) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """End it, and close the window, if there is one; closing twice is fine."""
        self._closed = True
        if self._window is not None:
            self._window.close()
            self._window = None

    def buffers(self) -> dict[str, NDArray[Any]]:
        """Of the current view: predicted "depth" (float32 [H, W], blocks) and what of it is "invented".

        The latter is float32 [H, W] in [0, 1], see `dream.world_buffers`.
        """
        return {name: rows[0] for name, rows in world_buffers([self._world("buffers")]).items()}

    def clone_state(self) -> DreamState:
        """Everything that decides what happens next; costs next to nothing, since worlds are immutable."""
        world = self._world("clone_state")
        rng = dict(self.np_random.bit_generator.state)
        return DreamState(world, rng, self._episode, self.world_hash)

    def restore_state(self, state: DreamState | bytes) -> None:
        """Go back to a cloned state, exactly; also one of another env or process, or its bytes.

        Raises:
            UsageError: not a state of this world, or damaged bytes; nothing has changed then.
        """
        self._need_open("restore_state")
        if isinstance(state, (bytes, bytearray, memoryview)):
            state = DreamState.from_bytes(bytes(state))
        check_fits(state, self.simulator, self.world_hash)
        self._state, self._episode = on_device(state.world, self.simulator.device), state.episode
        self.np_random.bit_generator.state = state.rng

    def fork(
        self,
        n: int,
        *,
        seeds: Sequence[int] | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.DISABLED,
        exact: bool | None = None,
    ) -> DreamVectorEnv:
        """A vector env of n worlds that are all where this one is; shares the weights.

        Args:
            seeds: n keys of noise, for futures that differ by chance; None: all go on as this world would.
            exact: see `worldsim.sim.vector.DreamVectorEnv`.

        Raises:
            UsageError: n or seeds out of range.
            ResetNeeded: before the first `reset`.
        """
        from worldsim.sim.vector import branch

        state = self.clone_state()
        return branch(
            self.dream, VectorState((state,), (0,), (state.ended,)), n, seeds, exact=exact,
            action_space=self.actions.name, autoreset_mode=autoreset_mode,
            render_mode="rgb_array" if self.render_mode else None,
        )  # fmt: skip

    def _show(self) -> None:
        if self.render_mode == "human":
            if self._window is None:
                fps = self.metadata["render_fps"]
                self._window = Window(self.width, self.height, title=self.world_id, fps=fps)
            self._window.show(world_frame(self._world("show")))

    def _need_open(self, what: str) -> None:
        if self._closed:
            raise EnvClosed(f"{what}: the env is closed; make a new one")

    def _world(self, what: str) -> WorldState:
        if self._state is None:
            raise ResetNeeded(f"{what}: no episode has begun; call reset() first")
        return self._state
