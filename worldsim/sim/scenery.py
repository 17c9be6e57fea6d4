"""Scenery: what is imagined is drawn from the views of its place, frame after frame.

A place that was thought of is known from several sides (`exemplars`). Were only the last frame gone on from, it would
blur and tear a little more with every step; so whatever is a guess is looked up again where it was seen best. Of
several places one is the scene at a time: a patchwork of two is neither. It stays the scene until another shows far
more, and the next one fades in over half a second. And what was given and has gone to pieces, a wall that was walked
through, is given up where most of what is around is a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import FAR
from worldsim.model.fill import gaps, lone
from worldsim.model.grounding import LOOSE
from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.model.retrieval import finest
from worldsim.model.warp import Warped
from worldsim.sim.eyes import Eyes
from worldsim.sim.sight import Sight, brought, brought_aside
from worldsim.sim.state import KeyFrame, Scene, WorldState

VIEWS = 4
"""Views of a place that one frame is drawn from."""
COMES = 12
"""Ticks that a scene takes to fade in."""
_MOST = 2 / COMES  # from this share on, half of the picture is of the scene, and the depth is
_SUDDEN, _PATCH = 0.12, 8  # mean change of colours, of squares of so many pixels, that is too much for a tick
_SOFTLY = 0.25  # of it a tick
_FEW = 0.1  # of the picture: to have so little come into view at once is no matter
_STAYS = 0.7  # of what another place shows counts
_LEAST = 6.0  # cells that a view has to add
_NEARER = 0.85  # of the distance, and it stands before what another view shows


@dataclass(frozen=True)
class Outlook:
    """What the scene of a world will show from where its player gets to; it asks for nothing that is seen by then."""

    before: WorldState
    after: WorldState
    """The world with its scene."""
    keys: list[KeyFrame]
    """The views of that, those first that show it best."""
    shown: Callable[[], Warped]
    """They, and the newest frame as the turn alone leaves it, from there."""


def outlook(eyes: Eyes, world: WorldState, pose: Tensor) -> Outlook | None:
    """The outlook of one world from `pose` `[5]`, begun on a core that has nothing else to do; None without a scene."""
    height, width = eyes.model.usable.shape
    after, keys = _views(world, pose, width / height)
    if not keys:
        return None
    source, target = _endless(world, pose)
    shown = brought_aside(eyes, [*keys, source], torch.stack([pose] * len(keys) + [target]))
    return Outlook(world, after, keys, shown)


def redrawn(
    eyes: Eyes, worlds: Sequence[WorldState], pose: Tensor, sight: Sight, shows: Tensor,
    ahead: Outlook | None = None,
) -> tuple[list[WorldState], Sight]:  # fmt: skip
    """The sight from `pose` `[B, 5]` with what is a guess in the newest frame drawn from the place that it is of.

    And the worlds with the scene that it is drawn from.

    Args:
        shows: `[B, 1, H, W]` 1 where the newest frame itself shows something.
        ahead: the outlook of the only world, as it was before something was thought of.
    """
    height, width = sight.ground.shape[-2:]
    free = _free(sight.ground) & eyes.model.usable
    some, after = free.flatten(1).any(1).tolist(), list(worlds)
    if ahead is not None and (worlds[0] is not ahead.before or not some[0]):
        ahead = None
    chosen: list[list[KeyFrame]] = [[] for _ in worlds]
    for i, world in enumerate(worlds):
        if ahead is not None:
            after[i], chosen[i] = ahead.after, ahead.keys
        elif some[i]:
            after[i], chosen[i] = _views(world, pose[i], width / height)
    if not any(chosen):
        return after, sight
    seen, turned = _seen(eyes, chosen, pose) if ahead is None else _divided(ahead.shown())
    view = sight.view
    warped, depth, known = view.warped.clone(), view.depth.clone(), view.known.clone()
    ground, begin = sight.ground.clone(), 0
    for i, keys in enumerate(chosen):
        if keys:
            frame, far, shown = _composed(seen, range(begin, begin + len(keys)))
            taken = (shown > 0.5) & free[i]
            fades, base = _fading(eyes, after[i], pose[i], warped[i, 0], shows[i] > 0.5, turned)
            share = _share(after[i], base, frame, taken & fades)
            if share < 1:
                # The network copies one slot: it would take the place as soon as that is more like what it is given.
                slots = sight.imagined[i].clone()
                slots[0] = False
                known[i, slots] = torch.where(taken & fades, 0.0, known[i, slots])
                frame = torch.where(fades, torch.lerp(base, frame, share), frame)
                far = torch.where((shows[i] < 0.5) | (share > _MOST), far, depth[i, 0])
            warped[i, 0] = torch.where(taken, frame, warped[i, 0])
            depth[i, 0] = torch.where(taken, far, depth[i, 0])
            known[i, 0] = torch.where(taken, 1.0, known[i, 0])
            ground[i] = torch.where(taken, 0.0, ground[i])
        begin += len(keys)
    return after, replace(sight, view=replace(view, warped=warped, depth=depth, known=known), ground=ground)


def _fading(
    eyes: Eyes, world: WorldState, pose: Tensor, seen: Tensor, shows: Tensor, turned: Warped | None
) -> tuple[Tensor, Tensor]:
    """Bool `[1, H, W]`, where a scene fades in, and the picture `[3, H, W]` that it fades from.

    That is what is `seen` where the newest frame `shows` something, and where it no longer does, since the eye has
    gone through a thing, that frame as the turn alone leaves it. What comes into view from aside need not fade.
    """
    if float(shows.float().mean()) > 1 - _FEW:
        return shows, seen
    if turned is None:
        source, target = _endless(world, pose)
        turned = brought(eyes, [source], target[None])
    return shows | (turned.known[0] > 0.5), torch.where(shows, seen, turned.frames[0])


def _endless(world: WorldState, pose: Tensor) -> tuple[KeyFrame, Tensor]:
    """The newest frame, and from where `[5]` it is as the turn alone to `pose` `[5]` leaves it."""
    newest = world.newest
    return replace(newest, depth=torch.full_like(newest.depth, FAR)), torch.cat([newest.pose[:3], pose[3:]])


def _share(world: WorldState, before: Tensor, after: Tensor, fades: Tensor) -> float:
    """How much of the scene goes into a tick's picture, so that it fades in evenly over `COMES` ticks.

    Later a part of it, too, where much of the picture would change at once.

    Args:
        before, after: pictures `[3, H, W]`.
        fades: `[1, H, W]` bool, where one gives way to the other.
    """
    left = world.scene.since + COMES - world.tick
    if left >= 1:
        return 1 / left
    changed = F.avg_pool2d((after - before) * fades, _PATCH).abs().mean()
    return _SOFTLY if float(changed) > _SUDDEN else 1.0


def _free(ground: Tensor) -> Tensor:
    """Bool `[B, 1, H, W]`: what a place may be drawn over, by how far it is given `[B, 1, H, W]`."""
    given = (ground >= LOOSE).float()
    # A crack in what was given goes on as that does; a piece of it among guesses is a guess.
    return gaps(given) | lone(given)


def _views(world: WorldState, pose: Tensor, aspect: float) -> tuple[WorldState, list[KeyFrame]]:
    """The world with its scene, and the views of that from `pose` `[5]`, those first that show it best."""
    index = [i for i, key in enumerate(world.memory.frames) if key.imagined]
    if not index:
        return world, []
    fine = world.memory.shown(pose, aspect)[1][index]
    thought_of = [world.memory.frames[i].tick for i in index]
    scene = _scene(world, fine, thought_of)
    here = torch.tensor(thought_of) == scene.place
    views = finest(fine * here[:, None], VIEWS, _LEAST)
    scene = scene if views else replace(scene, since=world.tick + 1)
    return replace(world, scene=scene), [world.memory.frames[index[k]] for k in views]


def _scene(world: WorldState, fine: Tensor, thought_of: list[int]) -> Scene:
    """The scene that shows what is looked at, of places with N views in all.

    Args:
        fine: `[N, 240]` how finely each view shows each cell, see `retrieval.resolution`.
        thought_of: N ticks at which their places were thought of.
    """
    now, when = world.scene, torch.tensor(thought_of)
    shown = {tick: float(fine[when == tick].amax(0).sum()) for tick in sorted(set(thought_of))}
    best = max(shown, key=lambda tick: shown[tick] * (1 if tick == now.place else _STAYS))
    coming = shown.get(now.place, 0.0) >= _LEAST and world.tick - now.since < COMES
    return now if best == now.place or coming else Scene(best, world.tick)


def _seen(eyes: Eyes, chosen: Sequence[list[KeyFrame]], pose: Tensor) -> tuple[Warped, None]:
    """All the views, one world's after the other's, from where its player stands, less lone pixels."""
    here = torch.repeat_interleave(pose, torch.tensor([len(row) for row in chosen]), 0)
    return _clean(brought(eyes, [key for row in chosen for key in row], here)), None


def _divided(shown: Warped) -> tuple[Warped, Warped]:
    """What an outlook shows of a scene, as `_seen` gives it, and of the newest frame."""
    scene, newest = (
        Warped(shown.frames[rows], shown.depth[rows], shown.known[rows])
        for rows in (slice(-1), slice(-1, None))
    )
    return _clean(scene), newest


def _clean(seen: Warped) -> Warped:
    """Views less lone pixels."""
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
