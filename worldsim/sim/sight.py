"""What a dream's player can see from where an action leads, before the network has drawn anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import encode_depth, relative_pose
from worldsim.model.fill import WINDOW, gaps, lone
from worldsim.model.grounding import LOOSE
from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.model.references import References, View
from worldsim.model.retrieval import CELLS, coverage, retrieve, shrink_depth
from worldsim.model.tokenizer import frames_to_planes
from worldsim.model.warp import Warped, warp, warp_aside
from worldsim.sim.eyes import Eyes
from worldsim.sim.precedence import given_first
from worldsim.sim.state import KeyFrame, WorldState

T = TypeVar("T", References, View)
_SAME_COLOUR, _SAME_DEPTH, _PATCH = 0.12, 0.04, 4
Chosen = list[list[KeyFrame | None]]
"""For each world the frames to look at, slot by slot; None for an empty slot."""


@dataclass(frozen=True)
class Sight:
    """Remembered frames brought into the view of B worlds."""

    references: References
    imagined: Tensor
    """`[B, R]` bool: the frame never was, see `imagination`."""
    view: View
    ground: Tensor
    """`[B, 1, H, W]` in [0, 1]: how far the view follows from what was given."""


def choose(worlds: Sequence[WorldState], pose: Tensor, slots: int, aspect: float) -> Chosen:
    """The newest two frames, then those that show most of the rest of the view from `pose` `[B, 5]`."""
    rows: Chosen = [[w.recent[0], w.recent[1] if len(w.recent) > 1 else None][:slots] for w in worlds]
    wanted, longest = slots - 2, max(len(w.memory.frames) for w in worlds)
    if wanted < 1 or longest == 0:
        return [row + [None] * (slots - len(row)) for row in rows]
    seen = torch.zeros(len(worlds), longest, CELLS, dtype=torch.bool)
    for i, world in enumerate(worlds):
        if world.memory.frames:
            seen[i, : len(world.memory.frames)] = world.memory.shown(pose[i], aspect)[0]
    valid = torch.tensor([[k < len(w.memory.frames) for k in range(longest)] for w in worlds])
    newest = shrink_depth(torch.stack([w.newest.depth for w in worlds])).cpu()
    newest_pose = torch.stack([w.newest.pose for w in worlds])
    already = coverage(newest[:, None], newest_pose[:, None], pose, aspect)[:, 0]
    # One of what was shown first: a place that was thought of must not hide it.
    first = retrieve(seen, already, valid & ~_imagined(worlds, longest), 1)
    taken = torch.zeros_like(valid).scatter_(1, first.clamp(min=0), first >= 0)
    already |= (seen & taken[:, :, None]).any(1)
    picked = torch.cat([first, retrieve(seen, already, valid & ~taken, wanted - 1)], 1).tolist()
    return [
        row + [w.memory.frames[i] if i >= 0 else None for i in picks]
        for row, w, picks in zip(rows, worlds, picked)
    ]


def _imagined(worlds: Sequence[WorldState], longest: int) -> Tensor:
    """Bool `[B, longest]`: which remembered frames never were."""
    rows = [[key.imagined for key in w.memory.frames] for w in worlds]
    return torch.tensor([row + [False] * (longest - len(row)) for row in rows])


def gather(
    worlds: Sequence[WorldState], chosen: Chosen, trust: float, device: torch.device
) -> tuple[References, Tensor]:
    """The chosen frames as references, and how far each is given: `[B, R, 1, H / 2, W / 2]` in [0, 1].

    Args:
        trust: noise level that the model is told they carry.
    """
    flat = [key for row in chosen for key in row]
    filled = [key or worlds[0].newest for key in flat]
    shape = (len(worlds), len(chosen[0]))
    ticks = [float(key.tick - w.tick - 1) if key else 0.0 for w, row in zip(worlds, chosen) for key in row]
    known = torch.stack([key.ground for key in filled]).float() / 255
    references = References(
        frames=frames_to_planes(torch.stack([key.frame for key in filled])).unflatten(0, shape),
        depth=torch.stack([key.depth for key in filled]).float().unsqueeze(1).unflatten(0, shape),
        pose=torch.stack([key.pose for key in filled]).unflatten(0, shape),
        time=torch.tensor(ticks).view(shape),
        noise_level=torch.full(shape, trust),
        valid=torch.tensor([key is not None for key in flat]).view(shape),
    ).to(device)
    return references, known.unflatten(0, shape).unsqueeze(2)


def see(eyes: Eyes, worlds: Sequence[WorldState], chosen: Chosen, pose: Tensor, trust: float) -> Sight:
    """Bring the chosen frames into the view from `pose` `[B, 5]`."""
    references, known = gather(worlds, chosen, trust, eyes.device)
    made = torch.tensor([[key is not None and key.imagined for key in row] for row in chosen])
    imagined, pose = made.to(eyes.device), pose.to(eyes.device)
    view, grounds = eyes.see(references, known, pose)
    view = given_first(view, grounds, imagined, references.pose, pose)
    return Sight(references, imagined, view, grounds.amax(1))


def brought(eyes: Eyes, keys: Sequence[KeyFrame], pose: Tensor) -> Warped:
    """N frames, each as it is seen from one of the poses `[N, 5]`."""
    return warp(*_moved(eyes, keys, pose), solid=True)


def brought_aside(eyes: Eyes, keys: Sequence[KeyFrame], pose: Tensor) -> Callable[[], Warped]:
    """`brought` that is begun on a second core, if there is one to spare; see `threads.aside`."""
    return warp_aside(*_moved(eyes, keys, pose), solid=True)


def _moved(
    eyes: Eyes, keys: Sequence[KeyFrame], pose: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rotation, translation = relative_pose(torch.stack([key.pose for key in keys]), pose)
    frames = frames_to_planes(torch.stack([key.frame for key in keys]))
    depth = torch.stack([key.depth for key in keys]).float()[:, None]
    return frames, depth, rotation.to(eyes.device), translation.to(eyes.device), eyes.model.usable


def row(sight: Sight, i: int) -> Sight:
    """What world `i` of a batch sees, as a batch of one."""
    return Sight(
        _picked(sight.references, i),
        sight.imagined[i : i + 1],
        _picked(sight.view, i),
        sight.ground[i : i + 1],
    )


def joined(rows: Sequence[Sight]) -> Sight:
    """Batches of one as one batch."""
    return Sight(
        _joined([r.references for r in rows]),
        torch.cat([r.imagined for r in rows]),
        _joined([r.view for r in rows]),
        torch.cat([r.ground for r in rows]),
    )


def swapped(sight: Sight, others: Mapping[int, Sight]) -> Sight:
    """The sight with other views, batches of one, for some worlds by their numbers; itself if for none."""
    if not others:
        return sight
    return joined([others.get(i) or row(sight, i) for i in range(len(sight.ground))])


def _picked(batch: T, i: int) -> T:
    return type(batch)(**{f.name: getattr(batch, f.name)[i : i + 1] for f in fields(batch)})


def _joined(rows: Sequence[T]) -> T:
    return type(rows[0])(**{f.name: torch.cat([getattr(r, f.name) for r in rows]) for f in fields(rows[0])})


def united(sight: Sight) -> View:
    """The view with what is imagined taken for seen, in the newest frame, and drawn from the place that was thought of.

    A dream that looks at its own last frame alone blurs what is there a little more with every tick. What
    follows closely from what was given stays as it was.
    """
    if not bool(sight.imagined.any()):
        return sight.view
    height, width = sight.ground.shape[-2:]
    compiled = has_numbers(sight.view.warped) and height % _PATCH == 0 and width % _PATCH == 0
    return (_united_compiled if compiled else united_torch)(sight)


def _united_compiled(sight: Sight) -> View:
    free = sight.ground < LOOSE
    seen = _without_crumbs(sight.view, free)
    view = replace(seen, warped=seen.warped.clone(), depth=seen.depth.clone(), known=seen.known.clone())
    codes = encode_depth(seen.depth)
    layers = (t[:, :, 0] for t in (seen.depth, codes, seen.known))
    changed = (view.warped, view.depth[:, :, 0], view.known[:, :, 0])
    kernel("sight", "unite")(
        sight.imagined.numpy(), free[:, 0].numpy(), *arrays(seen.warped, *layers), _PATCH, WINDOW,
        _SAME_COLOUR, _SAME_DEPTH, *(t.numpy() for t in changed),
    )  # fmt: skip
    return view


def united_torch(sight: Sight) -> View:
    """`united` in plain torch, on any device, where something is imagined."""
    imagined, free = sight.imagined, sight.ground < LOOSE
    view = _without_crumbs(sight.view, free)
    warped, depth, known = view.warped.clone(), view.depth.clone(), view.known.clone()
    # Small holes are cracks in a surface, and what is imagined lies behind it.
    gap = gaps((view.known * ~imagined[:, :, None, None, None]).amax(1))
    for slot in range(1, warped.shape[1]):
        shown = view.known[:, slot] * imagined[:, slot, None, None, None]
        same = _agree(
            warped[:, 0], depth[:, 0], known[:, 0], view.warped[:, slot], view.depth[:, slot], shown
        )
        taken = (shown > 0.5) & (gap | same & free)
        gap = gap & ~taken
        warped[:, 0] = torch.where(taken, view.warped[:, slot], warped[:, 0])
        depth[:, 0] = torch.where(taken, view.depth[:, slot], depth[:, 0])
        known[:, 0] = torch.where(taken, 1.0, known[:, 0])
    return replace(view, warped=warped, depth=depth, known=known)


def _without_crumbs(view: View, free: Tensor) -> View:
    """The view less lone pixels where it is free: a surface seen from far too near is a lattice, not a surface."""
    alone = lone(view.known.flatten(0, 1)).unflatten(0, view.known.shape[:2]) & free[:, None]
    return replace(view, known=torch.where(alone, 0.0, view.known))


def _agree(
    a: Tensor, a_depth: Tensor, a_known: Tensor, b: Tensor, b_depth: Tensor, b_known: Tensor
) -> Tensor:
    """Bool `[B, 1, H, W]`: two pictures show the same surface there, sharp or not."""
    both = a_known * b_known
    share = F.avg_pool2d(both, _PATCH).clamp(min=1e-3)
    off = (F.avg_pool2d((a - b) * both, _PATCH) / share).abs().mean(1, keepdim=True)
    same = F.interpolate((off < _SAME_COLOUR).float(), a.shape[-2:], mode="nearest") > 0.5
    return same & (both > 0.5) & ((encode_depth(a_depth) - encode_depth(b_depth)).abs() < _SAME_DEPTH)
