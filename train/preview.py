"""Strips of the game against the dream under the same actions, and the figures that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim import registry
from worldsim.data.episode import ClipBatch, daytimes, filled_depth
from worldsim.model.camera import to_yaw_frame
from worldsim.model.surroundings import Remembered
from worldsim.model.world_model import WorldModel
from worldsim.png import grid, write_png
from worldsim.signals import from_state
from worldsim.sim.exemplars import Exemplars
from worldsim.sim.legs import Legs
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import WorldState

HORIZONS = (1, 4, 8, 16, 32, 64)
CONTEXT = 8
"""Frames that the dream is started from."""


@dataclass(frozen=True)
class Twin:
    """What the game did in worlds that training never sees: seeds below 1,000."""

    clips: ClipBatch


class Rails(Legs):
    """Legs that take the steps which recorded players took, from their frame `CONTEXT` on, whatever is in the way.

    Args:
        clips: with poses; world `b` of a batch follows clip `b`.
    """

    def __init__(self, model: WorldModel, dtype: torch.dtype, clips: ClipBatch) -> None:
        super().__init__(model, dtype)
        pose = torch.from_numpy(np.asarray(clips.pose))
        steps = to_yaw_frame(pose[:, 1:, :3] - pose[:, :-1, :3], pose[:, 1:, 3])
        self._steps = torch.cat([torch.zeros_like(steps[:, :1]), steps], 1)

    def step(self, worlds: Sequence[WorldState], actions: Tensor, felt: Remembered) -> Tensor:
        return self._steps[: len(worlds), CONTEXT + worlds[0].tick]

    def hold(self, offset: Tensor, eye: Tensor, felt: Remembered) -> Tensor:
        return offset


def record_twin(engine: str, policy: str, *, worlds: int, frames: int, width: int, height: int) -> Twin:
    """Play `worlds` evaluation worlds for `frames` frames each, after two seconds of play."""
    player = registry.resolve(registry.POLICIES, policy, "policy")(0)
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    rows = [_play(game, player, seed, frames) for seed in range(worlds)]
    stacked = [np.stack(column) for column in zip(*rows)]
    return Twin(ClipBatch(stacked[0], stacked[1], stacked[2], *stacked[3:], ("",) * worlds))


def _play(game: Any, player: Any, seed: int, frames: int) -> tuple[NDArray[Any], ...]:
    game.reset(seed)
    player.reset(seed)
    for _ in range(40):
        game.step(player.act(game.state()))
    rows: list[tuple[Any, ...]] = []
    action = np.zeros(25, np.float32)
    for _ in range(frames):
        frame, depth, _ids = game.render_buffers()
        state = game.state()
        pose = np.asarray(state["pose"], np.float32)
        rows.append((frame, action, depth.astype(np.float16), pose, from_state(state)))
        action = player.act(state)
        game.step(action)
    return tuple(np.stack(column) for column in zip(*rows))


def dream(
    model: WorldModel,
    twin: Twin,
    config: SimulatorConfig,
    *,
    led_by: ClipBatch | None = None,
    exemplars: Exemplars | None = None,
) -> tuple[Tensor, Tensor]:
    """Dream on from the first frames with the game's actions: uint8 `[B, T, H, W, 3]`, errors `[B, T - 8]` of steps.

    Args:
        led_by: clips whose players' steps are taken, instead of those that the motion head expects.
        exemplars: what invention begins from; None: from the network alone.
    """
    clips = twin.clips
    assert clips.pose is not None
    simulator = Simulator(model, config, exemplars=exemplars)
    if led_by is not None:
        simulator.legs = Rails(simulator.model, simulator.dtype, led_by)
    # A world that uses depth makes its own, where recordings have none.
    blind = clips.depth is None and model.config.denoiser.compensation == "full"
    depth = None if blind else torch.from_numpy(filled_depth(clips)[:, :CONTEXT])
    frames, actions = torch.from_numpy(clips.frames), torch.from_numpy(clips.actions)
    daytime = daytimes(clips, CONTEXT - 1)
    worlds = [
        simulator.begin(
            frames[b, :CONTEXT],
            seed=b,
            actions=actions[b, 1:CONTEXT],
            depth=None if depth is None else depth[b],
            pose=torch.from_numpy(clips.pose[b, :CONTEXT]),
            daytime=float(daytime[b]),
        )
        for b in range(len(frames))
    ]
    out, drift = [frames[:, t] for t in range(CONTEXT)], []
    for t in range(CONTEXT, frames.shape[1]):
        worlds = simulator.step(worlds, actions[:, t])
        out.append(torch.stack([w.newest.frame.cpu() for w in worlds]))
        position = torch.stack([w.newest.pose[:3] for w in worlds])
        drift.append((position - torch.from_numpy(clips.pose[:, t, :3])).norm(dim=1))
    return torch.stack(out, 1), torch.stack(drift, 1)


def figures(
    dreamt: Tensor, twin: Twin, drift: Tensor, horizons: Sequence[int] = HORIZONS
) -> dict[str, float]:
    """PSNR in dB of the mean squared error over worlds, detail against the game's, and position error in blocks."""
    real = torch.from_numpy(twin.clips.frames)
    values: dict[str, float] = {}
    for horizon in horizons:
        t = CONTEXT + horizon - 1
        if t >= real.shape[1]:
            break
        values[f"psnr_{horizon}"] = psnr(dreamt[:, t], real[:, t])
        values[f"copy_{horizon}"] = psnr(real[:, CONTEXT - 1], real[:, t])
        values[f"detail_{horizon}"] = detail(dreamt[:, t]) / detail(real[:, t])
        values[f"position_{horizon}"] = float(drift[:, horizon - 1].median())
    return values


def psnr(a: Tensor, b: Tensor) -> float:
    """dB of the mean squared error over everything, uint8 frames."""
    return float(10 * torch.log10(255**2 / (a.float() - b.float()).pow(2).mean().clamp(min=1e-3)))


def detail(frames: Tensor) -> float:
    """Mean horizontal gradient, in grey levels."""
    return float((frames[..., 1:, :].float() - frames[..., :-1, :].float()).abs().mean())


def strip(
    dreamt: Tensor, twin: Twin, path: Path, worlds: int = 8, *, horizons: Sequence[int] = HORIZONS
) -> None:
    """Write a PNG: odd rows the game, even rows the dream, columns at growing horizons."""
    real = torch.from_numpy(twin.clips.frames)
    columns = [CONTEXT - 1, *(CONTEXT + h - 1 for h in horizons if CONTEXT + h <= real.shape[1])]
    rows = [source[b, columns] for b in range(min(worlds, len(real))) for source in (real, dreamt)]
    write_png(path, grid(rows))
