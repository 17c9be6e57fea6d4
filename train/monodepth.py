"""`worldsim train monodepth`: teaches a world to tell depth from a single picture.

A game is played for that alone that draws depth. The rest of the world stays as it is. The folder gets a copy of
the world with the network's weights in it; how far it is off in game worlds that nobody learns from is printed and
kept in monodepth.json. Colours are changed at random, so that it goes by shapes and does for other games, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim import registry
from worldsim.data.dataset import ClipDataset
from worldsim.errors import DatasetError, UsageError
from worldsim.model.camera import encode_depth
from worldsim.model.monodepth import MonoDepth, MonoDepthConfig
from worldsim.model.tokenizer import frames_to_float
from worldsim.sim.world import load_world

from . import parallax
from .hand_lessons import FIRST_WORLD
from .lesson_pool import Pool
from .parallax import LENGTH
from .parts import Course, PartOptions, check_target, fit, give, keep
from .recorded_overlay import mark_overlay
from .recordings import check_size

_CLIPS = 8
_RATE, _BATCH, _PART, _POOL, _FIRST = 1e-3, 16, 32, 6_000, 320
_TICKS, _EVERY = 240, 8
_PLAYERS = ("explorer", "tinker")
_UNKNOWN = 0.3  # share of pictures whose pitch is not told
_PLAIN = 0.5  # share of pictures with the game's own colours


@dataclass(frozen=True)
class TrainOptions(PartOptions):
    """Which world learns to tell depth, from what game, and where the result goes."""

    data: str | None = None
    """Recordings of another game with poses and no depth, in place of a game: depth is learnt from how things shift."""
    width: int = 48
    """Channels of the outermost level of a new network."""
    out: str = "runs/monodepth"
    """Folder of the world with its network."""


@dataclass(frozen=True)
class Example:
    """One view, or a batch of them with a leading axis."""

    frame: Tensor
    """uint8 `[H, W, 3]`."""
    depth: Tensor
    """float16 `[H, W]` in blocks."""
    pitch: Tensor
    """Degrees, a scalar."""
    usable: Tensor
    """bool `[H, W]`, False where something lies over the picture."""


def play(engine: str, seed: int, *, width: int, height: int) -> Iterator[Example]:
    """Views without end; `seed` decides the worlds and what is done there."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    usable, rng = torch.from_numpy(~game.overlay_mask()), np.random.default_rng(seed)
    while True:
        game.reset(int(FIRST_WORLD + rng.integers(100_000)))
        name = _PLAYERS[int(rng.integers(len(_PLAYERS)))]
        player = registry.resolve(registry.POLICIES, name, "policy")(int(rng.integers(2**31)))
        for tick in range(_TICKS):
            game.step(player.act(game.state()))
            if tick % _EVERY == 0:
                frame, depth, _ids = game.render_buffers()
                near = torch.from_numpy(depth.astype(np.float16))
                pitch = torch.tensor(float(game.state()["pose"][4]))
                yield Example(torch.from_numpy(frame), near, pitch, usable)


def recoloured(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Frames `[B, 3, H, W]` in [-1, 1] in colours of other games: mixed, stronger or weaker, lighter or darker."""
    batch = len(frames)
    mix = torch.eye(3) + 0.35 * torch.randn(batch, 3, 3, generator=generator)
    gain = torch.exp(0.3 * torch.randn(batch, 1, 1, 1, generator=generator))
    shift = 0.25 * torch.randn(batch, 3, 1, 1, generator=generator)
    mixed = torch.einsum("bij,bjhw->bihw", mix, frames) * gain + shift
    grain = 0.04 * torch.randn(frames.shape, generator=generator)
    plain = torch.rand(batch, 1, 1, 1, generator=generator) < _PLAIN
    return torch.where(plain, frames, (mixed + grain).clamp(-1, 1))


def covered(usable: Tensor, generator: torch.Generator) -> Tensor:
    """Masks `[B, H, W]` with another game's hotbar, crosshair or hand over half of the pictures."""
    batch, height, width = usable.shape
    draw = torch.rand(batch, 4, generator=generator)
    low, left = 1 - 0.4 * draw[:, 0] ** 2, draw[:, 1]
    rows = (torch.arange(height) + 0.5)[None] / height
    columns = (torch.arange(width) + 0.5)[None] / width
    patch = (
        (rows > low[:, None])[:, :, None]
        & (columns > left[:, None])[:, None]
        & (draw[:, 2] < 0.5)[:, None, None]
    )
    return usable & ~patch


def loss_of(model: MonoDepth, example: Example, generator: torch.Generator) -> Tensor:
    """How far depth codes and their steps from cell to cell are off, where the picture is the world's."""
    frames, pitch, usable = frames_to_float(example.frame), example.pitch, example.usable
    flipped = torch.rand(len(frames), generator=generator) < 0.5
    true = encode_depth(example.depth.float())[:, None]
    frames, true, usable = (
        torch.where(flipped.view(-1, *[1] * (part.dim() - 1)), part.flip(-1), part)
        for part in (frames, true, usable)
    )
    pitch = torch.where(torch.rand(len(pitch), generator=generator) < _UNKNOWN, torch.nan, pitch)
    seen = covered(usable, generator)[:, None]
    code = model(recoloured(frames, generator), pitch, seen)
    weight = seen.float() + 0.2 * (usable[:, None] & ~seen)
    total = ((code - true).abs() * weight).sum() / weight.sum().clamp(min=1)
    for scale in (1, 4):
        small, aim, known = (F.avg_pool2d(part, scale) for part in (code, true, seen.float()))
        for axis in (2, 3):
            off = (small.diff(dim=axis) - aim.diff(dim=axis)).abs() * known.narrow(
                axis, 1, known.shape[axis] - 1
            )
            total = total + 0.25 * off.mean()
    return total


def teach(
    model: MonoDepth,
    batches: Iterator[Example],
    *,
    minutes: float = math.inf,
    steps: int | None = None,
    seed: int = 0,
) -> int:
    """Train until the time or the steps are over; returns the steps."""
    pool, generator = Pool[Example](_POOL), torch.Generator().manual_seed(seed)

    def take(batch: Example) -> bool:
        pool.add(batch, torch.zeros(len(batch.pitch), dtype=torch.bool))
        return pool.count >= _FIRST

    def loss() -> Tensor:
        return loss_of(model, pool.draw(_BATCH, generator)[0], generator)

    return fit(
        model, batches, take, loss, name="monodepth", rate=_RATE, weight_decay=0.01, minutes=minutes, steps=steps,
        reuse=6,
    )  # fmt: skip


@torch.no_grad()
def examine(model: MonoDepth, example: Example) -> dict[str, float]:
    """Errors on views it has not seen: doublings of distance, and the share of pixels more than a quarter off."""
    frames, true = frames_to_float(example.frame), example.depth.float()
    usable, unknown = example.usable[0], torch.full_like(example.pitch, torch.nan)
    found = {"views": float(len(frames))}
    for name, pitch in (("", example.pitch), ("_pitch_unknown", unknown)):
        told = model.depth(frames, pitch, usable)
        off = (encode_depth(told) - encode_depth(true)).abs()[:, usable] * 5.5
        found[f"doublings{name}"] = round(float(off.mean()), 3)
        found[f"quarter_off{name}"] = round(float((off > math.log2(1.25)).float().mean()), 3)
    middle = encode_depth(true).median()
    found["doublings_constant"] = round(float(5.5 * (encode_depth(true) - middle).abs()[:, usable].mean()), 3)
    return found


COURSE = Course(
    name="monodepth", play=play, batch=_PART, teach=teach, examine=examine, exam_seed=2**42,
    make=lambda width, d: MonoDepth(MonoDepthConfig(width=width)),
)  # fmt: skip


def main(options: TrainOptions) -> Path:
    """Teach, examine and write; returns the folder.

    Raises:
        DatasetError: recordings without poses, or too short.
        UsageError, NumericalError: as `parts.give`.
    """
    return give(options, COURSE) if options.data is None else _adapted(options, options.data)


def _adapted(options: TrainOptions, folder: str) -> Path:
    """The world with its network taught by recordings; what lies over their picture is found first."""
    home, out = check_target(options)
    model = load_world(home).model
    if model.monodepth is None:
        raise UsageError(
            f"--world: {options.world} can't tell depth yet, to go on from; teach it by a game first, without --data"
        )
    clips = ClipDataset(folder, length=LENGTH, batch=_CLIPS, seed=options.seed)
    check_size(clips, model.config.denoiser, folder)
    if clips.poseless is not None:
        raise DatasetError(
            f"--data: {clips.poseless} in {folder} has no pose, expected x, y, z, yaw and pitch of every frame"
        )
    mark_overlay(model, folder)
    exam = ClipDataset(folder, length=LENGTH, seed=COURSE.exam_seed).sample(options.exam)
    found = {f"before_{k}": v for k, v in parallax.examine(model.monodepth, exam, model.usable).items()}
    minutes = math.inf if options.steps is not None else options.minutes
    steps = parallax.adapt(
        model.monodepth, clips.sample, model.usable, minutes=minutes, steps=options.steps, seed=options.seed
    )
    found = {"steps": steps, **found, **parallax.examine(model.monodepth, exam, model.usable)}
    return keep(home, model, out, COURSE.name, model.monodepth, found)
