"""What is measured: anything that dreams on from a twin's first frames, one action at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.evaluate.twin import Twin
from worldsim.model.tokenizer import float_to_frames, frames_to_float
from worldsim.signals import PLACE, SIGNALS
from worldsim.sim.precision import choose_precision
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import WorldState
from worldsim.sim.world import World, lower_precision


@dataclass(frozen=True, eq=False)
class Drawn:
    """One dreamt frame of each of B worlds."""

    frames: NDArray[np.uint8]
    """`[B, H, W, 3]`."""
    pose: NDArray[np.float32] | None = None
    """`[B, 5]` where the dream believes the eye to be, if it believes anything."""
    uncertainty: NDArray[np.float32] | None = None
    """`[B]` expected error of the frame in grey levels, if the dream says."""
    depth: NDArray[np.float16] | None = None
    """`[B, h, w]` blocks along the view axis as the dream believes them, of any size."""
    signals: NDArray[np.float32] | None = None
    """`[B, S]` what the dream believes of its player, see `worldsim.signals`; nan where it tells nothing."""


class Dreamer(Protocol):
    """B dreams beside each other; fakes and learned worlds look the same."""

    name: str
    size: tuple[int, int]
    """(height, width) of its frames."""

    def begin(self, twins: Sequence[Twin]) -> None:
        """Begin B dreams, each from what is `shown` of its twin (frames, actions, depth, pose)."""

    def step(self, actions: NDArray[np.float32]) -> Drawn:
        """Dream one frame each under `[B, 25]`."""


class WorldDreamer:
    """A learned world. Same world, twins and actions: the same frames; the noise key is the scenario's seed.

    Args:
        world: from `worldsim.sim.world.load_world`; its weights may be lowered in precision.
        config: how frames are drawn.
    """

    def __init__(self, world: World, config: SimulatorConfig | None = None) -> None:
        config = config or SimulatorConfig()
        # Before a backend is made: what a graph has captured stays as it was.
        device = world.model.usable.device
        lower_precision(world.model, choose_precision(config.precision, device, config.backend))
        self.simulator = Simulator(world.model, config, world.seeds, world.exemplars)
        self.name = world.name
        self.size = (self.simulator.height, self.simulator.width)
        self._worlds: list[WorldState] = []

    def begin(self, twins: Sequence[Twin]) -> None:
        """Begin one dream for each twin."""
        self._worlds = [self._start(twin) for twin in twins]

    def step(self, actions: NDArray[np.float32]) -> Drawn:
        """Dream one frame each; a world whose numbers went wrong keeps its last frame."""
        given = torch.from_numpy(np.asarray(actions, np.float32))
        batch = len(given) if self.simulator.network.batched else 1
        self._worlds = [
            world
            for i in range(0, len(given), batch)
            for world in self.simulator.step(self._worlds[i : i + batch], given[i : i + batch])
        ]
        return Drawn(
            torch.stack([w.newest.frame for w in self._worlds]).cpu().numpy(),
            torch.stack([w.newest.pose for w in self._worlds]).float().cpu().numpy(),
            np.array([np.nan if w.failed else w.uncertainty for w in self._worlds], np.float32),
            torch.stack([w.newest.depth[::2, ::2] for w in self._worlds]).half().cpu().numpy(),
            np.stack([_told(w) for w in self._worlds]),
        )

    @torch.inference_mode()
    def code(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Frames `[n, H, W, 3]` through the tokenizer and back; None if it loses nothing."""
        model = self.simulator.model
        if not list(model.tokenizer.parameters()):
            return None
        pieces = torch.from_numpy(frames.copy()).to(self.simulator.device).split(16)
        s = self.simulator
        with torch.autocast(s.device.type, s.dtype, enabled=s.dtype != torch.float32):
            coded = [model.frame(model.tokenizer.encode(frames_to_float(p)).float()) for p in pieces]
        return torch.cat([float_to_frames(c.float()) for c in coded]).cpu().numpy()

    def _start(self, twin: Twin) -> WorldState:
        s, n = twin.scenario, twin.scenario.context
        return self.simulator.begin(
            torch.from_numpy(twin.shown.copy()),
            seed=s.seed,
            actions=torch.from_numpy(s.actions[: n - 1].copy()),
            depth=torch.from_numpy(twin.depth[:n]),
            pose=torch.from_numpy(twin.pose[:n]),
            daytime=float(twin.signals[n - 1, PLACE["time_of_day"]]),
        )


def _told(world: WorldState) -> NDArray[np.float32]:
    """All signals of one world, nan where it tells nothing."""
    row = np.full(len(SIGNALS), np.nan, np.float32)
    if world.signals is not None and not world.failed:
        row[: len(world.signals)] = world.signals.numpy()
    return row
