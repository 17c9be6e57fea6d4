"""Views that a world's invention begins from, chosen so that a few hundred stand for all that was played."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from worldsim import registry
from worldsim.data.episode import daytimes, filled_depth
from worldsim.model.camera import encode_depth
from worldsim.model.tokenizer import frames_to_float
from worldsim.sim.exemplars import Exemplars

from .seeds import Sampler

FIRST_WORLD = 1_500_000
"""Seeds of the worlds that exemplars come from: above 1,000,000, where training goes, too."""
_TICKS, _EVERY, _CROWD = 160, 20, 8
_SKETCH = (6, 10)
_NEAR, _LEVEL = 2.5, 35.0  # blocks; degrees
_ROUNDS = 12


def record_exemplars(engine: str, policy: str, *, count: int, width: int, height: int) -> Exemplars:
    """Play many worlds and keep `count` views of them that differ."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    player = registry.resolve(registry.POLICIES, policy, "policy")(0)
    views: list[tuple[Any, ...]] = []
    seed = FIRST_WORLD
    while len(views) < _CROWD * count:
        game.reset(seed)
        player.reset(seed)
        for tick in range(_TICKS):
            game.step(player.act(game.state()))
            if tick % _EVERY != _EVERY - 1:
                continue
            state = game.state()
            # No half-broken blocks: their cracks would be part of every place that is thought of.
            if state["break_progress"] == 0:
                frame, depth, _ids = game.render_buffers()
                views.append(
                    (frame, depth.astype(np.float16), state["pose"], state.get("time_of_day", np.nan))
                )
        seed += 1
    frames, depths, poses, times = zip(*views)
    numbers = np.array(poses, np.float32), np.array(times, np.float32)
    return choose(Exemplars(np.stack(frames), np.stack(depths), *numbers), count)


def clip_exemplars(source: Sampler, count: int) -> Exemplars:
    """Keep `count` views that differ of clips with poses; where there is no depth, all is far away."""
    frames, depths, poses, times = [], [], [], []
    while sum(map(len, frames)) < _CROWD * count:
        batch = source.sample()
        assert batch.pose is not None
        frames.append(batch.frames[:, -1])
        depths.append(filled_depth(batch)[:, -1].astype(np.float16))
        poses.append(batch.pose[:, -1].astype(np.float32))
        times.append(daytimes(batch))
    return choose(Exemplars(*(np.concatenate(part) for part in (frames, depths, poses, times))), count)


def choose(crowd: Exemplars, count: int) -> Exemplars:
    """The views nearest to the centres of `count` clusters (k-means of tiny pictures with depth); the same every time.

    Views half of which is right before the eyes show little of a place and are left out; who looks down or up
    sees what is near.
    """
    near = (crowd.depth[:, ::4, ::4] < _NEAR).mean((1, 2))
    open_ = near < np.where(np.abs(crowd.pose[:, 4]) < _LEVEL, 0.5, 0.9)
    index = np.flatnonzero(open_ if open_.sum() >= count else np.ones_like(open_))
    sketches = _sketches(crowd, index)
    picked = index[_central(sketches, min(count, len(index)))]
    return Exemplars(crowd.frames[picked], crowd.depth[picked], crowd.pose[picked], crowd.daytime[picked])


def _sketches(crowd: Exemplars, index: NDArray[np.int64]) -> Tensor:
    """`[M, F]` tiny pictures with depth codes and the pitch."""
    parts = []
    for rows in np.array_split(index, max(1, len(index) // 256)):
        frames = frames_to_float(torch.from_numpy(crowd.frames[rows]))
        depth = encode_depth(torch.from_numpy(crowd.depth[rows]).float())[:, None]
        small = F.adaptive_avg_pool2d(torch.cat([frames, depth], 1), _SKETCH).flatten(1)
        parts.append(torch.cat([small, torch.from_numpy(crowd.pose[rows, 4])[:, None] / 30], 1))
    return torch.cat(parts)


def _central(points: Tensor, count: int) -> NDArray[np.int64]:
    """Indices of the points nearest to the centres that Lloyd's algorithm finds."""
    generator = torch.Generator().manual_seed(0)
    centres = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(_ROUNDS):
        nearest = torch.cdist(points, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        sizes = torch.bincount(nearest, minlength=count)[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    distance = torch.cdist(points, centres)
    picked: NDArray[np.int64] = np.unique(distance.argmin(0).numpy())
    return picked
