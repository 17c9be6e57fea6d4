"""`worldsim/Dream-v0`: a learned world as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from worldsim.actions import Action, action_space, to_vector
from worldsim.errors import ConfigError, ResetNeeded, UsageError
from worldsim.model.grounding import SHRINK
from worldsim.seeding import check_seed
from worldsim.signals import told_by
from worldsim.sim.footage import Footage, read_footage, seed_footage
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import WorldState, believed
from worldsim.sim.world import load_world, lower_precision
from worldsim.text import embed_caption
from worldsim.window import Window

DEFAULT_WORLD = "voxel"


@dataclass(frozen=True)
class DreamState:
    """Everything a `DreamEnv` is at one tick; made by `clone_state`, shares its frames with it."""

    world: WorldState
    rng: dict[str, Any]
    episode: int
    world_hash: str


class DreamEnv(gymnasium.Env[NDArray[np.uint8], Action]):
    """A world that a diffusion model generates frame by frame; MineRL 1.0's actions, 20 ticks a second.

    Observations are frames, uint8 [H, W, 3] RGB. `info` carries "uncertainty" (expected error of the
    frame in grey levels), "state" with the dreamt "pose" and what the model believes of the rest (health, events and
    so on, see `worldsim.signals.to_state`), and "generated": True. The reward is 0 and
    nothing terminates; an episode is truncated if the model's numbers go wrong, with the "reason" in `info`.

    Args:
        world: a shipped world's name, or a folder with one.
        steps: sampler steps a frame, 1 to 64; more are sharper and slower.
        prompt: caption of the world to dream, see the game's captions; "" for none.
        device: torch device.
        precision: "auto", "float32" or "bfloat16".
        render_mode: None, "rgb_array", or "human" for a window at 20 frames/s.

    Raises:
        UsageError, CheckpointError: no such world, or damaged weights.
        ConfigError: an argument out of range.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 20}  # noqa: RUF012
    generated = True

    def __init__(
        self,
        *,
        world: str | Path = DEFAULT_WORLD,
        steps: int | None = None,
        prompt: str = "",
        device: str = "cpu",
        precision: Any = "auto",
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(f"render_mode: got {render_mode!r}, expected None, 'human' or 'rgb_array'")
        if precision not in ("auto", "float32", "bfloat16"):
            raise ConfigError(f"precision: got {precision!r}, expected 'auto', 'float32' or 'bfloat16'")
        if steps is not None and (
            isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= 64
        ):
            raise ConfigError(f"steps: got {steps!r}, expected an integer from 1 to 64")
        loaded = load_world(world, device)
        settings = SimulatorConfig(precision=precision)
        if steps is not None:
            settings = SimulatorConfig(precision=precision, steps=steps)
        self.simulator = Simulator(loaded.model, settings)
        lower_precision(loaded.model, self.simulator.dtype)
        self.seeds, self.world_hash, self.render_mode, self.prompt = (
            loaded.seeds,
            loaded.hash,
            render_mode,
            prompt,
        )
        self.world_id = f"worldsim/Dream-v0:{loaded.name}@{loaded.hash[:8]}"
        self.height, self.width = self.simulator.height, self.simulator.width
        self.action_space = action_space()
        self.observation_space = spaces.Box(0, 255, (self.height, self.width, 3), np.uint8)
        self._state: WorldState | None = None
        self._episode = 0
        self._window: Window | None = None

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of `worldsim.signals` that this world tells; with heads it tells all."""
        return told_by(self.simulator.model.signal_count)

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
        """
        key = None if seed is None else check_seed(seed)
        footage = read_footage(options, (self.height, self.width))
        if footage is None and self.seeds is None:
            raise UsageError(
                "reset: this world has no seed frames; pass options={'frames': uint8 [T, H, W, 3]}"
            )
        super().reset(seed=key)
        self._episode = 0 if seed is not None else self._episode + 1
        if key is None:
            key = int(self.np_random.integers(2**63))
        if footage is None:
            assert self.seeds is not None
            footage = seed_footage(self.seeds, int(np.random.default_rng(key).integers(len(self.seeds))))
        self._state = self._begin(footage, key, self._caption(options))
        info = {**self._info(), "seed": key}
        self._show()
        return self._frame(), info

    def step(self, action: Action) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Dream one tick.

        Args:
            action: a MineRL action dict, see `worldsim.actions.noop`.

        Raises:
            InvalidAction: an action outside the action space; the world has not changed then.
            ResetNeeded: before the first `reset` or after the end of an episode.
        """
        world = self._world("step")
        if world.failed:
            raise ResetNeeded("step: the episode has ended; call reset() first")
        vector = torch.from_numpy(to_vector(action))
        self._state = self.simulator.step([world], vector[None])[0]
        self._show()
        return self._frame(), 0.0, False, bool(self._state.failed), self._info()

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """The current frame, uint8 [H, W, 3], in mode "rgb_array"; "human" shows frames by itself."""
        self._world("render")
        if self.render_mode is None:
            gymnasium.logger.warn("render() without a render_mode; make the env with render_mode='rgb_array'")
        return self._frame() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if there is one; closing twice is fine."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def buffers(self) -> dict[str, NDArray[Any]]:
        """Of the current view: predicted "depth" (float32 [H, W], blocks) and what of it is "invented".

        The latter is float32 [H, W] in [0, 1]: 0 where the picture was given or follows from what was,
        1 where nothing told the model what to show.
        """
        newest = self._world("buffers").newest
        ground = newest.ground.float().cpu().numpy() / 255
        invented = 1 - np.kron(ground, np.ones((SHRINK, SHRINK), np.float32))
        return {"depth": newest.depth.float().cpu().numpy(), "invented": invented.astype(np.float32)}

    def clone_state(self) -> DreamState:
        """Everything that decides what happens next; costs next to nothing, since worlds are immutable."""
        world = self._world("clone_state")
        rng = dict(self.np_random.bit_generator.state)
        return DreamState(world, rng, self._episode, self.world_hash)

    def restore_state(self, state: DreamState) -> None:
        """Go back to a cloned state, exactly.

        Raises:
            UsageError: not a state of this world.
        """
        if not isinstance(state, DreamState):
            raise UsageError(
                f"restore_state: got {type(state).__name__}, expected what clone_state() returned"
            )
        if state.world_hash != self.world_hash:
            raise UsageError(
                "restore_state: the state is of another world; make the env with the same weights"
            )
        self._state, self._episode = state.world, state.episode
        self.np_random.bit_generator.state = state.rng

    def _begin(self, footage: Footage, key: int, caption: str) -> WorldState:
        return self.simulator.begin(
            footage.frames, seed=key, episode=self._episode, actions=footage.actions, depth=footage.depth,
            pose=footage.pose, pitch=footage.pitch, caption=torch.from_numpy(embed_caption(caption)),
        )  # fmt: skip

    def _caption(self, options: Mapping[str, Any] | None) -> str:
        return str((options or {}).get("caption", self.prompt))

    def _info(self) -> dict[str, Any]:
        world = self._world("info")
        info: dict[str, Any] = {
            "uncertainty": world.uncertainty,
            "invented": world.invented,
            "state": believed(world),
            "generated": True,
        }
        return {**info, "reason": world.failed} if world.failed else info

    def _frame(self) -> NDArray[np.uint8]:
        return self._world("frame").newest.frame.cpu().numpy().copy()

    def _show(self) -> None:
        if self.render_mode == "human":
            if self._window is None:
                fps = self.metadata["render_fps"]
                self._window = Window(self.width, self.height, title=self.world_id, fps=fps)
            self._window.show(self._frame())

    def _world(self, what: str) -> WorldState:
        if self._state is None:
            raise ResetNeeded(f"{what}: no episode has begun; call reset() first")
        return self._state
