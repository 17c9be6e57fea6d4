"""A world that is open for dreaming: what one dream and a batch of dreams share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch.nn import functional as F

from worldsim.errors import ConfigError, UsageError
from worldsim.model.grounding import SHRINK
from worldsim.signals import told_by
from worldsim.sim.beliefs import believed
from worldsim.sim.footage import Footage, read_footage, seed_footage
from worldsim.sim.network import BACKENDS
from worldsim.sim.precision import choose_precision
from worldsim.sim.seeds import Seeds
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import WorldState
from worldsim.sim.world import load_world, lower_precision
from worldsim.text import embed_caption

DEFAULT_WORLD = "voxel"


@dataclass(frozen=True)
class Beginning:
    """Checked reset options: footage (None for the world's own seed frames) and a caption."""

    footage: Footage | None
    caption: str


@dataclass(frozen=True)
class Dream:
    """Weights, seed frames and how frames are drawn; holds no state, so that any number of envs may share it."""

    simulator: Simulator
    seeds: Seeds | None
    name: str
    hash: str
    """sha256 of configuration, weights and exemplars, see `World`."""
    prompt: str = ""

    @property
    def world_id(self) -> str:
        """What recordings of it are called."""
        return f"worldsim/Dream-v0:{self.name}@{self.hash[:8]}"

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of `worldsim.signals` that it tells; with heads it tells all."""
        return told_by(self.simulator.model.signal_count)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its frames."""
        return self.simulator.height, self.simulator.width

    @property
    def observation_space(self) -> spaces.Box:
        """Frames uint8 [H, W, 3]."""
        return spaces.Box(0, 255, (*self.size, 3), np.uint8)

    def read_options(self, options: Any) -> Beginning:
        """Check the options of one reset.

        Raises:
            UsageError: an unknown option or one of a wrong shape, or a world that needs frames.
        """
        footage = read_footage(options, self.size)
        if footage is None and self.seeds is None:
            raise UsageError(
                "reset: this world has no seed frames; pass options={'frames': uint8 [T, H, W, 3]}, or on the "
                "command line  --image FILE"
            )
        chosen: Mapping[str, Any] = options or {}
        return Beginning(footage, str(chosen.get("caption", self.prompt)))

    def begin(self, beginning: Beginning, *, key: int, episode: int) -> WorldState:
        """The world of a seed: it decides the seed frames, if no footage is given, and the noise."""
        footage = beginning.footage
        if footage is None:
            assert self.seeds is not None
            footage = seed_footage(self.seeds, int(np.random.default_rng(key).integers(len(self.seeds))))
        return self.simulator.begin(
            **vars(footage), seed=key, episode=episode,
            caption=torch.from_numpy(embed_caption(beginning.caption)),
        )  # fmt: skip

    def step(
        self, worlds: Sequence[WorldState], vectors: NDArray[np.float32], *, exact: bool, draws: bool = True
    ) -> list[WorldState]:
        """One tick in B worlds under vectors float32 [B, 25].

        `exact` draws each world by itself: then no kernel knows of the batch, whose size changes the last
        bits of what it computes. Else all B go through the network at once. Without `draws` they only
        move, see `Simulator.walk`; but a world's first tick is drawn, since before it nothing is believed.
        """
        actions = torch.from_numpy(vectors)
        draws = draws or any(world.signals is None for world in worlds)
        go = self.simulator.step if draws else self.simulator.walk
        if not exact:
            return go(worlds, actions)
        return [go([world], actions[i : i + 1])[0] for i, world in enumerate(worlds)]


def open_dream(
    world: str | Path | Dream,
    *,
    steps: int | None,
    prompt: str,
    device: str,
    precision: Any,
    backend: Any = "eager",
    imagine: bool = True,
) -> Dream:
    """Load a world; one that is open already is used as it is.

    Raises:
        UsageError, CheckpointError: no such world or device, or damaged weights.
        ConfigError: an argument out of range.
        MissingDependency: what the backend needs is not installed.
    """
    if isinstance(world, Dream):
        return world
    if precision not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"precision: got {precision!r}, expected 'auto', 'float32' or 'bfloat16'")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= 64):
        raise ConfigError(f"steps: got {steps!r}, expected an integer from 1 to 64")
    if backend not in BACKENDS:
        raise ConfigError(f"backend: got {backend!r}, expected {', '.join(BACKENDS)}")
    if not isinstance(imagine, bool):
        raise ConfigError(f"imagine: got {imagine!r}, expected True or False")
    loaded = load_world(world, device)
    settings = SimulatorConfig(precision=precision, backend=backend, imagine=imagine)
    if steps is not None:
        settings = replace(settings, steps=steps)
    # Before a backend is made: what a graph has captured stays as it was.
    lower_precision(loaded.model, choose_precision(precision, loaded.model.usable.device, backend))
    simulator = Simulator(loaded.model, settings, loaded.seeds, loaded.exemplars)
    return Dream(simulator, loaded.seeds, loaded.name, loaded.hash, prompt)


def world_info(world: WorldState) -> dict[str, Any]:
    """What an env tells about a world after a tick."""
    info: dict[str, Any] = {
        "uncertainty": world.uncertainty,
        "invented": world.invented,
        "state": believed(world),
        "generated": True,
    }
    return {**info, "reason": world.failed} if world.failed else info


def world_frame(world: WorldState) -> NDArray[np.uint8]:
    """A world's newest frame, uint8 [H, W, 3], the caller's own."""
    return world.newest.frame.cpu().numpy().copy()


def world_buffers(worlds: Sequence[WorldState]) -> dict[str, NDArray[Any]]:
    """Of N worlds' newest frames: predicted "depth" (float32 [N, H, W], blocks) and what of them is "invented".

    The latter is float32 [N, H, W] in [0, 1]: 0 where the picture was given or follows from what was, 1
    where nothing told the model what to show.
    """
    ground = torch.stack([w.newest.ground for w in worlds]).float()[:, None] / 255
    invented = 1 - F.interpolate(ground, scale_factor=SHRINK, mode="nearest")[:, 0]
    depth = torch.stack([w.newest.depth for w in worlds]).float()
    return {"depth": depth.cpu().numpy(), "invented": invented.cpu().numpy()}
