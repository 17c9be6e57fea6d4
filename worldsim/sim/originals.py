"""Originals: the given frames that what was given is drawn from again, so that it does not blur.

Who walks on in what was given looks at the last frame, which was drawn from the one before, and so on: sixty
resamplings in three seconds. Wherever a given frame shows the same surface more sharply, that is looked at instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from worldsim.model.retrieval import finest
from worldsim.model.sharpen import sharpen
from worldsim.sim.eyes import Eyes
from worldsim.sim.sight import Sight, brought
from worldsim.sim.state import KeyFrame, WorldState

ORIGINALS = 2
"""Given frames that are looked at again."""
_SLOTS = 2  # the newest frames, which are copies
_LEAST = 6.0  # cells that one has to add
_COARSE = 0.3  # of the resolution: from there on even the first look is a blur


def resharpened(eyes: Eyes, worlds: Sequence[WorldState], pose: Tensor, sight: Sight) -> Sight:
    """The sight from `pose` `[B, 5]` with the newest frames drawn from given ones where those are sharper."""
    height, width = sight.ground.shape[-2:]
    chosen = [_chosen(world, pose[i], width / height) for i, world in enumerate(worlds)]
    if not any(chosen):
        return sight
    view = sight.view
    warped, depth = view.warped.clone(), view.depth.clone()
    for k in range(ORIGINALS):
        rows = [i for i, keys in enumerate(chosen) if k < len(keys)]
        if not rows:
            break
        seen = brought(eyes, [chosen[i][k] for i in rows], pose[rows])
        for slot in range(min(_SLOTS, warped.shape[1])):
            known = view.known[rows, slot]
            warped[rows, slot], depth[rows, slot] = sharpen(
                warped[rows, slot], depth[rows, slot], known, seen
            )
    return replace(sight, view=replace(view, warped=warped, depth=depth))


def _chosen(world: WorldState, pose: Tensor, aspect: float) -> list[KeyFrame]:
    """The given frames that show the view from `pose` `[5]` most finely; none where the newest is no copy."""
    memory = world.memory
    given = [i for i, key in enumerate(memory.frames) if key.tick <= 0 and not key.imagined]
    copied = world.tick > 0 and not torch.equal(pose, world.newest.pose)
    if not (given and copied):
        return []
    fine = memory.shown(pose, aspect)[1][given]
    fine = torch.where(fine < _COARSE, 0.0, fine)
    return [memory.frames[given[k]] for k in finest(fine, ORIGINALS, _LEAST)]
