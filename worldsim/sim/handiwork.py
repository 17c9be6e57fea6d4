"""Handiwork: what the player breaks and places, put into all that a dream remembers.

Memory is a set of views of the world as it is: so an edit is drawn into each of them, the block that
was placed where it would have been seen, and where one was broken the hole or, if nothing is behind
it, a gap in what is known. From then on it is reprojected, walked into and looked back at like all
that is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import camera_to_world, tangents
from worldsim.model.cells import FACES, Aim, Cell, Crossing, Window, aim, cross, window_of
from worldsim.model.grounding import SHRINK
from worldsim.model.hands import (
    ATTACK,
    HOTBAR,
    KINDS,
    LONGEST,
    TEXELS,
    USE,
    Grasp,
    Hands,
    Skin,
    crop_of,
    strip_of,
    tell,
)
from worldsim.model.overlay import swung
from worldsim.model.references import View
from worldsim.model.retrieval import shrink_depth
from worldsim.signals import SLOTS
from worldsim.sim.state import Grip, KeyFrame, Memory, WorldState

_SURE = 160  # of 255: how far a painted face follows from what was given
# Blocks, and share of the depth, that a face may be off its block's: by itself, and in a whole view.
_SAME = (0.12, 0.05, 0.2, 0.1)
_AHEAD = 0.05


def work(
    hands: Hands, world: WorldState, action: Tensor, pose: Tensor, view: View, usable: Tensor
) -> WorldState:
    """The world after the hands have done what an action tells them; the same memory, as a rule.

    Args:
        action: `[25]`, of which `busy` says yes.
        pose: `[5]` that it leads to.
        view: what is known from there, a batch of one.
        usable: `[H, W]` bool, False over the HUD.
    """
    grip, last = rested(world.grip, action), world.grip.aim
    # Who stands still aims at what he aimed at, however the depth that was dreamt flickers.
    found = last if last and torch.equal(pose, world.pose) else _aimed(pose, view)
    if found is None:
        return replace(world, grip=grip)
    attack, use = bool(action[ATTACK] > 0.5), bool(action[USE] > 0.5)
    held = world.grip.held + 1 if last and last.cell == found.cell else 1
    middle = torch.tensor(found.before) + 0.5 - pose[:3]
    told = tell(action, held, grip.since, grip.slot, found.face, found.distance, middle)
    device = view.newest.device
    crop, strip = crop_of(view.warped[:, 0]), strip_of(view.newest)
    seen = hands.see(Grasp(crop, strip, told[None].to(device)))
    broke, placed = (hands.decide(seen)[0].cpu() & torch.tensor([attack, use])).tolist()
    if attack and not (broke or placed):
        grip = replace(grip, aim=found, held=held)
    if broke or placed:
        skin = hands.skin(seen, placed=placed)
        cell = found.before if placed else found.cell
        world = rewritten(world, cell, skin, usable, placed=placed)
        since = (0 if broke else grip.since[0], 0 if placed else grip.since[1])
        arm = swung(world.grip.arm, attack, placed)
        grip = replace(grip, since=since, broke=broke, placed=placed, arm=arm)
    return replace(world, grip=grip)


def busy(action: Tensor) -> bool:
    """Whether an action `[25]` asks anything of the hands."""
    return max(action[[ATTACK, USE]].tolist()) > 0.5


def rested(grip: Grip, action: Tensor) -> Grip:
    """The grip a tick later if hands do nothing but choose what an action `[25]` says."""
    keys = [n for n, key in enumerate(action[HOTBAR : HOTBAR + SLOTS].tolist()) if key > 0.5]
    since = min(grip.since[0] + 1, LONGEST), min(grip.since[1] + 1, LONGEST)
    arm = swung(grip.arm, action[ATTACK].item() > 0.5, placed=False)
    return Grip(None, 0, since, keys[-1] if keys else grip.slot, arm=arm, swung=grip.arm > 0)


def _aimed(pose: Tensor, view: View) -> Aim | None:
    """The block at the crosshair, by the first slot that tells of each pixel."""
    known, depths = view.known[0, :, 0].cpu() > 0.5, view.depth[0, :, 0].cpu()
    depth = depths[0]
    for shown, told in reversed(list(zip(known, depths))):
        depth = torch.where(shown, told, depth)
    return aim(pose, depth, known.any(0).float())


def rewritten(world: WorldState, cell: Cell, skin: Skin, usable: Tensor, *, placed: bool) -> WorldState:
    """The world whose every memory shows the edit of a cell."""
    recent = _edited(world.recent, cell, skin, usable, placed)
    frames = _edited(world.memory.frames, cell, skin, usable, placed)
    memory, coarse = world.memory, world.memory.coarse
    if coarse is not None:
        rows = [
            row if new is old else shrink_depth(new.depth).to(row.device)
            for row, new, old in zip(coarse, frames, memory.frames)
        ]
        memory = Memory(frames, torch.stack(rows), memory.poses)
    return replace(world, recent=recent, memory=memory)


def _edited(
    keys: Sequence[KeyFrame], cell: Cell, skin: Skin, usable: Tensor, placed: bool
) -> tuple[KeyFrame, ...]:
    windows = [window_of(key.pose, cell, *usable.shape) for key in keys]
    return tuple(
        key if window is None else _edit(key, cell, window, skin, usable, placed)
        for key, window in zip(keys, windows)
    )


def _edit(key: KeyFrame, cell: Cell, window: Window, skin: Skin, usable: Tensor, placed: bool) -> KeyFrame:
    """One remembered view with the edit in it; itself if the cell can't be seen there."""
    draw = _draw_compiled if key.frame.device.type == "cpu" else draw_torch
    frame, depth, shown = draw(key, cell, window, skin, usable, placed)
    if not bool(shown.any()):
        return key
    ground = key.ground
    if not key.imagined:
        touched = F.max_pool2d(shown[None, None].float(), SHRINK)[0, 0]
        ground = torch.where(touched > 0, ground.clamp(max=_SURE), ground)
    return replace(key, frame=frame, depth=depth, ground=ground)


def _draw_compiled(
    key: KeyFrame, cell: Cell, window: Window, skin: Skin, usable: Tensor, placed: bool
) -> tuple[Tensor, Tensor, Tensor]:
    from worldsim.sim._edit_kernel import draw_edit

    frame, depth, shown = key.frame.clone(), key.depth.float(), torch.zeros_like(usable, dtype=torch.uint8)
    height, width = usable.shape
    rows, columns = (np.array([part.start, part.stop]) for part in window)
    tan_x, tan_y = tangents(height, width)
    draw_edit(
        frame.numpy(), depth.numpy(), usable.numpy(), camera_to_world(key.pose.float()).double().numpy(),
        key.pose[:3].double().numpy(), np.array(cell, np.float64), skin.faces.numpy(),
        (skin.solid[0] > 0.5).numpy(), placed, rows, columns, tan_x, tan_y, np.array(_SAME), shown.numpy(),
    )  # fmt: skip
    return frame, depth.half(), shown


def draw_torch(
    key: KeyFrame, cell: Cell, window: Window, skin: Skin, usable: Tensor, placed: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Frame, depth and which pixels `[H, W]` changed, on any device."""
    height, width = usable.shape
    ray = cross(key.pose.to(key.frame.device), cell, height, width, window)
    part = key.depth[window].float()
    seen, far, face, place = _placed(ray, part) if placed else _opened(ray, part, usable[window], skin)
    seen = seen & usable[window]
    colours = skin.paint(face.flatten()[None], place.flatten(0, 1)[None])[0].unflatten(0, part.shape)
    painted = ((colours.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    frame, depth, shown = key.frame.clone(), key.depth.clone(), torch.zeros_like(usable)
    frame[window] = torch.where(seen[..., None], painted, frame[window])
    depth[window] = torch.where(seen, far, part).half()
    shown[window] = seen
    return frame, depth, shown


def warm_up() -> None:
    """Compile what draws edits, so that the first one does not wait for it."""
    skin = Skin(torch.zeros(1, KINDS, 3, TEXELS, TEXELS), torch.ones(1, FACES), torch.ones(1, FACES))
    nothing = torch.zeros(2 * SHRINK, 2 * SHRINK)
    frame = nothing[..., None].expand(-1, -1, 3).to(torch.uint8)
    key = KeyFrame(
        frame, nothing.half(), torch.tensor([0.5, 0.5, -2.0, 0.0, 0.0]), 0, nothing[::SHRINK, ::SHRINK]
    )
    for placed in (False, True):
        rewritten(_only(key), (0, 0, 0), skin, nothing == 0, placed=placed)


def _only(key: KeyFrame) -> WorldState:
    none = torch.zeros(0)
    return WorldState(0, 0, 0, (key,), Memory(), none, none, none)


def _placed(ray: Crossing, depth: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where a block that was placed is seen, its z-depth, face and place on it."""
    shown = ray.hit & (ray.enter > _AHEAD) & ((depth > ray.enter) | (depth <= 0))
    return shown, ray.enter, ray.enter_face, ray.enter_place


def _opened(
    ray: Crossing, depth: Tensor, usable: Tensor, skin: Skin
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where a block that was broken was seen, and what is there now; a z-depth of 0 where nobody knows."""
    small, wide = (_SAME[k] + _SAME[k + 1] * ray.enter for k in (0, 2))
    behind, ahead = depth - ray.enter, ray.hit & (ray.enter > _AHEAD)
    about = ahead & usable & (behind.abs() < wide)
    off = (behind * about).sum() / about.sum().clamp(min=1)  # what is dreamt is off as a whole
    shown = ahead & ((behind - off).abs() < small)
    solid = skin.solid[0][ray.leave_face] > 0.5
    far = torch.where(solid, ray.leave + off, torch.zeros_like(depth))
    return shown, far, ray.leave_face, ray.leave_place
