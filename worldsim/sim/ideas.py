"""Ideas: when a dream thinks of a place, and what becomes of its worlds then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from worldsim.model.retrieval import coverage, shrink_depth
from worldsim.model.surroundings import OLDER
from worldsim.sim.eyes import Eyes
from worldsim.sim.foresight import foreseen
from worldsim.sim.imagination import LOST, REST, UNKNOWN, Idea, Imagination, resting
from worldsim.sim.scenery import Outlook, redrawn
from worldsim.sim.sight import Chosen, Sight, choose, row, see, swapped, united
from worldsim.sim.state import Memory, Scene, WorldState

_EVERY = 3  # ticks between two looks for something that fits: it takes as long as a fifth of a frame
_ASIDE = 50.0  # degrees to the side of a view that is all that is known
_BLIND = 0.75  # share of a view ahead that may be unknown: what goes on from nothing will not fit what lies between


def due(world: WorldState, known: Tensor) -> bool:
    """Whether it is time to look for a need of an idea, with what the R slots show, `[R, 1, H, W]`.

    That is at once where next to nothing is known, as after a quick turn: the network would draw the last frame again,
    and what lay there would lie here, too, for good.
    """
    if world.tick % _EVERY == 0 and resting(world) >= REST:
        return True
    return float(known.amax(0).mean()) < 1 - LOST


def imagine(
    imagination: Imagination, eyes: Eyes, worlds: Sequence[WorldState], chosen: Chosen, pose: Tensor,
    sight: Sight, *, trust: float, memory: int, ahead: Outlook | None = None,
) -> tuple[list[WorldState], Sight]:  # fmt: skip
    """The worlds with what is thought of where they know nothing, each by itself, and what is seen then.

    Args:
        chosen, pose, sight: what is looked at from `pose` `[B, 5]`, and how it looks, see `sight`.
        trust, memory: see `SimulatorConfig`.
        ahead: see `redrawn`.
    """
    after, again = list(worlds), {}
    for i, world in enumerate(worlds):
        if not due(world, sight.view.known[i]):
            continue
        idea = imagination.idea(world, pose[i], row(sight, i))
        if idea is None:
            idea = _ahead(imagination, eyes, world, pose[i], len(chosen[i]), trust)
        if idea is not None:
            after[i] = replace(world, memory=_with(world.memory, idea, memory))
            slots = [[*chosen[i][:2], idea.key, *chosen[i][2:]][: len(chosen[i])]]
            again[i] = see(eyes, [after[i]], slots, pose[i : i + 1], trust)
            if idea.instead:
                after[i] = replace(after[i], scene=Scene(idea.key.tick, world.tick))
    sight = swapped(sight, again)
    return redrawn(eyes, after, pose, replace(sight, view=united(sight)), sight.view.known[:, 0], ahead)


def _with(memory: Memory, idea: Idea, limit: int) -> Memory:
    """A memory with a place; what was seen last stays what is felt for around the player."""
    if idea.others:
        memory = memory.add_behind(idea.others, OLDER, limit)
    return memory.add(idea.key, limit)


def _ahead(
    imagination: Imagination, eyes: Eyes, world: WorldState, pose: Tensor, slots: int, trust: float
) -> Idea | None:
    """What may lie where the player will look in a moment; nothing that he sees already gives way to it.

    What comes into view bit by bit is never unknown enough for an idea, and what the network draws there by itself is
    the mean of all that it may be.
    """
    height, width = imagination.usable.shape[-2:]
    for later in _looks(world, pose):
        if not _worth_a_look(imagination, world, later, width / height):
            continue
        chosen = choose([world], later[None], slots, width / height)
        idea = imagination.idea(world, later, see(eyes, [world], chosen, later[None], trust))
        if idea is not None:
            return replace(idea, instead=False)
    return None


def _looks(world: WorldState, pose: Tensor) -> list[Tensor]:
    """Where the player may look next: where he will be if he goes on so, and at first to the side that he turns to."""
    later = foreseen(world.pose, pose)
    if later is None:
        return []
    turning = float(later[3] - pose[3])
    if turning == 0 or any(key.imagined for key in world.memory.frames):
        return [later]
    return [later, pose + pose.new_tensor([0.0, 0.0, 0.0, math.copysign(_ASIDE, turning), 0.0])]


def _worth_a_look(imagination: Imagination, world: WorldState, later: Tensor, aspect: float) -> bool:
    """Whether much of the view from `later` `[5]` is in no memory, and enough is to go on from."""
    newest = world.newest
    coarse = shrink_depth(newest.depth).to(later.device)
    shown = coverage(coarse[None, None], newest.pose[None, None], later[None], aspect)[0, 0]
    if world.memory.frames:
        shown = shown | world.memory.shown(later, aspect)[0].any(0)
    wanted = imagination.seen.flatten()
    missing = float((wanted & ~shown).sum() / wanted.sum())
    return UNKNOWN <= missing <= _BLIND
