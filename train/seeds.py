"""Moments for dreams to begin from, taken from the game or from the clips that a world learns from."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from worldsim import registry
from worldsim.data.episode import ClipBatch, daytimes, filled_depth
from worldsim.sim.seeds import Seeds

FRAMES = 3
"""Frames a moment."""
FIRST_WORLD = 500
"""Seeds of the worlds that moments come from: below 1,000, where training never goes."""
_DARK, _CLOSE = 60.0, 4.0


class Sampler(Protocol):
    """A source of clips."""

    def sample(self) -> ClipBatch: ...


def record_seeds(engine: str, policy: str, *, count: int, width: int, height: int) -> Seeds:
    """Play until `count` bright, open views are found, each in a world of its own."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    player = registry.resolve(registry.POLICIES, policy, "policy")(0)
    moments = []
    for seed in range(FIRST_WORLD, FIRST_WORLD + 8 * count):
        if len(moments) == count:
            break
        game.reset(seed)
        player.reset(seed)
        for _ in range(30):
            game.step(player.act(game.state()))
        moment = _moment(game, player)
        if moment["frames"][-1].mean() > _DARK and np.median(moment["depth"][-1]) > _CLOSE:
            moments.append(moment)
    return Seeds(**{name: np.stack([m[name] for m in moments]) for name in moments[0]})


def clip_seeds(source: Sampler, count: int) -> Seeds:
    """Take moments from clips that have poses; where there is no depth, all is far away."""
    batches: list[ClipBatch] = []
    while sum(len(b) for b in batches) < count:
        batches.append(source.sample())
    cut = slice(-FRAMES, None)
    arrays: dict[str, Any] = {}
    for name in ("frames", "depth", "pose"):
        parts = [filled_depth(b) if name == "depth" else getattr(b, name) for b in batches]
        arrays[name] = np.concatenate([part[:, cut] for part in parts])[:count]
    actions = np.concatenate([b.actions[:, cut] for b in batches])[:count, 1:]
    captions = np.array([c for b in batches for c in b.captions][:count])
    times = np.concatenate([daytimes(b) for b in batches])[:count]
    return Seeds(actions=actions, captions=captions, daytime=times, **arrays)


def _moment(game: Any, player: Any) -> dict[str, Any]:
    frames, depths, poses, actions = [], [], [], []
    for k in range(FRAMES):
        if k > 0:
            action = player.act(game.state())
            game.step(action)
            actions.append(action)
        frame, depth, _ids = game.render_buffers()
        frames.append(frame)
        depths.append(depth.astype(np.float16))
        poses.append(np.asarray(game.state()["pose"], np.float32))
    parts = {"frames": frames, "depth": depths, "pose": poses, "actions": actions}
    state = game.state()
    told = {"captions": np.array(state["caption"]), "daytime": np.float32(state.get("time_of_day", np.nan))}
    return {**{k: np.stack(v) for k, v in parts.items()}, **told}
