"""Scenery: what is imagined is drawn from the views of its place, frame after frame.

A place that was thought of is known from several sides (`exemplars`). Were only the last frame gone on from, it would
blur and tear a little more with every step; so whatever is a guess is looked up again where it was seen best. Of
several places one is shown at a time: a patchwork of two is neither. And what was given and has gone to pieces, a
wall that was walked through, is given up where most of what is around is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from worldsim.model.fill import gaps, lone
from worldsim.model.grounding import LOOSE
from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.model.retrieval import finest, resolution
from worldsim.model.warp import Warped
from worldsim.sim.eyes import Eyes
from worldsim.sim.sight import Sight, brought
from worldsim.sim.state import KeyFrame, WorldState

VIEWS = 4
"""Views of a place that one frame is drawn from."""
_NEWER = 0.9  # of what it shows counts, for each place that was thought of before it: one stays in the first for long
_LEAST = 6.0  # cells that a view has to add
_NEARER = 0.85  # of the distance, and it stands before what another view shows


def redrawn(eyes: Eyes, worlds: Sequence[WorldState], pose: Tensor, sight: Sight) -> Sight:
    """The sight from `pose` `[B, 5]` with what is a guess in the newest frame drawn from the place that it is of."""
    height, width = sight.ground.shape[-2:]
    free = _free(sight.ground) & eyes.model.usable
    some = free.flatten(1).any(1).tolist()
    chosen = [_views(w, pose[i], width / height) if some[i] else [] for i, w in enumerate(worlds)]
    if not any(chosen):
        return sight
    seen = _seen(eyes, chosen, pose)
    view = sight.view
    warped, depth, known = view.warped.clone(), view.depth.clone(), view.known.clone()
    ground, begin = sight.ground.clone(), 0
    for i, keys in enumerate(chosen):
        if keys:
            frame, far, shown = _composed(seen, range(begin, begin + len(keys)))
            taken = (shown > 0.5) & free[i]
            warped[i, 0] = torch.where(taken, frame, warped[i, 0])
            depth[i, 0] = torch.where(taken, far, depth[i, 0])
            known[i, 0] = torch.where(taken, 1.0, known[i, 0])
            ground[i] = torch.where(taken, 0.0, ground[i])
        begin += len(keys)
    return replace(sight, view=replace(view, warped=warped, depth=depth, known=known), ground=ground)


def _free(ground: Tensor) -> Tensor:
    """Bool `[B, 1, H, W]`: what a place may be drawn over, by how far it is given `[B, 1, H, W]`."""
    given = (ground >= LOOSE).float()
    # A crack in what was given goes on as that does; a piece of it among guesses is a guess.
    return gaps(given) | lone(given)


def _views(world: WorldState, pose: Tensor, aspect: float) -> list[KeyFrame]:
    """The views of the place that shows most from `pose` `[5]`, those first that show it best."""
    index = [i for i, key in enumerate(world.memory.frames) if key.imagined]
    coarse, poses = world.memory.coarse, world.memory.poses
    if not index or coarse is None or poses is None:
        return []
    fine = resolution(coarse[None, index], poses[None, index], pose[None], aspect)[0]
    thought_of = torch.tensor([world.memory.frames[i].tick for i in index])
    places = thought_of.unique()
    shown = [fine[thought_of == tick].amax(0).sum() * _NEWER**k for k, tick in enumerate(places)]
    here = thought_of == places[torch.stack(shown).argmax()]
    return [world.memory.frames[index[k]] for k in finest(fine * here[:, None], VIEWS, _LEAST)]


def _seen(eyes: Eyes, chosen: Sequence[list[KeyFrame]], pose: Tensor) -> Warped:
    """All the views, one world's after the other's, from where its player stands, less lone pixels."""
    here = torch.repeat_interleave(pose, torch.tensor([len(row) for row in chosen]), 0)
    seen = brought(eyes, [key for row in chosen for key in row], here)
    return replace(seen, known=torch.where(lone(seen.known), 0.0, seen.known))


def _composed(seen: Warped, rows: range) -> tuple[Tensor, Tensor, Tensor]:
    """Picture `[3, H, W]`, depth and what is shown `[1, H, W]`: of the first view that shows it; nearer goes first."""
    if has_numbers(seen.frames):
        return _composed_compiled(seen, rows)
    frame, far, shown = (part[rows[0]] for part in (seen.frames, seen.depth, seen.known))
    for k in rows[1:]:
        taken = (seen.known[k] > 0.5) & ((shown < 0.5) | (seen.depth[k] < _NEARER * far))
        frame, far = torch.where(taken, seen.frames[k], frame), torch.where(taken, seen.depth[k], far)
        shown = torch.where(taken, 1.0, shown)
    return frame, far, shown


def _composed_compiled(seen: Warped, rows: range) -> tuple[Tensor, Tensor, Tensor]:
    views = [part[rows.start : rows.stop] for part in (seen.frames, seen.depth, seen.known)]
    frame, far, shown = (part[0].clone() for part in views)
    given = arrays(views[0], views[1][:, 0], views[2][:, 0])
    kernel("sight", "compose")(*given, _NEARER, frame.numpy(), far[0].numpy(), shown[0].numpy())
    return frame, far, shown
