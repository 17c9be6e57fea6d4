"""Views that a world's invention begins from, chosen so that a few hundred stand for all that was played."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from worldsim import registry
from worldsim.data.episode import daytimes, filled_depth
from worldsim.model.camera import encode_depth
from worldsim.model.tokenizer import frames_to_float
from worldsim.sim.exemplars import Exemplars, joined, single

from .caves import record_caves
from .seeds import Sampler
from .surveys import SIDES, VIEWS, View, gathered, look, record_surveys

FIRST_WORLD = 1_500_000
"""Seeds of the worlds that exemplars come from: above 1,000,000, where training goes, too."""
_TICKS, _EVERY, _CROWD, _CROWD_OF_PLACES = 160, 20, 8, 5
_SKETCH = (6, 10)
_NEAR, _LEVEL = 2.5, 35.0  # blocks; degrees
_ROUNDS = 12


def record_exemplars(
    engine: str, policy: str, *, count: int, places: int, caves: int, width: int, height: int
) -> Exemplars:
    """Keep `count` single views of many worlds' play, and the views of `places` surveyed places, that differ.

    And those of some caves.
    """
    size = {"width": width, "height": height}
    parts = [record_views(engine, policy, count=count, **size)]
    if places:
        crowd = record_surveys(engine, first=FIRST_WORLD, places=_CROWD_OF_PLACES * places, **size)
        parts.append(choose_places(crowd, places))
    if caves and (found := record_caves(engine, first=FIRST_WORLD, places=caves, **size)) is not None:
        parts.append(found)
    return joined(parts)


def record_views(engine: str, policy: str, *, count: int, width: int, height: int) -> Exemplars:
    """Play many worlds and keep `count` views of them that differ."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    player = registry.resolve(registry.POLICIES, policy, "policy")(0)
    views: list[View] = []
    seed = FIRST_WORLD
    while len(views) < _CROWD * count:
        game.reset(seed)
        player.reset(seed)
        for tick in range(_TICKS):
            game.step(player.act(game.state()))
            if tick % _EVERY != _EVERY - 1:
                continue
            # No half-broken blocks: their cracks would be part of every place that is thought of.
            if game.state()["break_progress"] == 0:
                views.append(look(game))
        seed += 1
    return choose(gathered(views, np.arange(len(views), dtype=np.int32)), count)


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
    return choose(single(*(np.concatenate(part) for part in (frames, depths, poses, times))), count)


def choose(crowd: Exemplars, count: int) -> Exemplars:
    """The views nearest to the centres of `count` clusters (k-means of tiny pictures with depth); the same every time.

    Views half of which is right before the eyes show little of a place and are left out; who looks down or up
    sees what is near.
    """
    near = (crowd.depth[:, ::4, ::4] < _NEAR).mean((1, 2))
    open_ = near < np.where(np.abs(crowd.pose[:, 4]) < _LEVEL, 0.5, 0.9)
    index = np.flatnonzero(open_ if open_.sum() >= count else np.ones_like(open_))
    sketches = _sketches(crowd, index)
    return _picked(crowd, index[_central(sketches, min(count, len(index)))])


def choose_places(crowd: Exemplars, count: int) -> Exemplars:
    """The surveyed places nearest to the centres of `count` clusters of what their first stands show."""
    first = np.arange(0, len(crowd), VIEWS)[:, None] + np.arange(SIDES)
    sketches = _sketches(crowd, first.flatten()).unflatten(0, first.shape).flatten(1)
    places = _central(sketches, min(count, len(first)))
    return _picked(crowd, (places[:, None] * VIEWS + np.arange(VIEWS)).flatten())


def _picked(crowd: Exemplars, index: NDArray[np.int64]) -> Exemplars:
    c = crowd
    return Exemplars(c.frames[index], c.depth[index], c.pose[index], c.daytime[index], c.place[index])


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
